//! A scoped read beside the same read written by hand, side by side in one run.
//!
//! Each way is measured in turn, round by round, so that drift of the machine hits all of them.
//! The table shows medians and throughput as ratios to the bare query, which is not isolated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use watertight::{DbResult, Scope, Session, TenantPool, tenant_query, tools};
use watertight_test::TestBed;

const ROUNDS: usize = 12;
const ROUND: Duration = Duration::from_millis(400);
const CONNECTIONS: u32 = 8;

#[tenant_query("SELECT name FROM customers WHERE plan = $plan ORDER BY id LIMIT 20")]
async fn names(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<String>>;

/// One way to read.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// No transaction, no tenant setting: the floor. The filter is in the statement.
    Bare,
    /// `begin`, `set_config`, the query, `commit`, as people write it.
    ByHand,
    /// A scope of watertight.
    Scope,
}

const WAYS: [(Way, &str); 3] = [
    (Way::Bare, "bare query, not isolated"),
    (Way::ByHand, "begin, set_config, query, commit by hand"),
    (Way::Scope, "watertight scope"),
];

struct Ground {
    plain: PgPool,
    pool: TenantPool,
    session: Session,
    tenant: String,
}

async fn once(ground: &Ground, way: Way) -> anyhow::Result<usize> {
    Ok(match way {
        Way::Bare => sqlx::query(
            "SELECT name FROM bare_customers WHERE tenant_id = $1::uuid AND plan = $2 ORDER BY id LIMIT 20",
        )
        .bind(&ground.tenant)
        .bind("pro")
        .fetch_all(&ground.plain)
        .await?
        .iter()
        .map(|row| row.try_get::<String, _>(0))
        .collect::<Result<Vec<_>, _>>()?
        .len(),
        Way::ByHand => {
            let mut transaction = ground.plain.begin().await?;
            sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
                .bind(&ground.tenant)
                .execute(&mut *transaction)
                .await?;
            let rows = sqlx::query("SELECT name FROM customers WHERE plan = $1 ORDER BY id LIMIT 20")
                .bind("pro")
                .fetch_all(&mut *transaction)
                .await?
                .iter()
                .map(|row| row.try_get::<String, _>(0))
                .collect::<Result<Vec<_>, _>>()?;
            transaction.commit().await?;
            rows.len()
        }
        Way::Scope => {
            let mut db = ground.pool.read(&ground.session).await?;
            names(&mut db, "pro").await?.len()
        }
    })
}

/// Runs one way with `tasks` tasks for one round and returns each call's time.
async fn round(ground: &Arc<Ground>, way: Way, tasks: usize) -> anyhow::Result<Vec<Duration>> {
    let end = Instant::now() + ROUND;
    let mut running = Vec::new();
    for _ in 0..tasks {
        let ground = Arc::clone(ground);
        running.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < end {
                let start = Instant::now();
                anyhow::ensure!(
                    once(&ground, way).await? == 20,
                    "a read returned too few rows"
                );
                times.push(start.elapsed());
            }
            Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in running {
        times.extend(task.await??);
    }
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(index).map_or(f64::NAN, Duration::as_secs_f64)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let bed = TestBed::builder(watertight::catalog!(), tools![])
        .migrations(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .seed(|tenant| {
            format!(
                "INSERT INTO customers SELECT '{0}', n, 'customer ' || n, (ARRAY['pro','free'])[n % 2 + 1] \
                 FROM generate_series(1, 2000) n",
                tenant.id_text()
            )
        })
        .start()
        .await?;
    // The floor reads a copy without row-level security, with the same index.
    bed.database()
        .execute_as_admin(
            "CREATE TABLE bare_customers AS SELECT * FROM customers; \
             ALTER TABLE bare_customers ADD PRIMARY KEY (tenant_id, id); \
             GRANT SELECT ON bare_customers TO app; ANALYZE",
        )
        .await?;
    let [tenant, _] = bed.tenants();
    let ground = Arc::new(Ground {
        plain: PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect(bed.database().app_url())
            .await?,
        pool: TenantPool::builder(bed.database().app_url())
            .max_connections(CONNECTIONS)
            .connect(watertight::catalog!())
            .await?,
        session: bed.session(tenant).await?,
        tenant: tenant.id_text().to_owned(),
    });

    println!(
        "{CONNECTIONS} connections, loopback, {ROUNDS} rounds of {ROUND:?} each, ways in turn"
    );
    for tasks in [1, 8, 32] {
        let mut times = [const { Vec::new() }; WAYS.len()];
        for number in 0..=ROUNDS {
            for ((way, _), times) in WAYS.iter().zip(&mut times) {
                let measured = round(&ground, *way, tasks).await?;
                // The first round warms caches and connections.
                if number > 0 {
                    times.extend(measured);
                }
            }
        }
        println!("\n{tasks} task(s)");
        println!(
            "{:<44} {:>9} {:>9} {:>12} {:>8}",
            "way", "p50 ms", "p99 ms", "calls/s", "ratio"
        );
        let floor = times.first().map_or(0, Vec::len).max(1);
        for ((_, name), times) in WAYS.iter().zip(&mut times) {
            times.sort_unstable();
            let calls = times.len();
            let seconds = ROUNDS as f64 * ROUND.as_secs_f64();
            println!(
                "{name:<44} {:>9.3} {:>9.3} {:>12.0} {:>8.2}",
                percentile(times, 50) * 1e3,
                percentile(times, 99) * 1e3,
                calls as f64 / seconds,
                calls as f64 / floor as f64,
            );
        }
    }
    Ok(())
}
