//! Calls over the protocol, through a plain rmcp server that mounts our routes: what a client
//! sees when all is well, and when it is not.

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as Published,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use watertight_macros::mcp_tool;

use crate::auth::ScopeRules;
use crate::error::{Reference, ToolError, ToolResult};
use crate::server::{Caller, ServerState};
use crate::session::{Grant, Session};
use crate::{Reply, TenantId, ToolContext, Tools, tools};

const TENANT: &str = "6f1d2c3b-4a59-4b68-8d77-0e1f2a3b4c5d";

#[derive(serde::Serialize, schemars::JsonSchema, watertight_macros::ToolOutput)]
#[tool(crate = crate)]
struct Customer {
    name: String,
    limit: u32,
}

/// List customers on a plan.
#[mcp_tool(crate = crate, requires = "customers:read", read_only)]
async fn list_customers(
    cx: ToolContext,
    /// Plan name, such as "pro".
    #[tool(length(1..=20))]
    plan: String,
    #[tool(range(1..=100), default = 20)] limit: u32,
) -> ToolResult<Vec<Customer>> {
    let name = format!("{} on {plan}", cx.user());
    Ok(vec![Customer { name, limit }])
}

/// Fails in the way that is asked for.
#[mcp_tool(crate = crate)]
async fn fail(how: How) -> ToolResult<Reply> {
    match how {
        How::Missing => Err(ToolError::not_found()),
        How::Fault => Err(ToolError::internal("canary: the disk is on fire")),
        How::Panic => panic!("canary"),
        How::Leak => Ok(Reply::text(format!("of {TENANT}"))),
        How::Database => Ok(Reply::text("never")),
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema, watertight_macros::ToolInput)]
#[tool(crate = crate)]
#[serde(rename_all = "lowercase")]
enum How {
    Missing,
    Fault,
    Panic,
    Leak,
    Database,
}

/// Reads without a database.
#[mcp_tool(crate = crate, requires = ["customers:read", "admin"])]
async fn locked() -> ToolResult<()> {
    Ok(())
}

/// Reads without a database.
#[mcp_tool(crate = crate)]
async fn reads(cx: ToolContext) -> ToolResult<()> {
    drop(cx.read().await?);
    Ok(())
}

/// Says that it changes nothing, and tries.
#[mcp_tool(crate = crate, read_only)]
async fn pretends(cx: ToolContext) -> ToolResult<()> {
    Ok(open(&cx).await?)
}

/// Says nothing of the kind.
#[mcp_tool(crate = crate)]
async fn writes(cx: ToolContext) -> ToolResult<()> {
    Ok(open(&cx).await?)
}

async fn open(cx: &ToolContext) -> crate::DbResult<()> {
    cx.write().await.map(drop)
}

#[derive(Clone)]
struct Desk {
    router: ToolRouter<Self>,
    caller: Option<Caller>,
}

impl Desk {
    fn new(verified: bool) -> Self {
        let session = Session::from_grant(Grant {
            issuer: "https://id.example.com".into(),
            subject: "ada".into(),
            tenant: TenantId::uuid(TENANT.parse().unwrap()),
            home: None,
            scopes: vec!["customers:read".into()],
            client: None,
            expires_at: None,
        });
        let state = Arc::new(ServerState::new(None, ScopeRules::default()));
        let mut router = tools![list_customers, fail, locked, reads, pretends, writes]
            .into_router::<Self>()
            .unwrap();
        // One of rmcp's own, which takes our context as an extractor.
        let schema = Arc::new(serde_json::Map::new());
        let own = Published::new("own", "rmcp's own", schema);
        router = router.with_route((own, |cx: ToolContext| async move {
            CallToolResult::success(vec![ContentBlock::text(cx.user().to_owned())])
        }));
        Self {
            router,
            caller: verified.then(|| Caller::new(session, state, Reference::random())),
        }
    }
}

impl ServerHandler for Desk {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.router.list_all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(caller) = &self.caller {
            context.extensions.insert(caller.clone());
        }
        self.router
            .call(ToolCallContext::new(self, request, context))
            .await
    }
}

/// Sends requests as a client does, one after the other on one connection.
async fn ask(verified: bool, requests: &[(&str, Value)]) -> Vec<Value> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        let running = Desk::new(verified).serve(theirs).await.unwrap();
        let _ = running.waiting().await;
    });
    let (read, mut write) = tokio::io::split(ours);
    let mut lines = BufReader::new(read).lines();
    let mut send = async |message: Value| {
        let line = format!("{message}\n");
        write.write_all(line.as_bytes()).await.unwrap();
    };
    send(
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}}),
    )
    .await;
    lines.next_line().await.unwrap().unwrap();
    send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let mut answers = Vec::new();
    for (id, (method, params)) in requests.iter().enumerate() {
        send(json!({"jsonrpc": "2.0", "id": id + 1, "method": method, "params": params})).await;
        let line = lines.next_line().await.unwrap().unwrap();
        answers.push(serde_json::from_str(&line).unwrap());
    }
    drop(write);
    drop(lines);
    server.abort();
    answers
}

async fn call(verified: bool, tool: &str, arguments: Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    let mut answers = ask(verified, &[("tools/call", params)]).await;
    answers.remove(0)
}

/// The text of a result that is an error, without its reference.
async fn refused(verified: bool, tool: &str, arguments: Value) -> String {
    let answer = call(verified, tool, arguments).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(!answer.to_string().contains("canary"), "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let (text, reference) = text.split_once(" (reference ").unwrap();
    assert_eq!(reference.len(), 33);
    text.to_owned()
}

#[tokio::test]
async fn a_call_answers_with_an_object_that_its_schema_describes() {
    let answer = call(true, "list_customers", json!({"plan": "pro"})).await;
    let expected = json!({"result": [{"name": "ada on pro", "limit": 20}]});
    assert_eq!(answer["result"]["structuredContent"], expected);
    assert_eq!(answer["result"]["isError"], false);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
}

#[tokio::test]
async fn the_published_form() {
    let answers = ask(true, &[("tools/list", json!({}))]).await;
    let listed = answers[0]["result"]["tools"].as_array().unwrap();
    let tool = listed
        .iter()
        .find(|it| it["name"] == "list_customers")
        .unwrap();
    assert_eq!(
        *tool,
        json!({
            "name": "list_customers",
            "description": "List customers on a plan.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "plan": {"type": "string", "description": "Plan name, such as \"pro\".",
                        "minLength": 1, "maxLength": 20},
                    "limit": {"type": "integer", "format": "uint32", "minimum": 1, "maximum": 100,
                        "default": 20},
                },
                "required": ["plan"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": {"result": {"type": "array", "items": {"$ref": "#/$defs/Customer"}}},
                "required": ["result"],
                "$defs": {"Customer": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "limit": {"type": "integer", "format": "uint32", "minimum": 0},
                    },
                    "required": ["name", "limit"],
                }},
            },
            "annotations": {"readOnlyHint": true},
        })
    );
}

#[tokio::test]
async fn arguments_are_checked_before_the_tool_runs() {
    for (arguments, text) in [
        (
            json!({}),
            "`plan`: missing, expected a string from 1 to 20 characters",
        ),
        (
            json!({"plan": "pro", "limit": 0}),
            "`limit`: expected an integer from 1 to 100",
        ),
        (
            json!({"plan": ["canary"]}),
            "`plan`: expected a string from 1 to 20 characters",
        ),
    ] {
        let told = refused(true, "list_customers", arguments).await;
        assert_eq!(told, format!("invalid argument {text}"));
    }
    let arguments = json!({"plan": "pro", "tenant_id": "canary"});
    assert_eq!(
        refused(true, "list_customers", arguments).await,
        "invalid argument: unknown argument; the tool takes `plan`, `limit`"
    );
}

#[tokio::test]
async fn failures_say_nothing_but_their_sort() {
    for (how, text) in [
        ("missing", "not found"),
        ("fault", "internal error"),
        ("panic", "internal error"),
        ("leak", "internal error"),
    ] {
        assert_eq!(refused(true, "fail", json!({"how": how})).await, text);
    }
    assert_eq!(refused(true, "locked", json!({})).await, "not permitted");
    assert_eq!(
        refused(true, "reads", json!({})).await,
        "temporarily unavailable"
    );
    assert_eq!(
        refused(false, "list_customers", json!({"plan": "p"})).await,
        "internal error"
    );
}

/// This server has no database, so the first of two refusals tells which one it was.
#[tokio::test]
async fn a_tool_that_says_read_only_gets_no_scope_that_writes() {
    let told = refused(true, "pretends", json!({})).await;
    assert_eq!(told, "internal error");
    let told = refused(true, "writes", json!({})).await;
    assert_eq!(told, "temporarily unavailable");
}

#[tokio::test]
async fn the_server_goes_on_after_a_panic() {
    let calls = [
        (
            "tools/call",
            json!({"name": "fail", "arguments": {"how": "panic"}}),
        ),
        (
            "tools/call",
            json!({"name": "list_customers", "arguments": {"plan": "p"}}),
        ),
    ];
    let answers = ask(true, &calls).await;
    assert_eq!(answers[1]["result"]["isError"], false);
}

#[tokio::test]
async fn rmcps_own_tools_take_the_context_too() {
    let answer = call(true, "own", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "ada");
    let answer = call(false, "own", json!({})).await;
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("internal error (reference "), "{text}");
}

#[test]
fn contradictions_are_found_when_tools_are_mounted() {
    /// The default breaks the pattern.
    #[mcp_tool(crate = crate)]
    async fn wrong_default(
        #[tool(pattern = "^[a-z]+$", default = "A")] plan: String,
    ) -> ToolResult<String> {
        Ok(plan)
    }
    /// The pattern is none.
    #[mcp_tool(crate = crate)]
    async fn wrong_pattern(#[tool(pattern = "(")] plan: String) -> ToolResult<String> {
        Ok(plan)
    }
    for (tools, name) in [
        (tools![wrong_default], "wrong_default"),
        (tools![wrong_pattern], "wrong_pattern"),
        (tools![fail, fail], "fail"),
    ] {
        assert_eq!(Tools::new().and(tools).mount().unwrap_err().tool(), name);
    }
}
