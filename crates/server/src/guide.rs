//! Guides: how to say what you know from elsewhere, what is promised, and how to run it.
//!
//! | guide | for |
//! |---|---|
//! | [`emit_cheatsheet`] | every way to send an event, JavaScript beside Rust |
//! | [`from_node`] | who comes from Node's socket.io, and where we differ from it |
//! | [`from_socketioxide`] | who comes from socketioxide |
//! | [`options`] | every setting, its default, and what happens at the bound |
//! | [`delivery`] | what arrives, in which order, and when it does not |
//! | [`deployment`] | proxies, TLS, origins, limits, logs, stopping |

/// Every line of the official emit cheatsheet, in Rust.
pub mod emit_cheatsheet {
    #![doc = include_str!("../docs/emit_cheatsheet.md")]
}

/// From Node's socket.io.
pub mod from_node {
    #![doc = include_str!("../docs/from_node.md")]
}

/// From socketioxide.
pub mod from_socketioxide {
    #![doc = include_str!("../docs/from_socketioxide.md")]
}

/// Every setting, and what happens at its bound.
pub mod options {
    #![doc = include_str!("../docs/options.md")]
}

/// What arrives, in which order, and when it does not.
pub mod delivery {
    #![doc = include_str!("../docs/delivery.md")]
}

/// Proxies, TLS, origins, limits, logs, stopping.
pub mod deployment {
    #![doc = include_str!("../docs/deployment.md")]
}
