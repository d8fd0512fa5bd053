//! The server around the tools: who calls is established here, before anything else runs.

mod beyond;
mod builder;
mod caller;
mod error;
mod foreign;
mod guard;
mod handler;
mod health;
mod list;
mod mount;
mod pages;
mod round_trip;
mod serve;
mod stdio;

pub use builder::ServerBuilder;
pub(crate) use caller::{Caller, ServerState};
pub use error::ServerError;
pub use foreign::ForeignParts;
pub use guard::{Guard, GuardBuilder, GuardLayer, GuardService};
pub use handler::McpServer;
pub use list::list_tools;
pub use serve::Server;
pub use stdio::{StdioIdentity, StdioServer};
