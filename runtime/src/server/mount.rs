//! Tools that were written with rmcp alone, mounted beside ours.
//!
//! Invariant: a mounted tool is held to what ours are held to, as far as that is possible from
//! outside: its schema is closed and walked at start-up, its arguments are checked against it, its
//! errors and panics are answered in fixed words, every call leaves a record, and a context that
//! it took ends with the call.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData, JsonObject};
use rmcp::service::RequestContext;
use tracing::Instrument as _;

use super::caller::Caller;
use super::handler::{McpServer, caller};
use super::round_trip::Rounds;
use crate::audit::Outcome;
use crate::error::ToolError;
use crate::observe;
use crate::tool::{InvalidTool, Record, Validator, close, published_by_us};

/// The routes of a router over another handler, for ours. Calls reach `handler`, as there.
pub(super) fn routes<T: Send + Sync + 'static>(
    handler: &Arc<T>,
    router: ToolRouter<T>,
) -> Vec<Result<ToolRoute<McpServer>, InvalidTool>> {
    router
        .into_iter()
        .map(|tool| route(Arc::clone(handler), tool))
        .collect()
}

fn route<T: Send + Sync + 'static>(
    handler: Arc<T>,
    route: ToolRoute<T>,
) -> Result<ToolRoute<McpServer>, InvalidTool> {
    if published_by_us(&route.attr).is_some() {
        return Ok(own(handler, route));
    }
    let mut published = route.attr;
    let name = published.name.clone();
    let schema = close((*published.input_schema).clone());
    let validator = Validator::new(&schema).map_err(|error| {
        InvalidTool::new(name.clone(), format!("its input schema is wrong: {error}"))
    })?;
    published.input_schema = Arc::new(schema);
    let shared = Arc::new((handler, route.call, validator));
    Ok(ToolRoute::new_dyn(
        published,
        move |context: ToolCallContext<'_, McpServer>| {
            let shared = Arc::clone(&shared);
            let mut request = CallToolRequestParams::new(context.name);
            request.arguments = context.arguments;
            request.input_responses = context.input_responses;
            request.request_state = context.request_state;
            let mut context = context.request_context;
            Box::pin(async move {
                let (handler, call, validator) = &*shared;
                let admitted = Admitted::new(&request, &context, validator)?;
                let admitted = match admitted {
                    Ok(admitted) => admitted,
                    Err(refused) => return Ok(refused),
                };
                let name = request.name.to_string();
                let rounds = Rounds::of_tool(&admitted.caller, &name, request.arguments.as_ref());
                if let Err(error) = rounds.open(&mut request.request_state) {
                    return Err(admitted.refuse_state(error));
                }
                // To the end of this call: what the handler takes from the request ends with it, and in
                // front of the record, which then has every commit.
                let (ours, life) = admitted.caller.for_call();
                context.extensions.insert(ours);
                let running = call(ToolCallContext::new(&**handler, request, context));
                let span = admitted.record.span();
                let ended = observe::watch(running).instrument(span).await;
                drop(life);
                admitted.finish(ended, &rounds).await
            })
        },
    ))
}

/// A method that is a tool by our own attribute passes all of this by itself.
fn own<T: Send + Sync + 'static>(handler: Arc<T>, route: ToolRoute<T>) -> ToolRoute<McpServer> {
    let shared = Arc::new((handler, route.call));
    ToolRoute::new_dyn(
        route.attr,
        move |context: ToolCallContext<'_, McpServer>| {
            let shared = Arc::clone(&shared);
            let mut request = CallToolRequestParams::new(context.name);
            request.arguments = context.arguments;
            let context = context.request_context;
            Box::pin(async move {
                let (handler, call) = &*shared;
                call(ToolCallContext::new(&**handler, request, context)).await
            })
        },
    )
}

/// A call whose arguments fit.
struct Admitted {
    caller: Caller,
    tool: String,
    record: Record,
}

type Answer = Result<CallToolResponse, ErrorData>;

impl Admitted {
    /// The inner error is the answer to arguments that do not fit.
    fn new(
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        validator: &Validator,
    ) -> Result<Result<Self, CallToolResponse>, ErrorData> {
        let caller = caller(context)?;
        let reference = caller.reference();
        let tool = request.name.to_string();
        let none = JsonObject::new();
        let arguments = request.arguments.as_ref().unwrap_or(&none);
        if let Err(error) = Record::admit(&caller, context, &tool, arguments) {
            return Ok(Err(error.into_result(reference, &tool).into()));
        }
        let origin = caller.origin().tool(&tool);
        let mut record = Record::begin(&caller, origin, context, &tool, arguments);
        if let Err(refusal) = validator.check(arguments, || caller.state().extra().clone()) {
            record.audit.probe = refusal.probe;
            let error = ToolError::invalid_arguments(refusal.text);
            record.end(Outcome::Refused, Some(&error));
            return Ok(Err(error.into_result(reference, &tool).into()));
        }
        Ok(Ok(Self {
            caller,
            tool,
            record,
        }))
    }

    /// A state that was changed, or is another caller's, is no mistake that a model could mend: the
    /// protocol wants an error of its own for it.
    fn refuse_state(self, error: ToolError) -> ErrorData {
        self.record.end(Outcome::Refused, Some(&error));
        error.into_protocol(self.caller.reference(), &self.tool)
    }

    fn refuse(self, outcome: Outcome, error: ToolError) -> CallToolResponse {
        self.record.end(outcome, Some(&error));
        error
            .into_result(self.caller.reference(), &self.tool)
            .into()
    }

    async fn finish(self, ended: Result<Answer, String>, rounds: &Rounds) -> Answer {
        let ended = match ended {
            Ok(Ok(answer)) => match rounds.seal(answer) {
                Ok(answer) => Ok(Ok(answer)),
                Err(error) => return Ok(self.refuse(Outcome::Failed, error)),
            },
            other => other,
        };
        let Self {
            caller,
            tool,
            record,
        } = self;
        let (outcome, error) = match &ended {
            Ok(Ok(CallToolResponse::Complete(result))) if result.is_error == Some(true) => {
                (Outcome::Failed, None)
            }
            Ok(Ok(_)) => (Outcome::Ok, None),
            // Its words are the tool's own and may say anything.
            Ok(Err(_)) => (
                Outcome::Failed,
                Some(ToolError::internal("the tool failed")),
            ),
            Err(panicked) => (
                Outcome::Panicked,
                Some(ToolError::internal(panicked.clone())),
            ),
        };
        let refused = |error: ToolError| Ok(error.into_result(caller.reference(), &tool).into());
        if let Err(error) = record.close(outcome, error.as_ref()).await {
            return refused(error);
        }
        match (ended, error) {
            (Ok(answer), _) => answer,
            (Err(_), Some(error)) => refused(error),
            (Err(_), None) => refused(ToolError::internal("the tool panicked")),
        }
    }
}
