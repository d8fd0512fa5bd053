//! The database becomes weaker while the pool is open.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::{BODIES, CATALOG, builder, database, pool, read, texts};
use crate::db::{DbErrorKind, PoolError, TenantPool};

const WEAKER: &str = "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY";
const MENDED: &str = "ALTER TABLE notes FORCE ROW LEVEL SECURITY";

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
async fn scopes_are_refused_while_the_database_is_weaker() {
    let database = database().await;
    let pool = builder(database.app_url(), 1)
        .verify_every(Duration::from_millis(100))
        .connect(CATALOG)
        .await
        .unwrap();
    let mut before = read(&pool, 1).await.unwrap();
    database.execute_as_owner(WEAKER).await.unwrap();
    // Also while scopes hold every connection.
    assert!(until(&pool, false).await);
    let findings = pool.health().findings.unwrap().to_string();
    assert!(
        findings.contains("not forced on public.notes"),
        "{findings}"
    );
    texts(&mut before, BODIES).await.unwrap();
    drop(before);
    let refused = read(&pool, 1).await.unwrap_err();
    assert_eq!(refused.kind(), DbErrorKind::Unavailable);
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
    assert!(read(&pool, 1).await.is_err());
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
