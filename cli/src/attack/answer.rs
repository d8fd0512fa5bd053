//! What the server answers: rows as text, and refusals.
//!
//! Invariant: where rows of real tenants are in reach, a message of the server is shown only where it
//! can't hold a value of a row.

use anyhow::Result;
use sqlx::postgres::PgRow;
use sqlx::{Row, ValueRef};

/// How much of a row is shown.
const SHOWN: usize = 300;

/// Why the server refused a statement.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// SQLSTATE.
    pub(super) code: String,
    pub(super) constraint: Option<String>,
    message: String,
}

impl Refusal {
    /// The message, where it may be shown.
    pub(super) fn told(&self, private: bool) -> String {
        // Data exceptions quote values, and what functions raise may be anything.
        let quotes = self.code.starts_with("22")
            || self.code.starts_with("P0")
            || self.code.starts_with("XX")
            || self.code.starts_with("38");
        if private && quotes {
            return format!(
                "error {} (its message may hold a value, and is not shown)",
                self.code
            );
        }
        self.message.clone()
    }

    /// The message for an attack's proof: it holds a mark of ours.
    pub(super) fn text(&self) -> String {
        self.message.clone()
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.message.contains(text)
    }

    /// Whether it says nothing of the statement: a timeout, a lock, a fault of the server.
    pub(super) fn is_of_circumstances(&self) -> bool {
        let class = self.code.get(..2).unwrap_or_default();
        matches!(
            class,
            "08" | "25" | "40" | "53" | "54" | "55" | "57" | "58" | "XX"
        )
    }

    /// Whether a constraint of a table refused the row.
    pub(super) fn is_of_constraint(&self) -> bool {
        match self.code.as_str() {
            "23502" | "23503" | "23505" | "23P01" => true,
            // Without a name it is that no partition takes the row.
            "23514" => self.constraint.is_some(),
            _ => false,
        }
    }
}

/// An answer of the database is an outcome; everything else is a failure of ours or of the network.
pub(super) fn sort_out<T>(result: Result<T, sqlx::Error>) -> Result<Result<T, Refusal>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(sqlx::Error::Database(error)) => Ok(Err(Refusal {
            code: error.code().unwrap_or_default().into_owned(),
            constraint: error.constraint().map(str::to_owned),
            message: error.message().to_owned(),
        })),
        Err(other) => Err(other.into()),
    }
}

/// A row of the simple protocol, whose values are texts.
pub(super) fn shown(row: &PgRow) -> String {
    let values: Vec<String> = (0..row.len())
        .map(|index| match row.try_get_raw(index) {
            Ok(value) if !value.is_null() => value.as_str().unwrap_or("?").to_owned(),
            _ => "NULL".to_owned(),
        })
        .collect();
    format!("({})", values.join(", "))
}

pub(super) fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(SHOWN).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn a_value_of_a_row_is_not_shown_where_rows_are_real() {
        let refusal = |code: &str, message: &str| Refusal {
            code: code.to_owned(),
            constraint: None,
            message: message.to_owned(),
        };
        let cast = refusal(
            "22P02",
            "invalid input syntax for type integer: \"a customer's secret\"",
        );
        assert!(!cast.told(true).contains("secret"));
        assert!(cast.told(false).contains("secret"));
        let raised = refusal("P0001", "the customer's secret is used already");
        assert!(!raised.told(true).contains("secret"));
        let denied = refusal("42501", "permission denied for table notes");
        assert_eq!(denied.told(true), "permission denied for table notes");
    }
}
