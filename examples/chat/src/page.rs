//! The page's files, built into the program.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::{MethodRouter, get};

/// The page talks to its own server only and runs no script but its own files.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the page; the client library comes from Sockeye itself, at `/socket.io/socket.io.js`.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../page/index.html")))
        .route("/style.css", file("text/css; charset=utf-8", include_str!("../page/style.css")))
        .route("/main.js", script(include_str!("../page/main.js")))
        .route("/identity.js", script(include_str!("../page/identity.js")))
        .route("/conversations.js", script(include_str!("../page/conversations.js")))
        .route("/connection.js", script(include_str!("../page/connection.js")))
        .route("/view.js", script(include_str!("../page/view.js")))
        .route("/sockeye.svg", file("image/svg+xml", include_str!("../page/sockeye.svg")))
}

fn script(body: &'static str) -> MethodRouter {
    file("text/javascript; charset=utf-8", body)
}

fn file(kind: &'static str, body: &'static str) -> MethodRouter {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY)];
    get(async move || (headers, body))
}
