//! Methods as tools, in the `impl` that rmcp's `#[tool_router]` reads: what stands between rmcp's
//! route and the user's method.
//!
//! Invariant: a method is called by `route::serve` and by nothing else here, so that everything a
//! function's call passes, a method's call passes.

use std::any::Any;
use std::future::{Future, ready};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::handler::server::common::FromContextPart;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolResult, ErrorData, JsonObject, Tool as Published};
use rmcp::service::{RequestContext, RoleServer};

use super::arguments::Arguments;
use super::compiled::{Compiled, InvalidTool};
use super::context::ToolContext;
use super::input::Exception;
use super::output::IntoReply;
use super::registry;
use super::reply::Reply;
use super::route::{refusal, refused, serve_tool};
use super::spec::ToolSpec;
use crate::error::{ToolError, ToolResult};

/// How a method's value becomes a reply.
type Replies<O> = fn(O, bool) -> Result<Reply, serde_json::Error>;

/// The description of a method, and of what it returns.
#[doc(hidden)]
#[derive(Debug)]
pub struct MethodSpec<O> {
    spec: ToolSpec,
    output: Option<(JsonObject, bool)>,
    waived: Vec<Exception>,
    reply: Replies<O>,
}

/// Adds what the method returns to what it takes. The type is demanded here and nowhere else, so
/// that a wrong one is one error.
#[doc(hidden)]
pub fn method_spec<O: IntoReply>(spec: ToolSpec) -> MethodSpec<O> {
    MethodSpec {
        spec,
        output: O::schema(),
        waived: O::exceptions(),
        reply: O::into_reply,
    }
}

/// The published form of a method, for rmcp's router.
#[doc(hidden)]
#[must_use]
pub fn published<O: 'static, F>(spec: F) -> Published
where
    F: Fn() -> MethodSpec<O> + 'static,
{
    match compiled(&spec) {
        Ok(tool) => tool.published.clone(),
        Err(error) => refused(error.tool(), &error),
    }
}

/// Stands for the published form of a method that does not compile.
#[doc(hidden)]
#[must_use]
pub fn refused_tool(name: &'static str) -> Published {
    refused(name, &InvalidTool::new(name, "it does not compile"))
}

/// The type of a function's item is its own, so it is the key of what the function says.
fn compiled<O: 'static, F>(spec: &F) -> Result<Arc<Compiled>, InvalidTool>
where
    F: Fn() -> MethodSpec<O> + 'static,
{
    registry::once::<F>(|| {
        let MethodSpec {
            spec,
            output,
            waived,
            reply,
        } = spec();
        let mut compiled = Compiled::new(spec, output, waived)?;
        compiled.reply = Some(Box::new(reply));
        Ok(compiled)
    })
}

/// One call of a method, which rmcp hands to its route. Hidden; generated code names it.
#[doc(hidden)]
#[derive(Debug)]
pub struct MethodCall {
    request: RequestContext<RoleServer>,
    arguments: JsonObject,
}

impl<S> FromContextPart<ToolCallContext<'_, S>> for MethodCall {
    fn from_context_part(context: &mut ToolCallContext<'_, S>) -> Result<Self, ErrorData> {
        Ok(Self {
            request: context.request_context.clone(),
            arguments: context.arguments.take().unwrap_or_default(),
        })
    }
}

/// What a method's route returns.
#[doc(hidden)]
pub type MethodAnswer<'s> = BoxFuture<'s, CallToolResult>;

impl MethodCall {
    /// Serves the call by `work`, which calls the method.
    pub fn answer<'s, O, F, W>(
        self,
        spec: F,
        work: impl FnOnce(ToolContext, Arguments) -> W + Send + 's,
    ) -> MethodAnswer<'s>
    where
        O: Send + 'static,
        F: Fn() -> MethodSpec<O> + 'static,
        W: Future<Output = ToolResult<O>> + Send + 's,
    {
        let tool = match compiled(&spec) {
            Ok(tool) => tool,
            Err(error) => return Box::pin(ready(refusal(&error, error.tool()))),
        };
        Box::pin(async move {
            let Self { request, arguments } = self;
            let reply = tool.reply_of::<O>();
            let wrapped = tool.wrapped;
            let run = |context, arguments| async move {
                let value = work(context, arguments).await?;
                let reply = reply.ok_or_else(|| {
                    ToolError::internal("the method returns another type than it says")
                })?;
                let reply = reply(value, wrapped).map_err(ToolError::internal)?;
                Ok(reply.into_result())
            };
            serve_tool(&tool, &request, arguments, run).await
        })
    }

    /// Stands for the call of a method that does not compile.
    #[must_use]
    pub fn refuse(self) -> MethodAnswer<'static> {
        let error = InvalidTool::new("", "it does not compile");
        Box::pin(ready(refusal(&error, "")))
    }
}

impl Compiled {
    fn reply_of<O: 'static>(&self) -> Option<Replies<O>> {
        let reply: &(dyn Any + Send + Sync) = &**self.reply.as_ref()?;
        reply.downcast_ref::<Replies<O>>().copied()
    }
}
