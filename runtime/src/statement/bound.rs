//! The declared form at run time: a proved statement and the values bound to it.

use std::marker::PhantomData;

use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Encode, Postgres, Type};

use super::access::{Read, ReadAccess, System, SystemAccess, Target, Write, WriteAccess};
use super::decode::Decoder;
use super::proof::Statement;
use super::run::{self, Ready, not_found};
use super::stream::Rows;
use crate::db::{DbError, DbErrorKind, DbResult};

/// A proved statement that is being given its values. `A` says what scope it needs.
#[must_use = "a statement does nothing until it is run"]
pub struct Bound<A> {
    statement: Statement,
    arguments: DbResult<PgArguments>,
    writes: bool,
    /// Of a system statement; empty otherwise.
    role: &'static str,
    access: PhantomData<A>,
}

impl<A> std::fmt::Debug for Bound<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("statement", &self.statement.name)
            .finish_non_exhaustive()
    }
}

impl Bound<Read> {
    /// A statement that only reads.
    pub fn read(statement: Statement) -> Self {
        Self::new(statement, false, "")
    }

    /// Names the scope to run in.
    pub fn within<'s, S: ReadAccess<'s>>(self, scope: S) -> Entered<'s> {
        self.enter(Ok(scope.target()))
    }
}

impl Bound<Write> {
    /// A statement that writes or locks.
    pub fn write(statement: Statement) -> Self {
        Self::new(statement, true, "")
    }

    /// Names the scope to run in.
    pub fn within<'s, S: WriteAccess<'s>>(self, scope: S) -> Entered<'s> {
        self.enter(Ok(scope.target()))
    }
}

impl Bound<System> {
    /// A system statement of `role` that only reads.
    pub fn system_read(statement: Statement, role: &'static str) -> Self {
        Self::new(statement, false, role)
    }

    /// A system statement of `role` that writes or locks.
    pub fn system_write(statement: Statement, role: &'static str) -> Self {
        Self::new(statement, true, role)
    }

    /// Names the scope to run in.
    pub fn within<'s, S: SystemAccess<'s>>(self, scope: S) -> Entered<'s> {
        let target = scope.target(self.role, self.statement.name);
        self.enter(target)
    }
}

impl<A> Bound<A> {
    fn new(statement: Statement, writes: bool, role: &'static str) -> Self {
        let arguments = Ok(PgArguments::default());
        Self {
            statement,
            arguments,
            writes,
            role,
            access: PhantomData,
        }
    }

    /// Binds the next parameter. A value that can't be encoded fails when the statement is run.
    pub fn bind<'t, T: Encode<'t, Postgres> + Type<Postgres>>(mut self, value: T) -> Self {
        self.statement.look_at(&value);
        if let Ok(arguments) = &mut self.arguments
            && let Err(cause) = arguments.add(value)
        {
            self.arguments = Err(DbError::with_cause(DbErrorKind::InvalidValue, cause));
        }
        self
    }

    fn enter(self, target: DbResult<Target<'_>>) -> Entered<'_> {
        let Self {
            statement,
            arguments,
            writes,
            ..
        } = self;
        let ready = target.and_then(|target| {
            let arguments = statement.complete(arguments?, target.tenant)?;
            Ok((
                target,
                Ready {
                    sql: statement.sql,
                    arguments,
                    persistent: true,
                },
            ))
        });
        Entered {
            ready,
            statement,
            writes,
        }
    }
}

/// A statement with all its values and the transaction it will run in, or what is wrong with them.
#[must_use = "a statement does nothing until it is run"]
pub struct Entered<'s> {
    ready: DbResult<(Target<'s>, Ready)>,
    statement: Statement,
    writes: bool,
}

impl std::fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entered")
            .field("statement", &self.statement.name)
            .finish_non_exhaustive()
    }
}

impl<'s> Entered<'s> {
    /// All rows.
    ///
    /// # Errors
    /// Those of the database, and of a row that does not fit.
    pub async fn fetch_all<T: Send, D: Decoder<T>>(self, decoder: D) -> DbResult<Vec<T>> {
        let (target, query) = self.ready?;
        let decode = move |row| decoder.decode(&row);
        run::all(target, &self.statement, self.writes, query, decode).await
    }

    /// At most one row.
    ///
    /// # Errors
    /// As `fetch_all`, and if there is a second row.
    pub async fn fetch_optional<T: Send, D: Decoder<T>>(self, decoder: D) -> DbResult<Option<T>> {
        let (target, query) = self.ready?;
        let decode = move |row| decoder.decode(&row);
        run::first(target, &self.statement, self.writes, true, query, decode).await
    }

    /// Exactly one row.
    ///
    /// # Errors
    /// As `fetch_all`, and if there is no row or a second one.
    pub async fn fetch_one<T: Send, D: Decoder<T>>(self, decoder: D) -> DbResult<T> {
        not_found(self.fetch_optional(decoder).await?)
    }

    /// Row by row. A stream that is dropped before its end closes the connection.
    pub fn stream<T: Send + 's, D: Decoder<T> + 's>(self, decoder: D) -> Rows<'s, T> {
        match self.ready {
            Ok((target, query)) => {
                let decode = move |row| decoder.decode(&row);
                Rows::new(target, self.statement, self.writes, query, decode)
            }
            Err(error) => Rows::failed(error),
        }
    }

    /// The number of rows that the statement changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn affected(self) -> DbResult<u64> {
        let (target, query) = self.ready?;
        let done = run::run(target, &self.statement, self.writes, query, |_| Ok(())).await?;
        Ok(done.rows_affected())
    }

    /// Runs the statement.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(self) -> DbResult<()> {
        self.affected().await.map(drop)
    }
}
