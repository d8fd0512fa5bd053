//! What a run shows, and what two runs tell apart.
//!
//! Invariant: everything that the session can see takes part in the comparison: rows, their number,
//! the error's code and text, and what became of the tables.

use crate::statement::Keys;
use std::fmt;

/// What became of the tables, as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Rows that are not the session's tenant's, table by table.
    pub foreign: Vec<String>,
    /// Rows that are.
    pub own: Vec<String>,
}

impl Effect {
    /// From the row that the check returns.
    pub fn read(row: &[String]) -> Self {
        let mut parts = row.split(|value| value == "|");
        Self {
            foreign: parts.next().unwrap_or_default().to_vec(),
            own: parts.next().unwrap_or_default().to_vec(),
        }
    }
}

/// An error of PostgreSQL's, or of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub text: String,
}

impl Failure {
    pub fn of(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let postgres = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
                let detail = postgres.and_then(|e| e.detail()).unwrap_or_default();
                Self {
                    code: database.code().unwrap_or_default().into_owned(),
                    text: format!("{} {detail}", database.message()).trim().to_owned(),
                }
            }
            other => Self {
                code: "connection".to_owned(),
                text: other.to_string(),
            },
        }
    }
}

impl Failure {
    /// Whether both are about a new row that a constraint refuses, and differ in the row alone.
    fn same_on_another_row(&self, other: &Failure) -> bool {
        const ROW: &str = "Failing row contains";
        let message = |text: &str| text.split_once(ROW).map(|(before, _)| before.to_owned());
        self.code == other.code
            && message(&self.text).is_some_and(|own| message(&other.text) == Some(own))
    }

    /// Whether the server gave up because it took too long.
    pub fn is_timeout(&self) -> bool {
        self.code == CANCELED
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// What one run of a statement shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    Done {
        rows: Vec<String>,
        count: u64,
        effect: Effect,
        /// Columns in which the session tenant's identifier shows.
        telling: Vec<usize>,
    },
    Failed(Failure),
}

/// What two runs tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing; true if the statement returned or changed a row.
    Same { worked: bool },
    /// Both failed alike.
    Failed,
    /// The declared channel: that another tenant's key exists.
    Covert,
    /// Too slow in one of them, so nothing can be said.
    TooSlow,
    /// Both failed for the same reason, on another row first: the text leaves the order open.
    Order,
    /// A leak, in words.
    Difference(String),
}

/// Codes of unique and foreign key violations.
const KEYS: [&str; 2] = ["23505", "23503"];
const CANCELED: &str = "57014";

/// The text of the error for a row that row-level security hides from ON CONFLICT DO UPDATE.
const HIDDEN: &str = "(USING expression)";

/// Compares what a statement shows on the two sides.
pub fn compare(
    one: &Observation,
    two: &Observation,
    baselines: [&Effect; 2],
    keys: Keys,
) -> Verdict {
    let code = |o: &Observation| match o {
        Observation::Failed(failure) => failure.code.clone(),
        Observation::Done { .. } => String::new(),
    };
    if code(one) == CANCELED || code(two) == CANCELED {
        return Verdict::TooSlow;
    }
    for (observation, baseline) in [one, two].into_iter().zip(baselines) {
        if let Observation::Done { effect, .. } = observation
            && let Some((now, was)) = effect
                .foreign
                .iter()
                .zip(&baseline.foreign)
                .find(|(now, was)| now != was)
        {
            return Verdict::Difference(format!("rows of others changed: {was} became {now}"));
        }
    }
    match (one, two) {
        (Observation::Failed(a), Observation::Failed(b)) if a == b => Verdict::Failed,
        (Observation::Failed(a), Observation::Failed(b)) if a.same_on_another_row(b) => {
            Verdict::Order
        }
        _ if KEYS.contains(&code(one).as_str()) || KEYS.contains(&code(two).as_str()) => {
            Verdict::Covert
        }
        _ if keys.hidden && (hidden(one) || hidden(two)) => Verdict::Covert,
        // A row that is skipped is not returned either, so RETURNING can't fail on it.
        (Observation::Failed(_), _) | (_, Observation::Failed(_)) if keys.skipped => {
            Verdict::Covert
        }
        (
            Observation::Done {
                rows: a,
                count: m,
                effect: x,
                ..
            },
            Observation::Done {
                rows: b,
                count: n,
                effect: y,
                ..
            },
        ) => {
            if a == b && m == n && x.own == y.own {
                return Verdict::Same { worked: *m > 0 };
            }
            let fewer_keys = keys.skipped && (m != n || x.own != y.own);
            if a != b {
                let only = |a: &[String], b: &[String]| a.iter().find(|r| !b.contains(r)).cloned();
                return match (fewer_keys, only(a, b), only(b, a)) {
                    (true, ..) => Verdict::Covert,
                    (_, Some(row), _) => Verdict::Difference(format!("only in the first: {row}")),
                    (_, None, Some(row)) => {
                        Verdict::Difference(format!("only in the second: {row}"))
                    }
                    _ => Verdict::Difference(format!("{} and {} rows", a.len(), b.len())),
                };
            }
            if fewer_keys {
                return Verdict::Covert;
            }
            if m != n {
                return Verdict::Difference(format!("{m} and {n} rows affected"));
            }
            Verdict::Difference("the tenant's own rows differ afterwards".to_owned())
        }
        (a, b) => Verdict::Difference(format!("{} against {}", outcome(a), outcome(b))),
    }
}

fn hidden(observation: &Observation) -> bool {
    matches!(observation, Observation::Failed(failure)
        if failure.code == "42501" && failure.text.contains(HIDDEN))
}

fn outcome(observation: &Observation) -> String {
    match observation {
        Observation::Done { count, .. } => format!("success ({count} rows)"),
        Observation::Failed(failure) => format!("error {failure}"),
    }
}
