//! Many tenants at once, with random deadlines, killed connections and crashes of the server: every row
//! that a scope sees is its tenant's, nothing acknowledged is lost, and every connection is clean at the
//! end. Straight, and through PgBouncer.
//!
//! Five seconds by default, `WATERTIGHT_SOAK_SECONDS` for another time. The long run counts operations:
//! `WATERTIGHT_SOAK_OPERATIONS=1000000 cargo test -p watertight --lib --release -- --ignored --nocapture long_soak`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use watertight_devdb::Database;

use super::crash;
use super::harness::{CATALOG, as_admin, assert_all_clean, builder, database, database_on, tenant};
use super::pgbouncer::{self, PgBouncer, TRANSACTION, Wanted};
use crate::audit::Origin;
use crate::db::{DbErrorKind, DbResult, Pooler, TenantPool};
use crate::error::Reference;

/// What is done, and by how many.
struct Plan {
    tenants: u64,
    tasks: u64,
    connections: u32,
    end: End,
    /// Processes of the server are killed so that it starts all over, this often.
    crash_every: Option<Duration>,
}

#[derive(Clone, Copy)]
enum End {
    After(Duration),
    Operations(u64),
}

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    commits: AtomicU64,
    unknown: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    killed: AtomicU64,
    crashes: AtomicU64,
    over: AtomicBool,
}

impl Counts {
    fn operations(&self) -> u64 {
        [
            &self.reads,
            &self.commits,
            &self.unknown,
            &self.failed,
            &self.dropped,
        ]
        .map(load)
        .iter()
        .sum()
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What a task does once: a read, or a change of one note that carries its tenant's number.
async fn step(pool: &TenantPool, id: i64, write: bool, counts: &Counts) -> DbResult<()> {
    let origin = Origin::new(Reference::random());
    if write {
        let mut scope = pool.write_as(&tenant(id), origin).await?;
        let named = scope.parts().0.names_statements();
        let mut statement = scope.statement(CATALOG.id(), true)?;
        let insert = sqlx::query("INSERT INTO notes (body) VALUES ($1 || ':' || $2)")
            .persistent(named)
            .bind(id.to_string())
            .bind(Uuid::new_v4().to_string())
            .execute(statement.connection()?)
            .await;
        statement.settle(insert)?;
        match scope.commit().await {
            Ok(()) => count(&counts.commits),
            Err(error) if error.kind() == DbErrorKind::CommitUnknown => count(&counts.unknown),
            Err(error) => return Err(error),
        }
        return Ok(());
    }
    let mut scope = pool.read_as(&tenant(id), origin).await?;
    let named = scope.parts().0.names_statements();
    let mut statement = scope.statement(CATALOG.id(), false)?;
    let rows: Result<Vec<(i64, String)>, _> =
        sqlx::query_as("SELECT tenant_id, body FROM notes ORDER BY id DESC LIMIT 20")
            .persistent(named)
            .fetch_all(statement.connection()?)
            .await;
    for (owner, body) in statement.settle(rows)? {
        assert_eq!(owner, id, "a row of another tenant");
        assert!(
            body.starts_with(&format!("{id}:")) || !body.contains(':'),
            "{body}"
        );
    }
    count(&counts.reads);
    Ok(())
}

async fn work(pool: TenantPool, seed: u64, tenants: u64, counts: Arc<Counts>) {
    let mut dice = Dice(seed);
    while !counts.over.load(Ordering::Relaxed) {
        let id = i64::try_from(1 + dice.below(tenants)).unwrap();
        let write = dice.below(3) == 0;
        // A third of the calls have a deadline somewhere within their own duration.
        let deadline = match dice.below(3) {
            0 => Duration::from_micros(dice.below(8_000)),
            _ => Duration::from_secs(30),
        };
        match timeout(deadline, step(&pool, id, write, &counts)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                count(&counts.failed);
                // A server that starts again answers at once that it does not yet.
                sleep(Duration::from_millis(5)).await;
            }
            Err(_) => count(&counts.dropped),
        }
    }
}

/// Kills connections, and now and then the whole server, until the plan is fulfilled.
async fn disturb(database: &Database, plan: &Plan, counts: &Counts) {
    const SOME: &str = "SELECT pid::text FROM pg_stat_activity \
        WHERE datname = current_database() AND usename = 'app' ORDER BY random() LIMIT 2";
    let start = Instant::now();
    let mut crashed = start;
    loop {
        sleep(Duration::from_millis(300)).await;
        let over = match plan.end {
            End::After(time) => start.elapsed() + Duration::from_millis(100) > time,
            End::Operations(operations) => counts.operations() >= operations,
        };
        if over {
            counts.over.store(true, Ordering::Relaxed);
            return;
        }
        // Not even this one connects while the server starts again.
        let Ok(mut admin) = PgConnection::connect(database.admin_url()).await else {
            continue;
        };
        let Ok(pids) = sqlx::query_scalar::<_, String>(SOME)
            .fetch_all(&mut admin)
            .await
        else {
            continue;
        };
        if plan
            .crash_every
            .is_some_and(|every| crashed.elapsed() > every)
        {
            crashed = Instant::now();
            if pids.first().is_some_and(|pid| crash::kill(pid)) {
                count(&counts.crashes);
            }
            continue;
        }
        for pid in pids {
            let end = format!("SELECT pg_terminate_backend({pid})");
            if sqlx::raw_sql(AssertSqlSafe(end))
                .execute(&mut admin)
                .await
                .is_ok()
            {
                count(&counts.killed);
            }
        }
    }
}

async fn soak(database: &Database, pool: TenantPool, plan: Plan) {
    let counts = Arc::new(Counts::default());
    let start = Instant::now();
    let tasks: Vec<_> = (0..plan.tasks)
        .map(|task| {
            tokio::spawn(work(
                pool.clone(),
                task + 1,
                plan.tenants,
                Arc::clone(&counts),
            ))
        })
        .collect();
    disturb(database, &plan, &counts).await;
    for task in tasks {
        task.await.unwrap();
    }
    // The last crash may be of a moment ago.
    let mut alive = 0;
    for _ in 0..100 {
        if PgConnection::connect(database.app_url()).await.is_ok() {
            alive = assert_all_clean(&pool, plan.connections).await;
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(alive > 0);
    pool.close().await;

    let (commits, unknown) = (load(&counts.commits), load(&counts.unknown));
    let stray = "SELECT body FROM notes WHERE body LIKE '%:%' AND body NOT LIKE tenant_id || ':%'";
    assert_eq!(as_admin(database, stray).await, [""; 0]);
    let stored = "SELECT count(*)::text FROM notes WHERE body LIKE '%:%'";
    let stored: u64 = as_admin(database, stored).await[0].parse().unwrap();
    // A dropped commit may have been stored as well; an acknowledged one must have been.
    assert!(stored >= commits, "{stored} stored, {commits} acknowledged");
    assert!(
        stored <= commits + unknown + load(&counts.dropped),
        "more stored than was sent"
    );
    let effects = "SELECT count(*)::text FROM watertight.audit WHERE kind = 'effect'";
    assert_eq!(
        as_admin(database, effects).await,
        [stored.to_string()],
        "each change has its effect"
    );
    println!(
        "{} operations in {} s by {} tasks of {} tenants on {} connections: {} reads, {commits} commits, \
         {unknown} unknown, {} failed, {} dropped, {} connections killed, {} crashes, {alive} connections \
         inspected, 0 crossings, 0 lost",
        counts.operations(),
        start.elapsed().as_secs(),
        plan.tasks,
        plan.tenants,
        plan.connections,
        load(&counts.reads),
        load(&counts.failed),
        load(&counts.dropped),
        load(&counts.killed),
        load(&counts.crashes),
    );
    assert!(load(&counts.reads) > 100 && commits > 20 && load(&counts.dropped) > 10);
    assert!(load(&counts.killed) > 2);
}

fn time() -> Duration {
    let seconds = std::env::var("WATERTIGHT_SOAK_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(5))
}

fn short() -> Plan {
    Plan {
        tenants: 7,
        tasks: 24,
        connections: 6,
        end: End::After(time()),
        crash_every: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_and_nothing_acknowledged_is_lost() {
    let database = database().await;
    let plan = short();
    let pool = builder(database.app_url(), plan.connections);
    soak(&database, pool.connect(CATALOG).await.unwrap(), plan).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_through_a_pooler() {
    let database = database().await;
    let Some(bouncer) = PgBouncer::before(&database, TRANSACTION) else {
        return;
    };
    through(&database, &bouncer, Pooler::Transaction).await;
    if pgbouncer::tracks() {
        let wanted = Wanted {
            tracked: 200,
            ..TRANSACTION
        };
        let database = super::harness::database().await;
        let bouncer = PgBouncer::before(&database, wanted).unwrap();
        through(&database, &bouncer, Pooler::TransactionTracked).await;
    }
}

/// More clients than server connections, so that these change hands all the time.
async fn through(database: &Database, bouncer: &PgBouncer, pooler: Pooler) {
    let plan = short();
    let pool = builder(&bouncer.url(database.app_url()), plan.connections).pooler(pooler);
    soak(database, pool.connect(CATALOG).await.unwrap(), plan).await;
}

/// The long run: hundreds of tasks, crashes of the server, and the number of operations that was asked
/// for, or thirty thousand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as it is told to"]
async fn long_soak() {
    let operations = std::env::var("WATERTIGHT_SOAK_OPERATIONS").ok();
    let operations = operations
        .and_then(|text| text.parse().ok())
        .unwrap_or(30_000);
    let Some(server) = crash::own_server().await else {
        return;
    };
    let database = database_on(server).await;
    crash::make_durable(&database).await;
    // Pages of twenty of a tenant's notes, however many there are by now.
    database
        .execute_as_owner("CREATE INDEX newest ON notes (tenant_id, id)")
        .await
        .unwrap();
    let plan = Plan {
        tenants: 40,
        tasks: 300,
        connections: 24,
        end: End::Operations(operations),
        crash_every: Some(Duration::from_secs(10)),
    };
    let pool = builder(database.app_url(), plan.connections);
    soak(&database, pool.connect(CATALOG).await.unwrap(), plan).await;
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
