//! The browser bundles.

use sockeye::{Cors, ServeClient, TrailingSlash};

use crate::support::{Host, builder, http};

#[tokio::test]
async fn a_bundle_is_served_or_the_404_tells_how_to_get_it() {
    for host in Host::each(builder).await {
        let answer = http(host.address, "GET /socket.io/socket.io.min.js?x=1", b"").await;
        let Some(version) = sockeye_client_dist::VERSION else {
            assert_eq!(answer.status, 404);
            assert_eq!(answer.text(), sockeye_client_dist::MISSING_HINT);
            continue;
        };
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/javascript; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=0"));
        assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert!(answer.text().contains(version));

        for tag in [format!("\"{version}\""), format!("W/\"{version}\"")] {
            let request = format!("GET /socket.io/socket.io.min.js\nIf-None-Match: {tag}");
            let answer = http(host.address, &request, b"").await;
            assert_eq!((answer.status, answer.body.len()), (304, 0));
        }
        let answer = http(host.address, "GET /socket.io/socket.io.js.map", b"").await;
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        let answer = http(host.address, "GET /socket.io/socket.io.js\nAccept-Encoding: gzip", b"").await;
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        let answer = http(host.address, "HEAD /socket.io/socket.io.js", b"").await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
}

#[tokio::test]
async fn nothing_is_served_that_is_no_bundle() {
    for host in Host::each(builder).await {
        for target in
            ["/socket.io/socket.io.evil.js", "/socket.io/../Cargo.toml", "/socket.iofoo/socket.io.js", "/elsewhere"]
        {
            assert_eq!(http(host.address, &format!("GET {target}"), b"").await.status, 404, "{target}");
        }
    }
}

#[tokio::test]
async fn the_bundles_can_be_left_out() {
    let host = Host::plain(builder().serve_client(ServeClient::No)).await;
    assert_eq!(http(host.address, "GET /socket.io/socket.io.js", b"").await.status, 404);
}

#[tokio::test]
async fn the_path_can_be_another() {
    for path in ["/chat/", "/chat"] {
        let host = Host::plain(builder().path(path)).await;
        assert_eq!(http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await.status, 404);
        assert_eq!(http(host.address, "GET /chat/?EIO=4&transport=polling", b"").await.status, 200);
    }
}

#[tokio::test]
async fn cors_covers_the_bundles_too() {
    for host in Host::each(|| builder().cors(Cors::origins(["http://app.example"]))).await {
        for (origin, permitted) in [("http://app.example", Some("http://app.example")), ("http://evil.example", None)] {
            for target in ["GET /socket.io/socket.io.js", "GET /socket.io/?EIO=4&transport=polling"] {
                let answer = http(host.address, &format!("{target}\nOrigin: {origin}"), b"").await;
                assert_eq!(answer.header("access-control-allow-origin"), permitted);
                assert!(answer.header("vary").is_some_and(|vary| vary.contains("Origin")));
            }
            for path in ["/socket.io/socket.io.js", "/socket.io/"] {
                let preflight = http(host.address, &format!("OPTIONS {path}\nOrigin: {origin}"), b"").await;
                assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, permitted));
            }
        }
        assert_eq!(http(host.address, "OPTIONS /elsewhere\nOrigin: http://app.example", b"").await.status, 404);
    }
    let host = Host::plain(builder()).await;
    assert_eq!(http(host.address, "OPTIONS /socket.io/socket.io.js", b"").await.status, 404);
}

#[tokio::test]
async fn without_its_last_slash_the_path_is_somebody_else_s_unless_told_otherwise() {
    for (rule, status) in [(TrailingSlash::Required, 404), (TrailingSlash::Optional, 200)] {
        for host in Host::each(|| builder().trailing_slash(rule)).await {
            assert_eq!(http(host.address, "GET /socket.io?EIO=4&transport=polling", b"").await.status, status);
            assert_eq!(http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await.status, 200);
        }
    }
}
