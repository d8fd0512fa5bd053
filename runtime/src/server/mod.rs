//! The server around the tools: who calls is established here, before anything else runs.

mod caller;

pub(crate) use caller::{Caller, ServerState};
