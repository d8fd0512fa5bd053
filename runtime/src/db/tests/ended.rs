//! Scopes, statements and streams after the end of their call, and after that of their credentials.

use std::time::{Duration, Instant, SystemTime};

use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use tokio::time::timeout;

use super::harness::{
    BODIES, CATALOG, all_notes, assert_clean, change, database, pool, session, tenant, texts,
};
use crate::db::{DbErrorKind, DbResult};
use crate::session::{Grant, Session};
use crate::statement::{Proved, Read, Statement, query};

type Query =
    sqlx::query::Query<'static, sqlx::Postgres, <sqlx::Postgres as sqlx::Database>::Arguments>;

fn proved(sql: &'static str) -> Proved<Query, Read> {
    Proved::<_, Read>::read(Statement::new(sql, CATALOG.id(), "test"), query(sql))
}

/// The session of tenant 1, whose credentials expire so soon.
fn expiring(left: Duration) -> Session {
    Session::from_grant(Grant {
        issuer: "https://issuer.test".to_owned(),
        subject: "user".to_owned(),
        tenant: tenant(1),
        home: None,
        scopes: Vec::new(),
        client: None,
        expires_at: Some(SystemTime::now() + left),
    })
}

fn kind<T: std::fmt::Debug>(result: DbResult<T>) -> DbErrorKind {
    result.expect_err("the scope goes on").kind()
}

#[tokio::test]
async fn a_scope_that_left_its_call_reads_writes_and_stores_nothing() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let (session, running) = session(1).for_call();
    let copy = session.clone();
    let mut reads = pool.read(&session).await.unwrap();
    let mut writes = pool.write(&session).await.unwrap();
    assert_eq!(texts(&mut reads, BODIES).await.unwrap(), ["one"]);
    let insert = "INSERT INTO notes (body) VALUES ('late') RETURNING body";
    change(&mut writes, insert).await.unwrap();
    drop(running);
    let error = texts(&mut reads, BODIES).await.unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Ended);
    assert!(error.to_string().contains("cx.ticket("), "{error}");
    assert_eq!(kind(change(&mut writes, insert).await), DbErrorKind::Ended);
    assert_eq!(kind(writes.commit().await), DbErrorKind::Ended);
    // A session that was kept opens nothing more.
    assert_eq!(kind(pool.read(&copy).await), DbErrorKind::Ended);
    assert_eq!(kind(pool.write(&copy).await), DbErrorKind::Ended);
    drop(reads);
    assert_clean(&pool).await;
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_statement_in_flight_ends_with_its_call() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let (session, running) = session(1).for_call();
    let mut scope = pool.read(&session).await.unwrap();
    let begun = Instant::now();
    let slow = proved("SELECT pg_sleep(20)").fetch_all(&mut scope);
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(running);
    };
    let (answer, ()) = tokio::join!(slow, end);
    assert_eq!(answer.map(|_| ()).unwrap_err().kind(), DbErrorKind::Ended);
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(scope);
    // Its connection is thrown away: nobody saw how the statement ended.
    assert_clean(&pool).await;
    let mut next = pool.read(&super::harness::session(2)).await.unwrap();
    assert_eq!(texts(&mut next, BODIES).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn no_scope_begins_goes_on_or_commits_on_expired_credentials() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let expired = expiring(Duration::ZERO);
    assert_eq!(kind(pool.read(&expired).await), DbErrorKind::Expired);
    assert_eq!(kind(pool.write(&expired).await), DbErrorKind::Expired);

    let session = expiring(Duration::from_millis(400));
    let mut reads = pool.read(&session).await.unwrap();
    let mut writes = pool.write(&session).await.unwrap();
    let insert = "INSERT INTO notes (body) VALUES ('late') RETURNING body";
    change(&mut writes, insert).await.unwrap();
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(kind(texts(&mut reads, BODIES).await), DbErrorKind::Expired);
    assert_eq!(kind(writes.commit().await), DbErrorKind::Expired);
    drop(reads);
    assert_clean(&pool).await;
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_statement_does_not_outlast_its_credentials() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let session = expiring(Duration::from_millis(600));
    let mut scope = pool.read(&session).await.unwrap();
    // The server itself was told, in the message that began the scope.
    for setting in [
        "SELECT current_setting('statement_timeout')",
        "SELECT current_setting('idle_in_transaction_session_timeout')",
    ] {
        let told = texts(&mut scope, setting).await.unwrap().remove(0);
        let millis: u32 = told.strip_suffix("ms").unwrap().parse().unwrap();
        assert!(millis <= 600, "{setting}: {told}");
    }
    let slow = proved("SELECT pg_sleep(20)").fetch_all(&mut scope);
    let answer = timeout(Duration::from_secs(5), slow).await.unwrap();
    let kind = answer.map(|_| ()).unwrap_err().kind();
    // Whichever of the two ends was quicker.
    assert!(
        matches!(kind, DbErrorKind::Expired | DbErrorKind::Timeout),
        "{kind:?}"
    );
    drop(scope);
    assert_clean(&pool).await;
    // Credentials without an expiry have the usual limit.
    let mut scope = pool.read(&super::harness::session(1)).await.unwrap();
    let told = texts(&mut scope, "SELECT current_setting('statement_timeout')").await;
    assert_eq!(told.unwrap(), ["10s"]);
}

#[tokio::test]
async fn a_stream_that_is_read_past_the_end_ends_with_an_error() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let numbers = "SELECT generate_series(1, 100000)";

    let session = expiring(Duration::from_millis(300));
    let mut scope = pool.read(&session).await.unwrap();
    let mut rows = proved(numbers).fetch(&mut scope);
    let first = rows.try_next().await.unwrap().unwrap();
    assert_eq!(first.get::<i32, _>(0), 1);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(
        rows.try_next().await.map(|_| ()).unwrap_err().kind(),
        DbErrorKind::Expired
    );
    assert!(rows.try_next().await.unwrap().is_none());
    drop(rows);
    drop(scope);
    assert_clean(&pool).await;

    let (session, running) = super::harness::session(1).for_call();
    let mut scope = pool.read(&session).await.unwrap();
    let mut rows = proved(numbers).fetch(&mut scope);
    assert!(rows.try_next().await.unwrap().is_some());
    drop(running);
    assert_eq!(
        rows.try_next().await.map(|_| ()).unwrap_err().kind(),
        DbErrorKind::Ended
    );
    drop(rows);
    drop(scope);
    assert_clean(&pool).await;
}
