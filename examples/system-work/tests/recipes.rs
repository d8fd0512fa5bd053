//! The recipes on a real PostgreSQL: what each does, and what it does not let happen.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing helper fails its test"
)]

use std::path::Path;

use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use system_work::domains::{VerifiedDomain, organisation_of};
use system_work::login::{authenticator, issue};
use system_work::nightly::nightly;
use system_work::off_board::off_board;
use system_work::provision::provision;
use tower::ServiceExt as _;
use uuid::Uuid;
use watertight::background::Maintenance;
use watertight::{
    DbErrorKind, DbResult, Scope, Server, SystemPool, TenantId, TenantPool, ToolContext, ToolError,
    ToolErrorKind, ToolResult, mcp_tool, tenant_query, tools,
};
use watertight_devdb::{Database, DevDb};

#[tenant_query("SELECT subject FROM members ORDER BY subject")]
async fn members(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

/// List members.
#[mcp_tool(requires = "members:read", read_only)]
async fn list_members(cx: ToolContext) -> ToolResult<Vec<String>> {
    Ok(members(&mut cx.read().await?).await?)
}

struct World {
    database: Database,
    system: SystemPool,
    pool: TenantPool,
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
        Self {
            system: SystemPool::connect(database.system_url(), watertight::catalog!())
                .await
                .unwrap(),
            pool: TenantPool::connect(database.app_url(), watertight::catalog!())
                .await
                .unwrap(),
            database,
        }
    }

    async fn provision(&self, name: &str) -> Uuid {
        let (domain, admin) = (format!("{name}.test"), format!("admin of {name}"));
        provision(&self.system, name, &domain, &admin)
            .await
            .unwrap()
    }

    /// What the superuser sees.
    async fn all(&self, sql: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// A key of the tenant, made in its own scope.
    async fn key(&self, organisation: Uuid) -> String {
        let text = std::sync::Mutex::new(String::new());
        let report = Maintenance::new("first-key", &self.system, self.pool.clone())
            .for_each_tenant([TenantId::uuid(organisation)], async |cx| {
                let mut db = cx.write().await?;
                let scopes = ["members:read".to_owned()];
                let key = issue(&mut db, "robot", &scopes).await;
                let key = key.map_err(ToolError::internal)?;
                key.text().clone_into(&mut text.lock().unwrap());
                Ok(db.commit().await?)
            })
            .await;
        assert_eq!(report.done(), 1, "{report}");
        text.into_inner().unwrap()
    }

    async fn call(&self, key: &str) -> (StatusCode, String) {
        let server = Server::builder()
            .tools(tools![list_members])
            .pool(self.pool.clone())
            .authenticator(authenticator(self.system.clone()).unwrap())
            .resource("https://desk.test/mcp")
            .build()
            .unwrap();
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "list_members", "arguments": {} } });
        let request = Request::post("https://desk.test/mcp")
            .header(header::HOST, "desk.test")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json")
            .body(message.to_string())
            .unwrap();
        let answer = server.into_router().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn an_api_key_logs_into_its_own_tenant() {
    let world = World::new().await;
    let (acme, beta) = (world.provision("acme").await, world.provision("beta").await);
    let (of_acme, of_beta) = (world.key(acme).await, world.key(beta).await);
    for (key, own, other) in [(&of_acme, "acme", "beta"), (&of_beta, "beta", "acme")] {
        let (status, body) = world.call(key).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(&format!("admin of {own}")), "{body}");
        assert!(!body.contains(other), "{body}");
    }
    // What is stored is no key, and a key's public part is none either.
    for stored in world.all("SELECT id || ' ' || hash FROM api_keys").await {
        let (id, hash) = stored.split_once(' ').unwrap();
        assert!(!of_acme.contains(hash) && !of_beta.contains(hash));
        let forged = format!("desk_{id}_{hash}");
        assert_eq!(world.call(&forged).await.0, StatusCode::UNAUTHORIZED);
    }
    let old = format!("UPDATE api_keys SET expires_at = now() WHERE tenant_id = '{beta}'");
    world.database.execute_as_admin(&old).await.unwrap();
    assert_eq!(world.call(&of_beta).await.0, StatusCode::UNAUTHORIZED);
    // Each login left a record of the system role.
    world.system.close().await;
    let logins = "SELECT tool FROM watertight.system_audit WHERE tool LIKE '%key_of%'";
    assert_eq!(world.all(logins).await.len(), 5);
}

#[tokio::test]
async fn a_verified_domain_names_its_organisation() {
    let world = World::new().await;
    let acme = world.provision("acme").await;
    world.provision("beta").await;
    let domain = |email: &str, verified: Value| {
        let claims = json!({ "email": email, "email_verified": verified });
        VerifiedDomain::of_claims(claims.as_object().unwrap())
    };
    let of = async |email: &str| {
        let domain = domain(email, json!(true)).unwrap();
        organisation_of(&world.system, &domain).await.unwrap()
    };
    assert_eq!(of("ada@ACME.test").await, Some(acme));
    assert_eq!(of("\"eve@beta.test\"@acme.test").await, Some(acme));
    for other in [
        "ada@mail.acme.test",
        "ada@notacme.test",
        "ada@acme.test.evil.example",
    ] {
        assert_eq!(of(other).await, None, "{other}");
    }
    for refused in [
        domain("ada@acme.test", json!(false)),
        domain("ada@acme.test", json!("true")),
        domain("acme.test", json!(true)),
        domain("@acme.test", json!(true)),
        domain("ada@acme.test ", json!(true)),
        domain("ada@\u{0430}cme.test", json!(true)),
    ] {
        assert_eq!(refused, None);
    }
    // A domain that nobody has shown to be theirs names nobody.
    let claimed = "UPDATE email_domains SET verified_at = NULL";
    world.database.execute_as_admin(claimed).await.unwrap();
    assert_eq!(of("ada@acme.test").await, None);
}

#[tokio::test]
async fn provisioning_is_all_or_nothing() {
    let world = World::new().await;
    let acme = world.provision("acme").await;
    // Another name on the same domain: the organisation that was inserted before goes again.
    let taken = provision(&world.system, "other", "ACME.test", "x").await;
    assert_eq!(taken.unwrap_err().kind(), DbErrorKind::Conflict);
    let names = world.all("SELECT name FROM organisations").await;
    assert_eq!(names, ["acme"]);
    let rows = "SELECT tenant_id || ' ' || subject FROM members";
    assert_eq!(world.all(rows).await, [format!("{acme} admin of acme")]);
    let effects = "SELECT tool FROM watertight.system_audit WHERE kind = 'effect'";
    let effects = world.all(effects).await;
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert!(effects[0].contains("insert_organisation"), "{effects:?}");
}

#[tokio::test]
async fn off_boarding_leaves_nothing_of_the_tenant_and_everything_of_the_others() {
    let world = World::new().await;
    let (acme, beta) = (world.provision("acme").await, world.provision("beta").await);
    let key = world.key(acme).await;
    let trials = format!(
        "INSERT INTO trials (tenant_id, product, ends_at) VALUES ('{acme}', 'a', now()), ('{beta}', 'b', now())"
    );
    world.database.execute_as_admin(&trials).await.unwrap();
    off_board(&world.system, &world.pool, acme).await.unwrap();
    for table in ["trials", "members", "email_domains"] {
        let left = world
            .all(&format!("SELECT tenant_id::text FROM {table}"))
            .await;
        assert_eq!(left, [beta.to_string()], "{table}");
    }
    assert_eq!(world.all("SELECT id FROM api_keys").await, [""; 0]);
    assert_eq!(world.all("SELECT name FROM organisations").await, ["beta"]);
    assert_eq!(world.call(&key).await.0, StatusCode::UNAUTHORIZED);
    // The trail says who did it.
    let trail = format!(
        "SELECT DISTINCT issuer || ' ' || subject FROM watertight.audit \
         WHERE tenant_id = '{acme}' AND tool = 'maintenance:off-board'"
    );
    assert_eq!(world.all(&trail).await, ["system:auth off-board"]);
    let again = off_board(&world.system, &world.pool, acme).await;
    assert_eq!(again.unwrap_err().kind(), ToolErrorKind::NotFound);
}

#[tokio::test]
async fn what_off_boarding_does_not_know_keeps_the_tenant_in_the_registry_and_out_of_the_login() {
    let world = World::new().await;
    let acme = world.provision("acme").await;
    let key = world.key(acme).await;
    let later = format!(
        "CREATE TABLE later (of uuid REFERENCES organisations (id)); INSERT INTO later VALUES ('{acme}')"
    );
    world.database.execute_as_admin(&later).await.unwrap();
    let left = off_board(&world.system, &world.pool, acme)
        .await
        .unwrap_err();
    assert_eq!(left.kind(), ToolErrorKind::Conflict);
    assert_eq!(world.call(&key).await.0, StatusCode::UNAUTHORIZED);
    world
        .database
        .execute_as_admin("DROP TABLE later")
        .await
        .unwrap();
    off_board(&world.system, &world.pool, acme).await.unwrap();
    assert_eq!(world.all("SELECT name FROM organisations").await, [""; 0]);
}

#[tokio::test]
async fn the_nightly_job_runs_for_every_tenant_that_stays() {
    let world = World::new().await;
    let mut values = Vec::new();
    for name in ["acme", "beta", "gamma"] {
        let id = world.provision(name).await;
        values.push(format!("('{id}', '{name} old', now() - interval '1 day')"));
        values.push(format!("('{id}', '{name} new', now() + interval '1 day')"));
    }
    let trials = format!(
        "INSERT INTO trials (tenant_id, product, ends_at) VALUES {}; \
         UPDATE organisations SET leaving_since = now() WHERE name = 'gamma'; \
         ALTER TABLE trials ADD CONSTRAINT fault CHECK (product <> 'beta old' OR NOT expired)",
        values.join(", ")
    );
    world.database.execute_as_admin(&trials).await.unwrap();
    let report = nightly(&world.system, &world.pool).await.unwrap();
    // What fails for one tenant does not stop the others.
    assert_eq!((report.done(), report.failed().len()), (1, 1), "{report}");
    assert_eq!(
        report.to_string(),
        "expire-trials: done for 1 tenants, failed for 1 (1 invalid_argument)"
    );
    let expired = "SELECT product FROM trials WHERE expired ORDER BY 1";
    assert_eq!(world.all(expired).await, ["acme old"]);
    let mended = "ALTER TABLE trials DROP CONSTRAINT fault";
    world.database.execute_as_admin(mended).await.unwrap();
    let report = nightly(&world.system, &world.pool).await.unwrap();
    assert_eq!((report.done(), report.failed().len()), (2, 0), "{report}");
    assert_eq!(world.all(expired).await, ["acme old", "beta old"]);
    let trail = "SELECT string_agg(outcome, ' ' ORDER BY outcome) FROM watertight.audit \
                 WHERE tool = 'maintenance:expire-trials' AND kind = 'completion'";
    assert_eq!(world.all(trail).await, ["failed ok ok ok"]);
}
