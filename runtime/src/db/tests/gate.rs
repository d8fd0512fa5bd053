//! What the gate refuses, and what it lets pass.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;
use watertight_devdb::{Database, DevDb};

use super::harness::{CATALOG, POLICY, SETTINGS, database_on, login};
use crate::db::{PoolError, TenantPool};
use crate::statement::{Catalog, Migration, Policy, Relation, RelationKind};

const PASSWORD: &str = "gate-password";

/// These tests make superusers, so they prefer a server that ends with them to the one that
/// `DATABASE_URL` names.
async fn database() -> Database {
    static SERVER: OnceCell<Option<DevDb>> = OnceCell::const_new();
    let started = SERVER.get_or_init(async || DevDb::start().await.ok()).await;
    match started {
        Some(server) => database_on(server).await,
        None => database_on(DevDb::shared().await.unwrap()).await,
    }
}

/// Roles belong to the whole server, which other tests share: each test makes its own.
async fn role(database: &Database, attributes: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "gate_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    database
        .execute_as_admin(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {attributes}; \
             GRANT CONNECT ON DATABASE {db} TO {name}; \
             GRANT USAGE ON SCHEMA public, watertight TO {name}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}; \
             GRANT INSERT ON watertight.audit TO {name}; \
             CREATE POLICY {name} ON watertight.audit FOR INSERT TO {name} WITH CHECK (true)",
            db = database.name()
        ))
        .await
        .unwrap();
    name
}

async fn refusal(url: &str, catalog: Catalog) -> String {
    match TenantPool::connect(url, catalog).await {
        Err(PoolError::Refused(findings)) => findings.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the gate let it pass"),
    }
}

async fn refusal_of(database: &Database, role: &str) -> String {
    refusal(&login(database.app_url(), role, PASSWORD), CATALOG).await
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[tokio::test]
async fn a_plain_role_passes_and_additions_pass() {
    let database = database().await;
    let role = role(&database, "").await;
    database
        .execute_as_owner(
            "CREATE TABLE later (id int); ALTER TABLE notes ADD COLUMN later text; \
             CREATE POLICY narrower ON notes AS RESTRICTIVE USING (true)",
        )
        .await
        .unwrap();
    TenantPool::connect(login(database.app_url(), &role, PASSWORD), CATALOG)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_superuser_is_refused() {
    let database = database().await;
    let role = role(&database, "SUPERUSER").await;
    let message = refusal_of(&database, &role).await;
    assert_says(
        &message,
        &["is a superuser", &format!("ALTER ROLE {role} NOSUPERUSER")],
    );
}

#[tokio::test]
async fn bypassrls_is_refused() {
    let database = database().await;
    let role = role(&database, "BYPASSRLS").await;
    let message = refusal_of(&database, &role).await;
    assert_says(
        &message,
        &["BYPASSRLS", &format!("ALTER ROLE {role} NOBYPASSRLS;")],
    );
}

#[tokio::test]
async fn a_member_of_a_bypassing_role_is_refused_even_without_inheritance() {
    let database = database().await;
    let strong = role(&database, "BYPASSRLS").await;
    let middle = role(&database, "").await;
    let weak = role(&database, "NOINHERIT").await;
    database
        .execute_as_admin(&format!(
            "GRANT {strong} TO {middle}; GRANT {middle} TO {weak}"
        ))
        .await
        .unwrap();
    let message = refusal_of(&database, &weak).await;
    assert_says(&message, &[&format!("REVOKE {strong} FROM {weak};")]);
}

#[tokio::test]
async fn the_owner_is_refused() {
    let database = database().await;
    let role = role(&database, "").await;
    database
        .execute_as_admin(&format!("ALTER TABLE notes OWNER TO {role}"))
        .await
        .unwrap();
    let message = refusal_of(&database, &role).await;
    assert_says(
        &message,
        &["owns public.notes", "ALTER TABLE public.notes OWNER TO"],
    );
}

#[tokio::test]
async fn an_inherited_owner_is_refused() {
    let database = database().await;
    let (owner, member) = (
        role(&database, "").await,
        role(&database, "NOINHERIT").await,
    );
    database
        .execute_as_admin(&format!(
            "ALTER TABLE notes OWNER TO {owner}; GRANT {owner} TO {member}"
        ))
        .await
        .unwrap();
    let message = refusal_of(&database, &member).await;
    assert_says(
        &message,
        &[
            "which owns public.notes",
            &format!("REVOKE {owner} FROM {member};"),
        ],
    );
}

#[tokio::test]
async fn missing_protection_is_refused_all_at_once() {
    let database = database().await;
    database
        .execute_as_owner(
            "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY; \
             ALTER TABLE notes DISABLE ROW LEVEL SECURITY; DROP POLICY tenant ON notes; \
             CREATE POLICY open ON notes USING (true)",
        )
        .await
        .unwrap();
    const WANTED: Catalog = Catalog::new(
        "c",
        SETTINGS,
        &[
            Relation::new("public", "notes", RelationKind::Table)
                .tenant("tenant_id")
                .rls(true, &[POLICY]),
            Relation::new("public", "missing", RelationKind::Table),
        ],
        &[],
    );
    let message = refusal(database.app_url(), WANTED).await;
    assert_says(
        &message,
        &[
            "ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;",
            "ALTER TABLE public.notes FORCE ROW LEVEL SECURITY;",
            "lacks the policy tenant",
            "DROP POLICY open ON public.notes;",
            "public.missing does not exist",
        ],
    );
}

#[tokio::test]
async fn a_table_without_force_is_refused() {
    let database = database().await;
    database
        .execute_as_owner("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY")
        .await
        .unwrap();
    let message = refusal(database.app_url(), CATALOG).await;
    assert_says(
        &message,
        &[
            "not forced on public.notes",
            "ALTER TABLE public.notes FORCE",
        ],
    );
    assert!(!message.contains("2."), "{message}");
}

#[tokio::test]
async fn a_changed_policy_is_refused() {
    let database = database().await;
    database
        .execute_as_owner(
            "DROP POLICY tenant ON notes; CREATE POLICY tenant ON notes FOR SELECT USING (true)",
        )
        .await
        .unwrap();
    assert_says(
        &refusal(database.app_url(), CATALOG).await,
        &["tenant on public.notes differs"],
    );
}

#[tokio::test]
async fn a_default_for_the_tenant_setting_is_refused() {
    let database = database().await;
    let db = database.name();
    let role = role(&database, "").await;
    let url = login(database.app_url(), &role, PASSWORD);
    for (set, mend) in [
        (
            format!("ALTER DATABASE {db} SET \"app.Tenant_id\" = '1'"),
            format!("ALTER DATABASE {db} RESET app.tenant_id;"),
        ),
        (
            format!("ALTER ROLE {role} SET app.tenant_id = '1'"),
            format!("ALTER ROLE {role} RESET app.tenant_id;"),
        ),
        (
            format!("ALTER ROLE {role} IN DATABASE {db} SET app.tenant_id = '1'"),
            format!("ALTER ROLE {role} IN DATABASE {db} RESET app.tenant_id;"),
        ),
    ] {
        database.execute_as_admin(&set).await.unwrap();
        let message = refusal(&url, CATALOG).await;
        assert_says(&message, &[&mend]);
        assert!(!message.contains("2."), "{message}");
        // The SQL that the message prints does mend it.
        database.execute_as_admin(&mend).await.unwrap();
        TenantPool::connect(url.as_str(), CATALOG).await.unwrap();
    }
    let options = format!("{url}?options=-c%20app.tenant_id%3D1");
    assert_says(
        &refusal(&options, CATALOG).await,
        &["already has a value for app.tenant_id"],
    );
}

#[tokio::test]
async fn a_missing_audit_trail_is_refused() {
    let database = database().await;
    database
        .execute_as_owner("DROP TABLE watertight.audit")
        .await
        .unwrap();
    assert_says(
        &refusal(database.app_url(), CATALOG).await,
        &["watertight.audit is missing"],
    );
    TenantPool::builder(database.app_url())
        .without_audit()
        .connect(CATALOG)
        .await
        .unwrap();
}

#[tokio::test]
async fn migrations_that_differ_are_refused_where_they_can_be_read() {
    let database = database().await;
    let catalog = Catalog::new(
        "c",
        SETTINGS,
        &[],
        &[
            Migration {
                path: "1_a.sql",
                version: "1",
                checksum: "00ff",
            },
            Migration {
                path: "2_b.sql",
                version: "2",
                checksum: "00ff",
            },
            Migration {
                path: "3_c.sql",
                version: "3",
                checksum: "00ff",
            },
        ],
    );
    database
        .execute_as_owner(
            "CREATE TABLE _sqlx_migrations (version bigint, checksum bytea, success boolean); \
             INSERT INTO _sqlx_migrations VALUES (1, '\\x00ff', true), (2, '\\x01', true), (9, '\\x', true)",
        )
        .await
        .unwrap();
    TenantPool::connect(database.app_url(), catalog)
        .await
        .unwrap();
    database
        .execute_as_owner("GRANT SELECT ON _sqlx_migrations TO app")
        .await
        .unwrap();
    let message = refusal(database.app_url(), catalog).await;
    assert_says(
        &message,
        &["2_b.sql was run with another text", "3_c.sql was not run"],
    );
    assert!(!message.contains("1_a.sql"), "{message}");
}

#[tokio::test]
async fn a_pool_can_be_verified_again() {
    let database = database().await;
    let pool = super::harness::pool(database.app_url(), 1).await;
    pool.verify().await.unwrap();
    database
        .execute_as_owner("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY")
        .await
        .unwrap();
    assert!(matches!(pool.verify().await, Err(PoolError::Refused(_))));
}

/// Each is refused with a mend, the mend is run as it is printed, and then the pool opens.
async fn refused_and_mended(database: &Database, role: &str, set: &str, says: &str, mend: &str) {
    database.execute_as_admin(set).await.unwrap();
    let message = refusal_of(database, role).await;
    assert_says(&message, &[says, mend]);
    assert!(!message.contains("2."), "{message}");
    database.execute_as_admin(mend).await.unwrap();
    TenantPool::connect(login(database.app_url(), role, PASSWORD), CATALOG)
        .await
        .unwrap();
}

#[tokio::test]
async fn privileges_that_take_the_place_of_what_was_proved_are_refused() {
    let database = database().await;
    let db = database.name();
    let role = role(&database, "NOINHERIT").await;
    let other = self::role(&database, "").await;
    for (set, says, mend) in [
        (
            format!("GRANT TEMPORARY ON DATABASE {db} TO PUBLIC"),
            "everyone may create temporary tables",
            format!("REVOKE TEMPORARY ON DATABASE {db} FROM PUBLIC;"),
        ),
        (
            format!("GRANT TEMPORARY ON DATABASE {db} TO {role}"),
            "may create temporary tables",
            format!("REVOKE TEMPORARY ON DATABASE {db} FROM {role};"),
        ),
        (
            "GRANT CREATE ON SCHEMA public TO PUBLIC".to_owned(),
            "everyone may create objects in the schema public",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC;".to_owned(),
        ),
        (
            format!("GRANT CREATE ON SCHEMA public TO {other}; GRANT {other} TO {role}"),
            "is a member, may create objects",
            format!("REVOKE CREATE ON SCHEMA public FROM {other};"),
        ),
        (
            format!("GRANT TRUNCATE, REFERENCES ON notes TO {other}"),
            "has REFERENCES, TRUNCATE on public.notes",
            format!("REVOKE REFERENCES, TRUNCATE ON public.notes FROM {other};"),
        ),
        (
            format!("GRANT TRIGGER ON notes TO {role}"),
            "has TRIGGER on public.notes",
            format!("REVOKE TRIGGER ON public.notes FROM {role};"),
        ),
    ] {
        refused_and_mended(&database, &role, &set, says, &mend).await;
    }
    database
        .execute_as_admin(&format!("ALTER SCHEMA public OWNER TO {other}"))
        .await
        .unwrap();
    assert_says(
        &refusal_of(&database, &role).await,
        &["owns the schema public", "ALTER SCHEMA public OWNER TO"],
    );
}

#[tokio::test]
async fn defaults_under_which_a_statement_is_another_are_refused() {
    let database = database().await;
    let db = database.name();
    let role = role(&database, "").await;
    for (set, name) in [
        ("search_path = elsewhere, public", "search_path"),
        (
            "standard_conforming_strings = off",
            "standard_conforming_strings",
        ),
        ("transform_null_equals = on", "transform_null_equals"),
        ("row_security = off", "row_security"),
    ] {
        let on_role = format!("ALTER ROLE {role} SET {set}");
        let says = format!("for {name}");
        let mend = format!("ALTER ROLE {role} RESET {name};");
        refused_and_mended(&database, &role, &on_role, &says, &mend).await;
        let on_database = format!("ALTER DATABASE {db} SET {set}");
        let mend = format!("ALTER DATABASE {db} RESET {name};");
        refused_and_mended(&database, &role, &on_database, &says, &mend).await;
    }
    // What a scope would set anyway.
    database
        .execute_as_admin(&format!(
            "ALTER ROLE {role} SET search_path = public, pg_temp; ALTER ROLE {role} SET row_security = on"
        ))
        .await
        .unwrap();
    TenantPool::connect(login(database.app_url(), &role, PASSWORD), CATALOG)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_policy_for_another_role_that_the_login_is_a_member_of_is_refused() {
    const SUPPORT: Policy = Policy {
        name: "support",
        applies: false,
        roles: &["support"],
        check: false,
        ..POLICY
    };
    const WANTED: Catalog = Catalog::new(
        "c",
        SETTINGS,
        &[Relation::new("public", "notes", RelationKind::Table)
            .tenant("tenant_id")
            .rls(true, &[POLICY, SUPPORT])
            .relied("pppp")],
        &[],
    );
    let database = database().await;
    let (role, support) = (role(&database, "").await, role(&database, "").await);
    database
        .execute_as_admin(&format!(
            "CREATE POLICY support ON notes TO {support} USING (true)"
        ))
        .await
        .unwrap();
    let url = login(database.app_url(), &role, PASSWORD);
    // Its role has another name here than in the catalog, which alone is a difference.
    let message = refusal(&url, WANTED).await;
    assert_says(&message, &["the policy support on public.notes differs"]);
    database
        .execute_as_admin(&format!("GRANT {support} TO {role}"))
        .await
        .unwrap();
    assert_says(
        &refusal(&url, WANTED).await,
        &["so it shows more rows than was proved"],
    );
}

#[tokio::test]
async fn a_live_policy_is_judged_by_what_it_implies() {
    let database = database().await;
    let role = role(&database, "").await;
    let url = login(database.app_url(), &role, PASSWORD);
    for (using, says) in [
        ("true", "SELECT, UPDATE, DELETE on public.notes"),
        (
            "tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint) OR body = 'shared'",
            "SELECT, UPDATE, DELETE on public.notes",
        ),
        (
            "tenant_id = current_setting('app.other', true)::bigint",
            "SELECT, UPDATE, DELETE on public.notes",
        ),
    ] {
        database
            .execute_as_owner(&format!("ALTER POLICY tenant ON notes USING ({using})"))
            .await
            .unwrap();
        let message = refusal(&url, CATALOG).await;
        assert_says(&message, &[says, "no longer confined to the tenant"]);
    }
    // Written in another way, it still confines.
    database
        .execute_as_owner(
            "ALTER POLICY tenant ON notes \
             USING (current_setting('app.tenant_id')::int8 = notes.tenant_id AND body IS NOT NULL)",
        )
        .await
        .unwrap();
    TenantPool::connect(url.as_str(), CATALOG).await.unwrap();
    // A trigger that writes another tenant's row.
    database
        .execute_as_owner(
            "CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
               $$ BEGIN UPDATE notes SET body = NEW.body; RETURN NEW; END $$; \
             CREATE TRIGGER copy AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION copy()",
        )
        .await
        .unwrap();
    assert_says(&refusal(&url, CATALOG).await, &["INSERT on public.notes"]);
}
