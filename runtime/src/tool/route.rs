//! The path of a call: caller, scopes, arguments, the function, its result, the audit record.
//!
//! Invariant: a tool's function runs only for a verified caller with every scope it requires, within
//! its tenant's rate, and with arguments that its published schema accepts; what it returns leaves only if it doesn't
//! contain the caller's own tenant identifier; every such call ends in one audit record, also one
//! that panics or whose future is dropped; and the context that the function was given opens nothing
//! from that moment on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::model::{CallToolResult, JsonObject, Tool as Published};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Map;
use tracing::Instrument as _;

use super::Tool;
use super::arguments::Arguments;
use super::callable::Callable;
use super::compiled::{Compiled, InvalidTool};
use super::context::{ToolContext, unverified};
use super::output::IntoReply;
use super::record::Record;
use super::registry;
use super::reply::{Reply, Trips};
use crate::audit::Outcome;
use crate::error::{Reference, ToolError};
use crate::observe;
use crate::server::Caller;

/// A call that takes longer is given up. Statements have their own, shorter limit.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The way to call one tool, whatever server it is mounted in.
type Call =
    fn(Arc<Compiled>, RequestContext<RoleServer>, JsonObject) -> BoxFuture<'static, CallToolResult>;

/// A tool ready to be mounted.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub(crate) compiled: Arc<Compiled>,
    call: Call,
}

impl Mounted {
    /// Compiles a tool.
    pub(crate) fn of<T: Tool>() -> Result<Self, InvalidTool> {
        Ok(Self {
            compiled: registry::once::<T>(Compiled::of::<T>)?,
            call: |tool, request, arguments| Box::pin(call::<T>(tool, request, arguments)),
        })
    }

    /// The route that an rmcp server mounts.
    pub(crate) fn into_route<S: Send + Sync + 'static>(self) -> ToolRoute<S> {
        ToolRoute::new_dyn(self.compiled.published.clone(), move |context| {
            let arguments = context.arguments.unwrap_or_default();
            let answer = (self.call)(
                Arc::clone(&self.compiled),
                context.request_context,
                arguments,
            );
            Box::pin(answer.map(|result| Ok(result.into())))
        })
    }
}

/// The route of a tool for any rmcp server. A tool that contradicts itself gets a route that
/// refuses every call, because mounting can't fail.
#[doc(hidden)]
#[must_use]
pub fn route<T: Tool, S: Send + Sync + 'static>() -> ToolRoute<S> {
    match Mounted::of::<T>() {
        Ok(mounted) => mounted.into_route(),
        Err(error) => ToolRoute::new_dyn(refused(T::NAME, &error), move |_| {
            let result = refusal(&error, T::NAME);
            Box::pin(std::future::ready(Ok(result.into())))
        }),
    }
}

/// What is published of a tool that contradicts itself.
pub(super) fn refused(name: &str, error: &InvalidTool) -> Published {
    tracing::error!(%error, "this tool refuses every call");
    let nothing = Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("additionalProperties".to_owned(), false.into()),
    ]);
    Published::new_with_raw(name.to_owned(), None, nothing)
}

/// What a call of it is answered with.
pub(super) fn refusal(error: &InvalidTool, name: &str) -> CallToolResult {
    ToolError::internal(error.clone()).into_result(Reference::random(), name)
}

/// Serves one call of a tool.
async fn call<T: Tool>(
    tool: Arc<Compiled>,
    request: RequestContext<RoleServer>,
    arguments: JsonObject,
) -> CallToolResult {
    let run = |context, arguments| run::<T>(tool.wrapped, context, arguments);
    serve_tool(&tool, &request, arguments, run).await
}

/// Serves one call of a tool, whose errors are results.
pub(super) async fn serve_tool<
    R: Trips + Into<CallToolResult>,
    W: Future<Output = Result<R, ToolError>>,
>(
    tool: &Compiled,
    request: &RequestContext<RoleServer>,
    arguments: JsonObject,
    work: impl FnOnce(ToolContext, Arguments) -> W,
) -> CallToolResult {
    let name = tool.published.name.as_ref();
    let Some(caller) = Caller::from_extensions(&request.extensions) else {
        return unverified().into_result(Reference::random(), name);
    };
    serve(&tool.callable, caller, request, arguments, work)
        .await
        .map_or_else(
            |error| error.into_result(caller.reference(), name),
            Into::into,
        )
}

/// Serves one call of anything that clients call: the function runs, as `work`, only after all
/// that stands in front of it, and what it returns leaves only after the tripwire.
pub(crate) async fn serve<R: Trips, W: Future<Output = Result<R, ToolError>>>(
    callable: &Callable,
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    arguments: JsonObject,
    work: impl FnOnce(ToolContext, Arguments) -> W,
) -> Result<R, ToolError> {
    let name = callable.name.as_str();
    Record::admit(caller, request, name, &arguments)?;
    let (ours, running) = caller.for_call();
    let context = ToolContext::new(ours, Some(name), request);
    let context = context.limited_to_reading(callable.read_only);
    let origin = context.origin().clone();
    let mut record = Record::begin(caller, origin, request, name, &arguments);
    // To the end of the work, however it comes: a result, a panic, a time-out, a drop. It ends in
    // front of the record, which then has every commit.
    let ends_before_the_record = running;
    let result = match admit(callable, caller, arguments, &mut record) {
        Err(error) => {
            record.end(Outcome::Refused, Some(&error));
            return Err(error);
        }
        Ok(arguments) => limited(work(context, arguments), request, &mut record).await,
    };
    drop(ends_before_the_record);
    let result = result.and_then(|result| withhold(caller, result));
    match &result {
        Ok(_) => record.close(Outcome::Ok, None).await?,
        Err(error) => record.close(Outcome::Failed, Some(error)).await?,
    }
    result
}

/// Scopes and arguments: what is refused before the function runs.
fn admit(
    callable: &Callable,
    caller: &Caller,
    arguments: JsonObject,
    record: &mut Record,
) -> Result<Arguments, ToolError> {
    if let Some(missing) = callable
        .scopes
        .iter()
        .find(|scope| !caller.session().has_scope(scope))
    {
        return Err(ToolError::denied().because(format!("the scope `{missing}` is not granted")));
    }
    let extra = || caller.state().extra().clone();
    if let Err(refusal) = callable.validator.check(&arguments, extra) {
        record.audit.probe = refusal.probe;
        return Err(ToolError::invalid_arguments(refusal.text));
    }
    let read = match &callable.whole {
        Some(whole) => Arguments::read_all(whole, arguments),
        None => Arguments::read(&callable.arguments, arguments),
    };
    read.map_err(|name| ToolError::invalid_at(name, "a value that its type can hold"))
}

/// The function and its result's form; both are the user's code.
async fn run<T: Tool>(
    wrapped: bool,
    context: ToolContext,
    arguments: Arguments,
) -> Result<Reply, ToolError> {
    let output = T::call(context, arguments).await?;
    output.into_reply(wrapped).map_err(ToolError::internal)
}

/// Ends work that panics, takes too long or is taken back.
async fn limited<R>(
    work: impl Future<Output = Result<R, ToolError>>,
    request: &RequestContext<RoleServer>,
    record: &mut Record,
) -> Result<R, ToolError> {
    let work = observe::watch(work).instrument(record.span());
    tokio::select! {
        biased;
        () = request.ct.cancelled() => {
            record.settle(Outcome::Cancelled);
            Err(ToolError::unavailable().because("the client took the call back"))
        }
        () = tokio::time::sleep(TIME_LIMIT) => {
            record.settle(Outcome::Cancelled);
            Err(ToolError::unavailable().because("the call took longer than its time limit"))
        }
        ended = work => ended.unwrap_or_else(|panicked| {
            record.settle(Outcome::Panicked);
            Err(ToolError::internal(panicked))
        }),
    }
}

/// The tripwire: a result that contains the caller's own tenant identifier does not leave.
///
/// What leaves the server is looked at once more, as bytes. Here the call still has its audit
/// record, and a name.
fn withhold<R: Trips>(caller: &Caller, result: R) -> Result<R, ToolError> {
    if result.trips(&caller.tripwire())? {
        return Err(ToolError::internal(
            "withheld: the result contains the tenant's identifier",
        ));
    }
    Ok(result)
}
