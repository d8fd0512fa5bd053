//! Helpers to test tenant isolation in servers that use watertight.
//!
//! Invariant: nothing here is a way around the library. Tokens are signed and verified, sessions come
//! from an authenticator, tools are called over the protocol. This is a crate and never a feature of
//! `watertight`, so that feature unification can't put it into a release.

mod bed;
mod describe;
mod error;
mod isolation;
mod issuer;
mod recorder;
mod tenant;

pub use bed::{Answer, TestBed, TestBedBuilder};
pub use describe::{Described, describe_all};
pub use error::{Error, Result};
pub use issuer::{Issuer, Token};
pub use tenant::TestTenant;
pub use watertight_devdb as devdb;
