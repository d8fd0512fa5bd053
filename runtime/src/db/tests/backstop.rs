//! The backstop below the API: a login role that can do nothing until a scope takes on the role of
//! tenants.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection as _, PgConnection};
use watertight_devdb::Database;

use super::harness::{
    BODIES, CATALOG, all_notes, change, database, login, read, tenant, texts, write,
};
use crate::db::{Migrate, PoolError, TenantPool};
use crate::statement::{Catalog, Settings};

const PASSWORD: &str = "backstop-password";
const WHO: &str = "SELECT current_user || ' as ' || session_user";

/// A tenant role with the grants, and a login role with nothing but the membership. Roles belong to
/// the whole server, which other tests share: each test makes its own.
async fn roles(database: &Database) -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = |what: &str| format!("{what}_{}_{number}", std::process::id());
    let (tenant, app) = (name("tenant"), name("app"));
    database
        .execute_as_admin(&format!(
            "CREATE ROLE {tenant} NOLOGIN; \
             CREATE ROLE {app} LOGIN NOINHERIT PASSWORD '{PASSWORD}'; GRANT {tenant} TO {app}; \
             GRANT CONNECT ON DATABASE {db} TO {app}; \
             GRANT USAGE ON SCHEMA public TO {tenant}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO {tenant}",
            db = database.name()
        ))
        .await
        .unwrap();
    // The audit trail is the tenant role's to write.
    Migrate::new(database.owner_url())
        .application_role(&tenant)
        .run()
        .await
        .unwrap();
    (tenant, app)
}

async fn open(url: &str, tenant: &str) -> Result<TenantPool, PoolError> {
    TenantPool::builder(url)
        .max_connections(1)
        .tenant_role(tenant)
        .connect(CATALOG)
        .await
}

#[tokio::test]
async fn a_scope_takes_on_the_role_and_nothing_else_does() {
    let database = database().await;
    let (role, app) = roles(&database).await;
    let url = login(database.app_url(), &app, PASSWORD);
    let pool = open(&url, &role).await.unwrap();
    {
        let mut scope = write(&pool, 1).await.unwrap();
        assert_eq!(
            texts(&mut scope, WHO).await.unwrap(),
            [format!("{role} as {app}")]
        );
        change(
            &mut scope,
            "INSERT INTO notes (body) VALUES ('more') RETURNING body",
        )
        .await
        .unwrap();
        scope.commit().await.unwrap();
    }
    let mut scope = read(&pool, 1).await.unwrap();
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["more", "one"]);
    drop(scope);
    pool.run_as(&tenant(1), "SELECT 1").await.unwrap();
    assert_eq!(all_notes(&database).await, ["1:more", "1:one", "2:two"]);
    // The same login without a scope, on a connection of the pool and on one of its own.
    let mut pooled = pool.connections().inspect().await.unwrap();
    let mut own = PgConnection::connect(&url).await.unwrap();
    for connection in [&mut *pooled, &mut own] {
        sqlx::raw_sql("SET app.tenant_id = '1'")
            .execute(&mut *connection)
            .await
            .unwrap();
        let refused = sqlx::raw_sql("SELECT body FROM public.notes")
            .execute(connection)
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("permission denied"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_login_that_needs_no_role_is_refused() {
    let database = database().await;
    let (role, app) = roles(&database).await;
    let url = login(database.app_url(), &app, PASSWORD);
    for (set, says, mend) in [
        (
            format!("ALTER ROLE {app} INHERIT"),
            "reaches public.notes without taking on",
            format!("ALTER ROLE {app} NOINHERIT;"),
        ),
        (
            format!("GRANT SELECT (body) ON notes TO {app}"),
            "reaches public.notes without taking on",
            format!("REVOKE ALL ON public.notes FROM {app};"),
        ),
        (
            format!("REVOKE {role} FROM {app}"),
            "is not a member of",
            format!("GRANT {role} TO {app};"),
        ),
    ] {
        database.execute_as_admin(&set).await.unwrap();
        match open(&url, &role).await {
            Err(PoolError::Refused(findings)) => {
                let message = findings.to_string();
                assert!(
                    message.contains(says) && message.contains(&mend),
                    "{message}"
                );
            }
            other => panic!("{other:?}"),
        }
        database.execute_as_admin(&mend).await.unwrap();
        open(&url, &role).await.unwrap();
    }
}

#[tokio::test]
async fn policies_of_the_tenant_role_count() {
    const SETTINGS: Settings = Settings {
        application_role: "tenant",
        ..super::harness::SETTINGS
    };
    const WANTED: Catalog = Catalog::new("c", SETTINGS, CATALOG.relations(), &[]);
    let database = database().await;
    let (role, app) = roles(&database).await;
    database
        .execute_as_owner(&format!("ALTER POLICY tenant ON notes TO {role}"))
        .await
        .unwrap();
    let url = login(database.app_url(), &app, PASSWORD);
    let opened = TenantPool::builder(&url)
        .tenant_role(&role)
        .connect(WANTED)
        .await;
    // The name of the role differs from the compiled one; what it implies does not.
    match opened {
        Err(PoolError::Refused(findings)) => assert_eq!(findings.as_slice().len(), 1, "{findings}"),
        other => panic!("{other:?}"),
    }
}
