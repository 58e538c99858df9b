//! The browser bundles of socket.io-client, for servers that serve them.
