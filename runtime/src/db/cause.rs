//! What the log may say of a database error.
//!
//! Invariant: names of the schema and the server's own words, never a value. What PostgreSQL writes
//! about a value (class 22, and whatever a `RAISE` says), `DETAIL` and `HINT` stay out; they are told
//! under the target `watertight::cause` alone, which [`observe`](crate::observe) withholds.

use std::error::Error as StdError;
use std::fmt::Write as _;

use sqlx::postgres::PgDatabaseError;

/// Classes of SQLSTATE whose primary message names objects, and no values (PostgreSQL manual,
/// appendix A).
const WITHOUT_VALUES: [&str; 10] = ["08", "23", "25", "28", "40", "42", "53", "55", "57", "58"];

/// A cause and what caused it, without values where they come from the database.
pub(crate) fn told(error: &(dyn StdError + 'static)) -> String {
    let mut text = one(error);
    let mut next = inner(error);
    while let Some(error) = next {
        // An error of sqlx has said all that may be said.
        text.push_str(": ");
        text.push_str(&one(error));
        next = inner(error);
    }
    text
}

/// The same with everything that the database said: for those who turned it on.
pub(crate) fn whole(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        if let Some(postgres) = of_postgres(error) {
            for (name, part) in [("detail", postgres.detail()), ("hint", postgres.hint())] {
                if let Some(part) = part {
                    let _ = write!(text, "; {name}: {part}");
                }
            }
        }
        next = match error.downcast_ref::<super::DbError>() {
            Some(ours) => ours.cause().map(|cause| cause as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    text
}

fn one(error: &(dyn StdError + 'static)) -> String {
    match error.downcast_ref::<sqlx::Error>() {
        Some(error) => of_sqlx(error),
        None => error.to_string(),
    }
}

fn inner<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    if error.is::<sqlx::Error>() {
        return None;
    }
    match error.downcast_ref::<super::DbError>() {
        // The one error of ours that keeps its source to itself.
        Some(ours) => ours.cause().map(|cause| cause as _),
        None => error.source(),
    }
}

fn of_postgres<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e PgDatabaseError> {
    error
        .downcast_ref::<sqlx::Error>()?
        .as_database_error()?
        .try_downcast_ref::<PgDatabaseError>()
}

fn of_sqlx(error: &sqlx::Error) -> String {
    use sqlx::Error as E;
    match error {
        E::Database(_) => match of_postgres(error) {
            Some(error) => of_server(error),
            None => "an error of another database".to_owned(),
        },
        E::Io(error) => format!("the connection failed: {error}"),
        E::ColumnDecode { index, source } => {
            format!(
                "the column {index} could not be read{}",
                mismatch(&**source)
            )
        }
        E::Decode(source) => format!("a value could not be read{}", mismatch(&**source)),
        E::Encode(_) | E::InvalidArgument(_) => "a value could not be sent".to_owned(),
        // It may hold parts of the URL.
        E::Configuration(_) => "the configuration of the connection is wrong".to_owned(),
        // None of the others has a value in it.
        other => other.to_string(),
    }
}

/// sqlx's own words about types; what other decoders say may quote the value.
fn mismatch(source: &(dyn StdError + 'static)) -> String {
    let text = source.to_string();
    match text.starts_with("mismatched types") || text.starts_with("unexpected null") {
        true => format!(": {text}"),
        false => String::new(),
    }
}

fn of_server(error: &PgDatabaseError) -> String {
    let code = error.code();
    let mut text = format!("sqlstate {code}");
    let silent = code.get(..2).is_some_and(|it| WITHOUT_VALUES.contains(&it));
    // PL/pgSQL's RAISE writes what it likes under any state.
    if silent && error.routine() != Some("exec_stmt_raise") {
        let _ = write!(text, ": {}", error.message());
    } else if let Some(condition) = condition(code) {
        let _ = write!(text, ": {condition}");
    }
    let table = error.table().map(|table| match error.schema() {
        Some(schema) => format!("{schema}.{table}"),
        None => table.to_owned(),
    });
    for (name, part) in [
        ("table", table.as_deref()),
        ("column", error.column()),
        ("constraint", error.constraint()),
        ("type", error.data_type()),
        ("raised by", error.routine()),
    ] {
        if let Some(part) = part {
            let _ = write!(text, ", {name} {part}");
        }
    }
    text
}

/// The manual's names of what is usually wrong with a value, in the place of the message that quotes it.
fn condition(code: &str) -> Option<&'static str> {
    Some(match code {
        "22001" => "string data right truncation",
        "22003" => "numeric value out of range",
        "22004" => "null value not allowed",
        "22007" => "invalid datetime format",
        "22008" => "datetime field overflow",
        "22012" => "division by zero",
        "22021" => "character not in repertoire",
        "22023" => "invalid parameter value",
        "22P02" => "invalid text representation",
        "22P03" => "invalid binary representation",
        "22P05" => "untranslatable character",
        "P0001" => "raised by a function of the database",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{DbError, DbErrorKind};

    #[test]
    fn what_decoders_quote_stays_out() {
        let decode = |text: &str| sqlx::Error::ColumnDecode {
            index: "\"plan\"".to_owned(),
            source: text.to_owned().into(),
        };
        let told_of = |error| told(&DbError::from(error));
        assert!(!told_of(decode("invalid digit in `canary`")).contains("canary"));
        assert!(told_of(decode("invalid digit in `canary`")).contains("\"plan\""));
        assert!(told_of(decode("mismatched types; Rust `i32`")).contains("Rust `i32`"));
        let url = sqlx::Error::Configuration("postgres://app:canary@host".into());
        assert!(!told_of(url).contains("canary"));
    }

    #[test]
    fn the_whole_is_told_where_it_is_asked_for() {
        let error = DbError::with_cause(DbErrorKind::Internal, "canary");
        assert_eq!(whole(&error), "the database reported an error: canary");
        assert_eq!(told(&error), "the database reported an error: canary");
    }
}
