//! The database error that users see: a kind, and nothing that PostgreSQL said.
//!
//! Invariant: neither `Display`, `Debug` nor the public `source()` reveals a value, a table, a
//! column, a constraint or a tenant. The cause is reachable inside this crate, for the log.

use std::error::Error as StdError;
use std::fmt;

/// Result of everything that talks to the database.
pub type DbResult<T> = Result<T, DbError>;

/// What went wrong in the database, told without any of its content.
///
/// Converts into a tool's error with `?`; the cause goes to the log under the call's reference.
pub struct DbError {
    kind: DbErrorKind,
    /// What the pool was told to say of the violated constraint.
    message: Option<&'static str>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// The classes of [`DbError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DbErrorKind {
    /// Exactly one row was asked for and there is none.
    NotFound,
    /// At most one row was asked for and there are more.
    TooManyRows,
    /// A unique, exclusion or foreign-key constraint stands against the change.
    Conflict,
    /// A value is out of range, malformed, too long, missing or fails a check.
    InvalidValue,
    /// The role or a row-level security policy forbids it.
    Denied,
    /// The statement, the lock or the transaction took longer than allowed.
    Timeout,
    /// No connection became free in time.
    Busy,
    /// The server can't be reached, is shutting down, or dropped the connection.
    Unavailable,
    /// A serialization failure or a deadlock; the whole scope may be tried again.
    Serialization,
    /// The scope can't go on or commit: an earlier statement failed, was dropped in flight, or
    /// the transaction is not the one it was. Nothing was committed.
    Aborted,
    /// The statement was proved against another catalog than the pool was opened with, or the
    /// database lacks what the statement needs.
    StaleCatalog,
    /// The call that the scope, the context or the session belongs to has ended. Work that outlives
    /// a call takes a ticket along: `cx.ticket("purpose", &work)`.
    Ended,
    /// The credentials that the scope was opened for have expired.
    Expired,
    /// The commit was sent and its answer was lost: the change may or may not be stored.
    CommitUnknown,
    /// Anything else; the log has the cause.
    Internal,
}

impl DbErrorKind {
    /// A word for logs and audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::TooManyRows => "too_many_rows",
            Self::Conflict => "conflict",
            Self::InvalidValue => "invalid_value",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Serialization => "serialization",
            Self::Aborted => "aborted",
            Self::StaleCatalog => "stale_catalog",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::CommitUnknown => "commit_unknown",
            Self::Internal => "internal",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "no such row",
            Self::TooManyRows => "more than one row where at most one was expected",
            Self::Conflict => "the change conflicts with existing data",
            Self::InvalidValue => "a value is invalid",
            Self::Denied => "the database denied access",
            Self::Timeout => "the database took too long",
            Self::Busy => "all database connections are busy",
            Self::Unavailable => "the database is unavailable",
            Self::Serialization => "the change collided with a concurrent one",
            Self::Aborted => "the transaction was aborted and nothing was committed",
            Self::StaleCatalog => "the statement does not belong to this database's catalog",
            Self::Ended => {
                "context ended: the call that it was given to is over; hand work that outlives a call \
                 to a worker with a ticket, `cx.ticket(\"purpose\", &work)`"
            }
            Self::Expired => "the credentials that the session was made from have expired",
            Self::CommitUnknown => "the connection was lost while committing",
            Self::Internal => "the database reported an error",
        }
    }
}

impl DbError {
    /// The class of the error.
    pub const fn kind(&self) -> DbErrorKind {
        self.kind
    }

    /// What [`constraint_message`](crate::db::TenantPoolBuilder::constraint_message) says of the
    /// constraint that was violated.
    #[must_use]
    pub const fn message(&self) -> Option<&'static str> {
        self.message
    }

    pub(crate) const fn new(kind: DbErrorKind) -> Self {
        Self {
            kind,
            message: None,
            cause: None,
        }
    }

    pub(crate) fn saying(self, message: Option<&'static str>) -> Self {
        Self { message, ..self }
    }

    pub(crate) fn with_cause(
        kind: DbErrorKind,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            message: None,
            cause: Some(cause.into()),
        }
    }

    pub(crate) fn of_kind(self, kind: DbErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// The cause, for the operator's log only: it may name tables, values and tenants.
    pub(crate) fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// The cause, or the error itself where there is none, for the operator's log only.
    pub(crate) fn into_cause(self) -> Box<dyn StdError + Send + Sync> {
        match self.cause {
            Some(cause) => cause,
            None => Box::new(self),
        }
    }

    /// What the log may say of the cause: no value, and nothing of `DETAIL` or `HINT`.
    pub(crate) fn told(&self) -> String {
        super::cause::told(self)
    }

    /// Whether the connection itself is gone, as opposed to the statement having failed on it.
    pub(crate) fn lost_connection(error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // 57P01 admin_shutdown .. 57P05 idle_session_timeout; 25P03
            // idle_in_transaction_session_timeout and 25P04 transaction_timeout end the session.
            sqlx::Error::Database(e) => e.code().is_some_and(|code| {
                code.starts_with("08")
                    || matches!(
                        code.as_ref(),
                        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04"
                    )
            }),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self {
            kind: classify(&error),
            message: None,
            cause: Some(Box::new(error)),
        }
    }
}

/// Classes of SQLSTATE: PostgreSQL manual, appendix A.
fn classify(error: &sqlx::Error) -> DbErrorKind {
    use sqlx::Error as E;
    match error {
        E::RowNotFound => DbErrorKind::NotFound,
        E::PoolTimedOut | E::PoolClosed | E::Io(_) | E::Tls(_) | E::WorkerCrashed => {
            DbErrorKind::Unavailable
        }
        E::Encode(_) | E::InvalidArgument(_) => DbErrorKind::InvalidValue,
        E::Database(e) => match e.code().as_deref() {
            Some(code) => sqlstate(code),
            None => DbErrorKind::Internal,
        },
        _ => DbErrorKind::Internal,
    }
}

fn sqlstate(code: &str) -> DbErrorKind {
    match code {
        // not_null, check, string truncation and the like arrive as 23502, 23514 and class 22.
        "23502" | "23514" => DbErrorKind::InvalidValue,
        // 25006: a statement that writes, in a read-only transaction.
        "42501" | "44000" | "25006" => DbErrorKind::Denied,
        // query_canceled is what statement_timeout raises; 55P03 is lock_timeout.
        "57014" | "55P03" | "25P03" | "25P04" => DbErrorKind::Timeout,
        "40001" | "40P01" => DbErrorKind::Serialization,
        "25P02" => DbErrorKind::Aborted,
        // too_many_connections: the server's own pool is exhausted.
        "53300" => DbErrorKind::Busy,
        // undefined table, column, function, object: the schema is not what was compiled.
        "42P01" | "42703" | "42883" | "42704" | "3F000" => DbErrorKind::StaleCatalog,
        _ => match code.get(..2) {
            Some("22") => DbErrorKind::InvalidValue,
            Some("23") => DbErrorKind::Conflict,
            // 53: out of disk or memory; 58: an error of its system.
            Some("08" | "53" | "57" | "58") => DbErrorKind::Unavailable,
            Some("40") => DbErrorKind::Serialization,
            Some("28") => DbErrorKind::Unavailable,
            _ => DbErrorKind::Internal,
        },
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.message())
    }
}

impl fmt::Debug for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DbError").field(&self.kind).finish()
    }
}

/// No `source()`: error reporters print chains, and the chain would carry the database's text.
impl StdError for DbError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_cause_is_printed() {
        let secret = "duplicate key value (tenant_id)=(0af3) already exists";
        let error = DbError::with_cause(DbErrorKind::Conflict, secret);
        for shown in [
            format!("{error}"),
            format!("{error:?}"),
            format!("{error:#?}"),
        ] {
            assert!(
                !shown.contains("0af3") && !shown.contains("tenant"),
                "{shown}"
            );
        }
        assert!(StdError::source(&error).is_none());
        assert!(error.cause().unwrap().to_string().contains("0af3"));
        assert!(error.into_cause().to_string().contains("0af3"));
        assert_eq!(
            DbError::new(DbErrorKind::Busy).into_cause().to_string(),
            "all database connections are busy"
        );
    }

    #[test]
    fn states_map_to_kinds() {
        for (code, kind) in [
            ("23505", DbErrorKind::Conflict),
            ("23503", DbErrorKind::Conflict),
            ("23P01", DbErrorKind::Conflict),
            ("23502", DbErrorKind::InvalidValue),
            ("22P02", DbErrorKind::InvalidValue),
            ("42501", DbErrorKind::Denied),
            ("57014", DbErrorKind::Timeout),
            ("40P01", DbErrorKind::Serialization),
            ("57P01", DbErrorKind::Unavailable),
            ("53300", DbErrorKind::Busy),
            ("53100", DbErrorKind::Unavailable),
            ("23001", DbErrorKind::Conflict),
            ("23514", DbErrorKind::InvalidValue),
            ("22003", DbErrorKind::InvalidValue),
            ("40001", DbErrorKind::Serialization),
            ("08006", DbErrorKind::Unavailable),
            ("P0001", DbErrorKind::Internal),
            ("42703", DbErrorKind::StaleCatalog),
            ("XX000", DbErrorKind::Internal),
        ] {
            assert_eq!(sqlstate(code), kind, "{code}");
        }
    }
}
