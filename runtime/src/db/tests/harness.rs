//! A database with two tenants, and the few statements that the tests run in scopes.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use watertight_devdb::{Database, DevDb};

use crate::audit::Origin;
use crate::db::{DbError, DbResult, Migrate, Scope, TenantPool, TenantPoolBuilder, WriteScope};
use crate::error::Reference;
use crate::id::{TenantId, TenantKind};
use crate::session::{Grant, Session};
use crate::statement::{Catalog, Policy, Relation, RelationKind, Settings};

pub(super) const SETTINGS: Settings = Settings {
    tenant_column: "tenant_id",
    tenant_kind: TenantKind::Bigint,
    setting: "app.tenant_id",
    search_path: &["public"],
    application_role: "app",
    require_rls: false,
    relax_force: false,
    words: &[],
    not_tenant: &[],
    functions: &[],
};

pub(super) const CATALOG: Catalog = Catalog::new(
    "catalog-under-test",
    SETTINGS,
    &[Relation::new("public", "notes", RelationKind::Table)
        .tenant("tenant_id")
        .rls(true, &[POLICY])
        .relied("pppp")],
    &[],
);

pub(super) const POLICY: Policy = Policy {
    name: "tenant",
    permissive: true,
    command: "ALL",
    roles: &["public"],
    using: true,
    check: true,
    applies: true,
};

pub(super) const SCHEMA: &str = "
CREATE TABLE notes (
    tenant_id bigint NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), '')::bigint,
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body text NOT NULL,
    UNIQUE (tenant_id, body)
);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notes
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO app;
";

/// A fresh database with the schema above, the audit trail, and a note of tenants 1 and 2 each.
pub(super) async fn database() -> Database {
    database_on(DevDb::shared().await.unwrap()).await
}

pub(super) async fn database_on(server: &DevDb) -> Database {
    let database = server.database().await.unwrap();
    database.execute_as_owner(SCHEMA).await.unwrap();
    Migrate::new(database.owner_url())
        .system_role("auth")
        .run()
        .await
        .unwrap();
    database
        .execute_as_admin("INSERT INTO notes (tenant_id, body) VALUES (1, 'one'), (2, 'two')")
        .await
        .unwrap();
    database
}

/// A pool of `connections` through `url`.
pub(super) async fn pool(url: &str, connections: u32) -> TenantPool {
    builder(url, connections).connect(CATALOG).await.unwrap()
}

pub(super) fn builder(url: &str, connections: u32) -> TenantPoolBuilder {
    TenantPool::builder(url).max_connections(connections)
}

pub(super) fn tenant(id: i64) -> TenantId {
    TenantId::bigint(id)
}

pub(super) fn session(id: i64) -> Session {
    session_from(id, None)
}

/// The session of someone who belongs to another tenant than the one that it is for.
pub(super) fn session_from(id: i64, home: Option<i64>) -> Session {
    Session::from_grant(Grant {
        issuer: "https://issuer.test".to_owned(),
        subject: format!("user of {id}"),
        tenant: tenant(id),
        home: home.map(tenant),
        scopes: Vec::new(),
        client: None,
        expires_at: None,
    })
}

pub(super) fn origin() -> Origin {
    Origin::new(Reference::random()).tool("test")
}

pub(super) async fn read(pool: &TenantPool, id: i64) -> DbResult<Scope<'_>> {
    pool.read_as(&tenant(id), origin()).await
}

pub(super) async fn write(pool: &TenantPool, id: i64) -> DbResult<WriteScope<'_>> {
    pool.write_as(&tenant(id), origin()).await
}

/// Runs a statement that reads, and returns its first column.
pub(super) async fn texts(scope: &mut Scope<'_>, sql: &'static str) -> DbResult<Vec<String>> {
    run(scope, sql, false).await
}

/// Runs a statement that writes, and returns its first column.
pub(super) async fn change(scope: &mut WriteScope<'_>, sql: &'static str) -> DbResult<Vec<String>> {
    run(scope, sql, true).await
}

async fn run(scope: &mut Scope<'_>, sql: &'static str, writes: bool) -> DbResult<Vec<String>> {
    let mut statement = scope.statement(CATALOG.id(), writes)?;
    let rows = sqlx::query_scalar(sql)
        .fetch_all(statement.connection()?)
        .await;
    statement.settle(rows)
}

pub(super) const PID: &str = "SELECT pg_backend_pid()::text";
pub(super) const BODIES: &str = "SELECT body FROM notes ORDER BY body";

/// What the superuser sees: every tenant's notes.
pub(super) async fn all_notes(database: &Database) -> Vec<String> {
    as_admin(
        database,
        "SELECT tenant_id || ':' || body FROM notes ORDER BY 1",
    )
    .await
}

pub(super) async fn as_admin(database: &Database, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(database.admin_url()).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

/// What the next borrower of a pooled connection would find without setting anything: the tenant
/// setting, and whether a transaction is open. `(None or "", false)` is clean.
pub(super) async fn leftovers(
    connection: &mut PgConnection,
) -> Result<(String, bool), sqlx::Error> {
    // Two messages: within one open transaction `now()` stands still.
    let first: (String, String) =
        sqlx::query_as("SELECT coalesce(current_setting('app.tenant_id', true), ''), now()::text")
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
    let second: String = sqlx::query_scalar("SELECT now()::text")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok((first.0, first.1 == second))
}

/// Borrows from the pool as the gate does, and asserts that nothing was left behind.
pub(super) async fn assert_clean(pool: &TenantPool) {
    let mut connection = pool.connections().inspect().await.unwrap();
    let found = leftovers(&mut connection).await.unwrap();
    assert_eq!(found, (String::new(), false));
}

/// The same of every connection of a pool that has this many, all of them held at once. One whose
/// backend was killed has nothing to leave behind. Says how many were alive.
pub(super) async fn assert_all_clean(pool: &TenantPool, connections: u32) -> usize {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut connection = pool.connections().inspect().await.unwrap();
        match leftovers(&mut connection).await {
            Ok(found) => {
                assert_eq!(found, (String::new(), false));
                held.push(connection);
            }
            Err(error) if DbError::lost_connection(&error) => connection.close_on_drop(),
            Err(error) => panic!("{error}"),
        }
    }
    held.len()
}

/// `url` with another login.
pub(super) fn login(url: &str, role: &str, password: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_username(role).unwrap();
    url.set_password(Some(password)).unwrap();
    url.into()
}
