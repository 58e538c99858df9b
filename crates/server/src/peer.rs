//! The address of the peer, from the HTTP server in front.

use http::Extensions;

/// Notes the address that axum's `ConnectInfo` tells, if nobody has noted one.
#[cfg(feature = "axum")]
pub(crate) fn note_address(request: &mut Extensions) {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use sockeye_engine::PeerAddress;

    if let Some(&ConnectInfo(address)) = request.get::<ConnectInfo<SocketAddr>>() {
        request.get_or_insert_with(|| PeerAddress(address));
    }
}

/// Only axum tells in a way of its own.
#[cfg(not(feature = "axum"))]
pub(crate) fn note_address(_: &mut Extensions) {}
