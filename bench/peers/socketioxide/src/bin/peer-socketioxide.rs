//! socketioxide with the system's allocator.

fn main() -> std::io::Result<()> {
    peer_socketioxide::run()
}
