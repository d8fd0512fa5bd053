//! Resources, prompts, completions and cursors over real HTTP and a real PostgreSQL: two tenants on
//! one server, in both eras of the protocol.

use std::path::Path;

use rmcp::RoleClient;
use rmcp::handler::server::tool::RequestState;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    ArgumentInfo, CacheScope, CallToolResponse, CallToolResult, ClientConfig,
    CompleteRequestParams, CompletionContext, ContentBlock, CreateTaskResult, ErrorData,
    GetPromptRequestParams, InputRequiredResult, PaginatedRequestParams, ReadResourceRequestParams,
    Reference,
};
use rmcp::service::{RunningService, ServiceError};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use watertight::auth::JwtAuthenticator;
use watertight::{
    Contents, DbResult, Prompt, Scope, SealingKey, TenantHandle, TenantPool, ToolContext,
    ToolError, ToolInput, ToolResult, completions, mcp_completion, mcp_prompt, mcp_resource,
    mcp_tool, prompts, resources, tenant_query, tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

#[tenant_query("SELECT body FROM notes WHERE id = $id")]
async fn body_of(db: &mut Scope<'_>, id: i64) -> DbResult<Option<String>>;

#[tenant_query("SELECT body FROM notes WHERE starts_with(body, $begin) ORDER BY body LIMIT 200")]
async fn bodies(db: &mut Scope<'_>, begin: &str) -> DbResult<Vec<String>>;

/// A note.
#[mcp_resource("note://{id}", title = "Note", mime_type = "text/plain")]
async fn note(cx: ToolContext, #[tool(range(1..))] id: i64) -> ToolResult<Contents> {
    let body = body_of(&mut cx.read().await?, id).await?;
    Ok(Contents::text(body.ok_or_else(ToolError::not_found)?))
}

/// How many notes there are.
#[mcp_resource("notes://count", requires = "tickets:read")]
async fn count(cx: ToolContext) -> ToolResult<u64> {
    Ok(bodies(&mut cx.read().await?, "").await?.len() as u64)
}

/// Needs a scope that the usual token lacks.
#[mcp_resource("notes://secret", requires = "tickets:write")]
async fn secret() -> ToolResult<String> {
    Ok("secret".to_owned())
}

/// Goes wrong in the named way.
#[mcp_resource("fault://{how}")]
async fn fault(cx: ToolContext, how: String) -> ToolResult<Contents> {
    match how.as_str() {
        "panic" => panic!("canary-panic"),
        "leak" => Ok(Contents::text(format!("{} of {ACME}", cx.user()))),
        _ => Err(ToolError::internal("canary-cause")),
    }
}

#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Short,
}

/// Ask for an answer to a note.
#[mcp_prompt(title = "Answer")]
async fn answer(
    cx: ToolContext,
    /// The note's number.
    #[tool(range(1..))]
    id: i64,
    tone: Option<Tone>,
) -> ToolResult<Prompt> {
    let body = body_of(&mut cx.read().await?, id).await?;
    let body = body.ok_or_else(ToolError::not_found)?;
    let how = match tone {
        Some(Tone::Short) => "in one sentence",
        Some(Tone::Kind) | None => "kindly",
    };
    Ok(Prompt::user(body)
        .assistant("I have read it.")
        .and_user(format!("Answer {how}.")))
}

/// Needs a scope that the usual token lacks.
#[mcp_prompt(requires = "tickets:write")]
async fn hidden(word: String) -> ToolResult<String> {
    Ok(word)
}

#[mcp_completion(prompt = hidden)]
async fn complete_word(word: String) -> ToolResult<Vec<String>> {
    Ok(vec![word])
}

#[mcp_completion(prompt = answer)]
async fn complete_tone(tone: String, id: Option<i64>) -> ToolResult<Vec<String>> {
    let tones = ["kind", "short"]
        .into_iter()
        .filter(|known| known.starts_with(&tone));
    Ok(tones
        .map(|tone| format!("{tone}{}", id.map_or(String::new(), |id| id.to_string())))
        .collect())
}

#[mcp_completion(resource = fault)]
async fn complete_how(cx: ToolContext, how: String) -> ToolResult<Vec<String>> {
    Ok(bodies(&mut cx.read().await?, &how).await?)
}

/// A page of words, with a cursor.
#[mcp_tool]
async fn words(cx: ToolContext, cursor: Option<String>) -> ToolResult<String> {
    let from: u32 = match cursor {
        Some(cursor) => cx.open("cursor", &cursor)?,
        None => 0,
    };
    cx.seal("cursor", &(from + 1))
}

#[derive(serde::Serialize, serde::Deserialize)]
struct NoteId(i64);

#[derive(serde::Serialize, serde::Deserialize)]
struct OtherId(i64);

/// A handle of a note.
#[mcp_tool]
async fn point_at(
    cx: ToolContext,
    id: i64,
    #[tool(default = 3600)] seconds: u64,
) -> ToolResult<TenantHandle<NoteId>> {
    cx.handle_for(&NoteId(id), std::time::Duration::from_secs(seconds))
}

/// A note by its handle.
#[mcp_tool]
async fn follow(cx: ToolContext, handle: TenantHandle<NoteId>) -> ToolResult<String> {
    let NoteId(id) = cx.resolve(&handle)?;
    let body = body_of(&mut cx.read().await?, id).await?;
    body.ok_or_else(ToolError::not_found)
}

/// Takes a handle of something else.
#[mcp_tool]
async fn follow_other(cx: ToolContext, handle: TenantHandle<OtherId>) -> ToolResult<i64> {
    Ok(cx.resolve(&handle)?.0)
}

/// A tool of another crate that asks the client something between two rounds.
struct Asking;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Item {
    item: String,
}

#[rmcp::tool_router]
impl Asking {
    /// Asks, and then repeats what it gave out.
    #[rmcp::tool]
    async fn ask(
        &self,
        Parameters(Item { item }): Parameters<Item>,
        RequestState(state): RequestState,
    ) -> CallToolResponse {
        match state {
            None => InputRequiredResult::from_request_state(format!("state of {item}")).into(),
            Some(state) => CallToolResult::success(vec![ContentBlock::text(state)]).into(),
        }
    }

    /// Makes a task of it.
    #[rmcp::tool]
    async fn postpone(&self) -> CallToolResponse {
        let task = json!({ "resultType": "task", "taskId": "canary-task", "status": "working",
            "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z",
            "ttlMs": null });
        serde_json::from_value::<CreateTaskResult>(task)
            .unwrap()
            .into()
    }
}

struct World {
    database: Database,
    endpoint: Endpoint,
    key: SigningKey,
}

impl World {
    async fn new() -> Self {
        let database = DevDb::shared().await.unwrap().database().await.unwrap();
        watertight::db::Migrate::new(database.owner_url())
            .directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
            .catalog(&watertight::catalog!())
            .system_role("auth")
            .run()
            .await
            .unwrap();
        let pool = TenantPool::builder(database.app_url())
            .max_connections(4)
            .connect(watertight::catalog!())
            .await
            .unwrap();
        let key = SigningKey::ed();
        let keys = jwk_set(&[&key]);
        let auth = move |url: &str| {
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(url)
                .jwk_set(keys)
                .tenant_claim("org_id")
                .build()
                .unwrap()
        };
        let endpoint = Endpoint::start(auth, |server| {
            server
                .pool(pool)
                .tools(tools![words, point_at, follow, follow_other])
                .mount(Asking, Asking::tool_router())
                .resources(resources![note, count, secret, fault])
                .prompts(prompts![answer, hidden])
                .completions(completions![complete_word, complete_tone, complete_how])
                .sealing_key(SealingKey::new([7; 32]))
                .page_size(3)
        })
        .await;
        let world = Self {
            database,
            endpoint,
            key,
        };
        world.fill().await;
        world
    }

    /// Notes 1 to 150 are Acme's, 151 to 300 Beta's.
    async fn fill(&self) {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        for (name, tenant) in [("acme", ACME), ("beta", BETA)] {
            sqlx::query(
                "INSERT INTO notes (tenant_id, body)
                 SELECT $1::uuid, $2 || ' note ' || n FROM generate_series(1, 150) n",
            )
            .bind(tenant)
            .bind(name)
            .execute(&mut connection)
            .await
            .unwrap();
        }
    }

    fn token(&self, tenant: &str, subject: &str) -> String {
        let claims = claims(&self.endpoint.url, subject);
        self.key.sign(&with(claims, "org_id", json!(tenant)))
    }

    async fn clients(&self, tenant: &str) -> [Client; 2] {
        let token = self.token(tenant, "user");
        [
            self.endpoint.modern_client(&token).await,
            self.endpoint.legacy_client(&token).await,
        ]
    }

    async fn probes(&self) -> i64 {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        sqlx::query_scalar("SELECT count(*) FROM watertight.audit WHERE probe")
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    async fn trail(&self, pattern: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        for _ in 0..100 {
            let rows: Vec<String> = sqlx::query_scalar(
                "SELECT tool || ' ' || coalesce(outcome, '-') || ' ' || coalesce(error, '-')
                 FROM watertight.audit WHERE kind = 'completion' AND tool LIKE $1 ORDER BY id",
            )
            .bind(pattern)
            .fetch_all(&mut connection)
            .await
            .unwrap();
            if !rows.is_empty() {
                return rows;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Vec::new()
    }
}

type Client = RunningService<RoleClient, ClientConfig>;

/// The error of the protocol, without its reference.
fn refusal<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> (i32, String) {
    match result {
        Err(ServiceError::McpError(ErrorData {
            code,
            message,
            data,
            ..
        })) => {
            assert_eq!(data, None);
            let (text, reference) = message.split_once(" (reference ").unwrap();
            assert_eq!(reference.len(), 33, "{message}");
            (code.0, text.to_owned())
        }
        other => panic!("{other:?}"),
    }
}

async fn read(client: &Client, uri: &str) -> Result<Value, ServiceError> {
    let read = client
        .read_resource(ReadResourceRequestParams::new(uri))
        .await?;
    Ok(serde_json::to_value(read).unwrap())
}

fn prompt(name: &str, arguments: Value) -> GetPromptRequestParams {
    let mut params = GetPromptRequestParams::new(name);
    params.arguments = arguments.as_object().cloned();
    params
}

#[tokio::test]
async fn a_foreign_uri_is_not_there() {
    let world = World::new().await;
    for (era, client) in world.clients(ACME).await.iter().enumerate() {
        let own = read(client, "note://1").await.unwrap();
        let contents =
            json!([{ "uri": "note://1", "mimeType": "text/plain", "text": "acme note 1" }]);
        assert_eq!(own["contents"], contents);
        assert_eq!(
            read(client, "notes://count").await.unwrap()["contents"][0]["text"],
            "150"
        );
        // Another tenant's, nobody's, no number, a number out of range, another spelling, a path,
        // and no resource at all.
        let expected = ([-32602, -32002][era], "not found".to_owned());
        for uri in [
            "note://151",
            "note://999999",
            "note://x",
            "note://0",
            "note://01",
            "note://1%2F",
            "note://1/..",
            "note://",
            "nothing://1",
            "",
        ] {
            assert_eq!(refusal(read(client, uri).await), expected, "{uri}");
        }
        for fault in ["fault://panic", "fault://leak", "fault://error"] {
            assert_eq!(
                refusal(read(client, fault).await),
                (-32603, "internal error".to_owned()),
                "{fault}"
            );
        }
    }
    let trail = world.trail("resource:note").await;
    assert!(
        trail.contains(&"resource:note ok -".to_owned()),
        "{trail:?}"
    );
    assert!(
        trail.contains(&"resource:note failed not_found".to_owned()),
        "{trail:?}"
    );
    let trail = world.trail("resource:fault").await;
    assert!(
        trail.contains(&"resource:fault panicked internal".to_owned()),
        "{trail:?}"
    );
    let trail = world.trail("resources/read").await;
    assert!(
        trail.contains(&"resources/read refused not_found".to_owned()),
        "{trail:?}"
    );
}

#[tokio::test]
async fn what_needs_another_scope_is_403() {
    let world = World::new().await;
    let token = world.token(ACME, "user");
    for (method, params, record) in [
        (
            "resources/read",
            json!({ "uri": "notes://secret" }),
            "resource:secret",
        ),
        ("prompts/get", json!({ "name": "hidden" }), "prompt:hidden"),
    ] {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = world.endpoint.post(&token, &message).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        answer.assert_safe();
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert!(challenge.contains("scope=\"tickets:write\""), "{challenge}");
        let trail = world.trail(record).await;
        assert_eq!(trail, [format!("{record} refused denied")]);
    }
}

#[tokio::test]
async fn lists_show_what_the_caller_may_use_and_are_private() {
    let world = World::new().await;
    for client in &world.clients(ACME).await {
        let resources = client.list_resources(None).await.unwrap();
        let uris: Vec<_> = resources
            .resources
            .iter()
            .map(|it| it.uri.as_str())
            .collect();
        assert_eq!(uris, ["notes://count"]);
        let templates = client.list_resource_templates(None).await.unwrap();
        let names: Vec<_> = templates
            .resource_templates
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["fault", "note"]);
        let note = serde_json::to_value(&templates.resource_templates[1]).unwrap();
        assert_eq!(
            note,
            json!({ "uriTemplate": "note://{id}", "name": "note", "title": "Note",
                    "description": "A note.", "mimeType": "text/plain" })
        );
        let listed = client.list_prompts(None).await.unwrap();
        assert_eq!(
            serde_json::to_value(&listed.prompts).unwrap(),
            json!([{ "name": "answer", "title": "Answer", "description": "Ask for an answer to a note.",
                "arguments": [
                    { "name": "id", "description": "The note's number.", "required": true },
                    { "name": "tone", "required": false },
                ] }])
        );
        for scope in [
            resources.cache_scope,
            templates.cache_scope,
            listed.cache_scope,
        ] {
            assert_eq!(scope, Some(CacheScope::Private));
        }
    }
}

#[tokio::test]
async fn prompts_are_made_of_the_callers_own_rows() {
    let world = World::new().await;
    for client in &world.clients(BETA).await {
        let made = client
            .get_prompt(prompt("answer", json!({ "id": "151", "tone": "short" })))
            .await
            .unwrap();
        let texts: Vec<Value> = made
            .messages
            .iter()
            .map(|message| serde_json::to_value(message).unwrap())
            .map(|message| json!([message["role"], message["content"]["text"]]))
            .collect();
        assert_eq!(
            texts,
            [
                json!(["user", "beta note 1"]),
                json!(["assistant", "I have read it."]),
                json!(["user", "Answer in one sentence."])
            ]
        );
        for (arguments, text) in [
            (json!({ "id": "1" }), "not found"),
            (
                json!({}),
                "invalid argument `id`: missing, expected an integer from 1 to 9223372036854775807",
            ),
            (
                json!({ "id": "x" }),
                "invalid argument `id`: expected an integer from 1 to 9223372036854775807",
            ),
            (
                json!({ "id": "0" }),
                "invalid argument `id`: expected an integer from 1 to 9223372036854775807",
            ),
            (
                json!({ "id": "151", "tone": "rude" }),
                "invalid argument `tone`: expected",
            ),
            (
                json!({ "id": "151", "tenant_id": ACME }),
                "invalid argument: unknown argument; the tool takes `id`, `tone`",
            ),
        ] {
            let (_, told) = refusal(client.get_prompt(prompt("answer", arguments)).await);
            assert!(told.starts_with(text), "{told}");
        }
        let (_, told) = refusal(client.get_prompt(prompt("nothing", json!({}))).await);
        assert_eq!(told, "not found");
    }
    let trail = world.trail("prompt:answer").await;
    assert!(
        trail.contains(&"prompt:answer refused invalid_argument".to_owned()),
        "{trail:?}"
    );
    // One in each era, written in batches.
    for _ in 0..100 {
        if world.probes().await == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} probes", world.probes().await);
}

#[tokio::test]
async fn completions_are_the_callers_own_and_at_most_a_hundred() {
    let world = World::new().await;
    for client in &world.clients(ACME).await {
        let complete = async |of: Reference, name: &str, value: &str, known: &[(&str, &str)]| {
            let known = known
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()));
            let context = CompletionContext::with_arguments(known.collect());
            let params = CompleteRequestParams::new(of, ArgumentInfo::new(name, value));
            client.complete(params.with_context(context)).await
        };
        let prompt = || Reference::for_prompt("answer");
        let tones = complete(prompt(), "tone", "s", &[])
            .await
            .unwrap()
            .completion;
        assert_eq!(tones.values, ["short"]);
        let tones = complete(prompt(), "tone", "", &[("id", "7")])
            .await
            .unwrap()
            .completion;
        assert_eq!(tones.values, ["kind7", "short7"]);
        let fault = || Reference::for_resource("fault://{how}");
        let own = complete(fault(), "how", "acme", &[])
            .await
            .unwrap()
            .completion;
        assert_eq!((own.values.len(), own.has_more), (100, Some(true)));
        let foreign = complete(fault(), "how", "beta", &[])
            .await
            .unwrap()
            .completion;
        assert_eq!(foreign.values, [""; 0]);
        let unknown = complete(prompt(), "id", "1", &[]).await.unwrap().completion;
        assert_eq!(unknown.values, [""; 0]);
        let (_, told) = refusal(complete(prompt(), "tone", "", &[("tenant_id", BETA)]).await);
        assert!(
            told.starts_with("invalid argument: unknown argument"),
            "{told}"
        );
        let hidden = complete(Reference::for_prompt("hidden"), "word", "x", &[]).await;
        assert_eq!(refusal(hidden).1, "not permitted");
    }
}

#[tokio::test]
async fn a_cursor_is_its_own_principals_and_lists() {
    let world = World::new().await;
    let [alice, bob, eve] = [(ACME, "alice"), (ACME, "bob"), (BETA, "alice")];
    let client = async |(tenant, subject)| {
        world
            .endpoint
            .modern_client(&world.token(tenant, subject))
            .await
    };
    let (alice, bob, eve) = (client(alice).await, client(bob).await, client(eve).await);
    let page =
        |cursor: &str| Some(PaginatedRequestParams::default().with_cursor(Some(cursor.to_owned())));
    let first = alice.list_tools(None).await.unwrap();
    assert_eq!(first.tools.len(), 3);
    let cursor = first.next_cursor.unwrap();
    let second = alice.list_tools(page(&cursor)).await.unwrap();
    assert!(second.tools[0].name > first.tools[2].name);
    let all = alice.list_all_tools().await.unwrap();
    assert!(all.len() > 6 && all.is_sorted_by(|one, two| one.name < two.name));

    let garbage = refusal(alice.list_tools(page("AAAA")).await);
    assert_eq!(
        garbage.1,
        "invalid argument `cursor`: expected a cursor that this server gave you"
    );
    for other in [&bob, &eve] {
        assert_eq!(refusal(other.list_tools(page(&cursor)).await), garbage);
    }
    assert_eq!(refusal(alice.list_prompts(page(&cursor)).await), garbage);
    let mut changed = cursor.clone();
    changed.pop();
    assert_eq!(refusal(alice.list_tools(page(&changed)).await), garbage);
}

#[tokio::test]
async fn a_handle_of_a_tool_opens_for_its_own_principal_alone() {
    let world = World::new().await;
    let call = async |tenant, subject, cursor: Option<&str>| {
        let token = world.token(tenant, subject);
        world
            .endpoint
            .call(&token, "words", json!({ "cursor": cursor }))
            .await
    };
    let made = call(ACME, "alice", None).await.json()["result"]["structuredContent"].take();
    let cursor = made["result"].as_str().unwrap();
    assert!(call(ACME, "alice", Some(cursor)).await.is_result());
    let text = |answer: &watertight_e2e::endpoint::Answer| {
        assert!(!answer.is_result());
        answer
            .text()
            .split(" (reference")
            .next()
            .unwrap()
            .to_owned()
    };
    let garbage = text(&call(ACME, "alice", Some("AAAA")).await);
    assert_eq!(
        garbage,
        "invalid argument `cursor`: expected a handle that this server gave you"
    );
    for (tenant, subject) in [(ACME, "bob"), (BETA, "alice")] {
        assert_eq!(text(&call(tenant, subject, Some(cursor)).await), garbage);
    }
}

#[tokio::test]
async fn a_tenant_handle_that_is_not_the_callers_is_not_found() {
    let world = World::new().await;
    let call = async |(tenant, subject), tool: &str, arguments: Value| {
        let token = world.token(tenant, subject);
        world.endpoint.call(&token, tool, arguments).await
    };
    let alice = (ACME, "alice");
    let make = async |seconds: u64| {
        let arguments = json!({ "id": 1, "seconds": seconds });
        let made = call(alice, "point_at", arguments).await.json();
        made["result"]["structuredContent"]["result"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let handle = make(3600).await;
    let followed = call(alice, "follow", json!({ "handle": &handle })).await;
    assert!(
        followed.text().contains("acme note 1"),
        "{}",
        followed.text()
    );
    let refused = async |who, tool: &str, handle: &str| {
        let answer = call(who, tool, json!({ "handle": handle })).await;
        assert!(!answer.is_result());
        let text = answer.text();
        text.split(" (reference").next().unwrap().to_owned()
    };
    // Word for word as for a row that does not exist.
    let absent = call(alice, "point_at", json!({ "id": 100_000 }))
        .await
        .json();
    let absent = absent["result"]["structuredContent"]["result"]
        .as_str()
        .unwrap();
    let not_found = refused(alice, "follow", absent).await;
    assert_eq!(not_found, "not found");
    let expired = make(0).await;
    for (who, tool, handle) in [
        ((ACME, "bob"), "follow", handle.as_str()),
        ((BETA, "alice"), "follow", &handle),
        (alice, "follow_other", &handle),
        (alice, "follow", &expired),
        (alice, "follow", &handle[1..]),
        (alice, "follow", "1"),
        (alice, "follow", ""),
    ] {
        assert_eq!(refused(who, tool, handle).await, not_found);
    }
}

#[tokio::test]
async fn the_state_between_two_rounds_is_its_own_callers() {
    let world = World::new().await;
    let call = async |tenant, subject, tool: &str, item: &str, state: Option<&str>| {
        let mut message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": { "item": item }, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {
                    "extensions": { "io.modelcontextprotocol/tasks": {} } },
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
            } },
        });
        if let Some(state) = state {
            message["params"]["requestState"] = json!(state);
        }
        if tool != "ask" {
            message["params"]["arguments"] = json!({});
        }
        let bearer = format!("Bearer {}", world.token(tenant, subject));
        let headers = [
            ("authorization", bearer.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        world.endpoint.post_with(&headers, &message).await.json()
    };
    let asked = call(ACME, "alice", "ask", "lamp", None).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let state = asked["result"]["requestState"].as_str().unwrap();
    assert!(!state.contains("lamp"), "{state}");
    let done = call(ACME, "alice", "ask", "lamp", Some(state)).await;
    assert_eq!(
        done["result"]["content"][0]["text"], "state of lamp",
        "{done}"
    );
    for (tenant, subject, item, state) in [
        (ACME, "bob", "lamp", state),
        (BETA, "alice", "lamp", state),
        (ACME, "alice", "chair", state),
        (ACME, "alice", "lamp", "state of lamp"),
    ] {
        let refused = call(tenant, subject, "ask", item, Some(state)).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let text = refused["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("invalid parameters (reference "), "{text}");
    }
    // A task would be a handle that nobody sealed.
    let task = call(ACME, "alice", "postpone", "", None).await;
    assert_eq!(task["result"]["isError"], true, "{task}");
    assert!(!task.to_string().contains("canary"), "{task}");
}
