//! A database that is slow, busy, restarted, killed or gone.

use std::time::{Duration, Instant};

use super::harness::{
    BODIES, CATALOG, PID, all_notes, assert_clean, builder, change, database, pool, read, texts,
    write,
};
use super::proxy::Proxy;
use crate::db::{DbErrorKind, PoolError, TenantPool};

async fn terminate(database: &watertight_devdb::Database, pid: &str) {
    database
        .execute_as_admin(&format!("SELECT pg_terminate_backend({pid})"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_slow_statement_is_stopped_by_the_server() {
    let database = database().await;
    let pool = builder(database.app_url(), 1)
        .statement_timeout(Duration::from_millis(500))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut scope = write(&pool, 1).await.unwrap();
    let error = texts(&mut scope, "SELECT pg_sleep(10)::text")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Timeout);
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    assert_clean(&pool).await;
}

#[tokio::test]
async fn a_killed_backend_is_unavailable_and_replaced() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    let pid = texts(&mut scope, PID).await.unwrap().remove(0);
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    terminate(&database, &pid).await;
    let error = texts(&mut scope, BODIES).await.unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Unavailable);
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );

    let mut next = read(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut next, BODIES).await.unwrap(), ["two"]);
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_backend_killed_before_commit_is_never_a_success() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    let pid = texts(&mut scope, PID).await.unwrap().remove(0);
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    terminate(&database, &pid).await;
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::CommitUnknown
    );
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn idle_connections_that_died_are_not_the_callers_problem() {
    let database = database().await;
    let pool = pool(database.app_url(), 3).await;
    let scopes = [
        read(&pool, 1).await.unwrap(),
        read(&pool, 1).await.unwrap(),
        read(&pool, 1).await.unwrap(),
    ];
    drop(scopes);
    tokio::time::sleep(Duration::from_millis(50)).await;
    database
        .execute_as_admin(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND usename = 'app'",
        )
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut scope = read(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn an_exhausted_pool_is_busy() {
    let database = database().await;
    let pool = builder(database.app_url(), 1)
        .acquire_timeout(Duration::from_secs(2))
        .connect(CATALOG)
        .await
        .unwrap();
    let held = read(&pool, 1).await.unwrap();
    let start = Instant::now();
    assert_eq!(read(&pool, 2).await.unwrap_err().kind(), DbErrorKind::Busy);
    assert!(start.elapsed() < Duration::from_secs(20));
    drop(held);
    drop(read(&pool, 2).await.unwrap());
}

#[tokio::test]
async fn a_server_that_goes_away_is_unavailable_and_comes_back() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = builder(&proxy.url(database.app_url()), 2)
        .acquire_timeout(Duration::from_secs(1))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut scope = read(&pool, 1).await.unwrap();
    proxy.cut();
    assert_eq!(
        texts(&mut scope, BODIES).await.unwrap_err().kind(),
        DbErrorKind::Unavailable
    );
    drop(scope);
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(
            read(&pool, 1).await.unwrap_err().kind(),
            DbErrorKind::Unavailable
        );
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    proxy.mend();
    let mut scope = read(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn a_server_that_stops_answering_does_not_hold_a_call_for_ever() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = builder(&proxy.url(database.app_url()), 2)
        .acquire_timeout(Duration::from_secs(1))
        .connect(CATALOG)
        .await
        .unwrap();
    proxy.delay(Duration::from_secs(60));
    let start = Instant::now();
    assert_eq!(
        read(&pool, 1).await.unwrap_err().kind(),
        DbErrorKind::Unavailable
    );
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn errors_say_nothing_of_the_database() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    for sql in [
        "SELECT 'canary-77'::int::text",
        "SELECT body FROM canary_table",
        "SELECT canary_column FROM notes",
    ] {
        let mut scope = read(&pool, 1).await.unwrap();
        let error = texts(&mut scope, sql).await.unwrap_err();
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            error.cause().unwrap().to_string().contains("canary"),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_pool_without_a_server_says_so_without_the_password() {
    let database = database().await;
    let url = super::harness::login(database.app_url(), "app", "wrong-canary");
    let error = TenantPool::connect(url, CATALOG).await.unwrap_err();
    assert!(matches!(error, PoolError::Connect(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}
