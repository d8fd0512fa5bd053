//! Resources, prompts, completions and cursors over real HTTP and a real PostgreSQL: two tenants on
//! one server, in both eras of the protocol.

mod reading;
mod sealed;

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
