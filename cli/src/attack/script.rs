//! Several statements in one message to the server, so that an attack on thousands of tables is not a
//! matter of round trips.
//!
//! Invariant: what each step gave is told apart by a marker after it, and a refusal is the one of the
//! first step without a marker: the server runs nothing of a message after an error.

use anyhow::Result;
use futures_util::StreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Column, Either, Row};

use super::answer::{Refusal, shown, sort_out};

/// Names the column of a marker.
const MARKER: &str = "watertight_step";

/// The statements, step by step. A step may be several statements.
pub(super) struct Script {
    text: String,
}

/// What a step gave.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<String>,
    pub(super) affected: u64,
}

/// What the steps gave until one was refused.
pub(super) struct Played {
    pub(super) answers: Vec<Answer>,
    /// Why the step behind the last answer was refused.
    pub(super) refusal: Option<Refusal>,
}

impl Script {
    /// A script that first takes back everything since a savepoint, which stays.
    pub(super) fn from_savepoint(name: &str) -> Self {
        Self {
            text: format!("ROLLBACK TO SAVEPOINT {name};"),
        }
    }

    pub(super) fn step(&mut self, sql: &str) {
        // On a line of its own, because a statement may end with a comment.
        self.text.push('\n');
        self.text.push_str(sql);
        self.text.push_str("\n;SELECT 1 AS ");
        self.text.push_str(MARKER);
        self.text.push(';');
    }

    pub(super) async fn play(self, connection: &mut PgConnection) -> Result<Played> {
        let mut played = Played {
            answers: Vec::new(),
            refusal: None,
        };
        let (mut answer, mut marked) = (Answer::default(), false);
        let mut stream = sqlx::raw_sql(AssertSqlSafe(self.text)).fetch_many(connection);
        while let Some(event) = stream.next().await {
            match sort_out(event)? {
                Ok(Either::Right(row)) => {
                    marked = row.columns().first().is_some_and(|c| c.name() == MARKER);
                    if marked {
                        played.answers.push(std::mem::take(&mut answer));
                    } else {
                        answer.rows.push(shown(&row));
                    }
                }
                // The marker's own end counts its row.
                Ok(Either::Left(_)) if marked => marked = false,
                Ok(Either::Left(done)) => answer.affected += done.rows_affected(),
                Err(refusal) => played.refusal = Some(refusal),
            }
        }
        Ok(played)
    }
}
