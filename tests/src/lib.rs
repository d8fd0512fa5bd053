//! What the end-to-end tests share: an identity provider, servers on loopback, and clients.

pub mod endpoint;
pub mod identity;
