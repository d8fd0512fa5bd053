//! The MCP server itself: one rmcp handler over one router.
//!
//! Invariant: nothing is listed or called without a verified caller. What leaves as a protocol
//! error has a fixed text and the request's reference; the cause is in the log.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode,
    ErrorData, Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::caller::Caller;
use crate::error::{Reference, ToolError};
use crate::session::Session;

/// What a mistake in the arguments begins with when rmcp itself finds it. The rest of the text
/// repeats the argument.
const RMCP_ARGUMENT_ERROR: &str = "failed to deserialize parameters:";

/// The MCP handler of a [`Server`](crate::Server): what rmcp tools that are mounted beside ours
/// are called through.
#[derive(Clone)]
pub struct McpServer(Arc<Inner>);

struct Inner {
    info: ServerConfig,
    router: ToolRouter<McpServer>,
    /// Scopes by tool.
    requires: BTreeMap<String, Vec<String>>,
}

impl McpServer {
    pub(super) fn new(
        implementation: Implementation,
        instructions: Option<String>,
        router: ToolRouter<Self>,
        requires: BTreeMap<String, Vec<String>>,
    ) -> Self {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let mut info = ServerConfig::new(capabilities).with_server_info(implementation);
        info.instructions = instructions;
        Self(Arc::new(Inner {
            info,
            router,
            requires,
        }))
    }

    /// Every published tool, in the order of names.
    pub(crate) fn published(&self) -> Vec<Tool> {
        self.0.router.list_all()
    }

    fn may_call(&self, tool: &str, session: &Session) -> bool {
        let needed = self.0.requires.get(tool);
        needed.is_none_or(|scopes| scopes.iter().all(|scope| session.has_scope(scope)))
    }
}

impl std::fmt::Debug for McpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServer")
            .field("info", &self.0.info)
            .finish_non_exhaustive()
    }
}

pub(super) fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    Caller::from_extensions(&context.extensions)
        .cloned()
        .ok_or_else(|| {
            ToolError::internal(
                "the request carries no verified session: mount the guard's layer in front",
            )
            .into()
        })
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        self.0.info.clone()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let mut tools = self.published();
        tools.retain(|tool| self.may_call(&tool.name, caller.session()));
        // The list depends on the caller's scopes, so no cache may hand it to anyone else.
        Ok(ListToolsResult::with_all_items(tools).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        let reference = caller.reference();
        let Some(tool) = self.get_tool(&request.name) else {
            tracing::info!(%reference, "call of an unknown tool");
            let text = format!("unknown tool (reference {reference})");
            return Err(ErrorData::invalid_params(text, None));
        };
        // Tools of ours check their scopes themselves, and record a refusal. This is for the
        // others, and for a transport without the guard's own check.
        if !self.may_call(&tool.name, caller.session()) {
            let denied = ToolError::denied().because("a scope is not granted");
            return Ok(denied.into_result(reference, &tool.name).into());
        }
        let call = self
            .0
            .router
            .call(ToolCallContext::new(self, request, context));
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(Ok(response)) => Ok(without_echo(response, reference, &tool.name)),
            Ok(Err(error)) => Err(safe(error, reference, &tool.name)),
            Err(panic) => {
                let error = ToolError::internal(format!("the tool panicked: {}", text_of(&*panic)));
                Ok(error.into_result(reference, &tool.name).into())
            }
        }
    }

    /// What rmcp could not read as a request that it knows: another method, or parameters of the
    /// wrong form. Its own answer repeats the method.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let reference = caller(&context)?.reference();
        let known = matches!(request.method.as_str(), "tools/call" | "tools/list");
        tracing::info!(%reference, known, "a request of unknown form");
        let (code, text) = match known {
            true => (ErrorCode::INVALID_PARAMS, "invalid parameters"),
            false => (ErrorCode::METHOD_NOT_FOUND, "method not found"),
        };
        Err(ErrorData::new(
            code,
            format!("{text} (reference {reference})"),
            None,
        ))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.router.get(name).cloned()
    }
}

/// rmcp answers wrong arguments with serde's words, which repeat the value.
fn without_echo(response: CallToolResponse, reference: Reference, tool: &str) -> CallToolResponse {
    if let CallToolResponse::Complete(result) = &response
        && result.is_error == Some(true)
        && let Some(text) = result.content.first().and_then(|content| content.as_text())
        && text.text.starts_with(RMCP_ARGUMENT_ERROR)
    {
        let error = ToolError::invalid_arguments("they do not match the tool's schema");
        return error
            .because(text.text.clone())
            .into_result(reference, tool)
            .into();
    }
    response
}

/// The error of a tool that is not ours, in words of ours. What the protocol itself defines, with
/// data that clients act on, stays.
fn safe(error: ErrorData, reference: Reference, tool: &str) -> ErrorData {
    const URL_ELICITATION_REQUIRED: ErrorCode = ErrorCode(-32042);
    let text = match error.code {
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH
        | URL_ELICITATION_REQUIRED => return error,
        ErrorCode::INVALID_PARAMS => "invalid parameters",
        ErrorCode::INVALID_REQUEST => "invalid request",
        ErrorCode::METHOD_NOT_FOUND => "method not found",
        ErrorCode::RESOURCE_NOT_FOUND => "not found",
        _ => "internal error",
    };
    tracing::error!(%reference, tool, code = error.code.0, cause = %error.message, "tool call failed");
    ErrorData::new(error.code, format!("{text} (reference {reference})"), None)
}

pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}
