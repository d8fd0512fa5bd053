//! The database becomes weaker while the pool is open.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::{BODIES, CATALOG, POLICY, SETTINGS, builder, database, pool, read, texts};
use crate::db::{DbErrorKind, DbResult, PoolError, Scope, TenantPool};
use crate::statement::{Catalog, Relation, RelationKind};

const WEAKER: &str = "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY";
const MENDED: &str = "ALTER TABLE notes FORCE ROW LEVEL SECURITY";

/// Runs a statement whose proof rests on these relations.
async fn over(
    scope: &mut Scope<'_>,
    relations: &[&str],
    sql: &'static str,
) -> DbResult<Vec<String>> {
    let (tx, _) = scope.parts();
    let mut statement = tx.statement(CATALOG.id(), false, Some(relations))?;
    let rows = sqlx::query_scalar(sql)
        .fetch_all(statement.connection()?)
        .await;
    statement.settle(rows)
}

/// Waits until the pool knows of the state, at most ten seconds.
async fn until(pool: &TenantPool, sound: bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if pool.health().is_sound() == sound {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn statements_are_refused_while_their_relation_is_weaker() {
    let database = database().await;
    let pool = builder(database.app_url(), 2)
        .verify_every(Duration::from_millis(100))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut before = read(&pool, 1).await.unwrap();
    let other = read(&pool, 2).await.unwrap();
    database.execute_as_owner(WEAKER).await.unwrap();
    // Also while scopes hold every connection.
    assert!(until(&pool, false).await);
    let findings = pool.health().findings.unwrap().to_string();
    assert!(
        findings.contains("not forced on public.notes"),
        "{findings}"
    );
    // What rests on nothing that was lost goes on, in the scopes that were open and in new ones.
    drop(other);
    let mut new = read(&pool, 1).await.unwrap();
    for scope in [&mut before, &mut new] {
        assert_eq!(
            over(scope, &["public.others"], "SELECT 'x'").await.unwrap(),
            ["x"]
        );
        let lost = over(scope, &["public.others", "public.notes"], BODIES).await;
        assert_eq!(lost.unwrap_err().kind(), DbErrorKind::Unavailable);
        // Nothing was sent, so the scope is as good as before.
        assert_eq!(over(scope, &[], "SELECT 'y'").await.unwrap(), ["y"]);
        // Without a list, it rests on everything.
        assert!(texts(scope, "SELECT 'z'").await.is_err());
    }
    drop((before, new));
    database.execute_as_owner(MENDED).await.unwrap();
    assert!(until(&pool, true).await);
    let mut after = read(&pool, 1).await.unwrap();
    assert_eq!(texts(&mut after, BODIES).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn an_error_that_hints_at_a_change_asks_for_a_look() {
    let database = database().await;
    let pool = builder(database.app_url(), 1)
        .verify_every(Duration::from_secs(60))
        .connect(CATALOG)
        .await
        .unwrap();
    database
        .execute_as_owner(&format!(
            "{WEAKER}; ALTER TABLE notes RENAME COLUMN body TO text"
        ))
        .await
        .unwrap();
    let mut scope = read(&pool, 1).await.unwrap();
    assert!(texts(&mut scope, BODIES).await.is_err());
    drop(scope);
    assert!(until(&pool, false).await);
}

#[tokio::test]
async fn what_is_asked_for_is_told_and_taken_over() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let first = pool.health();
    pool.verify().await.unwrap();
    assert!(pool.health().is_sound() && pool.health().verified_at >= first.verified_at);
    database.execute_as_owner(WEAKER).await.unwrap();
    assert!(matches!(pool.verify().await, Err(PoolError::Refused(_))));
    let mut scope = read(&pool, 1).await.unwrap();
    assert!(texts(&mut scope, BODIES).await.is_err());
    drop(scope);
    // A database that can't be reached is neither.
    let gone = builder(database.app_url(), 1).verify_every(None);
    let gone = gone.connect(CATALOG).await;
    assert!(matches!(gone, Err(PoolError::Refused(_))));
    database.execute_as_owner(MENDED).await.unwrap();
    database
        .execute_as_admin(&format!(
            "ALTER DATABASE {} CONNECTION LIMIT 0",
            database.name()
        ))
        .await
        .unwrap();
    assert!(matches!(pool.verify().await, Err(PoolError::Connect(_))));
    assert!(!pool.health().is_sound());
}

/// What concerns every table refuses every scope, and says so.
#[tokio::test]
async fn scopes_are_refused_while_the_loss_is_not_one_relations() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    assert!(pool.health().opens_scopes());
    database
        .execute_as_admin("GRANT CREATE ON SCHEMA public TO PUBLIC")
        .await
        .unwrap();
    assert!(pool.verify().await.is_err());
    let health = pool.health();
    assert!(!health.opens_scopes() && !health.is_sound());
    assert_eq!(
        read(&pool, 1).await.unwrap_err().kind(),
        DbErrorKind::Unavailable
    );
    let findings = health.findings.unwrap();
    assert_eq!(findings.as_slice()[0].relation(), None);
    database
        .execute_as_admin(findings.as_slice()[0].mend())
        .await
        .unwrap();
    pool.verify().await.unwrap();
    let mut scope = read(&pool, 1).await.unwrap();
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["one"]);
}

/// A table whose policy reads another one is weaker when that one is.
#[tokio::test]
async fn a_loss_reaches_the_relations_that_rest_on_it() {
    const RELATION: Relation = Relation::new("public", "members", RelationKind::Table)
        .tenant("tenant_id")
        .rls(true, &[POLICY])
        .relied("pppp");
    const WANTED: Catalog = Catalog::new(
        CATALOG.id(),
        SETTINGS,
        &[
            RELATION,
            Relation {
                name: "papers",
                ..RELATION
            },
            Relation {
                name: "apart",
                ..RELATION
            },
        ],
        &[],
    );
    let database = database().await;
    let own = "tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint)";
    let table = |name: &str, using: &str| {
        format!(
            "CREATE TABLE {name} (tenant_id bigint NOT NULL, id bigint PRIMARY KEY); \
             ALTER TABLE {name} ENABLE ROW LEVEL SECURITY; \
             ALTER TABLE {name} FORCE ROW LEVEL SECURITY; \
             CREATE POLICY tenant ON {name} USING ({using}) WITH CHECK ({own}); \
             GRANT SELECT ON {name} TO app;"
        )
    };
    let reads = format!("{own} AND id IN (SELECT members.id FROM members)");
    for sql in [
        table("members", own),
        table("papers", &reads),
        table("apart", own),
    ] {
        database.execute_as_owner(&sql).await.unwrap();
    }
    let pool = builder(database.app_url(), 1)
        .connect(WANTED)
        .await
        .unwrap();
    database
        .execute_as_owner("ALTER TABLE members DISABLE ROW LEVEL SECURITY")
        .await
        .unwrap();
    assert!(pool.verify().await.is_err());
    let mut scope = read(&pool, 1).await.unwrap();
    assert!(
        over(&mut scope, &["public.members"], "SELECT 'x'")
            .await
            .is_err()
    );
    assert!(
        over(&mut scope, &["public.apart"], "SELECT 'x'")
            .await
            .is_ok()
    );
    let findings = pool.health().findings.unwrap();
    let relations: Vec<_> = findings.as_slice().iter().map(|it| it.relation()).collect();
    assert_eq!(
        relations,
        [Some("public.members"), Some("public.papers")],
        "{findings}"
    );
}

/// What a load balancer gets: the status, and the body.
async fn ask(address: std::net::SocketAddr, path: &str) -> (String, serde_json::Value) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap();
    (status.to_owned(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn the_routes_say_why_without_a_tenant() {
    let database = database().await;
    let proxy = super::proxy::Proxy::before(database.app_url()).await;
    let pool = builder(&proxy.url(database.app_url()), 1)
        .connect(CATALOG)
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = pool.health_routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let (status, body) = ask(address, "/ready").await;
    assert_eq!((&*status, &body["state"]), ("200", &"sound".into()));
    // One table is weaker: still ready, and it is said which.
    database.execute_as_owner(WEAKER).await.unwrap();
    assert!(pool.verify().await.is_err());
    for path in ["/ready", "/health"] {
        let (status, body) = ask(address, path).await;
        assert_eq!(status, "200");
        assert_eq!(body["findings"][0]["relation"], "public.notes", "{body}");
        assert!(
            body["findings"][0]["mend"]
                .as_str()
                .unwrap()
                .contains("FORCE")
        );
    }
    database.execute_as_owner(MENDED).await.unwrap();
    // Everything is: not ready, but alive.
    let admin = "GRANT CREATE ON SCHEMA public TO PUBLIC";
    database.execute_as_admin(admin).await.unwrap();
    assert!(pool.verify().await.is_err());
    assert_eq!(ask(address, "/health").await.0, "200");
    let (status, body) = ask(address, "/ready").await;
    assert_eq!(status, "503");
    assert_eq!(body["state"], "every scope is refused");
    let mend = body["findings"][0]["mend"].as_str().unwrap();
    database.execute_as_admin(mend).await.unwrap();
    pool.verify().await.unwrap();
    assert_eq!(ask(address, "/ready").await.0, "200");
    // Every connection is in use: it answers all the same.
    let held = read(&pool, 1).await.unwrap();
    assert_eq!(ask(address, "/ready").await.0, "200");
    proxy.cut();
    assert_eq!(ask(address, "/ready").await.0, "503");
    drop(held);
    let (status, body) = ask(address, "/ready").await;
    assert_eq!(
        (&*status, &body["state"]),
        ("503", &"the database does not answer".into())
    );
    assert_eq!(ask(address, "/health").await.0, "200");
}
