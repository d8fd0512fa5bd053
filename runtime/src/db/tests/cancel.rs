//! Futures that are dropped: at begin, at a statement, at commit, by a panic, or never.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use tokio::time::{sleep, timeout};

use super::harness::{
    BODIES, PID, all_notes, as_admin, assert_clean, builder, change, database, leftovers, pool,
    read, texts, write,
};
use super::proxy::Proxy;
use crate::db::DbErrorKind;

const ROUNDS: u64 = 240;

/// Deadlines that spread evenly over the time that a begin takes, with the wait for the connection.
fn deadline(round: u64, delay: Duration) -> Duration {
    // A multiplicative step through the range: as good as random, and the same in every run.
    delay * u32::try_from(round * 7919 % 1000).unwrap() / 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_begin_leaves_nothing_to_the_next_tenant() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    // One connection, so that whatever is left behind meets the next borrower.
    let pool = pool(&proxy.url(database.app_url()), 1).await;
    let delay = Duration::from_millis(2);
    proxy.delay(delay);
    let mut dropped = 0;
    for round in 0..ROUNDS {
        // Both ways to begin: read scopes are counted by sqlx, write scopes are not.
        let begun = if round % 2 == 0 {
            timeout(deadline(round, delay), read(&pool, 1))
                .await
                .map(|scope| drop(scope.unwrap()))
        } else {
            timeout(deadline(round, delay), write(&pool, 1))
                .await
                .map(|scope| drop(scope.unwrap()))
        };
        dropped += u64::from(begun.is_err());
        // What a borrower that sets nothing would see, then what the next tenant sees.
        assert_clean(&pool).await;
        let mut scope = read(&pool, 2).await.unwrap();
        assert_eq!(
            texts(&mut scope, BODIES).await.unwrap(),
            ["two"],
            "round {round}"
        );
    }
    assert!(
        dropped > ROUNDS / 4 && dropped < ROUNDS,
        "{dropped} dropped: the deadlines don't spread"
    );
}

/// The same with sqlx's own `begin_with`: shows that the test above looks in the right place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_guard_a_dropped_begin_contaminates() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let url = proxy.url(database.app_url());
    let plain = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect(&url)
        .await
        .unwrap();
    let delay = Duration::from_millis(2);
    proxy.delay(delay);
    let mut contaminated = 0;
    for round in 0..100 {
        let begin = plain.begin_with("BEGIN; SET LOCAL app.tenant_id = '1'");
        let _ = timeout(deadline(round, delay), begin).await;
        let mut connection = plain.acquire().await.unwrap();
        if leftovers(&mut connection).await.unwrap() != (String::new(), false) {
            contaminated += 1;
            connection.close_on_drop();
        }
    }
    assert!(
        contaminated > 0,
        "sqlx seems to have mended this; the guard may be simplified"
    );
}

#[tokio::test]
async fn a_dropped_statement_ends_the_scope_and_its_connection() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    let pid = texts(&mut scope, PID).await.unwrap();
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    let slow = texts(&mut scope, "SELECT pg_sleep(1)::text");
    assert!(timeout(Duration::from_millis(50), slow).await.is_err());
    let error = texts(&mut scope, BODIES).await.unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Aborted);
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );

    let mut next = read(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut next, BODIES).await.unwrap(), ["two"]);
    assert_ne!(
        texts(&mut next, PID).await.unwrap(),
        pid,
        "the connection should have been closed"
    );
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_dropped_commit_leaves_the_whole_change_or_nothing() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 1).await;
    for round in 0..40 {
        proxy.delay(Duration::ZERO);
        let mut scope = write(&pool, 1).await.unwrap();
        change(
            &mut scope,
            "INSERT INTO notes (body) VALUES (now()::text || 'a') RETURNING body",
        )
        .await
        .unwrap();
        change(
            &mut scope,
            "INSERT INTO notes (body) VALUES (now()::text || 'b') RETURNING body",
        )
        .await
        .unwrap();
        proxy.delay(Duration::from_millis(2));
        let _ = timeout(
            deadline(round * 11, Duration::from_millis(2)),
            scope.commit(),
        )
        .await;
        assert_clean(&pool).await;
        let mut next = read(&pool, 2).await.unwrap();
        assert_eq!(texts(&mut next, BODIES).await.unwrap(), ["two"]);
    }
    // Wait until the server has dealt with the last closed connection.
    sleep(Duration::from_millis(50)).await;
    let torn = as_admin(
        &database,
        "SELECT left(body, -1) FROM notes WHERE body ~ '[ab]$' GROUP BY 1 HAVING count(*) <> 2",
    )
    .await;
    assert_eq!(torn, [""; 0]);
}

#[tokio::test]
async fn a_panic_rolls_back_and_leaves_nothing() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let panicking = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut scope = write(&pool, 1).await.unwrap();
            change(
                &mut scope,
                "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
            )
            .await
            .unwrap();
            panic!("on purpose");
        }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_clean(&pool).await;
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_leaked_scope_costs_its_slot_and_nothing_else() {
    let database = database().await;
    let pool = builder(database.app_url(), 2)
        .acquire_timeout(Duration::from_secs(3))
        .connect(super::harness::CATALOG)
        .await
        .unwrap();
    std::mem::forget(write(&pool, 1).await.unwrap());
    for _ in 0..5 {
        let mut scope = read(&pool, 2).await.unwrap();
        assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["two"]);
    }
    std::mem::forget(read(&pool, 1).await.unwrap());
    assert_eq!(read(&pool, 2).await.unwrap_err().kind(), DbErrorKind::Busy);
}

#[tokio::test]
async fn a_scope_may_be_dropped_outside_of_a_runtime() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let (one, two) = (
        read(&pool, 1).await.unwrap(),
        write(&pool, 1).await.unwrap(),
    );
    std::thread::scope(|threads| {
        threads.spawn(move || drop((one, two))).join().unwrap();
    });
    assert_clean(&pool).await;
}
