//! The server around the tools: who calls is established here, before anything else runs.

mod caller;
mod error;
mod guard;

pub(crate) use caller::{Caller, ServerState};
pub use error::ServerError;
pub use guard::{Guard, GuardBuilder, GuardLayer, GuardService};
