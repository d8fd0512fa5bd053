//! Many tenants at once, with random deadlines and killed backends: every row that a scope sees is
//! its tenant's, nothing acknowledged is lost, and every connection is clean in the end.
//!
//! Five seconds by default; `WATERTIGHT_SOAK_SECONDS` for a longer run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::harness::{CATALOG, as_admin, assert_all_clean, builder, database, tenant};
use crate::audit::Origin;
use crate::db::{DbErrorKind, DbResult, TenantPool};
use crate::error::Reference;

const TENANTS: u64 = 7;
const TASKS: u64 = 24;
const CONNECTIONS: u32 = 6;

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    commits: AtomicU64,
    unknown: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// What a task does once: a read, or a change of one note that carries its tenant's number.
async fn step(pool: &TenantPool, id: i64, write: bool, counts: &Counts) -> DbResult<()> {
    let origin = Origin::new(Reference::random());
    if write {
        let mut scope = pool.write_as(&tenant(id), origin).await?;
        let mut statement = scope.statement(CATALOG.id(), true)?;
        let insert = sqlx::query("INSERT INTO notes (body) VALUES ($1 || ':' || $2)")
            .bind(id.to_string())
            .bind(Uuid::new_v4().to_string())
            .execute(statement.connection()?)
            .await;
        statement.settle(insert)?;
        match scope.commit().await {
            Ok(()) => counts.commits.fetch_add(1, Ordering::Relaxed),
            Err(error) if error.kind() == DbErrorKind::CommitUnknown => {
                counts.unknown.fetch_add(1, Ordering::Relaxed)
            }
            Err(error) => return Err(error),
        };
        return Ok(());
    }
    let mut scope = pool.read_as(&tenant(id), origin).await?;
    let mut statement = scope.statement(CATALOG.id(), false)?;
    let rows: Result<Vec<(i64, String)>, _> =
        sqlx::query_as("SELECT tenant_id, body FROM notes ORDER BY id DESC LIMIT 20")
            .fetch_all(statement.connection()?)
            .await;
    for (owner, body) in statement.settle(rows)? {
        assert_eq!(owner, id, "a row of another tenant");
        assert!(
            body.starts_with(&format!("{id}:")) || !body.contains(':'),
            "{body}"
        );
    }
    counts.reads.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_and_nothing_acknowledged_is_lost() {
    let seconds = std::env::var("WATERTIGHT_SOAK_SECONDS");
    let seconds = seconds.ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let database = database().await;
    let pool = builder(database.app_url(), CONNECTIONS)
        .connect(CATALOG)
        .await
        .unwrap();
    let counts = Arc::new(Counts::default());
    let end = Instant::now() + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, counts) = (pool.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                let mut dice = Dice(task + 1);
                while Instant::now() < end {
                    let id = i64::try_from(1 + dice.below(TENANTS)).unwrap();
                    let write = dice.below(3) == 0;
                    // A third of the calls have a deadline somewhere within their own duration.
                    let deadline = match dice.below(3) {
                        0 => Duration::from_micros(dice.below(8_000)),
                        _ => Duration::from_secs(30),
                    };
                    match timeout(deadline, step(&pool, id, write, &counts)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => drop(counts.failed.fetch_add(1, Ordering::Relaxed)),
                        Err(_) => drop(counts.dropped.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            })
        })
        .collect();
    let mut killed = 0;
    while Instant::now() + Duration::from_millis(400) < end {
        sleep(Duration::from_millis(300)).await;
        killed += as_admin(
            &database,
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
             WHERE datname = current_database() AND usename = 'app' ORDER BY random() LIMIT 2",
        )
        .await
        .len();
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(assert_all_clean(&pool, CONNECTIONS).await > 0);
    pool.close().await;

    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (commits, unknown) = (load(&counts.commits), load(&counts.unknown));
    let stray = "SELECT body FROM notes WHERE body LIKE '%:%' AND body NOT LIKE tenant_id || ':%'";
    assert_eq!(as_admin(&database, stray).await, [""; 0]);
    let stored = as_admin(
        &database,
        "SELECT count(*)::text FROM notes WHERE body LIKE '%:%'",
    )
    .await;
    let stored: u64 = stored[0].parse().unwrap();
    // A dropped commit may have been stored as well; an acknowledged one must have been.
    assert!(stored >= commits, "{stored} stored, {commits} acknowledged");
    assert!(
        stored <= commits + unknown + load(&counts.dropped),
        "more stored than was sent"
    );
    let effects = "SELECT count(*)::text FROM watertight.audit WHERE kind = 'effect'";
    assert_eq!(
        as_admin(&database, effects).await,
        [stored.to_string()],
        "each change has its effect"
    );
    println!(
        "{} reads, {commits} commits, {unknown} unknown, {} failed, {} dropped, {killed} killed, 0 crossings",
        load(&counts.reads),
        load(&counts.failed),
        load(&counts.dropped),
    );
    assert!(load(&counts.reads) > 100 && commits > 20 && load(&counts.dropped) > 10 && killed > 2);
}

/// A small generator (xorshift), seeded by the task, so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
