//! The Socket.IO server, on the wire: a scripted client against a server on loopback.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]
#![allow(unreachable_pub, reason = "the support modules are public to the others here only")]

mod support; // The scripted client, hosts, notes.

mod acks; // Acknowledgements, both ways.
mod attachments; // Binary data.
mod backpressure; // More than handlers can bear.
mod client_files; // The browser bundles.
mod closing; // The end of the server.
mod cluster; // Servers that are nodes of one cluster.
mod compression; // permessage-deflate, and who does not want it.
mod connect; // Into a namespace, or not.
mod corpus; // What the fuzzer has found before.
mod disconnect; // Why and how sockets end.
mod dynamic; // Namespaces made on demand.
mod entrance; // Before any namespace is known.
mod event_middleware; // What events pass.
mod event_rate; // More events than one socket may send.
mod events; // Arguments and order.
mod handlers; // What becomes of a handler.
mod listeners; // Catch-alls, fallbacks, once and off.
mod metrics; // What is counted.
mod old_clients; // Protocol 3.
mod parsers; // Other forms than the official text.
mod peers; // What others get wrong.
mod polling; // The same without WebSocket.
mod recovery; // Clients that come back.
#[path = "../../../../fuzz/replay.rs"]
mod replay; // Corpora of fuzz targets.
mod rooms; // Who receives what.
mod threads; // A work-stealing runtime.
