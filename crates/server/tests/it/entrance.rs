//! Who is let in, before any namespace is known.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye::{Cookie, Forbidden, HandshakeRequest, Recovery, Server, SessionId};

use crate::support::{Client, Host, builder, http};

const POLLING: &str = "GET /socket.io/?EIO=4&transport=polling";

#[tokio::test]
async fn the_settings_of_the_engine_reach_it() {
    let settings = || {
        builder()
            .allow_request(async |request: HandshakeRequest| match request.header("x-word") {
                Some("please") => Ok(()),
                _ => Err(Forbidden::new("say please")),
            })
            .allowed_origins(["http://app.example"])
            .generate_id(async |_| "an_id-of_20_letters_".parse::<SessionId>())
            .cookie(Cookie::default())
            .on_initial_headers(|headers, _| {
                headers.insert("x-first", http::HeaderValue::from_static("yes"));
            })
            .on_headers(|headers, _| {
                headers.insert("x-each", http::HeaderValue::from_static("yes"));
            })
    };
    for host in Host::each(settings).await {
        let refused = http(host.address, POLLING, b"").await;
        assert_eq!((refused.status, refused.text()), (403, r#"{"code":4,"message":"say please"}"#));
        let stranger =
            http(host.address, &format!("{POLLING}\nX-Word: please\nOrigin: http://evil.example"), b"").await;
        assert_eq!((stranger.status, stranger.text()), (403, r#"{"code":4,"message":"Forbidden"}"#));
        let answer = http(host.address, &format!("{POLLING}\nX-Word: please\nOrigin: http://app.example"), b"").await;
        assert!(answer.text().starts_with(r#"0{"sid":"an_id-of_20_letters_","#), "{}", answer.text());
        assert_eq!(answer.header("set-cookie"), Some("io=an_id-of_20_letters_; Path=/; HttpOnly; SameSite=Lax"));
        assert_eq!((answer.header("x-first"), answer.header("x-each")), (Some("yes"), Some("yes")));
    }
}

/// Tells who asks by refusing it.
fn telling() -> sockeye::ServerBuilder {
    builder().allow_request(async |request: HandshakeRequest| {
        Err(Forbidden::new(request.address().map_or("unknown".to_owned(), |address| address.ip().to_string())))
    })
}

#[tokio::test]
async fn the_peer_s_address_is_known_where_the_http_server_tells_it() {
    let answer = |address: &str| format!(r#"{{"code":4,"message":"{address}"}}"#);
    let host = Host::plain(telling()).await;
    assert_eq!(http(host.address, POLLING, b"").await.text(), answer("127.0.0.1"));
    let host = Host::axum(telling()).await;
    assert_eq!(http(host.address, POLLING, b"").await.text(), answer("unknown"));

    let io = telling().build().unwrap();
    let app = axum::Router::new().layer(io.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::select! {
        served = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()) => served.unwrap(),
        told = http(address, POLLING, b"") => assert_eq!(told.text(), answer("127.0.0.1")),
    }
}

#[tokio::test]
async fn a_wrong_setting_is_named_when_the_server_is_built() {
    let error = |builder: sockeye::ServerBuilder| builder.build().unwrap_err().to_string();
    let cors = sockeye::Cors::origins(["http://app.example/"]);
    assert!(error(Server::builder().cors(cors)).starts_with("`cors` names the origin \"http://app.example/\""));
    assert!(error(Server::builder().allowed_origins(["*"])).starts_with("`allowed_origins` names the origin"));
    assert!(error(Server::builder().cookie(Cookie::default().name(""))).starts_with("`cookie` has the name"));
    for (name, builder) in [
        ("max_namespaces", Server::builder().max_namespaces(0)),
        ("max_rooms", Server::builder().max_rooms(0)),
        ("max_pending_acks", Server::builder().max_pending_acks(0)),
        ("max_suspended_handlers", Server::builder().max_suspended_handlers(0)),
        ("max_payload", Server::builder().max_payload(0)),
        ("recovery.log_limit", Server::builder().recovery(Recovery::default().log_limit(0))),
        ("recovery.session_limit", Server::builder().recovery(Recovery::default().session_limit(0))),
    ] {
        assert_eq!(error(builder), format!("`{name}` is zero: expected at least 1"));
    }
    for time in [Duration::ZERO, Duration::MAX] {
        for (name, builder) in [
            ("connect_timeout", Server::builder().connect_timeout(time)),
            ("ping_interval", Server::builder().ping_interval(time)),
            ("recovery.max_disconnection", Server::builder().recovery(Recovery::default().max_disconnection(time))),
        ] {
            assert_eq!(error(builder), format!("`{name}` is {time:?}: expected 1ms to 24 days"));
        }
    }
    assert!(error(Server::builder().path("chat")).starts_with("`path` is \"chat\""));
    assert!(error(Server::builder().transports([])).starts_with("`transports` is empty"));
}

#[tokio::test]
async fn a_client_that_is_let_in_joins_as_ever() {
    let settings = || builder().allow_request(async |_| Ok(())).allowed_origins(["http://app.example"]);
    for host in Host::each(settings).await {
        let mut client = Client::open(host.address, 4).await;
        client.join("/").await;
    }
}
