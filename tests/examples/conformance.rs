//! The server that the official conformance suite is run against: its fixture tools, written with
//! `#[mcp_tool]` and with rmcp side by side, behind the guard. `tests/conformance/run` starts it.
//!
//! The suite can't send a token, so a layer in front adds one, as a proxy would; the guard verifies it
//! with every request like any other.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use futures_util::future::BoxFuture;
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use watertight::auth::JwtAuthenticator;
use watertight::{
    ForeignParts, Guard, Reply, Server, ToolContext, ToolError, ToolResult, mcp_resource, mcp_tool,
    resources, route, tools,
};
use watertight_e2e::identity::{ISSUER, SigningKey, claims, jwk_set};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// Returns a text.
#[mcp_tool]
async fn test_simple_text() -> ToolResult<Reply> {
    Ok(Reply::text("This is a simple text response for testing."))
}

/// Returns an image.
#[mcp_tool]
async fn test_image_content() -> ToolResult<Reply> {
    Ok(Reply::image(PNG, "image/png"))
}

/// Always fails.
#[mcp_tool]
async fn test_error_handling() -> ToolResult<Reply> {
    Err(ToolError::conflict(
        "this tool intentionally returns an error for testing",
    ))
}

/// Tells how far it is.
#[mcp_tool]
async fn test_tool_with_progress(cx: ToolContext) -> ToolResult<Reply> {
    for done in [0.0, 50.0, 100.0] {
        cx.progress(done, Some(100.0), None).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(Reply::text("done"))
}

/// A resource of ours, which can be followed.
#[mcp_resource("test://watched-resource", title = "watched", mime_type = "text/plain")]
async fn watched() -> ToolResult<String> {
    Ok("watched".to_owned())
}

/// What has changed, for those who listen.
#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

#[derive(Clone)]
struct Fixture {
    router: ToolRouter<Self>,
    changes: broadcast::Sender<Change>,
}

/// One call of a tool that is written with rmcp alone.
struct Call {
    arguments: JsonObject,
    /// What the client answered to what it was asked.
    answers: Value,
    state: Option<String>,
    context: RequestContext<RoleServer>,
}

impl Call {
    fn answered(&self, key: &str) -> bool {
        self.answers[key].is_object()
    }

    /// Since 2026-07-28 a request says so itself; before, the session did.
    fn wants_logs(&self) -> bool {
        let meta = serde_json::to_value(&self.context.meta).unwrap_or_default();
        let stateless = self.context.protocol_version() == Some(ProtocolVersion::V_2026_07_28);
        !stateless || meta["io.modelcontextprotocol/logLevel"].is_string()
    }

    /// State for the client to bring back, sealed to the caller.
    fn seal(&self, state: &str) -> Result<String, ErrorData> {
        let cx = ToolContext::of_request(&self.context)?;
        Ok(cx.seal("state", &state.to_owned())?)
    }

    fn open(&self) -> Result<Option<String>, ErrorData> {
        let cx = ToolContext::of_request(&self.context)?;
        let open = |state: &String| cx.open::<String>("state", state);
        Ok(self.state.as_ref().map(open).transpose()?)
    }
}

type Answer = Result<Value, ErrorData>;

fn text(text: impl Into<String>) -> Value {
    json!({ "content": [{ "type": "text", "text": text.into() }] })
}

fn form(message: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message,
        "requestedSchema": schema } })
}

fn sampling(prompt: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

fn asked(requests: Value, state: Option<String>) -> Answer {
    let mut asked = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        asked["requestState"] = state.into();
    }
    Ok(asked)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// A whole result says so since 2026-07-28; rmcp leaves it out for the older protocols.
fn whole<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = "complete".into();
    read(value)
}

fn tool_answer(value: Value) -> Result<CallToolResponse, ErrorData> {
    if value["resultType"] == "input_required" {
        return Ok(read::<InputRequiredResult>(value)?.into());
    }
    Ok(whole::<CallToolResult>(value)?.into())
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self {
            router: ToolRouter::new()
                .with_route(route!(test_simple_text))
                .with_route(route!(test_image_content))
                .with_route(route!(test_error_handling))
                .with_route(route!(test_tool_with_progress)),
            changes: broadcast::channel(16).0,
        };
        fixture.add_contents();
        fixture.add_legacy();
        fixture.add_rounds();
        fixture.add_stateless();
        fixture
    }

    fn add<F, A>(&mut self, name: &'static str, properties: Value, call: F)
    where
        F: Fn(Call) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
        let schema = json!({ "type": "object", "properties": properties, "required": required,
            "additionalProperties": false });
        let schema = schema.as_object().unwrap().clone();
        let tool = Tool::new(name, "One of the suite's fixtures.", schema);
        self.router.add_route(ToolRoute::new_dyn(
            tool,
            move |context: ToolCallContext<'_, Self>| -> BoxFuture<'_, _> {
                let answers = serde_json::to_value(&context.input_responses).unwrap_or_default();
                let answer = call(Call {
                    arguments: context.arguments.unwrap_or_default(),
                    answers,
                    state: context.request_state,
                    context: context.request_context,
                });
                Box::pin(async move { tool_answer(answer.await?) })
            },
        ));
    }

    fn add_contents(&mut self) {
        let resource = |uri: &str, mime: &str, text: &str| json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime, "text": text } });
        let audio =
            json!({ "content": [{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }] });
        let embedded = resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        );
        let mixed = json!({ "content": [
            { "type": "text", "text": "Multiple content types test:" },
            { "type": "image", "data": PNG, "mimeType": "image/png" },
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ] });
        for (name, answer) in [
            ("test_audio_content", audio),
            ("test_embedded_resource", json!({ "content": [embedded] })),
            ("test_multiple_content_types", mixed),
        ] {
            self.add(name, json!({}), move |_| {
                let answer = answer.clone();
                async move { Ok(answer) }
            });
        }
    }

    /// What the server asks of the client within a session, before 2026-07-28.
    #[allow(deprecated, reason = "of the older protocol")]
    fn add_legacy(&mut self) {
        for name in ["test_tool_with_logging", "test_logging_tool"] {
            self.add(name, json!({}), |call: Call| async move {
                if !call.wants_logs() {
                    return Ok(text("done"));
                }
                for said in [
                    "Tool execution started",
                    "Tool processing data",
                    "Tool execution completed",
                ] {
                    let note =
                        LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(said));
                    // The client may be gone.
                    let _ = call.context.peer.notify_logging_message(note).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok(text("done"))
            });
        }
        let prompt = json!({ "prompt": { "type": "string" } });
        self.add("test_sampling", prompt, |call: Call| async move {
            let prompt = call.arguments["prompt"].as_str().unwrap_or_default();
            let params = read(sampling(prompt)["params"].take())?;
            let result = call.context.peer.create_message(params).await;
            let result =
                result.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            let result = serde_json::to_value(result).unwrap_or_default();
            let said = result
                .pointer("/content/text")
                .or(result.pointer("/content/0/text"));
            Ok(text(format!(
                "LLM response: {}",
                said.and_then(Value::as_str).unwrap_or_default()
            )))
        });
        let titled = |values: [&str; 3]| -> Vec<Value> {
            values
                .map(|it| json!({ "const": it, "title": it.to_uppercase() }))
                .to_vec()
        };
        let options = ["option1", "option2", "option3"];
        let values = ["value1", "value2", "value3"];
        let enums = json!({
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled(values) },
            "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"] },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled(values) } },
        });
        let defaults = json!({
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        });
        let user = json!({
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        });
        let message = json!({ "message": { "type": "string" } });
        for (name, arguments, properties) in [
            ("test_elicitation", message, user),
            ("test_elicitation_sep1034_defaults", json!({}), defaults),
            ("test_elicitation_sep1330_enums", json!({}), enums),
        ] {
            self.add(name, arguments, move |call: Call| {
                let message = call.arguments.get("message").and_then(Value::as_str);
                let mut form = form(message.unwrap_or("Please answer"), properties.clone());
                async move {
                    let request = ElicitRequest::new(read(form["params"].take())?);
                    let request = ServerRequest::ElicitRequest(request);
                    let answered = call.context.peer.send_request(request).await;
                    let answered = answered
                        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                    let answered = serde_json::to_value(answered).unwrap_or_default();
                    let (action, content) = (&answered["action"], &answered["content"]);
                    Ok(text(format!(
                        "Elicitation completed: action={action}, content={content}"
                    )))
                }
            });
        }
    }

    /// What a tool asks between two rounds of one call, since 2026-07-28.
    fn add_rounds(&mut self) {
        let name = || {
            form(
                "What is your name?",
                json!({ "name": { "type": "string" } }),
            )
        };
        let confirm = || form("Please confirm", json!({ "ok": { "type": "boolean" } }));
        let roots = || json!({ "method": "roots/list", "params": {} });
        self.add(
            "test_input_required_result_elicitation",
            json!({}),
            move |call: Call| async move {
                match call
                    .answers
                    .pointer("/user_name/content/name")
                    .and_then(Value::as_str)
                {
                    Some(name) => Ok(text(format!("Hello, {name}!"))),
                    None => asked(json!({ "user_name": name() }), None),
                }
            },
        );
        self.add(
            "test_input_required_result_sampling",
            json!({}),
            |call: Call| async move {
                if call.answered("capital_question") {
                    return Ok(text(format!(
                        "The model said: {}",
                        call.answers["capital_question"]
                    )));
                }
                asked(
                    json!({ "capital_question": sampling("What is the capital of France?") }),
                    None,
                )
            },
        );
        self.add(
            "test_input_required_result_list_roots",
            json!({}),
            move |call: Call| async move {
                if call.answered("client_roots") {
                    return Ok(text(format!(
                        "Your roots: {}",
                        call.answers["client_roots"]["roots"]
                    )));
                }
                asked(json!({ "client_roots": roots() }), None)
            },
        );
        for tool in [
            "test_input_required_result_request_state",
            "test_input_required_result_tampered_state",
        ] {
            self.add(tool, json!({}), move |call: Call| async move {
                match call.open()?.as_deref() {
                    Some("confirming") if call.answered("confirm") => Ok(text("state-ok")),
                    _ => asked(
                        json!({ "confirm": confirm() }),
                        Some(call.seal("confirming")?),
                    ),
                }
            });
        }
        self.add("test_input_required_result_multiple_inputs", json!({}), move |call: Call| async move {
            let all = ["user_name", "greeting", "client_roots"].map(|key| call.answered(key));
            if call.open()?.is_some() && all == [true; 3] {
                return Ok(text("all answered"));
            }
            let requests = json!({ "user_name": name(), "greeting": sampling("Generate a greeting"),
                "client_roots": roots() });
            asked(requests, Some(call.seal("asked")?))
        });
        self.add(
            "test_input_required_result_multi_round",
            json!({}),
            move |call: Call| async move {
                let color = || {
                    form(
                        "Step 2: What is your favorite color?",
                        json!({ "color": { "type": "string" } }),
                    )
                };
                match call.open()?.as_deref() {
                    Some("round 2") if call.answered("step2") => Ok(text("both rounds done")),
                    Some(_) if call.answered("step1") || call.answered("step2") => {
                        asked(json!({ "step2": color() }), Some(call.seal("round 2")?))
                    }
                    _ => asked(json!({ "step1": name() }), Some(call.seal("round 1")?)),
                }
            },
        );
        self.add(
            "test_input_required_result_capabilities",
            json!({}),
            move |call: Call| async move {
                let able = call.context.client_capabilities().unwrap_or_default();
                let mut requests = json!({});
                if able.sampling.is_some() {
                    requests["greeting"] = sampling("Generate a greeting");
                }
                if able.elicitation.is_some() {
                    requests["user_name"] = name();
                }
                match call.answers.as_object() {
                    Some(answers) if !answers.is_empty() => Ok(text("answered")),
                    _ => asked(requests, None),
                }
            },
        );
    }

    fn add_stateless(&mut self) {
        self.add(
            "test_missing_capability",
            json!({}),
            |call: Call| async move {
                let able = call.context.client_capabilities().unwrap_or_default();
                if able.sampling.is_some() {
                    return Ok(text("the client can sample"));
                }
                let needed: ClientCapabilities = read(json!({ "sampling": {} }))?;
                Err(ErrorData::missing_required_client_capability(needed))
            },
        );
        self.add("test_streaming_elicitation", json!({}), |_| async {
            asked(
                json!({ "answer": form("Please answer", json!({ "it": { "type": "string" } })) }),
                None,
            )
        });
        for (name, change) in [
            ("test_trigger_tool_change", Change::Tools),
            ("test_trigger_prompt_change", Change::Prompts),
        ] {
            let changes = self.changes.clone();
            self.add(name, json!({}), move |_| {
                // Nobody may be listening.
                let told = changes.send(change).unwrap_or_default();
                async move { Ok(text(format!("{told} told"))) }
            });
        }
    }
}

fn listed() -> [Value; 3] {
    let resource = |name: &str, mime: &str| json!({ "uri": format!("test://{name}"), "name": name, "description": name, "mimeType": mime });
    [
        resource("static-text", "text/plain"),
        resource("static-binary", "image/png"),
        resource("watched-resource", "text/plain"),
    ]
}

fn template() -> Value {
    json!({ "uriTemplate": "test://template/{id}/data", "name": "template", "description": "by id",
        "mimeType": "application/json" })
}

fn prompts() -> [Value; 5] {
    let prompt = |name: &str, arguments: &[&str]| {
        let arguments: Vec<Value> = arguments
            .iter()
            .map(|name| json!({ "name": name, "description": name, "required": true }))
            .collect();
        json!({ "name": name, "description": name, "arguments": arguments })
    };
    [
        prompt("test_simple_prompt", &[]),
        prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
        prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
        prompt("test_prompt_with_image", &[]),
        prompt("test_input_required_result_prompt", &[]),
    ]
}

/// Lists and what is read depend on the caller, so nobody else may keep them.
fn private(mut result: Value) -> Value {
    result["ttlMs"] = 0.into();
    result["cacheScope"] = "private".into();
    result
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({ "tools": { "listChanged": true }, "prompts": { "listChanged": true },
            "resources": { "subscribe": true }, "completions": {}, "logging": {} });
        ServerConfig::new(serde_json::from_value(capabilities).unwrap())
            .with_server_info(Implementation::new("watertight-conformance", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        watertight::list_tools(&self.router, &context)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.router.get(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.router
            .call(ToolCallContext::new(self, request, context))
            .await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        whole(private(json!({ "resources": listed() })))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        whole(private(json!({ "resourceTemplates": [template()] })))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.as_str();
        let id = uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (uri, id) {
            ("test://static-text", _) => json!({ "uri": uri, "mimeType": "text/plain",
                "text": "This is the content of the static text resource." }),
            ("test://static-binary", _) => {
                json!({ "uri": uri, "mimeType": "image/png", "blob": PNG })
            }
            ("test://watched-resource", _) => {
                json!({ "uri": uri, "mimeType": "text/plain", "text": "watched" })
            }
            (_, Some(id)) => {
                let text =
                    json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                json!({ "uri": uri, "mimeType": "application/json", "text": text.to_string() })
            }
            _ => {
                return Err(ErrorData::invalid_params(
                    "not found",
                    Some(json!({ "uri": uri })),
                ));
            }
        };
        Ok(whole::<ReadResourceResult>(private(json!({ "contents": [contents] })))?.into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        whole(private(json!({ "prompts": prompts() })))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let argument = |name: &str| {
            let given = request.arguments.as_ref().and_then(|all| all.get(name));
            given.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let said = |text: &str| json!({ "type": "text", "text": text });
        let contents = match request.name.as_str() {
            "test_simple_prompt" => vec![said("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => vec![said(&format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            ))],
            "test_prompt_with_embedded_resource" => vec![
                json!({ "type": "resource", "resource": { "uri": argument("resourceUri"),
                    "mimeType": "text/plain", "text": "Embedded resource content for testing." } }),
                said("Please process the embedded resource above."),
            ],
            "test_prompt_with_image" => vec![
                json!({ "type": "image", "data": PNG, "mimeType": "image/png" }),
                said("Please analyze the image above."),
            ],
            "test_input_required_result_prompt" => {
                let answers = serde_json::to_value(&request.input_responses).unwrap_or_default();
                if !answers["user_context"].is_object() {
                    let context = json!({ "context": { "type": "string" } });
                    let form = form("What context should the prompt use?", context);
                    let required = asked(json!({ "user_context": form }), None)?;
                    return Ok(read::<InputRequiredResult>(required)?.into());
                }
                vec![said("With the context that you gave.")]
            }
            _ => return Err(ErrorData::invalid_params("not found", None)),
        };
        let messages: Vec<Value> = contents
            .into_iter()
            .map(|content| json!({ "role": "user", "content": content }))
            .collect();
        Ok(whole::<GetPromptResult>(json!({ "messages": messages }))?.into())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        whole(json!({ "completion": { "values": ["test"], "total": 1, "hasMore": false } }))
    }

    #[allow(deprecated, reason = "of the older protocol")]
    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // What was not asked for is refused by the sink itself.
            let _ = match change {
                Ok(Change::Tools) => context.sink().notify_tool_list_changed().await,
                Ok(Change::Prompts) => context.sink().notify_prompt_list_changed().await,
                Err(_) => return Ok(()),
            };
        }
    }
}

/// The fixture as an rmcp server of its own, behind the guard.
fn guarded(auth: JwtAuthenticator, url: &str, port: u16, sessions: bool) -> Router {
    let fixture = Fixture::new();
    let guard = Guard::builder()
        .authenticator(auth)
        .resource(url)
        .allow_host(format!("localhost:{port}"))
        .tools(&fixture.router)
        .legacy_sessions(sessions)
        .build()
        .unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(sessions)
        .disable_allowed_hosts();
    let manager = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(move || Ok(fixture.clone()), manager, config);
    Router::new().route_service("/mcp", guard.protect(mcp))
}

/// The same tools, resources and prompts mounted in a `Server`.
fn whole_server(auth: JwtAuthenticator, url: &str, port: u16, sessions: bool) -> Router {
    let mut fixture = Fixture::new();
    for ours in [
        "test_simple_text",
        "test_image_content",
        "test_error_handling",
        "test_tool_with_progress",
    ] {
        fixture.router.remove_route(ours);
    }
    let parts = ForeignParts::new()
        .resources(
            listed()
                .into_iter()
                .take(2)
                .map(|it| read::<Resource>(it).unwrap()),
        )
        .templates([read::<ResourceTemplate>(template()).unwrap()])
        .prompts(prompts().map(|it| read::<Prompt>(it).unwrap()));
    let router = fixture.router.clone();
    Server::builder()
        .name("watertight-conformance")
        .tools(tools![
            test_simple_text,
            test_image_content,
            test_error_handling,
            test_tool_with_progress
        ])
        .resources(resources![watched])
        .mount(fixture.clone(), router)
        .mount_foreign(
            fixture,
            parts,
            "fixtures of the suite, the same for everyone",
        )
        .authenticator(auth)
        .resource(url)
        .allow_host(format!("localhost:{port}"))
        .legacy_sessions(sessions)
        .build()
        .unwrap()
        .into_router()
}

#[tokio::main]
async fn main() {
    // With or without sessions for the older protocols.
    let argument = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let sessions = argument("--sessions");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/mcp");
    let key = SigningKey::ec();
    let auth = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(&url)
        .jwk_set(jwk_set(&[&key]))
        .tenant_claim("org_id")
        .build()
        .unwrap();
    let app = match argument("--server") {
        true => whole_server(auth, &url, address.port(), sessions),
        false => guarded(auth, &url, address.port(), sessions),
    };
    let token = key.sign(&claims(&url, "conformance"));
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let app = app.layer(axum::middleware::map_request(
        move |mut request: Request| {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
            async { request }
        },
    ));
    println!("{url}");
    axum::serve(listener, app).await.unwrap();
}
