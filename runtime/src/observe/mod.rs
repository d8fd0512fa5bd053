//! What operators see: a span for each call, metrics, and logs without anybody's data in them.
//!
//! Invariant: the tenant stands in one field of one span ([`TENANT`]) and in no answer; tokens,
//! arguments and rows stand nowhere. What other crates log of messages and statements is withheld
//! where [`Discretion`] is installed.

#[cfg(feature = "subscriber")]
mod discretion;
mod meter;
mod panics;
mod span;

#[cfg(feature = "subscriber")]
pub use discretion::{AlreadyObserved, Discretion, init};
pub(crate) use meter::Meter;
pub use meter::TenantLabel;
pub(crate) use panics::watch;
pub use panics::withhold_panic_texts;
pub(crate) use span::CallSpan;

/// The one field of a log that holds a tenant: of the span `call`, under the target
/// `watertight::call`. Send it where only operators read, or drop it there.
pub const TENANT: &str = "tenant";
