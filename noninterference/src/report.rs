//! Counts and findings of a run, shared by its jobs.

use crate::coverage::Coverage;
use crate::judge::{Accepted, Refused};
use crate::observe::Verdict;
use crate::run::{Case, Outcome, key};
use crate::schema::Schema;
use crate::shrink::Smaller;
use crate::statement::Statement;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// A difference between the two sides of an accepted statement.
#[derive(Clone, Debug)]
pub struct Difference {
    pub seed: u64,
    pub schema: u64,
    pub index: u64,
    pub sql: String,
    pub arguments: String,
    pub what: String,
    pub reasons: String,
    /// The part of the schema that the smaller statement has to do with.
    pub ddl: String,
    pub smaller: Option<Smaller>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "difference: seed {}, schema {}, statement {}",
            self.seed, self.schema, self.index
        )?;
        if let Some(smaller) = &self.smaller {
            writeln!(
                f,
                "-- made smaller:\n{};\n-- arguments {}\n-- {}\n-- proof: {}",
                smaller.sql,
                smaller.arguments,
                smaller.what,
                smaller.reasons.replace('\n', "\n--   ")
            )?;
        }
        writeln!(
            f,
            "-- as generated:\n{};\n-- arguments {}\n-- {}\n-- proof: {}",
            self.sql,
            self.arguments,
            self.what,
            self.reasons.replace('\n', "\n--   ")
        )?;
        writeln!(f, "-- schema:\n{}", self.ddl)
    }
}

/// A refused statement that showed nothing.
#[derive(Clone, Debug)]
pub struct FalseRefusal {
    pub code: String,
    pub headline: String,
    pub sql: String,
    pub text: String,
    pub schema: u64,
}

/// The counts.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub schemas: u64,
    pub schemas_refused: u64,
    pub generated: u64,
    pub proved: u64,
    pub proved_rls: u64,
    pub refused: u64,
    /// Accepted, but not by PostgreSQL.
    pub invalid: u64,
    /// Accepted and run to an answer.
    pub ran: u64,
    /// Of these, without a row returned or changed.
    pub idle: u64,
    pub failed_equally: u64,
    pub covert: u64,
    pub unstable: u64,
    /// An error on one side only, because of the planner's statistics alone.
    pub by_statistics: u64,
    /// Statements with an output column that holds the tenant's identifier and is not marked so.
    pub unmarked: u64,
    pub too_slow: u64,
    pub differences: Vec<Difference>,
    /// How many differences there were; the list above is cut short.
    pub difference_count: u64,
    /// Of a hundred refused, how many were run.
    pub sampled: u32,
    pub refused_ran: u64,
    pub refused_leaks: u64,
    /// Refused, ran, returned or changed rows, and showed nothing.
    pub refused_safe: u64,
    /// Of these and of the accepted ones: those that were written to be safe.
    pub refused_intended: u64,
    pub accepted_intended: u64,
    pub refused_safe_by_code: BTreeMap<String, u64>,
    pub false_refusals: Vec<FalseRefusal>,
    pub coverage: Coverage,
    pub elapsed: Duration,
}

impl Summary {
    /// The same of the statements that were written to be safe.
    pub fn intended_share(&self) -> Option<f64> {
        let refused = match self.sampled {
            0 => return None,
            sampled => self.refused_intended as f64 * 100.0 / f64::from(sampled),
        };
        let accepted = self.accepted_intended as f64;
        Some(accepted / (accepted + refused).max(1.0))
    }

    /// Accepted statements that returned or changed rows and showed nothing, as a share of all such.
    pub fn share(&self) -> Option<f64> {
        let proved = self
            .ran
            .saturating_sub(self.idle + self.failed_equally + self.covert + self.difference_count)
            as f64;
        let refused = match self.sampled {
            0 => return None,
            sampled => self.refused_safe as f64 * 100.0 / f64::from(sampled),
        };
        Some(proved / (proved + refused).max(1.0))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "schemas              {:>9}   ({} more not accepted by PostgreSQL)",
            self.schemas, self.schemas_refused
        )?;
        writeln!(f, "statements generated {:>9}", self.generated)?;
        writeln!(
            f,
            "  accepted           {:>9}   ({} with grade rls)",
            self.proved, self.proved_rls
        )?;
        writeln!(f, "  refused            {:>9}", self.refused)?;
        writeln!(f, "accepted and run     {:>9}", self.ran)?;
        writeln!(f, "  not by PostgreSQL  {:>9}", self.invalid)?;
        writeln!(f, "  failed equally     {:>9}", self.failed_equally)?;
        writeln!(f, "  no row             {:>9}", self.idle)?;
        writeln!(f, "  covert channel     {:>9}", self.covert)?;
        writeln!(f, "  choice left open   {:>9}", self.unstable)?;
        writeln!(f, "  error by statistics{:>9}", self.by_statistics)?;
        writeln!(f, "  too slow           {:>9}", self.too_slow)?;
        writeln!(f, "  column not marked  {:>9}", self.unmarked)?;
        writeln!(f, "  DIFFERENCES        {:>9}", self.difference_count)?;
        writeln!(
            f,
            "refused and run      {:>9}   ({} %: {} leaks, {} safe by observation)",
            self.refused_ran, self.sampled, self.refused_leaks, self.refused_safe
        )?;
        if let Some(share) = self.share() {
            writeln!(f, "safe by observation and proved: {:.1} %", share * 100.0)?;
        }
        if let Some(share) = self.intended_share() {
            writeln!(
                f,
                "written to be safe, safe by observation, and proved: {:.1} %",
                share * 100.0
            )?;
        }
        for (code, count) in &self.refused_safe_by_code {
            writeln!(f, "  refused though written to be safe, {code}: {count}")?;
        }
        write!(f, "time                 {:>9} s", self.elapsed.as_secs())
    }
}

/// The jobs' common counts.
#[derive(Debug, Default)]
pub struct Report(Mutex<Summary>);

impl Report {
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Summary) -> T) -> T {
        f(&mut self.0.lock().expect("no job panics while it counts"))
    }

    pub fn accepted(&self) -> u64 {
        self.with(|s| s.ran)
    }

    pub fn summary(&self) -> Summary {
        self.with(|s| s.clone())
    }

    pub fn line(&self) -> String {
        self.with(|s| {
            format!(
                "schemas {} generated {} accepted {} run {} failed {} covert {} unstable {} differences {} refused-safe {}",
                s.schemas, s.generated, s.proved, s.ran, s.failed_equally, s.covert, s.unstable, s.difference_count, s.refused_safe
            )
        })
    }

    pub fn schema(&self) {
        self.with(|s| s.schemas += 1);
    }

    pub fn schema_refused(&self, number: u64, why: &str) {
        self.with(|s| s.schemas_refused += 1);
        if std::env::var_os("NONINTERFERENCE_SCHEMAS").is_some() {
            eprintln!("schema {number}: {why}");
        }
    }

    /// A tenant column in the output that the proof does not mark.
    pub fn unmarked(&self, text: &str) {
        eprintln!("{text}");
        self.with(|s| s.unmarked += 1);
    }

    pub fn note(&self, text: &str) {
        eprintln!("{text}");
    }

    pub fn judged(&self, judged: &Result<Accepted, Refused>) {
        self.with(|s| {
            s.generated += 1;
            match judged {
                Ok(accepted) => {
                    s.proved += 1;
                    s.proved_rls += u64::from(accepted.rls);
                }
                Err(_) => s.refused += 1,
            }
        });
    }

    pub fn ran(&self, statement: &Statement, case: &Case, outcome: &Outcome) {
        let intended = statement.intended;
        self.with(|s| {
            if matches!(outcome, Outcome::Invalid(_)) {
                s.invalid += 1;
                return;
            }
            s.ran += 1;
            let worked = matches!(
                outcome,
                Outcome::Ran {
                    verdict: Verdict::Same { worked: true },
                    ..
                }
            );
            s.coverage.count(&case.features, &statement.sql, worked);
            match outcome {
                Outcome::Ran { verdict, .. } => match verdict {
                    Verdict::Same { worked } => {
                        s.idle += u64::from(!worked);
                        s.accepted_intended += u64::from(*worked && intended);
                    }
                    Verdict::Failed => s.failed_equally += 1,
                    Verdict::Covert => s.covert += 1,
                    Verdict::TooSlow => s.too_slow += 1,
                    Verdict::Order => s.unstable += 1,
                    Verdict::Difference(_) => s.difference_count += 1,
                },
                Outcome::Statistics(_) => s.by_statistics += 1,
                _ => s.unstable += 1,
            }
        });
    }

    pub fn refused(
        &self,
        refused: &Refused,
        statement: &Statement,
        case: &Case,
        outcome: &Outcome,
    ) {
        self.with(|s| {
            let Outcome::Ran { verdict, .. } = outcome else {
                return;
            };
            s.refused_ran += 1;
            match verdict {
                Verdict::Difference(_) => s.refused_leaks += 1,
                Verdict::Same { worked: true } => {
                    s.refused_safe += 1;
                    if !statement.intended {
                        return;
                    }
                    s.refused_intended += 1;
                    *s.refused_safe_by_code.entry(key(refused)).or_default() += 1;
                    if s.false_refusals.len() < 4000 {
                        s.false_refusals.push(FalseRefusal {
                            code: refused.code.clone(),
                            headline: refused.headline.clone(),
                            sql: statement.sql.clone(),
                            text: refused.text.clone(),
                            schema: case.number,
                        });
                    }
                }
                _ => {}
            }
        });
    }

    pub fn difference(&self, difference: Difference) {
        if difference.smaller.is_some() || !difference.ddl.is_empty() {
            eprintln!("{difference}");
        }
        self.with(|s| {
            if s.differences.len() < 200 {
                s.differences.push(difference);
            }
        });
    }
}

/// The definitions of what a statement names, and of what these name in turn.
pub fn relevant(schema: &Schema, difference: &Difference) -> String {
    let mut text = difference
        .smaller
        .as_ref()
        .map_or(&difference.sql, |s| &s.sql)
        .clone();
    let mut taken = vec![false; schema.ddl.len()];
    loop {
        let mut more = false;
        for (index, (object, sql)) in schema.ddl.iter().enumerate() {
            if !taken[index] && text.contains(object.trim_matches('"')) {
                taken[index] = true;
                more = true;
                text += sql;
            }
        }
        if !more {
            break;
        }
    }
    let owner = if schema.bypass {
        "-- the owner bypasses row-level security\n"
    } else {
        ""
    };
    let lines = schema
        .ddl
        .iter()
        .zip(taken)
        .filter(|(_, taken)| *taken)
        .map(|((_, sql), _)| format!("{sql};\n"));
    owner.to_owned() + &lines.collect::<String>()
}
