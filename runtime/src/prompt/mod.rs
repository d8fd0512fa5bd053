//! Prompts: texts that a person picks from a list and a model works on.
//!
//! Invariant: what is put into a prompt passes the same checks as the arguments of a tool, and what
//! comes out was read for this caller alone.

mod list;
mod text;

use std::future::Future;

pub use list::Prompts;
pub(crate) use list::Registry;
pub use text::{Prompt, PromptOutput};

use crate::error::ToolResult;
use crate::tool::{Arguments, ToolContext, ToolSpec};

/// A prompt that clients can ask for. `#[mcp_prompt]` implements it for a type with the function's
/// name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prompt",
    label = "not a prompt",
    note = "put `#[mcp_prompt]` on the function and name it here: `prompts![triage]`"
)]
pub trait PromptTemplate: Send + Sync + 'static {
    /// The name that clients ask for.
    const NAME: &'static str;

    /// The names of its arguments.
    const ARGUMENTS: &'static [&'static str];

    /// What it returns.
    type Output: PromptOutput;

    /// What it says about itself.
    fn spec() -> ToolSpec;

    /// Calls the function.
    fn call(
        context: ToolContext,
        arguments: Arguments,
    ) -> impl Future<Output = ToolResult<Self::Output>> + Send;
}
