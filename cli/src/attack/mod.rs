//! `cargo watertight attack`: a catalogue of attacks, replayed with two synthetic tenants.
//!
//! Stages: `copy` makes a throwaway copy (or the attacks run in place, in a transaction that is rolled
//! back), `rows` fills it, `aim` makes each attack out for each object, `replay` tries it. Invariant: no
//! row of a real tenant is shown, and nothing stays.

mod aim;
mod answer;
mod catalogue;
mod copy;
mod replay;
mod risk;
mod rows;
mod script;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use watertight_analysis::finding::{Clear, Finding, Place};
use watertight_analysis::{Catalog, Config};

use crate::args::AttackArgs;
use crate::output::Report;
use crate::{address, doctor, project};
use aim::{Objects, aim};
use catalogue::{Attack, attacks};
use copy::Copy;
use replay::{Outcome, Replay};
use risk::Risks;
use rows::{Maker, Rows, Tenant, tenants};

/// How long a statement may take and wait, where others work and in a copy.
const IN_PLACE: &str = "SET LOCAL statement_timeout = '2s'; SET LOCAL lock_timeout = '200ms'; \
                        SET LOCAL idle_in_transaction_session_timeout = '30s'";
const IN_COPY: &str = "SET LOCAL statement_timeout = '20s'; SET LOCAL lock_timeout = '5s'";

/// What was tried, with what came of it.
struct Tried {
    id: String,
    place: Place,
    outcome: Outcome,
}

/// What a run came to.
#[derive(Default)]
struct Run {
    rows: Rows,
    tried: Vec<Tried>,
}

pub(crate) fn run(args: &AttackArgs) -> Result<ExitCode> {
    let found = project::found_config(args.config.as_deref())?;
    let configured = found.is_some();
    let (config, base) = found.unwrap_or_else(|| (Config::default(), PathBuf::new()));
    let chosen = args
        .role
        .clone()
        .or_else(|| configured.then(|| config.application_role.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime can't be started")?;
    let live = runtime.block_on(doctor::read(args.database.url(), chosen))?;
    let (catalog, _) = doctor::catalog(&live, config, configured)?;
    let tenanted = |relation: &&watertight_analysis::catalog::Relation| {
        relation.is_table() && catalog.named_tenant_column(relation).is_some()
    };
    if !catalog.relations().any(|relation| tenanted(&relation)) {
        bail!(
            "no table has the tenant column `{}`, so there is nothing to attack; name the column in watertight.toml: [tenant] column = \"…\"",
            catalog.config().tenant.column
        );
    }
    let attacks = attacks()?;
    let objects = Objects::read(&live.raw, Risks::read(&live.raw, args.in_place)?)?;
    let run = runtime.block_on(go(args, &catalog, &objects, &attacks))?;
    let filled = |relation| run.rows.filled.contains_key(&rows::dotted(relation));
    if !catalog
        .relations()
        .filter(|relation| catalog.named_tenant_column(relation).is_some())
        .any(filled)
    {
        // What was asked of roles alone is no success.
        bail!(
            "nothing could be tried: no rows of two tenants could be made{}",
            run.rows
                .unfilled
                .iter()
                .next()
                .map_or_else(String::new, |(table, why)| format!(
                    ", in `{table}` for one: {why}"
                ))
        );
    }
    let mode = if args.in_place {
        "in place, rolled back"
    } else {
        "in a throwaway copy"
    };
    let mut report = report(&attacks, run, args.in_place);
    report.about = vec![
        ("database", live.place),
        ("application role", live.role),
        ("attacked", mode.to_owned()),
    ];
    args.manners.finish(report, &base)
}

async fn go(
    args: &AttackArgs,
    catalog: &Catalog,
    objects: &Objects,
    attacks: &[Attack],
) -> Result<Run> {
    let random = random();
    let tenants = tenants(catalog.config().tenant.kind, random);
    if args.in_place {
        let (mut connection, _) = address::connect(args.database.url()).await?;
        if !args.force {
            alone(&mut connection).await?;
        }
        let run = in_place(&mut connection, catalog, objects, attacks, &tenants).await;
        connection.close().await.ok();
        return run;
    }
    let copy = Copy::create(args.database.url(), random).await?;
    // The copy goes, also where a person has had enough.
    let run = tokio::select! {
        run = in_copy(&copy, catalog, objects, attacks, &tenants) => run,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; the throwaway copy is dropped")),
    };
    copy.drop().await?;
    run
}

/// In one transaction, which is rolled back.
async fn in_place(
    connection: &mut PgConnection,
    catalog: &Catalog,
    objects: &Objects,
    attacks: &[Attack],
    tenants: &[Tenant; 2],
) -> Result<Run> {
    let columns = target::columns(connection, &catalog.config().application_role).await?;
    let maker = Maker {
        catalog,
        columns: &columns,
        tenants,
        risks: &objects.risks,
        copy: false,
    };
    begin(connection, IN_PLACE).await?;
    let rows = maker.fill(connection).await.context("the synthetic rows")?;
    let tried = replay(connection, maker, objects, attacks, &rows).await;
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    Ok(Run {
        tried: tried?,
        rows,
    })
}

/// The rows are committed in the copy, so that the attacks have a session in which no tenant was ever set.
async fn in_copy(
    copy: &Copy,
    catalog: &Catalog,
    objects: &Objects,
    attacks: &[Attack],
    tenants: &[Tenant; 2],
) -> Result<Run> {
    let mut connection = copy.connect().await?;
    let columns = target::columns(&mut connection, &catalog.config().application_role).await?;
    let maker = Maker {
        catalog,
        columns: &columns,
        tenants,
        risks: &objects.risks,
        copy: true,
    };
    begin(&mut connection, IN_COPY).await?;
    maker.open_partitions(&mut connection).await?;
    let rows = maker
        .fill(&mut connection)
        .await
        .context("the synthetic rows")?;
    maker.refresh(&mut connection).await?;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
    connection.close().await.ok();
    let mut connection = copy.connect().await?;
    begin(&mut connection, IN_COPY).await?;
    let tried = replay(&mut connection, maker, objects, attacks, &rows).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut connection).await?;
    connection.close().await.ok();
    Ok(Run { rows, tried })
}

async fn begin(connection: &mut PgConnection, limits: &'static str) -> Result<()> {
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
    sqlx::raw_sql(limits).execute(&mut *connection).await?;
    // What is deferred would be refused after it was called a success.
    sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE")
        .execute(connection)
        .await?;
    Ok(())
}

/// Refuses to run in a database that others work in.
async fn alone(connection: &mut PgConnection) -> Result<()> {
    // A session that has just been closed, our own among them, is there a moment longer.
    const LOOKS: usize = 10;
    const MOMENT: Duration = Duration::from_millis(100);
    let mut others: i64 = 0;
    for _ in 0..LOOKS {
        others = sqlx::query_scalar(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() \
             AND pid <> pg_catalog.pg_backend_pid() AND COALESCE(backend_type, 'client backend') = 'client backend'",
        )
        .fetch_one(&mut *connection)
        .await?;
        if others == 0 {
            return Ok(());
        }
        tokio::time::sleep(MOMENT).await;
    }
    let clients = if others == 1 {
        "client is"
    } else {
        "clients are"
    };
    bail!(
        "{others} other {clients} connected to this database; attack a copy of it, or say that it may be: --force"
    );
}

async fn replay(
    connection: &mut PgConnection,
    maker: Maker<'_>,
    objects: &Objects,
    attacks: &[Attack],
    rows: &Rows,
) -> Result<Vec<Tried>> {
    let superuser: bool =
        sqlx::query_scalar("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
            .fetch_one(&mut *connection)
            .await?;
    let role = maker.catalog.config().application_role.as_str();
    if !superuser {
        let sql = format!(
            "SAVEPOINT t; SET LOCAL ROLE {}; ROLLBACK TO SAVEPOINT t",
            watertight_analysis::catalog::quote(role)
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *connection)
            .await
            .map_err(doctor::plain)
            .with_context(|| {
                format!("the login can't act as `{role}`: connect as a superuser or a member of it")
            })?;
    }
    let private = !maker.copy;
    let mut tried = Vec::new();
    let mut replay = Replay {
        connection: &mut *connection,
        maker,
        rows,
        role,
        superuser,
        private,
    };
    replay.begin().await?;
    for attack in attacks {
        if private && !attack.in_place {
            continue;
        }
        let (mut aimed, mut unfit) = (Vec::new(), Vec::new());
        for shot in aim(attack, objects, &replay.maker, replay.rows, role) {
            match shot {
                Ok(shot) => aimed.push(shot),
                Err((place, why)) => unfit.push((place, Outcome::NotApplicable(why))),
            }
        }
        let outcomes = replay.all(&aimed.iter().collect::<Vec<_>>()).await?;
        let places = aimed.into_iter().map(|aimed| aimed.place);
        for (place, outcome) in places.zip(outcomes).chain(unfit) {
            let id = attack.id.clone();
            tried.push(Tried { id, place, outcome });
        }
    }
    Ok(tried)
}

/// Any number that two runs do not share.
fn random() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |now| {
        u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(0)
    });
    nanos.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id())
}

fn report(attacks: &[Attack], run: Run, in_place: bool) -> Report {
    let mut report = Report {
        command: "attack",
        ..Report::default()
    };
    for (table, why) in &run.rows.unfilled {
        let reason = format!("no rows of two tenants could be made, so nothing was tried: {why}");
        report
            .skipped
            .push(Clear::new(Place::object("table", table.clone()), reason));
    }
    for attack in attacks {
        let place = || Place::object("attack", attack.id.clone());
        if in_place && !attack.in_place {
            let reason = format!("{}: needs a copy", attack.name);
            report.skipped.push(Clear::new(place(), reason));
            continue;
        }
        let mut held: BTreeSet<&str> = BTreeSet::new();
        let mut skipped: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut leaked: BTreeSet<&str> = BTreeSet::new();
        for tried in run.tried.iter().filter(|tried| tried.id == attack.id) {
            let name = tried.place.name();
            match &tried.outcome {
                Outcome::Held => {
                    held.insert(name);
                }
                Outcome::NotApplicable(why) => {
                    skipped.entry(why).or_default().insert(name);
                }
                // One row of an object is enough.
                Outcome::Leaked(row) if leaked.insert(name) => {
                    report.findings.push(finding(attack, &tried.place, row));
                }
                Outcome::Leaked(_) => {}
            }
        }
        let names = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        held.retain(|name| !leaked.contains(name));
        if !held.is_empty() {
            let reason = format!("{}: held on {}", attack.name, names(&held));
            report.clear.push(Clear::new(place(), reason));
        }
        for (why, on) in skipped {
            let reason = format!("{}: {why} (on {})", attack.name, names(&on));
            report.skipped.push(Clear::new(place(), reason));
        }
        if !run.tried.iter().any(|tried| tried.id == attack.id) {
            let reason = format!(
                "{}: there is nothing that it could be tried on",
                attack.name
            );
            report.skipped.push(Clear::new(place(), reason));
        }
    }
    report.shows_clear = true;
    report
}

fn finding(attack: &Attack, place: &Place, row: &str) -> Finding {
    let message = format!("{} leaked on `{}`", attack.name, place.name());
    Finding::new(attack.class.code(), place.clone(), message)
        .about(attack.id.as_str())
        .note(format!("attack `{}`: {row}", attack.id))
        .help(
            "`cargo watertight doctor` says what let it through, and `doctor --fix` what mends it",
        )
}
