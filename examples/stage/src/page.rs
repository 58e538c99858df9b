//! The files of a page, built into the program.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::{MethodRouter, get};

/// A page talks to its own server only and runs no script but its own files.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of an example's page: its own two files, and under `/stage/` what all pages share.
/// Further scripts are added by [`script`].
///
/// The client library is not among them: Sockeye hands it out itself, at `/socket.io/socket.io.js`.
pub fn page(html: &'static str, main: &'static str) -> Router {
    Router::new()
        .route("/", file("text/html; charset=utf-8", html))
        .route("/main.js", script(main))
        .route("/stage/style.css", file("text/css; charset=utf-8", include_str!("../page/style.css")))
        .route("/stage/sockeye.svg", file("image/svg+xml", include_str!("../page/sockeye.svg")))
        .route("/stage/composer.js", script(include_str!("../page/composer.js")))
        .route("/stage/connection.js", script(include_str!("../page/connection.js")))
        .route("/stage/conversations.js", script(include_str!("../page/conversations.js")))
        .route("/stage/frame.js", script(include_str!("../page/frame.js")))
        .route("/stage/identity.js", script(include_str!("../page/identity.js")))
        .route("/stage/sign-in.js", script(include_str!("../page/sign-in.js")))
        .route("/stage/view.js", script(include_str!("../page/view.js")))
}

/// The route of a script.
pub fn script(body: &'static str) -> MethodRouter {
    file("text/javascript; charset=utf-8", body)
}

fn file(kind: &'static str, body: &'static str) -> MethodRouter {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY)];
    get(async move || (headers, body))
}
