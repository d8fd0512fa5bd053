//! The fixture tools of the suite, written with rmcp alone, beside ours in one router.

use super::*;

/// What has changed, for those who listen.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Tools,
    Prompts,
}

#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) router: ToolRouter<Self>,
    pub(super) changes: broadcast::Sender<Change>,
}

/// One call of a tool that is written with rmcp alone.
pub(super) struct Call {
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

pub(super) type Answer = Result<Value, ErrorData>;

pub(super) fn text(text: impl Into<String>) -> Value {
    json!({ "content": [{ "type": "text", "text": text.into() }] })
}

pub(super) fn form(message: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message,
        "requestedSchema": schema } })
}

pub(super) fn sampling(prompt: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

pub(super) fn asked(requests: Value, state: Option<String>) -> Answer {
    let mut asked = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        asked["requestState"] = state.into();
    }
    Ok(asked)
}

pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// A whole result says so since 2026-07-28; rmcp leaves it out for the older protocols.
pub(super) fn whole<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = "complete".into();
    read(value)
}

pub(super) fn tool_answer(value: Value) -> Result<CallToolResponse, ErrorData> {
    if value["resultType"] == "input_required" {
        return Ok(read::<InputRequiredResult>(value)?.into());
    }
    Ok(whole::<CallToolResult>(value)?.into())
}

impl Fixture {
    pub(super) fn new() -> Self {
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
