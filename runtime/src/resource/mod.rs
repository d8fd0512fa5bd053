//! Resources: what a client reads by its URI.
//!
//! Invariant: a URI reaches at most one function; its variables are arguments, typed and checked as
//! a tool's are; and a URI that no template knows is answered as a row that does not exist.

mod contents;
mod list;

use std::future::Future;

pub use contents::{Contents, ResourceOutput};
pub use list::Resources;
pub(crate) use list::{Found, Registry};

use crate::error::ToolResult;
use crate::tool::{Arguments, ToolContext, ToolSpec};

/// A resource. `#[mcp_resource]` implements it for a type with the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "not a resource",
    note = "put `#[mcp_resource(\"ticket://{{id}}\")]` on the function and name it here: `resources![ticket]`"
)]
pub trait Resource: Send + Sync + 'static {
    /// The name that people see.
    const NAME: &'static str;

    /// The URI, or the template of many.
    const URI: &'static str;

    /// The variables of the template.
    const VARIABLES: &'static [&'static str];

    /// What its contents are; `application/json` for values.
    const MIME_TYPE: Option<&'static str> = None;

    /// What it returns.
    type Output: ResourceOutput;

    /// What it says about itself.
    fn spec() -> ToolSpec;

    /// Calls the function.
    fn call(
        context: ToolContext,
        arguments: Arguments,
    ) -> impl Future<Output = ToolResult<Self::Output>> + Send;
}
