//! A whole `tools/call` over HTTP: watertight beside the same tool in plain rmcp.
//!
//! Plain rmcp has no authentication, no isolation and no audit; its tool takes the tenant's rows
//! by a filter in the statement, from a table without row-level security. The second server's tool
//! is isolated by hand, as a careful person writes it. Watertight verifies a signed token, opens a
//! scope under row-level security and leaves an audit record. Clients and servers run in this
//! process, PostgreSQL beside it, at several distances. `-- --short` measures for seconds;
//! `-- --only 3` asks the fourth server alone, without a distance, for a profiler.

#![allow(clippy::indexing_slicing, reason = "one client for each way and task")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use watertight::auth::JwtAuthenticator;
use watertight::{
    DbResult, Scope, Server, TenantPool, ToolContext, ToolOutput, ToolResult, mcp_tool,
    tenant_query, tools,
};
use watertight_benches::{Client, DelayProxy, in_turn};
use watertight_test::{Issuer, TestBed};

const CONNECTIONS: u32 = 8;
/// Microseconds each way between a server and its database.
const DELAYS: [u64; 3] = [0, 500, 2_000];
const TASKS: [usize; 3] = [1, 8, 32];
const ISSUER: &str = "https://id.bench.test";
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_customers","arguments":{"plan":"pro"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}}}"#;

#[derive(Serialize, sqlx::FromRow, schemars::JsonSchema, ToolOutput)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT id, name FROM customers WHERE plan = $plan ORDER BY id LIMIT 20")]
async fn customers(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>>;

/// List customers on a plan.
#[mcp_tool(read_only)]
async fn list_customers(cx: ToolContext, plan: String) -> ToolResult<Vec<Customer>> {
    let mut db = cx.read().await?;
    Ok(customers(&mut db, &plan).await?)
}

/// The same tool as people write it with rmcp alone.
#[derive(Clone)]
struct Plain {
    pool: PgPool,
    tenant: uuid::Uuid,
    isolated: bool,
}

impl Plain {
    /// The filter is in the statement, and nothing else keeps the tenants apart.
    async fn filtered(&self, plan: String) -> sqlx::Result<Vec<Customer>> {
        let sql = "SELECT id, name FROM bare_customers WHERE tenant_id = $1 AND plan = $2 ORDER BY id LIMIT 20";
        sqlx::query_as(sql)
            .bind(self.tenant)
            .bind(plan)
            .fetch_all(&self.pool)
            .await
    }

    /// What a careful person writes.
    async fn by_hand(&self, plan: String) -> sqlx::Result<Vec<Customer>> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(self.tenant.to_string())
            .execute(&mut *transaction)
            .await?;
        let sql = "SELECT id, name FROM customers WHERE plan = $1 ORDER BY id LIMIT 20";
        let rows = sqlx::query_as(sql)
            .bind(plan)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
struct ListCustomers {
    plan: String,
}

/// What a tool without a list at the top returns, as ours does.
#[derive(Serialize, schemars::JsonSchema)]
struct Customers {
    result: Vec<Customer>,
}

#[tool_router]
impl Plain {
    /// List customers on a plan.
    #[tool]
    async fn list_customers(
        &self,
        Parameters(ListCustomers { plan }): Parameters<ListCustomers>,
    ) -> Result<Json<Customers>, rmcp::ErrorData> {
        let result = match self.isolated {
            false => self.filtered(plan).await,
            true => self.by_hand(plan).await,
        };
        let result =
            result.map_err(|error| rmcp::ErrorData::internal_error(error.to_string(), None))?;
        Ok(Json(Customers { result }))
    }
}

#[tool_handler]
impl rmcp::ServerHandler for Plain {}

/// The servers, in the order of the table.
const WAYS: [&str; 4] = [
    "plain rmcp: no authentication, isolation or audit",
    "plain rmcp, isolated by hand: no authentication or audit",
    "watertight without audit",
    "watertight",
];

async fn plain(bed: &TestBed, url: &str, isolated: bool) -> anyhow::Result<(String, String)> {
    let handler = Plain {
        pool: PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect(url)
            .await?,
        tenant: bed.tenants()[0].id_text().parse()?,
        isolated,
    };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(handler.clone()),
        Arc::<NeverSessionManager>::default(),
        config,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let app = axum::Router::new().route_service("/mcp", service);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((host, String::new()))
}

async fn tight(
    bed: &TestBed,
    url: &str,
    issuer: &Issuer,
    audit: bool,
) -> anyhow::Result<(String, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let resource = format!("http://{host}/mcp");
    let pool = TenantPool::builder(url).max_connections(CONNECTIONS);
    let pool = if audit { pool } else { pool.without_audit() };
    let server = Server::builder()
        .name("bench")
        .tools(tools![list_customers])
        .pool(pool.connect(watertight::catalog!()).await?)
        .authenticator(
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(&resource)
                .jwk_set(issuer.jwk_set())
                .tenant_claim("org_id")
                .build()?,
        )
        .resource(&resource)
        // Counted like everywhere, but out of reach.
        .calls_per_second(1_000_000)
        .build()?;
    tokio::spawn(server.serve_listener(listener));
    let token = issuer
        .token(&resource, "alice")
        .claim("org_id", bed.tenants()[0].id_text())
        .sign()?;
    Ok((host, token))
}

/// All of them, this far from their database.
async fn servers(
    bed: &TestBed,
    issuer: &Issuer,
    delay: Duration,
) -> anyhow::Result<[(String, String); WAYS.len()]> {
    let url = DelayProxy::url(bed.database().app_url(), delay)?;
    Ok([
        plain(bed, &url, false).await?,
        plain(bed, &url, true).await?,
        tight(bed, &url, issuer, false).await?,
        tight(bed, &url, issuer, true).await?,
    ])
}

async fn connect(host: &str, token: &str) -> anyhow::Result<Client> {
    let token = format!("Bearer {token}");
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "list_customers"),
    ];
    if token.len() > "Bearer ".len() {
        headers.push(("authorization", &token));
    }
    Client::connect(host, &headers, CALL).await
}

async fn call_until(client: Arc<Mutex<Client>>, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut client = client.lock().await;
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let body = client.call().await?;
        times.push(begun.elapsed());
        anyhow::ensure!(body.len() > 1_000, "{}", String::from_utf8_lossy(body));
    }
    Ok(times)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (rounds, length) = match arguments.iter().any(|argument| argument == "--short") {
        true => (1_u32, Duration::from_millis(60)),
        false => (10, Duration::from_millis(500)),
    };
    let only = arguments.iter().position(|argument| argument == "--only");
    let only: Option<usize> = only
        .and_then(|at| arguments.get(at + 1))
        .map(|number| number.parse())
        .transpose()
        .context("`--only` takes the number of a server, from 0")?;
    let bed = TestBed::builder(watertight::catalog!(), tools![])
        .migrations(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .seed(|tenant| {
            format!(
                "INSERT INTO customers SELECT '{0}', n, 'customer ' || n, (ARRAY['pro','free'])[n % 2 + 1] \
                 FROM generate_series(1, 2000) n",
                tenant.id_text()
            )
        })
        .start()
        .await?;
    bed.database()
        .execute_as_admin(
            "CREATE TABLE bare_customers AS SELECT * FROM customers; \
             ALTER TABLE bare_customers ADD PRIMARY KEY (tenant_id, id); \
             GRANT SELECT ON bare_customers TO app; ANALYZE",
        )
        .await?;
    let issuer = Issuer::new(ISSUER)?;
    println!(
        "{CONNECTIONS} connections a pool, {rounds} rounds of {length:?} for each server, in turn"
    );
    if let Some(way) = only {
        let hosts = servers(&bed, &issuer, Duration::ZERO).await?;
        let (host, token) = hosts
            .get(way)
            .context("there is no server of this number")?;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let client = Arc::new(Mutex::new(connect(host, token).await?));
            calls.spawn(call_until(client, Instant::now() + length * rounds * 2));
        }
        let times = calls
            .join_all()
            .await
            .into_iter()
            .collect::<anyhow::Result<Vec<_>>>()?;
        let calls = times.iter().map(Vec::len).sum::<usize>();
        println!("{calls} calls to {}", WAYS[way]);
        return Ok(());
    }
    for delay in DELAYS.map(Duration::from_micros) {
        let hosts = servers(&bed, &issuer, delay).await?;
        for tasks in TASKS {
            compare(&hosts, (rounds, length), delay, tasks).await?;
        }
    }
    Ok(())
}

/// All of them in turn, by so many clients.
async fn compare(
    hosts: &[(String, String)],
    (rounds, length): (u32, Duration),
    delay: Duration,
    tasks: usize,
) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for (host, token) in hosts {
        let mut of_host = Vec::new();
        for _ in 0..tasks {
            of_host.push(Arc::new(Mutex::new(connect(host, token).await?)));
        }
        clients.push(of_host);
    }
    let rounds = usize::try_from(rounds)?;
    let measured = in_turn::<{ WAYS.len() }, _>(rounds, length, tasks, |way, task, until| {
        call_until(Arc::clone(&clients[way][task]), until)
    })
    .await?;
    let distance = delay.as_secs_f64() * 1e3;
    println!("\n{distance} ms of network each way, {tasks} client(s)\n");
    println!("| server | p50 ms | p99 ms | calls/s | throughput to plain rmcp |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, way) in WAYS.iter().zip(&measured) {
        println!(
            "| {name} | {:.3} | {:.3} | {:.0} | {:.2} |",
            way.percentile(50),
            way.percentile(99),
            way.throughput(),
            way.throughput() / measured[0].throughput(),
        );
    }
    Ok(())
}
