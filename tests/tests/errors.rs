//! Every class of database error, provoked over real HTTP with and without row-level security, while
//! another process serves; then every byte that left that process is searched for the tenants' ids,
//! for what was planted in rows and arguments, and for tokens and passwords. The log is at `trace`.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use watertight::auth::JwtAuthenticator;
use watertight::{
    DbResult, TenantPool, ToolContext, ToolInput, ToolResult, WriteScope, mcp_tool, tenant_query,
    tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::{Answer, Endpoint};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

/// Which table.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "lowercase")]
enum Table {
    Rls,
    Bare,
}

#[tenant_query(
    "INSERT INTO faults (code, serial, amount, parent, any_parent, slot) \
     VALUES ($code, $serial, $amount::text::smallint, $parent, $any_parent, $slot)"
)]
async fn insert(
    db: &mut WriteScope<'_>,
    code: Option<&str>,
    serial: Option<&str>,
    amount: Option<&str>,
    parent: Option<&str>,
    any_parent: Option<&str>,
    slot: Option<i64>,
) -> DbResult<u64>;

#[tenant_query(
    "INSERT INTO bare_faults (tenant_id, code, serial, amount, parent, any_parent, slot) \
     VALUES ($tenant, $code, $serial, $amount::text::smallint, $parent, $any_parent, $slot)"
)]
async fn insert_bare(
    db: &mut WriteScope<'_>,
    code: Option<&str>,
    serial: Option<&str>,
    amount: Option<&str>,
    parent: Option<&str>,
    any_parent: Option<&str>,
    slot: Option<i64>,
) -> DbResult<u64>;

#[tenant_query("UPDATE faults SET slot = slot WHERE code = $code")]
async fn touch(db: &mut WriteScope<'_>, code: &str) -> DbResult<u64>;

#[tenant_query("UPDATE bare_faults SET slot = slot WHERE tenant_id = $tenant AND code = $code")]
async fn touch_bare(db: &mut WriteScope<'_>, code: &str) -> DbResult<u64>;

/// Adds a row.
#[mcp_tool]
#[allow(clippy::too_many_arguments, reason = "one for each column")]
async fn add_fault(
    cx: ToolContext,
    table: Table,
    code: Option<String>,
    serial: Option<String>,
    amount: Option<String>,
    parent: Option<String>,
    any_parent: Option<String>,
    slot: Option<i64>,
) -> ToolResult<u64> {
    let mut db = cx.write().await?;
    let (code, serial, amount) = (code.as_deref(), serial.as_deref(), amount.as_deref());
    let (parent, any_parent) = (parent.as_deref(), any_parent.as_deref());
    let added = match table {
        Table::Rls => insert(&mut db, code, serial, amount, parent, any_parent, slot).await?,
        Table::Bare => insert_bare(&mut db, code, serial, amount, parent, any_parent, slot).await?,
    };
    db.commit().await?;
    Ok(added)
}

/// Locks two rows, one after the other.
#[mcp_tool]
async fn lock_faults(
    cx: ToolContext,
    table: Table,
    first: String,
    second: String,
) -> ToolResult<u64> {
    let mut db = cx.write().await?;
    let mut locked = 0;
    for code in [first, second] {
        locked += match table {
            Table::Rls => touch(&mut db, &code).await?,
            Table::Bare => touch_bare(&mut db, &code).await?,
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(locked)
}

/// Panics with what it was given.
#[mcp_tool]
async fn stumble(cx: ToolContext, over: String) -> ToolResult<String> {
    assert_eq!(over, cx.user(), "stumbled over {over}");
    Ok(over)
}

const CHILD: &str = "WATERTIGHT_E2E_ERRORS";

/// The process under test: serves until its standard input ends. Does nothing in an ordinary run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(log) = std::env::var(CHILD) else {
        return;
    };
    match log.as_str() {
        "discreet" => watertight::observe::init().unwrap(),
        _ => tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::io::stderr)
            .init(),
    }
    let pool = TenantPool::builder(std::env::var("DATABASE_URL").unwrap())
        .statement_timeout(Duration::from_secs(2))
        .constraint_message("faults_code", "that code is taken")
        .constraint_message("faults_short", "a code has fewer than 40 letters")
        .connect(watertight::catalog!())
        .await
        .unwrap();
    let keys = std::env::var("KEYS").unwrap();
    let authenticator = move |url: &str| {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwk_set(keys)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(authenticator, |server| {
        server
            .pool(pool)
            .tools(tools![add_fault, lock_faults, stumble])
    })
    .await;
    println!("\nserving {}", endpoint.url);
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await.unwrap();
    assert!(endpoint.stop().await);
}

struct World {
    database: Database,
    endpoint: Endpoint,
    child: Child,
    output: tokio::task::JoinHandle<String>,
    errors: tokio::task::JoinHandle<String>,
    acme: String,
    beta: String,
    /// Everything that was answered.
    answered: String,
}

impl World {
    async fn new(log: &str) -> Self {
        let database = DevDb::shared().await.unwrap().database().await.unwrap();
        watertight::db::Migrate::new(database.owner_url())
            .directory(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
            .catalog(&watertight::catalog!())
            .system_role("auth")
            .run()
            .await
            .unwrap();
        for table in ["faults", "bare_faults"] {
            let rows = format!(
                "INSERT INTO {table} (tenant_id, code, serial, slot) VALUES \
                 ('{ACME}', 'canary-acme', 'canary-s1', 1), ('{ACME}', 'canary-other', 'canary-s2', 2), \
                 ('{BETA}', 'canary-beta', 'canary-s3', 3)"
            );
            database.execute_as_admin(&rows).await.unwrap();
        }
        let key = SigningKey::ec();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, log)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .env("DATABASE_URL", database.app_url())
            .env("KEYS", jwk_set(&[&key]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut seen = String::new();
        let url = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the child does not serve: {seen}"));
            if let Some(url) = line.strip_prefix("serving ") {
                break url.to_owned();
            }
            seen.push_str(&line);
        };
        let output = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                seen.push_str(&line);
            }
            seen
        });
        let token = |tenant| key.sign(&with(claims(&url, "user"), "org_id", json!(tenant)));
        Self {
            acme: token(ACME),
            beta: token(BETA),
            endpoint: Endpoint::of(url.clone(), tokio::spawn(async {})),
            database,
            child,
            output,
            errors,
            answered: String::new(),
        }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.endpoint.call(&self.acme, tool, arguments).await;
        self.keep(&answer)
    }

    fn keep(&mut self, answer: &Answer) -> String {
        let headers = format!("{:?}", answer.headers);
        self.answered.push_str(&headers);
        self.answered.push_str(&answer.body);
        answer.text()
    }

    async fn add(&mut self, table: &str, mut row: Value) -> String {
        row["table"] = table.into();
        self.call("add_fault", row).await
    }

    /// Two calls that wait for each other, or for someone else.
    async fn lock_both_ways(&mut self, table: &str) -> [String; 2] {
        let call = |first: &str, second: &str| {
            let rows = json!({ "table": table, "first": first, "second": second });
            self.endpoint.call(&self.acme, "lock_faults", rows)
        };
        let one = call("canary-acme", "canary-other");
        let two = call("canary-other", "canary-acme");
        let (one, two) = tokio::join!(one, two);
        [self.keep(&one), self.keep(&two)]
    }

    /// Ends the process and gives what it wrote.
    async fn end(mut self) -> (String, String, Vec<(&'static str, String)>) {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        assert!(ended.unwrap().unwrap().success());
        let written = self.errors.await.unwrap() + &self.output.await.unwrap();
        let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
        let password = self.database.app_url().split([':', '@']).nth(2).unwrap();
        let secrets = vec![
            ("a planted value", "canary".to_owned()),
            ("a tenant", ACME.to_owned()),
            ("the other tenant", BETA.to_owned()),
            ("a token", signature(&self.acme)),
            ("the other's token", signature(&self.beta)),
            ("the database's password", format!(":{password}@")),
        ];
        (self.answered, written, secrets)
    }
}

async fn provoke_everything(world: &mut World) {
    for table in ["rls", "bare"] {
        let told = |text: &'static str, bare: &'static str| match table {
            "rls" => text,
            _ => bare,
        };
        let plain = "conflict: it contradicts existing data (";
        let value = "invalid argument: a value is missing, malformed or out of range (";
        for (class, row, text) in [
            (
                "unique",
                json!({ "code": "canary-acme" }),
                told("conflict: that code is taken (", plain),
            ),
            ("exclusion", json!({ "code": "c1", "slot": 1 }), plain),
            (
                "foreign key",
                json!({ "code": "c1", "parent": "canary-none" }),
                plain,
            ),
            (
                "its own serial",
                json!({ "code": "c1", "serial": "canary-s1" }),
                "internal error (",
            ),
            (
                "another's serial",
                json!({ "code": "c1", "serial": "canary-s3" }),
                "internal error (",
            ),
            (
                "foreign key to all",
                json!({ "code": "c1", "any_parent": "canary-s9" }),
                "internal error (",
            ),
            (
                "check",
                json!({ "code": "canary".repeat(9) }),
                told(
                    "invalid argument: a code has fewer than 40 letters (",
                    value,
                ),
            ),
            ("not null", json!({ "serial": "canary-s4" }), value),
            (
                "cast",
                json!({ "code": "c1", "amount": "canary-amount" }),
                value,
            ),
            ("range", json!({ "code": "c1", "amount": "99999" }), value),
            (
                "raised",
                json!({ "code": "canary-raise" }),
                "internal error (",
            ),
            (
                "serialisation",
                json!({ "code": "canary-collide" }),
                "busy, try again later (",
            ),
        ] {
            let answer = world.add(table, row).await;
            assert!(answer.starts_with(text), "{table}, {class}: {answer}");
        }
        let [one, two] = world.lock_both_ways(table).await;
        let lost = if one.contains("result") { two } else { one };
        assert!(
            lost.starts_with("busy, try again later ("),
            "{table}, deadlock: {lost}"
        );

        // Someone else holds the row for longer than a statement may take.
        let name = told("faults", "bare_faults");
        let hold = format!("BEGIN; UPDATE {name} SET slot = slot; SELECT pg_sleep(3); ROLLBACK");
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let row = json!({ "table": table, "first": "canary-acme", "second": "canary-acme" });
        let late = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world
                .endpoint
                .call(&world.acme, "lock_faults", row.clone())
                .await
        };
        let (held, late) = tokio::join!(world.database.execute_as_admin(&hold), late);
        held.unwrap();
        let late = world.keep(&late);
        assert!(
            late.starts_with("temporarily unavailable ("),
            "{table}, timeout: {late}"
        );

        let cut = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.endpoint.call(&world.acme, "lock_faults", row).await
        };
        let cutting = async {
            tokio::time::sleep(Duration::from_millis(1200)).await;
            world.database.execute_as_admin(kill).await
        };
        let (held, cut, killed) =
            tokio::join!(world.database.execute_as_admin(&hold), cut, cutting);
        held.and(killed).unwrap();
        let cut = world.keep(&cut);
        assert!(
            cut.starts_with("temporarily unavailable ("),
            "{table}, connection: {cut}"
        );
    }
    let panicked = world
        .call("stumble", json!({ "over": "canary-panic" }))
        .await;
    assert!(panicked.starts_with("internal error ("), "{panicked}");
    let refused = world
        .call("add_fault", json!({ "canary-name": "canary" }))
        .await;
    assert!(refused.starts_with("invalid argument"), "{refused}");
    let forged = format!("{}x", world.acme);
    let forged = world
        .endpoint
        .call(&forged, "stumble", json!({ "over": "canary" }))
        .await;
    assert_eq!(forged.status, 401);
    world.answered.push_str(&forged.body);
    // The last: whatever changes the tables makes the pool look at them again.
    for (table, name) in [("rls", "faults"), ("bare", "bare_faults")] {
        let revoke = format!("REVOKE INSERT ON {name} FROM app");
        world.database.execute_as_admin(&revoke).await.unwrap();
        let denied = world.add(table, json!({ "code": "canary-denied" })).await;
        assert!(denied.starts_with("not permitted ("), "{table}: {denied}");
    }
}

#[tokio::test]
async fn nothing_leaves_with_an_error_but_its_kind() {
    let mut world = World::new("discreet").await;
    provoke_everything(&mut world).await;
    let (answered, written, secrets) = world.end().await;
    assert!(written.contains("TRACE"), "the log is at trace: {written}");
    for sign in [
        "sqlstate 23505",
        "sqlstate 40P01",
        "constraint faults_serial",
        "tenant=",
        "errors.rs:",
    ] {
        assert!(written.contains(sign), "the log has no {sign}: {written}");
    }
    // The one field that may hold a tenant.
    let written = written.replace(&format!("tenant={ACME}"), "tenant=…");
    for (what, secret) in secrets {
        assert!(
            !answered.to_lowercase().contains(&secret.to_lowercase()),
            "{what} in {answered}"
        );
        if let Some(at) = written.find(&secret) {
            let line = written.lines().find(|line| line.contains(&secret));
            panic!("{what} was written: {}", line.unwrap_or(&written[at..]));
        }
    }
}

/// That the search above finds something where there is something to find.
#[tokio::test]
async fn without_the_layer_the_log_holds_what_was_sent() {
    let mut world = World::new("plain").await;
    let taken = world.add("rls", json!({ "code": "canary-acme" })).await;
    assert!(taken.starts_with("conflict"), "{taken}");
    let (answered, written, secrets) = world.end().await;
    let found = |wanted: &str| {
        let (_, secret) = secrets.iter().find(|(what, _)| *what == wanted).unwrap();
        written.contains(secret)
    };
    assert!(found("a planted value"));
    assert!(!answered.contains("canary"));
}
