//! The run: schemas, statements over them, and the count of what was seen.
//!
//! Invariant: schema `n` and its statement `i` depend on the seed, `n` and `i` alone, whatever the
//! number of jobs.

use crate::choice::{Choices, Rng};
use crate::coverage::Features;
use crate::judge::{self, Accepted, Judge, Refused};
use crate::observe::{Effect, Observation, Verdict, compare};
use crate::report::{Difference, Report, Summary};
use crate::schema::{Kind, Schema, State, Table, Ty};
use crate::server::{PLANS, STATISTICS, Side};
use crate::shrink;
use crate::statement::{Parameter, Statement, generate};
use anyhow::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use watertight_analysis::{Catalog, Prepared};
use watertight_devdb::DevDb;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// Stop once so many statements were accepted and run.
    pub accepted: u64,
    pub jobs: usize,
    pub judge: Judge,
    pub per_schema: u64,
    /// How many of a hundred refused statements are run as well, to see which of them are safe.
    pub refused: u32,
    /// Stop after this long.
    pub limit: Option<Duration>,
    /// Only this schema.
    pub schema: Option<u64>,
    /// A superuser's URL of a server to use instead of starting one.
    pub server: Option<String>,
    /// Print every statement and its verdict.
    pub verbose: bool,
}

/// One job's hands: the two databases.
pub struct Bench {
    pub sides: [Side; 2],
    /// Columns of the last statement in which the session tenant's identifier showed.
    telling: Vec<usize>,
}

/// A schema, loaded.
pub struct Case {
    pub schema: Schema,
    pub catalog: Catalog,
    pub number: u64,
    pub features: Features,
}

/// What a statement did.
#[derive(Debug)]
pub enum Outcome {
    /// PostgreSQL does not take it.
    Invalid(String),
    Ran {
        verdict: Verdict,
        arguments: String,
    },
    /// The sides differ, but so do runs of one side under other plans.
    Unstable(String),
    /// One side fails, but not once the planner has the same statistics on both.
    Statistics(String),
}

/// Runs until one of the limits is met.
pub async fn run(options: &Options) -> Result<Summary> {
    let server = match &options.server {
        Some(url) => DevDb::connect(url).await?,
        None => DevDb::start().await?,
    };
    crate::server::prepare_roles(&server).await?;
    let report = Report::new();
    let next = AtomicU64::new(options.schema.unwrap_or(0));
    let started = Instant::now();
    let jobs = (0..options.jobs).map(|_| job(options, &server, &report, &next, started));
    let progress = async {
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            eprintln!("{:>5} s  {}", started.elapsed().as_secs(), report.line());
        }
    };
    tokio::select! {
        done = futures_util::future::try_join_all(jobs) => { done?; }
        () = progress => {}
    }
    let mut summary = report.summary();
    summary.elapsed = started.elapsed();
    summary.sampled = options.refused;
    Ok(summary)
}

async fn job(
    options: &Options,
    server: &DevDb,
    report: &Report,
    next: &AtomicU64,
    started: Instant,
) -> Result<()> {
    let mut bench = Bench {
        sides: [Side::open(server).await?, Side::open(server).await?],
        telling: Vec::new(),
    };
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if options.schema.is_some_and(|only| only != number) {
            return Ok(());
        }
        let Some(case) = bench.load(options.seed, number, report).await? else {
            continue;
        };
        for index in 0..options.per_schema {
            let over = options.limit.is_some_and(|limit| started.elapsed() > limit);
            if over || report.accepted() >= options.accepted {
                return Ok(());
            }
            bench.statement(options, &case, index, report).await?;
        }
    }
}

impl Bench {
    /// Makes and loads a schema. None if the server does not take it.
    pub async fn load(&mut self, seed: u64, number: u64, report: &Report) -> Result<Option<Case>> {
        let schema = Schema::generate(&mut Choices::random(Rng::of(&[seed, number, 1])));
        let catalog = judge::catalog(&schema);
        let mut rng = Rng::of(&[seed, number, 2]);
        let state = |side| State {
            seed: seed ^ (number << 20),
            side,
            alone: false,
        };
        let alone = rng.below(3) == 0;
        for (index, side) in self.sides.iter_mut().enumerate() {
            let state = State {
                alone,
                ..state(index as u64)
            };
            if let Err(error) = side.load(&schema, state).await {
                report.schema_refused(number, &format!("{error:#}"));
                return Ok(None);
            }
        }
        report.schema();
        Ok(Some(Case {
            features: Features::of(&schema),
            schema,
            catalog,
            number,
        }))
    }

    async fn statement(
        &mut self,
        options: &Options,
        case: &Case,
        index: u64,
        report: &Report,
    ) -> Result<()> {
        let rng = Rng::of(&[options.seed, case.number, 3, index]);
        let mut statement = generate(&case.schema, Choices::random(rng.clone()));
        let (prepared, judged) = match judge::prepared(&case.catalog, &statement.sql) {
            Ok(prepared) => {
                let judged = options.judge.judge(&case.catalog, &prepared);
                (Some(prepared), judged)
            }
            Err(refused) => (None, Err(refused)),
        };
        report.judged(&judged);
        if let Ok(accepted) = &judged {
            statement.learn(&accepted.reasons);
        }
        if options.verbose {
            eprintln!(
                "-- {}.{index}: {}\n{};",
                case.number,
                judged
                    .as_ref()
                    .map_or_else(|r| r.text.clone(), |a| a.reasons.clone()),
                statement.sql
            );
        }
        let Some(prepared) = prepared else {
            return Ok(());
        };
        let sampled =
            Rng::of(&[options.seed, case.number, 4, index]).below(100) < options.refused as usize;
        if judged.is_err() && !sampled {
            return Ok(());
        }
        let outcome = self.outcome(case, &statement, &prepared).await;
        if options.verbose {
            eprintln!("--   {outcome:?}");
        }
        match judged {
            Ok(accepted) => {
                self.accepted(options, case, index, statement, accepted, outcome, report)
                    .await
            }
            Err(refused) => {
                report.refused(&refused, &statement, case, &outcome);
                Ok(())
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    async fn accepted(
        &mut self,
        options: &Options,
        case: &Case,
        index: u64,
        statement: Statement,
        accepted: Accepted,
        outcome: Outcome,
        report: &Report,
    ) -> Result<()> {
        report.ran(&statement, case, &outcome);
        if let Some(column) = self.unmarked(case, &statement, &accepted) {
            report.unmarked(&format!(
                "unmarked {}.{index}: the tenant shows in output column {column}, which is not marked\n{}",
                case.number, statement.sql
            ));
        }
        if let Outcome::Unstable(what) = &outcome {
            report.note(&format!(
                "unstable {}.{index}: {what}\n{}",
                case.number, statement.sql
            ));
        }
        if let Outcome::Statistics(what) = &outcome {
            report.note(&format!(
                "by statistics {}.{index}: {what}\n{}",
                case.number, statement.sql
            ));
        }
        let Outcome::Ran {
            verdict: Verdict::Difference(what),
            arguments,
        } = outcome
        else {
            return Ok(());
        };
        let mut difference = Difference {
            seed: options.seed,
            schema: case.number,
            index,
            sql: statement.sql.clone(),
            arguments,
            what,
            reasons: accepted.reasons,
            ddl: String::new(),
            smaller: None,
        };
        if options.judge == Judge::Prover {
            difference.smaller = shrink::shrink(self, case, options.judge, &statement).await;
            difference.ddl = crate::report::relevant(&case.schema, &difference);
        }
        report.difference(difference);
        Ok(())
    }

    /// An output column that holds the tenant's identifier though the proof does not say so.
    fn unmarked(&self, case: &Case, statement: &Statement, accepted: &Accepted) -> Option<usize> {
        // A number may be anything; what a caller sends, or an ordinary column of the tenant's type
        // holds, is not the tenant's column.
        let other = |table: &Table| {
            let mut columns = table.columns.iter().filter(|c| c.ty == Ty::Tenant);
            columns.any(|c| Some(c.name.as_str()) != table.tenant())
        };
        if case.schema.kind == Kind::Bigint
            || case.schema.tables.iter().any(other)
            || statement.parameters.iter().any(|p| p.ty == Ty::Tenant)
        {
            return None;
        }
        let marks = accepted.columns.as_ref()?;
        let mut telling = self.telling.iter();
        telling
            .find(|column| marks.get(**column) == Some(&false))
            .copied()
    }

    /// Runs a statement on both sides with several arguments.
    pub async fn outcome(
        &mut self,
        case: &Case,
        statement: &Statement,
        prepared: &Prepared,
    ) -> Outcome {
        let [one, two] = &mut self.sides;
        self.telling.clear();
        // The runtime sends the tenant with its type; the others' types follow from the text.
        let types = prepared.tenant.map_or(String::new(), |tenant| {
            let unknown = "unknown, ".repeat(tenant.saturating_sub(1) as usize);
            format!("({unknown}{})", case.schema.kind.value())
        });
        let (first, second) = tokio::join!(
            one.prepare(&types, &prepared.sql),
            two.prepare(&types, &prepared.sql)
        );
        match (first, second) {
            (Ok(()), Ok(())) => {}
            (Err(a), Err(b)) if a == b => return Outcome::Invalid(a.text),
            (a, b) => {
                let text = |r: Result<(), _>| {
                    r.err().map_or_else(
                        || "success".to_owned(),
                        |f: crate::observe::Failure| f.to_string(),
                    )
                };
                let verdict =
                    Verdict::Difference(format!("prepared: {} against {}", text(a), text(b)));
                return Outcome::Ran {
                    verdict,
                    arguments: String::new(),
                };
            }
        }
        let choices = arguments(case, statement, prepared);
        let reads = !["INSERT", "UPDATE", "DELETE", "MERGE"]
            .iter()
            .any(|word| statement.sql.contains(word));
        let (first, second) = tokio::join!(
            one.observe(&choices, reads, None),
            two.observe(&choices, reads, None)
        );
        let baselines = [one.baseline().clone(), two.baseline().clone()];
        self.telling = first
            .iter()
            .filter_map(|seen| match seen {
                Observation::Done { telling, .. } => Some(telling.clone()),
                Observation::Failed(_) => None,
            })
            .flatten()
            .collect();
        let mut best = (Verdict::Failed, String::new());
        for ((a, b), arguments) in first.iter().zip(&second).zip(&choices) {
            let verdict = compare(a, b, [&baselines[0], &baselines[1]], statement.keys);
            if let Verdict::Difference(what) = &verdict {
                // Rows of others that changed are a fault under any plan.
                if !what.starts_with("rows of others") {
                    let failed = |o: &Observation| matches!(o, Observation::Failed(_));
                    if failed(a) || failed(b) {
                        if self
                            .by_statistics(arguments, [&baselines[0], &baselines[1]], statement)
                            .await
                        {
                            return Outcome::Statistics(what.clone());
                        }
                    } else if self.unstable(arguments, a, b).await
                        || (leaves_open(&statement.sql)
                            && self
                                .by_statistics(arguments, [&baselines[0], &baselines[1]], statement)
                                .await)
                    {
                        return Outcome::Unstable(what.clone());
                    }
                }
                return Outcome::Ran {
                    verdict,
                    arguments: arguments.clone(),
                };
            }
            if rank(&verdict) > rank(&best.0) {
                best = (verdict, arguments.clone());
            }
        }
        Outcome::Ran {
            verdict: best.0,
            arguments: best.1,
        }
    }

    /// Whether an error shows on one side only because the planner chose another plan there: then the
    /// sides agree wherever their plans do. Without this an expression that fails on a row of the
    /// tenant's own, or on a global one, would count as a leak when a join reaches that row first on
    /// one side alone. If no plan is ever the same, nothing can be said in the statement's favour.
    async fn by_statistics(
        &mut self,
        arguments: &str,
        baselines: [&Effect; 2],
        statement: &Statement,
    ) -> bool {
        let choices = [arguments.to_owned()];
        let [one, two] = &mut self.sides;
        let mut same = false;
        for statistics in STATISTICS {
            for plan in PLANS {
                let setting = format!("{statistics}; {plan}");
                let (a, b) = tokio::join!(
                    one.explain(arguments, &setting),
                    two.explain(arguments, &setting)
                );
                if a != b {
                    continue;
                }
                same = true;
                let (a, b) = tokio::join!(
                    one.observe(&choices, false, Some(&setting)),
                    two.observe(&choices, false, Some(&setting))
                );
                for (a, b) in a.iter().zip(&b) {
                    if let Verdict::Difference(_) = compare(a, b, baselines, statement.keys) {
                        return false;
                    }
                }
            }
        }
        same
    }

    /// Whether some plan makes one side look like the other: then the text leaves a choice open.
    async fn unstable(&mut self, arguments: &str, one: &Observation, two: &Observation) -> bool {
        let choices = [arguments.to_owned()];
        let mut seen = [vec![one.clone()], vec![two.clone()]];
        for plan in PLANS {
            for (side, seen) in self.sides.iter_mut().zip(&mut seen) {
                seen.extend(side.observe(&choices, false, Some(plan)).await);
            }
        }
        let look = |o: &Observation| match o {
            Observation::Done {
                rows,
                count,
                effect,
                ..
            } => format!("{rows:?} {count} {:?}", effect.own),
            Observation::Failed(failure) => failure.to_string(),
        };
        seen[0]
            .iter()
            .any(|a| seen[1].iter().any(|b| look(a) == look(b)))
    }
}

/// Whether the text leaves a choice that no two plans need to take alike: a window takes a neighbour by
/// its place among equals, or a statement changes a row twice (PostgreSQL's manual, 7.8.4: only one of
/// the modifications takes place, and which is not easy to predict).
fn leaves_open(sql: &str) -> bool {
    let by_place = ["(lag(", " ROWS BETWEEN "].iter().any(|w| sql.contains(w));
    let changes = ["UPDATE ", "DELETE ", "MERGE "].map(|word| sql.matches(word).count());
    by_place || changes.iter().sum::<usize>() > 1
}

fn rank(verdict: &Verdict) -> u32 {
    match verdict {
        Verdict::Failed => 0,
        Verdict::TooSlow | Verdict::Order => 1,
        Verdict::Same { worked: false } => 2,
        Verdict::Same { worked: true } => 3,
        Verdict::Covert => 4,
        Verdict::Difference(_) => 5,
    }
}

/// Lists of arguments as EXECUTE takes them: the tenant's is always the session's.
fn arguments(case: &Case, statement: &Statement, prepared: &Prepared) -> Vec<String> {
    let count = prepared.parameters.len() + usize::from(prepared.tenant.is_some());
    if count == 0 {
        return vec![String::new()];
    }
    let runs = if statement.parameters.is_empty() {
        1
    } else {
        6
    };
    let salt = statement.sql.len();
    (0..runs)
        .map(|run| {
            let values: Vec<String> = (1..=count as u32)
                .map(|number| {
                    if prepared.tenant == Some(number) {
                        return format!("'{}'", case.schema.kind.ids()[0]);
                    }
                    let name = prepared
                        .parameters
                        .iter()
                        .find(|p| p.number == number)
                        .and_then(|p| p.name.as_deref());
                    let parameter = statement
                        .parameters
                        .iter()
                        .find(|p| Some(p.name.as_str()) == name);
                    parameter.map_or("NULL".to_owned(), |p| {
                        value(case, p, salt, run, number as usize)
                    })
                })
                .collect();
            format!("({})", values.join(", "))
        })
        .collect()
}

fn value(case: &Case, parameter: &Parameter, salt: usize, run: usize, number: usize) -> String {
    let ids = case.schema.kind.ids();
    let quoted = |text: &str| format!("'{text}'");
    let of = |values: &[&str]| quoted(values[(salt + run + number * (run / 2)) % values.len()]);
    match parameter.ty {
        _ if run == 3 && number % 2 == 1 => "NULL".to_owned(),
        Ty::Int => of(&[
            "1",
            "2",
            "101",
            "12",
            "3",
            "301",
            "0",
            "2147483647",
            "-1",
            "14",
        ]),
        Ty::Text => of(&[
            "open", "zed", "%", "z\\", "ann", "(", "", "12", ids[2], "a'' & !",
        ]),
        Ty::Bool => of(&["true", "false"]),
        Ty::Json => of(&["{}", "{\"k\": \"a\"}", "[1]"]),
        Ty::Time => of(&["2026-01-05", "infinity", "2024-02-29"]),
        Ty::Ints => of(&["{1,2,101}", "{}", "{NULL,3,201}"]),
        Ty::Tenant => of(&[ids[1], ids[2], ids[0], ids[3]]),
    }
}

/// What a refused statement is told apart by.
pub fn key(refused: &Refused) -> String {
    refused.code.clone()
}
