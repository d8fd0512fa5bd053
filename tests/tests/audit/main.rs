//! The audit trail as a reviewer meets it: written by a server, tampered with by whoever can write
//! to the database, verified, exported, shortened and erased by the command line.

mod giving_up;
mod recording;
mod rotating;
mod verifying;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use watertight::audit::{AuditArguments, AuditKey, AuditLimits, AuditOptions, FileAnchor};
use watertight::auth::JwtAuthenticator;
use watertight::{
    DbResult, Scope, Server, ServerBuilder, TenantPool, ToolContext, ToolResult, WriteScope,
    mcp_tool, tenant_query, tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

/// 32 bytes in base64; any will do.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

#[tenant_query("SELECT body FROM notes ORDER BY body LIMIT 50")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

#[tenant_query("INSERT INTO notes (body) VALUES ($body)")]
async fn insert(db: &mut WriteScope<'_>, body: &str) -> DbResult<u64>;

/// Lists notes.
#[mcp_tool(read_only)]
async fn list_notes(cx: ToolContext) -> ToolResult<Vec<String>> {
    Ok(bodies(&mut cx.read().await?).await?)
}

/// Adds notes, each in a transaction of its own.
#[mcp_tool]
async fn add_notes(cx: ToolContext, bodies: Vec<String>) -> ToolResult<usize> {
    for body in &bodies {
        let mut db = cx.write().await?;
        insert(&mut db, body).await?;
        db.commit().await?;
    }
    Ok(bodies.len())
}

/// Goes on writing in a task of its own when the call has ended.
#[mcp_tool]
async fn leave_writing(cx: ToolContext) -> ToolResult<bool> {
    go_on_writing(cx);
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(true)
}

fn go_on_writing(cx: ToolContext) {
    tokio::spawn(async move {
        for number in 0..1000 {
            let Ok(mut db) = cx.write().await else { break };
            let body = format!("left {number} {:?}", Instant::now());
            if insert(&mut db, &body).await.is_err() || db.commit().await.is_err() {
                break;
            }
        }
    });
}

fn key() -> AuditKey {
    AuditKey::from_base64(KEY).unwrap()
}

async fn migrated() -> Database {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    watertight::db::Migrate::new(database.owner_url())
        .directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .catalog(&watertight::catalog!())
        .system_role("auth")
        .run()
        .await
        .unwrap();
    database
}

struct World {
    database: Database,
    endpoint: Endpoint,
    tokens: [String; 2],
    anchor: tempfile::TempDir,
}

impl World {
    async fn new(configure: impl FnOnce(AuditOptions) -> AuditOptions) -> Self {
        Self::with(configure, |server| server).await
    }

    async fn with(
        configure: impl FnOnce(AuditOptions) -> AuditOptions,
        more: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let database = migrated().await;
        let anchor = tempfile::tempdir().unwrap();
        let file = FileAnchor::append(anchor.path().join("heads.jsonl")).unwrap();
        let options = AuditOptions::new().key(key()).anchor(file);
        Self::of(database, anchor, configure(options), more).await
    }

    /// A server over a database that may have been used before.
    async fn of(
        database: Database,
        anchor: tempfile::TempDir,
        options: AuditOptions,
        more: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let pool = TenantPool::builder(database.app_url())
            .audit(options)
            .max_connections(4)
            .connect(watertight::catalog!())
            .await
            .unwrap();
        let signer = SigningKey::ec();
        let keys = jwk_set(&[&signer]);
        let authenticator = move |url: &str| {
            let jwt = JwtAuthenticator::builder().issuer(ISSUER).audience(url);
            jwt.jwk_set(keys).tenant_claim("org_id").build().unwrap()
        };
        let endpoint = Endpoint::start(authenticator, |server| {
            let tools = tools![list_notes, add_notes, leave_writing];
            more(server.pool(pool).tools(tools))
        })
        .await;
        let token = |tenant| {
            let claims = with(claims(&endpoint.url, "=user"), "org_id", json!(tenant));
            signer.sign(&with(claims, "client_id", json!("crm-app")))
        };
        Self {
            tokens: [ACME, BETA].map(token),
            database,
            endpoint,
            anchor,
        }
    }

    /// Ten calls of each tenant, four of which write, one of them twice; and the end of the server.
    async fn used() -> (Database, tempfile::TempDir) {
        let world = Self::new(|options| options).await;
        for number in 0..5 {
            for token in &world.tokens {
                world.call(token, "list_notes", json!({})).await;
                let bodies = match number {
                    0 => json!([]),
                    1 => json!(["1", "one more"]),
                    _ => json!([number.to_string()]),
                };
                world
                    .call(token, "add_notes", json!({ "bodies": bodies }))
                    .await;
            }
        }
        assert!(world.endpoint.stop().await);
        (world.database, world.anchor)
    }

    async fn call(&self, token: &str, tool: &str, arguments: Value) {
        let answer = self.endpoint.call(token, tool, arguments).await;
        assert!(answer.is_result(), "{answer:?}");
    }
}

/// As somebody who owns the server.
async fn tamper(database: &Database, sql: &str) {
    let mut connection = PgConnection::connect(database.admin_url()).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let done = done.execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
}

async fn rows(database: &Database, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(database.admin_url()).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

/// The command line of this tree: what `CARGO_WATERTIGHT` names, or built by the cargo that runs this test.
fn command_line() -> PathBuf {
    if let Some(built) = std::env::var_os("CARGO_WATERTIGHT") {
        return built.into();
    }
    let deps = std::env::current_exe().unwrap();
    let folder = deps.ancestors().nth(2).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "cargo-watertight", "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success());
    folder.join("cargo-watertight")
}

fn audit(url: &str, arguments: &[&str]) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(command_line())
        .arg("audit")
        .args(arguments)
        .env("DATABASE_URL", url)
        .env("AUDIT_KEY", KEY)
        .output()
        .unwrap();
    let text = [stdout, stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(url) && !text.contains(KEY), "{text}");
    (status.code().unwrap(), text)
}

fn verify(database: &Database, anchor: &tempfile::TempDir) -> (i32, String) {
    let heads = anchor.path().join("heads.jsonl");
    audit(
        database.admin_url(),
        &["verify", "--anchor", heads.to_str().unwrap()],
    )
}

/// The reference of the nth completion of a tenant.
async fn reference(database: &Database, number: i64) -> String {
    let sql = format!(
        "SELECT reference FROM watertight.audit WHERE tenant_id = '{ACME}' AND seq = {number}"
    );
    rows(database, &sql).await.remove(0)
}
