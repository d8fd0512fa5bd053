//! What one use of a connection can leave to the next. Each test first shows the danger with sqlx as it
//! is, then that scopes are not exposed to it; `CONTAMINATION.md` lists where the others are.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Acquire as _, PgConnection};
use tokio::time::{sleep, timeout};
use watertight_analysis::config::{Config, TenantKind};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog as Analysed, TenantBinding, prepare, prove};
use watertight_devdb::Database;

use super::harness::{
    BODIES, CATALOG, PID, SCHEMA, all_notes, as_admin, assert_clean, builder, change, database,
    leftovers, pool, read, texts, write,
};
use crate::db::DbErrorKind;

/// sqlx as it is, with one connection, so that whatever is left meets the next borrower.
async fn plain(database: &Database) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect(database.app_url())
        .await
        .unwrap()
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// What a borrower that sets nothing sees of all tenants.
async fn seen_without_a_tenant(plain: &PgPool) -> Vec<String> {
    let rows = sqlx::query_scalar(BODIES).persistent(false);
    rows.fetch_all(plain).await.unwrap()
}

/// What the compiler says of these statements.
fn assert_refused(statements: &[&str]) {
    let mut config = Config::default();
    config.tenant.kind = TenantKind::Bigint;
    let file = SourceFile {
        path: "1_schema.sql".to_owned(),
        text: SCHEMA.to_owned(),
    };
    let catalog = Analysed::build(&config, &order(vec![file]).unwrap());
    let proved = |sql: &str| {
        prepare(sql, TenantBinding::LastParameter, &config)
            .and_then(|prepared| prove(&catalog, &prepared))
            .is_ok()
    };
    assert!(proved(BODIES), "an ordinary statement is not refused");
    for sql in statements {
        assert!(!proved(sql), "proved: {sql}");
    }
}

#[tokio::test]
async fn a_tenant_that_was_set_for_the_session() {
    const SET: &str = "SELECT set_config('app.tenant_id', '1', false)";
    let database = database().await;
    let plain = plain(&database).await;
    let mut tx = plain.begin().await.unwrap();
    run(&mut tx, SET).await;
    tx.commit().await.unwrap();
    assert_eq!(seen_without_a_tenant(&plain).await, ["one"], "the danger");

    assert_refused(&[SET, "SET app.tenant_id = '1'"]);
    let pool = pool(database.app_url(), 1).await;
    // A function of the application may do it all the same. What is rolled back takes it along.
    let mut scope = read(&pool, 1).await.unwrap();
    texts(&mut scope, SET).await.unwrap();
    let pid = texts(&mut scope, PID).await.unwrap();
    drop(scope);
    assert_clean(&pool).await;
    let mut scope = write(&pool, 1).await.unwrap();
    texts(&mut scope, SET).await.unwrap();
    assert_eq!(
        texts(&mut scope, PID).await.unwrap(),
        pid,
        "still the same connection"
    );
    scope.commit().await.unwrap();
    // The commit's answer told of it.
    assert_clean(&pool).await;
    let mut scope = read(&pool, 2).await.unwrap();
    assert_ne!(texts(&mut scope, PID).await.unwrap(), pid);
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn what_outlives_a_transaction() {
    const LEFT: [(&str, &str); 3] = [
        (
            "DECLARE held CURSOR WITH HOLD FOR SELECT body FROM notes",
            "SELECT count(*) FROM pg_cursors WHERE name = 'held'",
        ),
        (
            "CREATE TEMPORARY TABLE notes (tenant_id bigint, body text)",
            "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()",
        ),
        (
            "LISTEN changes",
            "SELECT count(*) FROM pg_listening_channels()",
        ),
    ];
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    // The gate would not let a login with this privilege pass.
    let grant = format!("GRANT TEMPORARY ON DATABASE {} TO app", database.name());
    database.execute_as_admin(&grant).await.unwrap();
    for (sql, count) in LEFT {
        let plain = plain(&database).await;
        let mut tx = plain.begin().await.unwrap();
        run(&mut tx, "SET LOCAL app.tenant_id = '1'").await;
        run(&mut tx, sql).await;
        tx.commit().await.unwrap();
        let left: i64 = sqlx::query_scalar(count).fetch_one(&plain).await.unwrap();
        assert_eq!(left, 1, "the danger: {sql}");

        assert_refused(&[sql]);
        let mut scope = write(&pool, 1).await.unwrap();
        let pid = texts(&mut scope, PID).await.unwrap();
        change(&mut scope, sql).await.unwrap();
        scope.commit().await.unwrap();
        let mut scope = read(&pool, 2).await.unwrap();
        assert_ne!(texts(&mut scope, PID).await.unwrap(), pid, "{sql}");
    }
}

#[tokio::test]
async fn what_no_answer_tells_is_never_sent() {
    let database = database().await;
    let grant = "GRANT USAGE ON SEQUENCE notes_id_seq TO app";
    database.execute_as_owner(grant).await.unwrap();
    let plain = plain(&database).await;
    let mut tx = plain.begin().await.unwrap();
    run(&mut tx, "SET LOCAL app.tenant_id = '1'").await;
    run(&mut tx, "INSERT INTO notes (body) VALUES ('of tenant one')").await;
    run(&mut tx, "SELECT pg_advisory_lock(7)").await;
    run(&mut tx, "PREPARE theirs AS SELECT body FROM notes").await;
    tx.commit().await.unwrap();
    // The danger: the next borrower learns the number of that row, and holds that lock.
    let learnt: i64 = sqlx::query_scalar("SELECT lastval()")
        .fetch_one(&plain)
        .await
        .unwrap();
    let number = "SELECT id::text FROM notes WHERE body = 'of tenant one'";
    assert_eq!(as_admin(&database, number).await, [learnt.to_string()]);
    let held: bool = sqlx::query_scalar("SELECT pg_advisory_unlock(7)")
        .fetch_one(&plain)
        .await
        .unwrap();
    assert!(held);
    run(&mut plain.acquire().await.unwrap(), "EXECUTE theirs").await;

    assert_refused(&[
        "SELECT lastval()",
        "SELECT currval('notes_id_seq')",
        "SELECT pg_advisory_lock(7)",
        "SELECT pg_try_advisory_lock(7), body FROM notes",
        "PREPARE theirs AS SELECT body FROM notes",
        "EXECUTE theirs",
        "DEALLOCATE ALL",
        "DISCARD ALL",
        "RESET ALL",
        "NOTIFY changes, 'of tenant one'",
        "SELECT pg_notify('changes', body) FROM notes",
    ]);
}

#[tokio::test]
async fn another_tenant_within_the_statement_itself() {
    // One that is not inlined, so that it runs before the rows are read.
    const OTHER: &str = "WITH other AS MATERIALIZED (SELECT set_config('app.tenant_id', '2', true)) \
        SELECT (SELECT string_agg(body, ',') FROM notes) FROM other WHERE set_config IS NOT NULL";
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = read(&pool, 1).await.unwrap();
    let set = "SELECT set_config('app.tenant_id', '2', true)";
    texts(&mut scope, set).await.unwrap();
    // The danger: row-level security believes the setting, whoever sets it.
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["two"]);
    assert_refused(&[
        OTHER,
        set,
        "SELECT body FROM notes WHERE set_config('app.tenant_id', '2', true) IS NOT NULL",
        "UPDATE pg_settings SET setting = '2' WHERE name = 'app.tenant_id'",
        "SET LOCAL app.tenant_id = '2'",
        "SELECT 1; SELECT 2",
    ]);
    drop(scope);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_savepoint_that_brings_another_tenant_back() {
    let database = database().await;
    let plain = plain(&database).await;
    let mut tx = plain.begin().await.unwrap();
    run(
        &mut tx,
        "SET LOCAL app.tenant_id = '1'; SAVEPOINT before; SET LOCAL app.tenant_id = '2'; \
         ROLLBACK TO SAVEPOINT before",
    )
    .await;
    let seen: Vec<String> = sqlx::query_scalar(BODIES)
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert_eq!(seen, ["one"], "the danger: meant for tenant two");
    drop(tx);

    // A scope has none, and one tenant from its first message to its last.
    assert_refused(&[
        "SAVEPOINT before",
        "ROLLBACK TO SAVEPOINT before",
        "RELEASE before",
    ]);
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 2).await.unwrap();
    for sql in [
        "SAVEPOINT before",
        "SELECT set_config('app.tenant_id', '1', true)",
    ] {
        texts(&mut scope, sql).await.unwrap();
    }
    let stray = "INSERT INTO notes (body) VALUES ('stray') RETURNING body";
    change(&mut scope, stray).await.unwrap();
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    assert_clean(&pool).await;
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn scopes_within_scopes() {
    let database = database().await;
    let plain = plain(&database).await;
    let mut outer = plain.begin().await.unwrap();
    run(&mut outer, "SET LOCAL app.tenant_id = '1'").await;
    let mut inner = outer.begin().await.unwrap();
    run(&mut inner, "SET LOCAL app.tenant_id = '2'").await;
    inner.commit().await.unwrap();
    let seen: Vec<String> = sqlx::query_scalar(BODIES)
        .fetch_all(&mut *outer)
        .await
        .unwrap();
    assert_eq!(
        seen,
        ["two"],
        "the danger: the outer one goes on as tenant two"
    );
    drop(outer);

    // Each scope has a connection of its own; one that finds none waits for its time and no longer.
    let pool = builder(database.app_url(), 2)
        .acquire_timeout(Duration::from_secs(2))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut outer = write(&pool, 1).await.unwrap();
    let insert = "INSERT INTO notes (body) VALUES ('outer') RETURNING body";
    change(&mut outer, insert).await.unwrap();
    let mut inner = write(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut inner, BODIES).await.unwrap(), ["two"]);
    let start = Instant::now();
    assert_eq!(read(&pool, 1).await.unwrap_err().kind(), DbErrorKind::Busy);
    assert!(start.elapsed() < Duration::from_secs(20));
    let insert = "INSERT INTO notes (body) VALUES ('inner') RETURNING body";
    change(&mut inner, insert).await.unwrap();
    inner.commit().await.unwrap();
    assert_eq!(texts(&mut outer, BODIES).await.unwrap(), ["one", "outer"]);
    drop(outer);
    assert_eq!(all_notes(&database).await, ["1:one", "2:inner", "2:two"]);
}

#[tokio::test]
async fn a_commit_after_a_failed_statement() {
    const AGAIN: &str = "INSERT INTO notes (body) VALUES ('one') RETURNING body";
    let database = database().await;
    let plain = plain(&database).await;
    let mut tx = plain.begin().await.unwrap();
    run(
        &mut tx,
        "SET LOCAL app.tenant_id = '1'; INSERT INTO notes (body) VALUES ('lost')",
    )
    .await;
    assert!(sqlx::raw_sql(AGAIN).execute(&mut *tx).await.is_err());
    tx.commit().await.unwrap();
    assert_eq!(
        all_notes(&database).await,
        ["1:one", "2:two"],
        "the danger: reported as stored"
    );

    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    assert!(change(&mut scope, AGAIN).await.is_err());
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
}

#[tokio::test]
async fn a_transaction_that_was_begun_by_hand_and_a_panic() {
    let database = database().await;
    let plain = plain(&database).await;
    let by_hand = tokio::spawn({
        let plain = plain.clone();
        async move {
            let mut connection = plain.acquire().await.unwrap();
            run(&mut connection, "BEGIN; SET LOCAL app.tenant_id = '1'").await;
            panic!("on purpose");
        }
    });
    assert!(by_hand.await.unwrap_err().is_panic());
    assert_eq!(seen_without_a_tenant(&plain).await, ["one"], "the danger");

    let pool = pool(database.app_url(), 1).await;
    for mode in 0..2 {
        let pool_of_task = pool.clone();
        let scoped = tokio::spawn(async move {
            let _held = match mode {
                0 => read(&pool_of_task, 1).await.map(drop),
                _ => {
                    let mut scope = write(&pool_of_task, 1).await.unwrap();
                    let _ = texts(&mut scope, BODIES).await;
                    panic!("on purpose");
                }
            };
            panic!("on purpose");
        });
        assert!(scoped.await.unwrap_err().is_panic());
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_any_more() {
    let database = database().await;
    let plain = plain(&database).await;
    let slow = sqlx::query("SELECT pg_sleep(1.5)").execute(&plain);
    assert!(timeout(Duration::from_millis(100), slow).await.is_err());
    let start = Instant::now();
    seen_without_a_tenant(&plain).await;
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "the danger: the next call pays for it"
    );

    let pool = builder(database.app_url(), 1)
        .statement_timeout(Duration::from_millis(400))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut scope = read(&pool, 1).await.unwrap();
    let slow = texts(&mut scope, "SELECT pg_sleep(30)::text");
    assert!(timeout(Duration::from_millis(100), slow).await.is_err());
    drop(scope);
    let mut next = timeout(Duration::from_secs(20), read(&pool, 2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(texts(&mut next, BODIES).await.unwrap(), ["two"]);
    // The server itself has ended the statement.
    let running = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
                   AND usename = 'app' AND state = 'active'";
    let start = Instant::now();
    while !as_admin(&database, running).await.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "it goes on");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_transaction_that_was_forgotten() {
    let database = database().await;
    let plain = plain(&database).await;
    let mut connection = plain.acquire().await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    run(&mut tx, "SET LOCAL app.tenant_id = '1'").await;
    std::mem::forget(tx);
    drop(connection);
    assert_eq!(seen_without_a_tenant(&plain).await, ["one"], "the danger");

    // A scope owns its connection, so nobody else gets it; the server ends what is open.
    let pool = builder(database.app_url(), 2)
        .idle_in_transaction_timeout(Duration::from_millis(300))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut scope = write(&pool, 1).await.unwrap();
    let held = texts(&mut scope, PID).await.unwrap();
    std::mem::forget(scope);
    for _ in 0..3 {
        let mut next = read(&pool, 2).await.unwrap();
        assert_ne!(texts(&mut next, PID).await.unwrap(), held);
        assert_eq!(texts(&mut next, BODIES).await.unwrap(), ["two"]);
    }
    sleep(Duration::from_millis(900)).await;
    let alive = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database()";
    assert!(!as_admin(&database, alive).await.contains(&held[0]));
}

#[tokio::test]
async fn a_shutdown_with_calls_in_flight() {
    let database = database().await;
    let pool = pool(database.app_url(), 3).await;
    let mut open = write(&pool, 1).await.unwrap();
    change(
        &mut open,
        "INSERT INTO notes (body) VALUES ('kept') RETURNING body",
    )
    .await
    .unwrap();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    sleep(Duration::from_millis(50)).await;
    assert!(!closing.is_finished(), "it waits for what is open");
    assert!(read(&pool, 2).await.is_err(), "nothing new is opened");
    assert_eq!(texts(&mut open, BODIES).await.unwrap(), ["kept", "one"]);
    open.commit().await.unwrap();
    timeout(Duration::from_secs(5), closing)
        .await
        .unwrap()
        .unwrap();

    // The program ends at once, its runtime and all: what was not acknowledged is not stored.
    let url = database.app_url().to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let pool = runtime.block_on(super::harness::pool(&url, 2));
        runtime.block_on(async {
            tokio::spawn(async move {
                let mut scope = write(&pool, 1).await.unwrap();
                let lost = "INSERT INTO notes (body) VALUES ('lost') RETURNING body";
                change(&mut scope, lost).await.unwrap();
                let _ = texts(&mut scope, "SELECT pg_sleep(5)::text").await;
            });
            sleep(Duration::from_millis(200)).await;
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(all_notes(&database).await, ["1:kept", "1:one", "2:two"]);
}

/// The end of a scope is known from its own answer: no message is sent to ask.
#[tokio::test]
async fn an_ended_scope_leaves_an_idle_session_without_a_tenant() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    for round in 0..6 {
        let mut scope = write(&pool, 1).await.unwrap();
        let pid = texts(&mut scope, PID).await.unwrap().remove(0);
        match round % 3 {
            0 => scope.commit().await.unwrap(),
            1 => scope.rollback().await,
            _ => {
                drop(scope);
                drop(read(&pool, 1).await.unwrap());
            }
        }
        sleep(Duration::from_millis(50)).await;
        let state = format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}");
        assert_eq!(as_admin(&database, &state).await, ["idle"]);
        let mut connection = pool.connections().inspect().await.unwrap();
        let found = leftovers(&mut connection).await.unwrap();
        assert_eq!(found, (String::new(), false), "round {round}");
    }
}
