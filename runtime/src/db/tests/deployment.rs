//! The binary of version N on the database of version N+1: what only adds starts, what weakens refuses,
//! and what the refusal prints mends it.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;
use watertight_devdb::{Database, DevDb};

use super::harness::{BODIES, CATALOG, builder, database_on, login, read, texts};
use crate::db::{Findings, PoolError, TenantPool};

const PASSWORD: &str = "deployment-password";

/// Roles and their attributes belong to a whole server, so these tests prefer one of their own.
async fn database() -> Database {
    static SERVER: OnceCell<Option<DevDb>> = OnceCell::const_new();
    let started = SERVER.get_or_init(async || DevDb::start().await.ok()).await;
    match started {
        Some(server) => database_on(server).await,
        None => database_on(DevDb::shared().await.unwrap()).await,
    }
}

async fn open(url: &str) -> Result<TenantPool, PoolError> {
    builder(url, 2).connect(CATALOG).await
}

/// What version N+1 adds, each as a migration of its own.
const ADDITIVE: [&str; 18] = [
    "ALTER TABLE notes ADD COLUMN pinned boolean",
    "ALTER TABLE notes ADD COLUMN colour text NOT NULL DEFAULT 'white'",
    "ALTER TABLE notes ADD COLUMN length integer GENERATED ALWAYS AS (char_length(body)) STORED",
    "CREATE INDEX ON notes (tenant_id, colour)",
    "ALTER TABLE notes ADD CONSTRAINT short CHECK (char_length(body) < 10000) NOT VALID",
    "CREATE UNIQUE INDEX ON notes (tenant_id, id)",
    "CREATE POLICY narrower ON notes AS RESTRICTIVE USING (body IS NOT NULL)",
    "CREATE POLICY of_the_system ON notes FOR SELECT TO auth USING (true)",
    "CREATE TABLE plans (name text PRIMARY KEY); GRANT SELECT ON plans TO app",
    "ALTER TABLE notes ADD COLUMN plan text REFERENCES plans (name)",
    "CREATE TABLE tags (tenant_id bigint NOT NULL, note bigint NOT NULL, tag text NOT NULL, \
         PRIMARY KEY (tenant_id, note, tag)); \
     ALTER TABLE tags ENABLE ROW LEVEL SECURITY; ALTER TABLE tags FORCE ROW LEVEL SECURITY; \
     CREATE POLICY tenant ON tags \
         USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint)); \
     GRANT SELECT, INSERT ON tags TO app",
    "CREATE VIEW short_notes WITH (security_invoker = true) AS SELECT id, body FROM notes",
    "CREATE SCHEMA reports; CREATE TABLE reports.daily (day date); GRANT USAGE ON SCHEMA reports TO app",
    "CREATE FUNCTION shorten(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left($1, 10)'",
    "CREATE TYPE mood AS ENUM ('good', 'bad'); ALTER TABLE notes ADD COLUMN mood mood",
    "COMMENT ON TABLE notes IS 'what people wrote'",
    "ALTER TABLE notes ALTER COLUMN body SET STORAGE EXTERNAL",
    "ALTER POLICY tenant ON notes USING ( \
         tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint) AND id > 0)",
];

#[tokio::test]
async fn what_only_adds_starts_and_leaves_running_pools_alone() {
    let database = database().await;
    let running = open(database.app_url()).await.unwrap();
    for sql in ADDITIVE {
        database.execute_as_owner(sql).await.unwrap();
        running
            .verify()
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let started = open(database.app_url()).await;
        let started = started.unwrap_or_else(|error| panic!("{sql}: {error}"));
        for pool in [&running, &started] {
            let mut scope = read(pool, 1).await.unwrap();
            assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["one"], "{sql}");
        }
        started.close().await;
    }
}

/// A login for one weakening; roles belong to the whole server.
async fn role(database: &Database) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("deployed_{}_{number}", std::process::id());
    database
        .execute_as_admin(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; \
             GRANT CONNECT ON DATABASE {db} TO {name}; \
             GRANT USAGE ON SCHEMA public, watertight TO {name}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO {name}; \
             GRANT INSERT ON watertight.audit TO {name}; \
             CREATE POLICY {name} ON watertight.audit FOR INSERT TO {name} WITH CHECK (true)",
            db = database.name()
        ))
        .await
        .unwrap();
    name
}

async fn refusal(url: &str, sql: &str) -> Findings {
    match open(url).await {
        Err(PoolError::Refused(findings)) => findings,
        Err(other) => panic!("{sql}: another error: {other}"),
        Ok(_) => panic!("{sql}: not refused"),
    }
}

/// What is weakened; `ROLE` is the login, `OTHER` another role, `DATABASE` the database.
const WEAKER: [&str; 25] = [
    "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY; ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY wider ON notes USING (true)",
    "CREATE POLICY \"Wider\" ON notes FOR SELECT TO ROLE USING (body LIKE 'public%')",
    "ALTER TABLE notes OWNER TO ROLE",
    "GRANT OTHER TO ROLE; ALTER TABLE notes OWNER TO OTHER",
    "ALTER ROLE ROLE SUPERUSER",
    "ALTER ROLE ROLE BYPASSRLS",
    "ALTER ROLE ROLE REPLICATION",
    "ALTER ROLE OTHER BYPASSRLS; GRANT OTHER TO ROLE",
    "GRANT pg_read_all_data TO ROLE",
    "GRANT pg_write_all_data TO ROLE",
    "GRANT pg_read_server_files TO ROLE",
    "GRANT pg_execute_server_program TO ROLE",
    "GRANT TEMPORARY ON DATABASE DB TO PUBLIC",
    "GRANT CREATE ON SCHEMA public TO OTHER; GRANT OTHER TO ROLE",
    "ALTER SCHEMA public OWNER TO ROLE",
    "GRANT TRUNCATE, TRIGGER ON notes TO ROLE",
    "GRANT REFERENCES ON notes TO PUBLIC",
    "ALTER ROLE ROLE SET app.tenant_id = '1'",
    "ALTER DATABASE DB SET app.tenant_id = '1'",
    "ALTER ROLE ROLE SET search_path = elsewhere",
    "ALTER DATABASE DB SET standard_conforming_strings = off",
    "ALTER ROLE ROLE IN DATABASE DB SET transform_null_equals = on",
];

#[tokio::test]
async fn what_weakens_refuses_and_its_own_sql_mends_it() {
    let database = database().await;
    for weaker in WEAKER {
        let (role, other) = (role(&database).await, role(&database).await);
        let url = login(database.app_url(), &role, PASSWORD);
        open(&url).await.unwrap().close().await;
        let sql = weaker
            .replace("ALTER ROLE ROLE", &format!("ALTER ROLE {role}"))
            .replace(" ROLE IN ", &format!(" {role} IN "))
            .replace("TO ROLE", &format!("TO {role}"))
            .replace("OTHER", &other)
            .replace("DB", database.name());
        database.execute_as_admin(&sql).await.unwrap();
        for finding in refusal(&url, &sql).await.as_slice() {
            let mend = finding.sql();
            assert!(
                !mend.is_empty() && !mend.contains('<'),
                "{sql}: {finding:?}"
            );
            let mended = database.execute_as_admin(&mend).await;
            mended.unwrap_or_else(|error| panic!("{sql}: {mend}: {error}"));
        }
        let mended = open(&url).await;
        mended
            .unwrap_or_else(|error| panic!("{sql}: not mended: {error}"))
            .close()
            .await;
    }
}

/// What is mended by the migrations themselves: the refusal says so, and running them does.
#[tokio::test]
async fn what_is_missing_is_mended_by_the_migrations() {
    const POLICY: &str = "CREATE POLICY tenant ON notes \
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint)) \
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint))";
    let database = database().await;
    for (weaker, says, migration) in [
        (
            "DROP POLICY tenant ON notes",
            "lacks the policy tenant",
            POLICY,
        ),
        (
            "DROP POLICY tenant ON notes; CREATE POLICY tenant ON notes FOR SELECT USING (true)",
            "differs from the migrations",
            POLICY,
        ),
        (
            "ALTER POLICY tenant ON notes USING (true)",
            "no longer confined to the tenant",
            "DROP POLICY tenant ON notes; CREATE POLICY tenant ON notes \
             USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint)) \
             WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint))",
        ),
        (
            "ALTER TABLE notes RENAME COLUMN tenant_id TO organisation",
            "lacks the tenant column",
            "ALTER TABLE notes RENAME COLUMN organisation TO tenant_id",
        ),
        (
            "ALTER TABLE notes RENAME TO papers",
            "public.notes does not exist",
            "ALTER TABLE papers RENAME TO notes",
        ),
        (
            "ALTER TABLE notes RENAME TO papers; CREATE VIEW notes AS SELECT * FROM papers",
            "not the kind of relation",
            "DROP VIEW notes; ALTER TABLE papers RENAME TO notes",
        ),
    ] {
        database.execute_as_owner(weaker).await.unwrap();
        let findings = refusal(database.app_url(), weaker).await;
        let message = findings.to_string();
        assert!(
            message.contains(says) && message.contains("migrations"),
            "{weaker}: {message}"
        );
        for finding in findings.as_slice() {
            database.execute_as_owner(&finding.sql()).await.unwrap();
        }
        database.execute_as_owner(migration).await.unwrap();
        open(database.app_url()).await.unwrap().close().await;
    }
}

/// A server with known faults is only warned of, until the program asks for more.
#[tokio::test]
async fn a_server_with_known_faults_is_refused_where_that_is_asked_for() {
    let database = database().await;
    let number = "SELECT current_setting('server_version_num')";
    let number: u32 = super::harness::as_admin(&database, number).await[0]
        .parse()
        .unwrap();
    open(database.app_url()).await.unwrap();
    let strict = builder(database.app_url(), 1).require_sound_server(true);
    let opened = strict.connect(CATALOG).await;
    if crate::db::gate::is_faulty(number) {
        match opened {
            Err(PoolError::Refused(findings)) => {
                let message = findings.to_string();
                assert!(message.contains("mend: update the server to"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    } else {
        opened.unwrap();
    }
}
