//! Helpers to test tenant isolation in servers that use watertight.
//!
//! Invariant: nothing here is a way around the library. Tokens are signed and verified, sessions come
//! from an authenticator, tools are called over the protocol. This is a crate and never a feature of
//! `watertight`, so that feature unification can't put it into a release.

mod error;
mod issuer;

pub use error::{Error, Result};
pub use issuer::{Issuer, Token};
pub use watertight_devdb as devdb;
