//! A test bed: a throwaway database with two tenants, and the server under test in front of it.
//!
//! Invariant: tools are called as clients call them, by HTTP requests with signed tokens through the
//! guard; only the network is missing.

use crate::error::{Doing, Result};
use crate::issuer::Issuer;
use crate::recorder::Recorder;
use crate::tenant::TestTenant;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::PathBuf;
use tower::ServiceExt as _;
use watertight::auth::JwtAuthenticator;
use watertight::db::Migrate;
use watertight::{Catalog, Server, Session, TenantPool, Tools};
use watertight_devdb::{Database, DevDb};

const RESOURCE: &str = "https://watertight.test/mcp";
const ISSUER: &str = "https://id.watertight.test";
const CLAIM: &str = "tenant";

type Seed = Box<dyn Fn(&TestTenant) -> String + Send>;

/// Collects what a [`TestBed`] needs.
#[must_use = "nothing happens until `start`"]
pub struct TestBedBuilder {
    catalog: Catalog,
    tools: Tools,
    migrations: Vec<PathBuf>,
    scopes: String,
    seed: Option<Seed>,
}

/// A database with two tenants, and a server with the tools under test.
///
/// ```no_run
/// use serde_json::json;
/// use watertight_test::TestBed;
///
/// # async fn example(catalog: watertight::Catalog, tools: watertight::Tools) -> watertight_test::Result<()> {
/// // In a test: `watertight::catalog!()` and `tools![list_customers]`.
/// let bed = TestBed::builder(catalog, tools)
///     .migrations("migrations")
///     .scopes("customers:read")
///     .seed(|tenant| format!(
///         "INSERT INTO customers (tenant_id, name) VALUES ('{}', '{} and sons')",
///         tenant.id_text(), tenant.name(),
///     ))
///     .start()
///     .await?;
/// bed.assert_isolated("list_customers", json!({})).await;
/// # Ok(())
/// # }
/// ```
pub struct TestBed {
    pub(crate) database: Database,
    pub(crate) catalog: Catalog,
    pool: TenantPool,
    router: axum::Router,
    recorder: Recorder,
    issuer: Issuer,
    scopes: String,
    tenants: [TestTenant; 2],
}

/// What a tool answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status of the HTTP answer.
    pub status: StatusCode,
    /// Whether it is an error, of the tool, the protocol or the transport.
    pub is_error: bool,
    /// The structured result.
    pub value: Value,
    /// The whole body.
    pub text: String,
}

impl TestBed {
    /// Starts with the catalog of the crate under test, `watertight::catalog!()`, and its tools.
    pub fn builder(catalog: Catalog, tools: Tools) -> TestBedBuilder {
        TestBedBuilder {
            catalog,
            tools,
            migrations: Vec::new(),
            scopes: String::new(),
            seed: None,
        }
    }

    /// The two tenants.
    #[must_use]
    pub fn tenants(&self) -> &[TestTenant; 2] {
        &self.tenants
    }

    /// The pool that the tools use, for tests of the functions behind them.
    #[must_use]
    pub fn pool(&self) -> &TenantPool {
        &self.pool
    }

    /// The database, for tests that look at it as its owner or administrator.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A token for this tenant that the server accepts.
    ///
    /// # Errors
    /// If it can't be signed.
    pub fn token(&self, tenant: &TestTenant) -> Result<String> {
        let token = self
            .issuer
            .token(RESOURCE, format!("someone@{}.test", tenant.name()));
        token
            .claim(CLAIM, tenant.claim().clone())
            .scopes(&self.scopes)
            .sign()
    }

    /// The session of this tenant, as the server makes it from a verified token.
    ///
    /// # Errors
    /// If the server accepts no token.
    pub async fn session(&self, tenant: &TestTenant) -> Result<Session> {
        let body = message("tools/list", Map::new());
        let answer = self
            .send(&self.token(tenant)?, "tools/list", None, &body)
            .await?;
        self.recorder
            .session_of(tenant.id())
            .ok_or(answer.text)
            .doing("open a session")
    }

    /// Calls a tool as this tenant. A refusal is an answer, too.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn call(&self, tenant: &TestTenant, tool: &str, arguments: Value) -> Result<Answer> {
        self.call_with_token(&self.token(tenant)?, tool, arguments)
            .await
    }

    /// Calls a tool with any token.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn call_with_token(
        &self,
        token: &str,
        tool: &str,
        arguments: Value,
    ) -> Result<Answer> {
        let mut params = Map::new();
        params.insert("name".into(), tool.into());
        params.insert("arguments".into(), arguments);
        self.send(
            token,
            "tools/call",
            Some(tool),
            &message("tools/call", params),
        )
        .await
    }

    async fn send(
        &self,
        token: &str,
        method: &str,
        name: Option<&str>,
        body: &Value,
    ) -> Result<Answer> {
        let mut request = Request::post(RESOURCE)
            .header(header::HOST, "watertight.test")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method);
        if let Some(name) = name {
            request = request.header("Mcp-Name", name);
        }
        let request = request
            .body(axum::body::Body::from(body.to_string()))
            .doing("write a request")?;
        // A router is always ready and never fails.
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status();
        let bytes = response
            .into_body()
            .collect()
            .await
            .doing("read an answer")?
            .to_bytes();
        Ok(Answer::read(
            status,
            String::from_utf8_lossy(&bytes).into_owned(),
        ))
    }
}

impl TestBedBuilder {
    /// A folder of migrations, relative to the crate under test.
    pub fn migrations(mut self, folder: impl Into<PathBuf>) -> Self {
        self.migrations.push(folder.into());
        self
    }

    /// The scopes that both tenants' tokens grant, separated by spaces.
    pub fn scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.scopes);
        self
    }

    /// SQL that gives a tenant its rows. It runs as the owner of the tables, with the tenant set.
    /// Give the two different texts, or nothing shows whose rows an answer holds.
    pub fn seed(mut self, seed: impl Fn(&TestTenant) -> String + Send + 'static) -> Self {
        self.seed = Some(Box::new(seed));
        self
    }

    /// Starts the database, runs the migrations, fills the tables, puts up the server.
    ///
    /// # Errors
    /// What failed, with its cause.
    pub async fn start(self) -> Result<TestBed> {
        let server = DevDb::shared().await.doing("start PostgreSQL")?;
        let database = server.database().await.doing("create a database")?;
        for folder in &self.migrations {
            let migrate = Migrate::new(database.owner_url())
                .directory(folder)
                .catalog(&self.catalog);
            migrate.run().await.doing("run the migrations")?;
        }
        let settings = self.catalog.settings();
        let tenants = TestTenant::pair(settings.tenant_kind)?;
        if let Some(seed) = &self.seed {
            for tenant in &tenants {
                let sql = format!(
                    "SET LOCAL {} = '{}'; {}",
                    settings.setting,
                    tenant.id_text(),
                    seed(tenant)
                );
                fill(&database, sql).await.doing("fill the tables")?;
            }
        }

        let issuer = Issuer::new(ISSUER)?;
        let jwt = JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(RESOURCE)
            .jwk_set(issuer.jwk_set())
            .tenant_claim(CLAIM)
            .tenant_kind(settings.tenant_kind)
            .build()
            .doing("set up the authenticator")?;
        let recorder = Recorder::new(jwt);
        let pool = TenantPool::connect(database.app_url(), self.catalog)
            .await
            .doing("open the pool")?;
        let router = Server::builder()
            .name("test bed")
            .tools(self.tools)
            .pool(pool.clone())
            .authenticator(recorder.clone())
            .resource(RESOURCE)
            // Tests call as often as they like.
            .calls_per_second(None)
            .build()
            .doing("build the server")?
            .into_router();
        Ok(TestBed {
            database,
            catalog: self.catalog,
            pool,
            router,
            recorder,
            issuer,
            scopes: self.scopes,
            tenants,
        })
    }
}

impl Answer {
    fn read(status: StatusCode, text: String) -> Self {
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        let result = message.get("result");
        let tool_error =
            result.and_then(|result| result.get("isError")) == Some(&Value::Bool(true));
        let value = result
            .and_then(|result| result.get("structuredContent"))
            .cloned();
        Self {
            status,
            is_error: tool_error || result.is_none() || !status.is_success(),
            value: value.unwrap_or_default(),
            text,
        }
    }
}

/// A request as a client of 2026-07-28 writes it.
fn message(method: &str, mut params: Map<String, Value>) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "watertight-test", "version": env!("CARGO_PKG_VERSION") }
    });
    params.insert("_meta".into(), meta);
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

async fn fill(database: &Database, sql: String) -> std::result::Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(database.owner_url()).await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    connection.close().await
}

impl std::fmt::Debug for TestBed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestBed")
            .field("database", &self.database.name())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TestBedBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestBedBuilder")
            .field("catalog", &self.catalog)
            .finish_non_exhaustive()
    }
}
