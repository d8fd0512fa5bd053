//! Tools: what a language model may call, and what it may put in.
//!
//! Invariant: no argument of a tool can be a tenant identifier, by type; no unknown argument is
//! accepted, at any depth; and no tool runs without a verified caller.

mod alternative;
mod argument;
mod arguments;
mod callable;
mod compiled;
mod context;
mod demand;
mod input;
mod method;
mod output;
mod output_types;
mod record;
mod registry;
mod reply;
mod route;
mod schema;
mod spec;
#[cfg(test)]
mod tests;
mod text;
mod tools;
mod types;
mod validate;

use std::future::Future;

pub use arguments::Arguments;
pub(crate) use callable::Callable;
pub(crate) use compiled::Compiled;
pub use compiled::InvalidTool;
pub use context::ToolContext;
pub use input::{Exception, ExceptionKind, TenantIdentifier, ToolInput};
pub use output::{IntoReply, ToolOutput};
pub(crate) use record::Record;
pub(crate) use registry::{published_by_us, published_like_ours};
pub use reply::Reply;
pub(crate) use route::{Mounted, serve};
pub(crate) use schema::close;
pub use spec::ToolSpec;
pub(crate) use text::TextForm;
pub use tools::Tools;
pub(crate) use validate::Validator;

use crate::error::ToolResult;

/// What generated code names.
#[doc(hidden)]
pub mod generated {
    pub use rmcp::handler::server::router::tool::{IntoToolRoute, ToolRoute};
    pub use rmcp::handler::server::wrapper::Parameters;
    pub use rmcp::model::Tool as PublishedTool;

    pub use super::argument::{argument, measured, of_text, open_argument};
    pub use super::demand::{text_default, with_error, with_result};
    pub use super::input::{
        EitherInputOrTenant, Fields, InText, Input, OpenInput, Otherwise, Probe, Readable, Tenant,
        Unjudged, require_no_tenant,
    };
    pub use super::method::{
        MethodAnswer, MethodCall, MethodSpec, method_spec, published, refused_tool,
    };
    pub use super::output::{EitherOutputOrTenant, OpenOutput, Output, Parts, Writable};
    pub use super::route::route;
}

/// A tool. `#[mcp_tool]` implements it for a type with the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "not a tool",
    note = "put `#[mcp_tool]` on the function and name it here: `tools![list_customers]`"
)]
pub trait Tool: Send + Sync + 'static {
    /// The name that clients call it by.
    const NAME: &'static str;

    /// What it returns.
    type Output: IntoReply;

    /// What it says about itself.
    fn spec() -> ToolSpec;

    /// Calls the function.
    fn call(
        context: ToolContext,
        arguments: Arguments,
    ) -> impl Future<Output = ToolResult<Self::Output>> + Send;
}
