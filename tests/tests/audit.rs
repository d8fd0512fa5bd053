//! The audit trail as a reviewer meets it: written by a server, tampered with by whoever can write
//! to the database, verified, exported, shortened and erased by the command line.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use watertight::audit::{AuditArguments, AuditKey, AuditOptions, FileAnchor};
use watertight::auth::JwtAuthenticator;
use watertight::{
    DbResult, Scope, Server, TenantPool, ToolContext, ToolResult, WriteScope, mcp_tool,
    tenant_query, tools,
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
        let database = migrated().await;
        let anchor = tempfile::tempdir().unwrap();
        let file = FileAnchor::append(anchor.path().join("heads.jsonl")).unwrap();
        let options = AuditOptions::new().key(key()).anchor(file);
        let pool = TenantPool::builder(database.app_url())
            .audit(configure(options))
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
            server.pool(pool).tools(tools![list_notes, add_notes])
        })
        .await;
        let token = |tenant| {
            let claims = with(claims(&endpoint.url, "=user"), "org_id", json!(tenant));
            signer.sign(&claims)
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

/// The command line of this tree, built by the cargo that runs this test.
fn command_line() -> PathBuf {
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

#[tokio::test]
async fn an_untouched_trail_is_as_it_was_written() {
    let (database, anchor) = World::used().await;
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 0, "{text}");
    for tenant in [ACME, BETA] {
        let line = format!(
            "ok       tenant {tenant}: 10 calls in 1 chain, and 5 writes, as they were written"
        );
        assert!(text.contains(&line), "{text}");
    }
    let (status, text) = audit(database.app_url(), &["verify", "--tenant", ACME]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("without --anchor"), "{text}");
    let (status, text) = audit(database.app_url(), &["verify"]);
    assert!(status == 2 && text.contains("--tenant"), "{text}");
    let (status, text) = audit(database.owner_url(), &["verify"]);
    assert!(status == 2 && text.contains("row-level security"), "{text}");
}

/// The reference of the nth completion of a tenant.
async fn reference(database: &Database, number: i64) -> String {
    let sql = format!(
        "SELECT reference FROM watertight.audit WHERE tenant_id = '{ACME}' AND seq = {number}"
    );
    rows(database, &sql).await.remove(0)
}

#[tokio::test]
async fn whatever_is_done_to_the_table_is_named() {
    let (database, anchor) = World::used().await;
    let of = |what: &str| format!("tenant_id = '{ACME}' AND {what}");
    let [third, fourth, sixth] = [
        reference(&database, 3).await,
        reference(&database, 4).await,
        reference(&database, 6).await,
    ];
    // Whoever can do this can do that as well.
    tamper(
        &database,
        "SELECT 1; DROP INDEX watertight.audit_link; SELECT 1",
    )
    .await;
    // Each with its mend, so that the next begins with a clean trail.
    let cases = [
        (
            format!("UPDATE watertight.audit SET outcome = 'refused' WHERE {}", of("seq = 3")),
            format!("UPDATE watertight.audit SET outcome = 'ok' WHERE {}", of("seq = 3")),
            format!("reference {third}"),
            "changed: record ",
        ),
        (
            format!("UPDATE watertight.audit SET tenant_id = 'nobody' WHERE {}", of("seq = 3")),
            format!("UPDATE watertight.audit SET tenant_id = '{ACME}' WHERE tenant_id = 'nobody'"),
            "number 3 of writer".to_owned(),
            "removed: ",
        ),
        (
            format!("UPDATE watertight.audit SET seq = 7 - seq WHERE {}", of("seq IN (3, 4)")),
            format!("UPDATE watertight.audit SET seq = 7 - seq WHERE {}", of("seq IN (3, 4)")),
            format!("reference {fourth}, is number 3 and was written as 4"),
            "reordered: record ",
        ),
        (
            "CREATE TABLE kept AS SELECT * FROM watertight.audit WHERE seq = 6; \
             INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, mac) \
             SELECT tenant_id, kind, 'forged', at, recorded_at + interval '1 second', writer, seq, mac FROM kept"
                .to_owned(),
            "DELETE FROM watertight.audit WHERE reference = 'forged'".to_owned(),
            "reference forged".to_owned(),
            "inserted: record ",
        ),
        (
            format!(
                "UPDATE watertight.audit SET subject = 'mallory' WHERE {}",
                of(&format!("kind = 'effect' AND reference = '{sixth}'"))
            ),
            format!(
                "UPDATE watertight.audit SET subject = '=user' WHERE {}",
                of(&format!("kind = 'effect' AND reference = '{sixth}'"))
            ),
            format!("reference {sixth}"),
            "changed: record ",
        ),
        (
            format!(
                "UPDATE watertight.audit SET tenant_id = 'nobody' WHERE {}",
                of(&format!("kind = 'effect' AND reference = '{fourth}' AND ordinal = 2"))
            ),
            format!("UPDATE watertight.audit SET tenant_id = '{ACME}' WHERE tenant_id = 'nobody'"),
            format!("the call with reference {fourth} left records of 1 of its 2 writes"),
            "removed: ",
        ),
        (
            format!("UPDATE watertight.audit SET tenant_id = 'nobody' WHERE {}", of("seq > 8")),
            format!("UPDATE watertight.audit SET tenant_id = '{ACME}' WHERE tenant_id = 'nobody'"),
            "ends at 8, and 10 was published".to_owned(),
            "cut off: ",
        ),
    ];
    for (attack, mend, expected, kind) in cases {
        tamper(&database, &attack).await;
        let (status, text) = verify(&database, &anchor);
        assert_eq!(status, 1, "{attack}\n{text}");
        let named = text
            .lines()
            .any(|line| line.contains(kind) && line.contains(&expected));
        assert!(named, "{attack}\n{expected}\n{text}");
        assert!(
            text.contains(&format!("ok       tenant {BETA}")) || kind.starts_with("inserted"),
            "{text}"
        );
        tamper(&database, &mend).await;
        let (status, text) = verify(&database, &anchor);
        assert_eq!(status, 0, "{mend}\n{text}");
    }
}

#[tokio::test]
async fn a_cut_end_can_not_be_seen_without_an_anchor_and_that_is_said() {
    let (database, _) = World::used().await;
    tamper(&database, "DELETE FROM watertight.audit WHERE seq > 8").await;
    // The writes of the calls that are gone are still there, without a record of their call.
    let (status, text) = audit(database.admin_url(), &["verify"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("1 write without a record of the call"),
        "{text}"
    );
    assert!(
        text.contains("nothing can tell whether the newest records"),
        "{text}"
    );
}

#[tokio::test]
async fn a_tenants_trail_is_exported_alone() {
    let (database, _) = World::used().await;
    let (status, text) = audit(database.app_url(), &["export", "--tenant", ACME]);
    assert_eq!(status, 0, "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 10 + 5, "{text}");
    assert!(lines[0].starts_with("at,kind,reference,tool"), "{text}");
    assert!(text.contains(",'=user,"), "a formula is defused: {text}");
    let json = [
        "export",
        "--tenant",
        ACME,
        "--format",
        "jsonl",
        "--since",
        "2020-01-01",
    ];
    let (_, text) = audit(database.admin_url(), &json);
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 15);
    let call = objects
        .iter()
        .find(|it| it["kind"] == "completion" && it["tool"] == "add_notes");
    assert_eq!(call.unwrap()["arguments"], json!(["bodies"]));
    let (_, none) = audit(
        database.app_url(),
        &["export", "--tenant", ACME, "--until", "2020-01-01"],
    );
    assert_eq!(none.lines().count(), 1);
    let (status, text) = audit(
        database.app_url(),
        &["export", "--tenant", ACME, "--since", "soon"],
    );
    assert_eq!(status, 2, "{text}");
}

#[tokio::test]
async fn old_months_are_given_up_and_the_rest_still_verifies() {
    let (database, anchor) = World::used().await;
    // Months later, and the server goes on.
    let partition = rows(
        &database,
        "SELECT tableoid::regclass::text FROM watertight.audit LIMIT 1",
    )
    .await;
    assert!(
        partition[0].starts_with("watertight.audit_20"),
        "{partition:?}"
    );
    let (status, text) = audit(database.owner_url(), &["retain", "--keep-months", "1"]);
    assert!(status == 0 && text.starts_with("0 records"), "{text}");
    assert_eq!(
        audit(database.app_url(), &["retain", "--keep-months", "1"]).0,
        2
    );
    // A chain whose first records are a year old, under the key.
    tamper(
        &database,
        "CREATE TABLE watertight.audit_2020_01 PARTITION OF watertight.audit \
         FOR VALUES FROM ('2020-01-01') TO ('2020-02-01'); SELECT 1",
    )
    .await;
    let old = old_chain(&database).await;
    assert_eq!(verify(&database, &anchor).0, 0);
    let (status, text) = audit(database.owner_url(), &["retain", "--keep-months", "1"]);
    assert!(
        status == 0 && text.starts_with("3 records from before"),
        "{text}"
    );
    let (status, text) = audit(
        database.owner_url(),
        &["retain", "--keep-months", "1", "--yes"],
    );
    assert_eq!(
        (status, text.contains("1 partitions dropped")),
        (0, true),
        "{text}"
    );
    let left = rows(
        &database,
        &format!("SELECT seq::text FROM watertight.audit WHERE writer = '{old}' ORDER BY seq"),
    )
    .await;
    assert_eq!(left, ["4", "5"]);
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 0, "{text}");
    // What nobody with the key has given up is missed.
    tamper(&database, "UPDATE watertight.audit_floor SET seq = seq + 1").await;
    assert_eq!(verify(&database, &anchor).0, 1);
}

/// Five records of one chain, three of them stored in January 2020.
async fn old_chain(database: &Database) -> String {
    let writer = "0123456789abcdef0123456789abcdef";
    let mut chain = watertight_audit::Chain::new(key().tenant(ACME), writer);
    for number in 1..=5_i64 {
        let january = 1_577_836_800_000_000 + number;
        let recorded_at = match number {
            1..=3 => january,
            _ => 1_000_000 * chrono::Utc::now().timestamp() + number,
        };
        let record = watertight_audit::Completion {
            reference: format!("old-{number}"),
            at: january,
            recorded_at,
            outcome: Some("ok".to_owned()),
            ..Default::default()
        };
        let link = chain.link(&record);
        tamper(
            database,
            &format!(
                "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, outcome, writer, seq, mac, effects, uncertain) \
                 VALUES ('{ACME}', 'completion', '{}', to_timestamp(0) + {january} * interval '1 us', \
                 to_timestamp(0) + {recorded_at} * interval '1 us', 'ok', '{writer}', {}, '\\x{}', 0, 0)",
                record.reference, link.seq, link.mac
            ),
        )
        .await;
    }
    writer.to_owned()
}

#[tokio::test]
async fn a_tenant_that_leaves_is_erased_and_the_others_stay_whole() {
    let (database, anchor) = World::used().await;
    let (_, text) = audit(database.owner_url(), &["erase", "--tenant", ACME]);
    assert!(text.starts_with("15 records would be erased"), "{text}");
    let (status, text) = audit(database.owner_url(), &["erase", "--tenant", ACME, "--yes"]);
    assert!(
        status == 0 && text.starts_with("15 records erased"),
        "{text}"
    );
    let (status, text) = audit(database.admin_url(), &["verify", "--tenant", BETA]);
    assert!(
        status == 0 && text.contains("10 calls in 1 chain, and 5 writes"),
        "{text}"
    );
    // The anchor remembers that there was one.
    assert!(verify(&database, &anchor).1.contains("cut off"));
    let forced = rows(
        &database,
        "SELECT relforcerowsecurity::text FROM pg_class WHERE oid = 'watertight.audit'::regclass",
    )
    .await;
    assert_eq!(forced, ["true"]);
}

#[tokio::test]
async fn strict_records_come_before_the_answer_and_full_arguments_are_kept() {
    let world = World::new(|options| options.strict().arguments(AuditArguments::Full)).await;
    let bodies = json!({ "bodies": ["a", "b"] });
    world
        .call(&world.tokens[0], "add_notes", bodies.clone())
        .await;
    let kept = rows(
        &world.database,
        "SELECT arguments::text FROM watertight.audit WHERE kind = 'completion'",
    )
    .await;
    assert_eq!(kept, [bodies.to_string()], "stored before the answer");
    // The completions can't be stored: a call that reads is refused as well.
    tamper(
        &world.database,
        "SELECT 1; ALTER TABLE watertight.audit ADD CHECK (kind = 'effect') NOT VALID; SELECT 1",
    )
    .await;
    let answer = world
        .endpoint
        .call(&world.tokens[0], "list_notes", json!({}))
        .await;
    assert!(
        !answer.is_result() && answer.text().contains("unavailable"),
        "{answer:?}"
    );
    answer.assert_safe();
}

#[tokio::test]
async fn reads_go_on_while_their_records_wait_and_writes_do_not_without_their_effect() {
    let world = World::new(|options| options).await;
    world.call(&world.tokens[0], "list_notes", json!({})).await;
    tamper(
        &world.database,
        "SELECT 1; REVOKE INSERT (mac) ON watertight.audit FROM app; SELECT 1",
    )
    .await;
    world.call(&world.tokens[0], "list_notes", json!({})).await;
    let note = json!({ "bodies": ["unrecorded"] });
    let answer = world
        .endpoint
        .call(&world.tokens[0], "add_notes", note)
        .await;
    assert!(!answer.is_result(), "{answer:?}");
    assert_eq!(
        rows(&world.database, "SELECT body FROM notes").await,
        [""; 0]
    );
}

/// What `a_killed_server…` kills. It prints where it listens and serves until its end.
#[tokio::test]
#[ignore = "a server that another test starts and kills"]
async fn server_to_be_killed() {
    let Ok(url) = std::env::var("WATERTIGHT_E2E_URL") else {
        return;
    };
    let pool = TenantPool::builder(url).audit(AuditOptions::new().key(key()));
    let pool = pool.connect(watertight::catalog!()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let jwt = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(&resource);
    let keys = std::env::var("WATERTIGHT_E2E_KEYS").unwrap();
    let server = Server::builder()
        .name("killed")
        .tools(tools![list_notes, add_notes])
        .pool(pool)
        .authenticator(jwt.jwk_set(keys).tenant_claim("org_id").build().unwrap())
        .resource(&resource)
        .build()
        .unwrap();
    println!("listening on {resource}");
    server.serve_listener(listener).await.unwrap();
}

#[tokio::test]
async fn a_killed_server_loses_no_write_and_at_most_the_last_moments_of_the_rest() {
    let database = migrated().await;
    let signer = SigningKey::ec();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "server_to_be_killed", "--nocapture"])
        .env("WATERTIGHT_E2E_URL", database.app_url())
        .env("WATERTIGHT_E2E_KEYS", jwk_set(&[&signer]))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut urls = lines.map_while(Result::ok).filter_map(|line| {
        line.split_once("listening on ")
            .map(|(_, url)| url.to_owned())
    });
    let url = urls.next().unwrap();
    let claims = with(claims(&url, "user"), "org_id", json!(ACME));
    let token = signer.sign(&claims);
    let endpoint = Endpoint::of(url, tokio::spawn(async {}));
    let mut answered = Vec::new();
    for number in 0..40 {
        let bodies = json!({ "bodies": [format!("note {number}")] });
        let answer = endpoint.call(&token, "add_notes", bodies).await;
        assert!(answer.is_result(), "{answer:?}");
        answered.push(Instant::now());
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let killed = Instant::now();
    server.kill().unwrap();
    server.wait().unwrap();
    let count =
        |kind: &str| format!("SELECT count(*)::text FROM watertight.audit WHERE kind = '{kind}'");
    assert_eq!(
        rows(&database, &count("effect")).await,
        ["40"],
        "each write has its record"
    );
    // The delay of a batch, and the time to store one.
    let bound = Duration::from_millis(200) + Duration::from_millis(800);
    let due = answered.iter().filter(|at| killed - **at > bound).count();
    let kept: usize = rows(&database, &count("completion")).await[0]
        .parse()
        .unwrap();
    assert!(
        kept >= due,
        "{kept} of {due} calls that ended more than {bound:?} before"
    );
    let (status, text) = audit(database.admin_url(), &["verify"]);
    assert_eq!(status, 0, "{text}");
    let lost = 40 - kept;
    assert!(
        lost == 0 || text.contains("without a record of the call"),
        "{text}"
    );
}
