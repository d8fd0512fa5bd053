//! The system pool: its own role, no tenant, and a record of everything.

use sqlx::Row as _;
use watertight_devdb::Database;

use super::harness::{CATALOG, as_admin, database};
use crate::db::{DbErrorKind, DbResult, PoolError, SystemPool, SystemScope};

/// What a login needs: a table that the system role reads by a policy of its own.
async fn prepared() -> Database {
    let database = database().await;
    database
        .execute_as_owner(
            "CREATE TABLE api_keys (tenant_id bigint NOT NULL, hash text PRIMARY KEY); \
             ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY; \
             ALTER TABLE api_keys FORCE ROW LEVEL SECURITY; \
             CREATE POLICY login ON api_keys TO auth USING (true) WITH CHECK (true); \
             GRANT SELECT, INSERT ON api_keys TO auth",
        )
        .await
        .unwrap();
    database
}

async fn run(
    scope: &mut SystemScope<'_>,
    role: &str,
    sql: &'static str,
    writes: bool,
) -> DbResult<Vec<String>> {
    let mut statement =
        scope
            .admit(role, "the_statement")?
            .statement(CATALOG.id(), writes, None)?;
    let rows = sqlx::query(sql).fetch_all(statement.connection()?).await;
    let rows = statement.settle(rows)?;
    Ok(rows.iter().map(|row| row.try_get(0).unwrap()).collect())
}

const INSERT: &str = "INSERT INTO api_keys VALUES (1, 'h') RETURNING hash";

async fn records(database: &Database) -> Vec<String> {
    as_admin(
        database,
        "SELECT role || ' ' || kind || ' ' || tool FROM watertight.system_audit ORDER BY id",
    )
    .await
}

#[tokio::test]
async fn system_work_has_no_tenant_and_leaves_records() {
    let database = prepared().await;
    let pool = SystemPool::connect(database.system_url(), CATALOG)
        .await
        .unwrap();
    assert_eq!(pool.role(), "auth");
    let mut scope = pool.write().await.unwrap();
    let setting = "SELECT current_setting('app.tenant_id')";
    assert_eq!(run(&mut scope, "auth", setting, false).await.unwrap(), [""]);
    run(&mut scope, "auth", INSERT, true).await.unwrap();
    scope.commit().await.unwrap();
    assert_eq!(
        records(&database).await,
        ["auth effect the_statement, the_statement"]
    );

    let mut scope = pool.read().await.unwrap();
    assert_eq!(
        run(&mut scope, "auth", "SELECT hash FROM api_keys", false)
            .await
            .unwrap(),
        ["h"]
    );
    // A tenant's own table is not granted to this role.
    let denied = run(&mut scope, "auth", "SELECT body FROM notes", false)
        .await
        .unwrap_err();
    assert_eq!(denied.kind(), DbErrorKind::Denied);
    drop(scope);
    pool.close().await;
    assert_eq!(
        records(&database).await[1..],
        ["auth read the_statement, the_statement"]
    );
}

/// The records have no chain: what holds them is that the roles may add rows and nothing else.
#[tokio::test]
async fn a_system_role_adds_its_own_records_and_can_neither_read_nor_change_any() {
    use sqlx::Connection as _;

    let database = prepared().await;
    let pool = SystemPool::connect(database.system_url(), CATALOG)
        .await
        .unwrap();
    let mut scope = pool.write().await.unwrap();
    run(&mut scope, "auth", INSERT, true).await.unwrap();
    scope.commit().await.unwrap();
    let before = records(&database).await;
    for url in [database.system_url(), database.app_url()] {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        for attempt in [
            "SELECT tool FROM watertight.system_audit",
            "UPDATE watertight.system_audit SET tool = 'x'",
            "DELETE FROM watertight.system_audit",
            "TRUNCATE watertight.system_audit",
            "INSERT INTO watertight.system_audit (role, kind, reference) VALUES ('owner', 'read', 'x')",
            "INSERT INTO watertight.system_audit (kind, reference, recorded_at) VALUES ('read', 'x', '2020-01-01')",
            "ALTER TABLE watertight.system_audit DISABLE ROW LEVEL SECURITY",
        ] {
            let error = sqlx::query(attempt).execute(&mut connection).await;
            let error = error.unwrap_err().into_database_error().unwrap();
            assert_eq!(error.code().as_deref(), Some("42501"), "{attempt}: {error}");
        }
    }
    assert_eq!(records(&database).await, before);
}

#[tokio::test]
async fn a_change_that_is_not_committed_is_none() {
    let database = prepared().await;
    let pool = SystemPool::connect(database.system_url(), CATALOG)
        .await
        .unwrap();
    let mut scope = pool.write().await.unwrap();
    run(&mut scope, "auth", INSERT, true).await.unwrap();
    assert_eq!(
        run(&mut scope, "auth", "SELECT 1/0", false)
            .await
            .unwrap_err()
            .kind(),
        DbErrorKind::InvalidValue
    );
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    let mut reader = pool.read().await.unwrap();
    assert_eq!(
        run(&mut reader, "auth", INSERT, true)
            .await
            .unwrap_err()
            .kind(),
        DbErrorKind::Denied
    );
    assert_eq!(
        reader.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    assert_eq!(
        as_admin(&database, "SELECT hash FROM api_keys").await,
        [""; 0]
    );
}

#[tokio::test]
async fn a_statement_of_another_role_is_refused() {
    let database = prepared().await;
    let pool = SystemPool::connect(database.system_url(), CATALOG)
        .await
        .unwrap();
    let mut scope = pool.read().await.unwrap();
    let error = run(
        &mut scope,
        "maintenance",
        "SELECT hash FROM api_keys",
        false,
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Denied);
}

#[tokio::test]
async fn a_superuser_and_the_application_role_are_refused() {
    let database = prepared().await;
    for (url, what) in [
        (database.admin_url(), "is a superuser"),
        (database.app_url(), "is the application role"),
    ] {
        let Err(PoolError::Refused(findings)) = SystemPool::connect(url, CATALOG).await else {
            panic!("{what}: let pass");
        };
        assert!(findings.to_string().contains(what), "{findings}");
    }
}
