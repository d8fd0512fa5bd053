//! A scoped read beside the same read written by hand, across three network distances.
//!
//! Each way is measured in turn, round by round. The tables give times, calls a second, and ratios
//! to a scope; the floor is a bare query that is not isolated. `-- --short` measures for seconds,
//! to see that it runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use watertight::{DbResult, Scope, Session, TenantPool, tenant_query, tools};
use watertight_benches::{DelayProxy, in_turn};
use watertight_test::TestBed;

const CONNECTIONS: u32 = 8;
/// Of the network, each way, in microseconds.
const DELAYS: [u64; 3] = [0, 500, 2_000];
const TASKS: [usize; 3] = [1, 8, 32];

#[tenant_query("SELECT name FROM customers WHERE plan = $plan ORDER BY id LIMIT 20")]
async fn names(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<String>>;

/// The ways to read, in the order of the table.
const WAYS: [&str; 4] = [
    "bare query, not isolated",
    "by hand: begin, set_config, query, commit",
    "by hand, without the pool's ping before",
    "watertight scope",
];
const SCOPE: usize = 3;

struct Ground {
    plain: PgPool,
    /// `test_before_acquire(false)`.
    tuned: PgPool,
    pool: TenantPool,
    session: Session,
    tenant: String,
}

impl Ground {
    async fn new(bed: &TestBed, url: &str) -> anyhow::Result<Self> {
        let [tenant, _] = bed.tenants();
        let plain = PgPoolOptions::new().max_connections(CONNECTIONS);
        Ok(Self {
            tuned: plain
                .clone()
                .test_before_acquire(false)
                .connect(url)
                .await?,
            plain: plain.connect(url).await?,
            pool: TenantPool::builder(url)
                .max_connections(CONNECTIONS)
                .connect(watertight::catalog!())
                .await?,
            session: bed.session(tenant).await?,
            tenant: tenant.id_text().to_owned(),
        })
    }

    async fn once(&self, way: usize) -> anyhow::Result<usize> {
        match way {
            0 => self.bare().await,
            1 => self.by_hand(&self.plain).await,
            2 => self.by_hand(&self.tuned).await,
            _ => {
                let mut db = self.pool.read(&self.session).await?;
                Ok(names(&mut db, "pro").await?.len())
            }
        }
    }

    /// The floor: the filter is in the statement, of a table without row-level security.
    async fn bare(&self) -> anyhow::Result<usize> {
        let sql = "SELECT name FROM bare_customers WHERE tenant_id = $1::uuid AND plan = $2 ORDER BY id LIMIT 20";
        let rows = sqlx::query(sql)
            .bind(&self.tenant)
            .bind("pro")
            .fetch_all(&self.plain)
            .await?;
        let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(names?.len())
    }

    /// What a careful person writes.
    async fn by_hand(&self, pool: &PgPool) -> anyhow::Result<usize> {
        let mut transaction = pool.begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(&self.tenant)
            .execute(&mut *transaction)
            .await?;
        let rows = sqlx::query("SELECT name FROM customers WHERE plan = $1 ORDER BY id LIMIT 20")
            .bind("pro")
            .fetch_all(&mut *transaction)
            .await?;
        let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        transaction.commit().await?;
        Ok(names?.len())
    }
}

async fn read_until(
    ground: Arc<Ground>,
    way: usize,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        anyhow::ensure!(
            ground.once(way).await? == 20,
            "a read returned too few rows"
        );
        times.push(begun.elapsed());
    }
    Ok(times)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (rounds, length) = match std::env::args().any(|argument| argument == "--short") {
        true => (1, Duration::from_millis(60)),
        false => (8, Duration::from_millis(400)),
    };
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

    println!(
        "{CONNECTIONS} connections a pool, {rounds} rounds of {length:?} for each way, in turn"
    );
    for delay in DELAYS {
        let url = DelayProxy::url(bed.database().app_url(), Duration::from_micros(delay))?;
        let ground = Arc::new(Ground::new(&bed, &url).await?);
        for tasks in TASKS {
            let measured = in_turn::<{ WAYS.len() }, _>(rounds, length, tasks, |way, _, until| {
                read_until(Arc::clone(&ground), way, until)
            })
            .await?;
            println!(
                "\n{} ms of network each way, {tasks} task(s)\n",
                delay as f64 / 1e3
            );
            println!(
                "| way | p50 ms | p99 ms | calls/s | a scope's p50 to it | p99 | throughput |"
            );
            println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
            let scope = &measured[SCOPE];
            for (name, way) in WAYS.iter().zip(&measured) {
                println!(
                    "| {name} | {:.3} | {:.3} | {:.0} | {:.2} | {:.2} | {:.2} |",
                    way.percentile(50),
                    way.percentile(99),
                    way.throughput(),
                    scope.percentile(50) / way.percentile(50),
                    scope.percentile(99) / way.percentile(99),
                    scope.throughput() / way.throughput(),
                );
            }
        }
    }
    Ok(())
}
