//! The MCP server itself: one rmcp handler over one router.
//!
//! Invariant: nothing is listed or called without a verified caller. What leaves as a protocol
//! error has a fixed text and the request's reference; the cause is in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    PromptsCapability, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ResourcesCapability, ServerCapabilities, ServerConfig, SubscribeRequestMethod,
    SubscribeRequestParams, SubscriptionFilter, Tool, ToolsCapability, UnsubscribeRequestMethod,
    UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::beyond::{self, Beyond};
use super::caller::Caller;
use super::pages::page;
use crate::error::{Reference, ToolError};
use crate::observe;
use crate::session::Session;

/// What a mistake in the arguments begins with when rmcp itself finds it. The rest of the text
/// repeats the argument.
const RMCP_ARGUMENT_ERROR: &str = "failed to deserialize parameters:";

/// The methods that this server may have. Which it has follows from what is registered.
const KNOWN: &[&str] = &[
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// Those of them that 2026-07-28 has no more.
const REMOVED: &[&str] = &["resources/subscribe", "resources/unsubscribe"];

/// The MCP handler of a [`Server`](crate::Server): what rmcp tools that are mounted beside ours
/// are called through.
#[derive(Clone)]
pub struct McpServer(Arc<Inner>);

struct Inner {
    info: ServerConfig,
    router: ToolRouter<McpServer>,
    /// Scopes by tool.
    requires: BTreeMap<String, Vec<String>>,
    beyond: Beyond,
}

impl McpServer {
    pub(super) fn new(
        implementation: Implementation,
        instructions: Option<String>,
        router: ToolRouter<Self>,
        requires: BTreeMap<String, Vec<String>>,
        beyond: Beyond,
    ) -> Self {
        let tools = !router.list_all().is_empty() || beyond.is_empty();
        let mut capabilities = ServerCapabilities::default();
        capabilities.tools = tools.then(ToolsCapability::default);
        capabilities.prompts = beyond.has_prompts().then(PromptsCapability::default);
        capabilities.completions = (!beyond.completions.is_empty()).then(Default::default);
        capabilities.resources = beyond.has_resources().then(|| {
            let mut resources = ResourcesCapability::default();
            // Nobody tells us when what is mounted changes.
            resources.subscribe = (!beyond.resources().is_empty()).then_some(true);
            resources
        });
        let mut info = ServerConfig::new(capabilities).with_server_info(implementation);
        info.instructions = instructions;
        Self(Arc::new(Inner {
            info,
            router,
            requires,
            beyond,
        }))
    }

    /// What is served beside tools.
    pub(super) fn beyond(&self) -> &Beyond {
        &self.0.beyond
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

/// Whether the request is of the protocol without sessions.
fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28)
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

/// An error as the protocol has it, under the request's reference.
fn protocol(caller: &Caller, method: &'static str) -> impl FnOnce(ToolError) -> ErrorData {
    let reference = caller.reference();
    move |error| error.into_protocol(reference, method)
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        self.0.info.clone()
    }

    /// Without legacy sessions nobody can be told of a change within one.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut info = self.negotiate_initialize(&request)?;
        if let Some(resources) = &mut info.capabilities.resources
            && !self.0.beyond.follows
        {
            resources.subscribe = None;
        }
        Ok(info)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let mut tools = self.published();
        tools.retain(|tool| self.may_call(&tool.name, caller.session()));
        let list = (&caller, "tools/list");
        let paged = page(tools, self.0.beyond.page, |tool| &tool.name, request, list);
        let (tools, next) = paged.map_err(protocol(&caller, "tools/list"))?;
        // The list depends on the caller's scopes, so no cache may hand it to anyone else.
        let mut listed =
            ListToolsResult::with_all_items(tools).with_cache_scope(CacheScope::Private);
        listed.next_cursor = next;
        Ok(listed)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = caller(&context)?;
        let resources = self.0.beyond.listed_resources(&caller);
        let list = (&caller, "resources/list");
        let paged = page(resources, self.0.beyond.page, |it| &it.name, request, list);
        let (resources, next) = paged.map_err(protocol(&caller, "resources/list"))?;
        let mut listed =
            ListResourcesResult::with_all_items(resources).with_cache_scope(CacheScope::Private);
        listed.next_cursor = next;
        Ok(listed)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let caller = caller(&context)?;
        let templates = self.0.beyond.listed_templates(&caller);
        let list = (&caller, "resources/templates/list");
        let paged = page(templates, self.0.beyond.page, |it| &it.name, request, list);
        let (templates, next) = paged.map_err(protocol(&caller, "resources/templates/list"))?;
        let mut listed = ListResourceTemplatesResult::with_all_items(templates)
            .with_cache_scope(CacheScope::Private);
        listed.next_cursor = next;
        Ok(listed)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = caller(&context)?;
        let read = self.0.beyond.read(&request.uri, &caller, context).await;
        read.map(Into::into)
            .map_err(protocol(&caller, "resources/read"))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let caller = caller(&context)?;
        let prompts = self.0.beyond.listed_prompts(&caller);
        let list = (&caller, "prompts/list");
        let paged = page(prompts, self.0.beyond.page, |it| &it.name, request, list);
        let (prompts, next) = paged.map_err(protocol(&caller, "prompts/list"))?;
        let mut listed =
            ListPromptsResult::with_all_items(prompts).with_cache_scope(CacheScope::Private);
        listed.next_cursor = next;
        Ok(listed)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let caller = caller(&context)?;
        let made = self.0.beyond.prompt(request, &caller, context).await;
        made.map_err(protocol(&caller, "prompts/get"))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let caller = caller(&context)?;
        let completed = self.0.beyond.complete(request, &caller, context).await;
        completed.map_err(protocol(&caller, "completion/complete"))
    }

    /// Who asks is not known here; `listen` looks at that.
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.0.beyond.accepted(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = caller(context.request_context())?;
        let listened = self.0.beyond.listen(&caller, &context).await;
        listened.map_err(protocol(&caller, "subscriptions/listen"))
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = caller(&context)?;
        if is_stateless(&context) {
            return Err(ErrorData::method_not_found::<SubscribeRequestMethod>());
        }
        let done = self.0.beyond.follow(&caller, &context, &request.uri, true);
        done.map_err(protocol(&caller, "resources/subscribe"))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = caller(&context)?;
        if is_stateless(&context) {
            return Err(ErrorData::method_not_found::<UnsubscribeRequestMethod>());
        }
        let done = self.0.beyond.follow(&caller, &context, &request.uri, false);
        done.map_err(protocol(&caller, "resources/unsubscribe"))
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
            let given = request.arguments.unwrap_or_default();
            if let Err(busy) = beyond::unknown(&caller, &context, "tools/call", &given) {
                return Ok(busy.into_result(reference, &request.name).into());
            }
            let text = format!("unknown tool (reference {reference})");
            return Err(ErrorData::invalid_params(text, None));
        };
        // Tools of ours check their scopes themselves, and record a refusal. This is for the
        // others, and for a transport without the guard's own check.
        if !self.may_call(&tool.name, caller.session()) {
            let given = request.arguments.unwrap_or_default();
            let denied = beyond::denied(&caller, &context, &tool.name, &given);
            return Ok(denied.into_result(reference, &tool.name).into());
        }
        let call = self
            .0
            .router
            .call(ToolCallContext::new(self, request, context));
        match observe::watch(call).await {
            Ok(Ok(response)) => Ok(without_echo(response, reference, &tool.name)),
            Ok(Err(error)) => Err(safe(error, reference, &tool.name)),
            Err(panicked) => {
                let error = ToolError::internal(panicked);
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
        let caller = caller(&context)?;
        let reference = caller.reference();
        let method = request.method.as_str();
        let removed = REMOVED.contains(&method) && is_stateless(&context);
        let known = KNOWN.contains(&method) && !removed;
        if known
            && let Err(busy) = beyond::unknown(&caller, &context, method, &serde_json::Map::new())
        {
            return Err(busy.into_protocol(reference, method));
        }
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
            .because("rmcp could not read the arguments")
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
    tracing::error!(%reference, tool, code = error.code.0, "a mounted tool failed");
    // Its own words may be anything, a database's message with values among them.
    tracing::debug!(target: "watertight::cause", %reference, whole = %error.message);
    ErrorData::new(error.code, format!("{text} (reference {reference})"), None)
}
