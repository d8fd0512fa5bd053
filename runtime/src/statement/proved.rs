//! The form around a body at run time: a query of sqlx's own, wrapped in its proof.
//!
//! Invariant: a wrapped query runs in a scope only, and only if its text is the proved one. The
//! macros of sqlx give a `Map`, whose text can't be read back; there the macro names `::sqlx` by
//! its absolute path, so the text is the literal that was proved.

use std::marker::PhantomData;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::query::{Map, Query, QueryAs, QueryScalar};
use sqlx::{
    Either, Encode, Execute, FromRow, IntoArguments, PgConnection, Postgres, Row as _, Type,
};

use super::access::{Read, ReadAccess, Write, WriteAccess};
use super::proof::Statement;
use super::run::{self, Open, Ready, Step, not_found};
use super::stream::Rows;
use crate::db::{DbError, DbErrorKind, DbResult, Scope, WriteScope};
use crate::id::TenantId;

/// A query of sqlx whose statement was proved. `A` says what scope it needs.
#[must_use = "a query does nothing until it is run"]
pub struct Proved<Q, A> {
    statement: Statement,
    query: Q,
    access: PhantomData<A>,
}

impl<Q, A> std::fmt::Debug for Proved<Q, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proved")
            .field("statement", &self.statement.name)
            .finish_non_exhaustive()
    }
}

impl<Q: Runnable> Proved<Q, Read> {
    /// `query` was written with the text of `statement`, which only reads.
    pub fn read(statement: Statement, query: Q) -> Self {
        Self {
            statement,
            query,
            access: PhantomData,
        }
    }
}

impl<Q: Runnable> Proved<Q, Write> {
    /// `query` was written with the text of `statement`, which writes.
    pub fn write(statement: Statement, query: Q) -> Self {
        Self {
            statement,
            query,
            access: PhantomData,
        }
    }
}

/// The query that `unproved!` wraps.
pub fn query(sql: &'static str) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(sql)
}

/// The kinds of queries that sqlx's functions and macros give, and what we make of them.
pub trait Runnable: Send + Sized {
    /// What a row becomes.
    type Output: Send;

    /// The query with all its values and what its rows become.
    #[doc(hidden)]
    fn open(
        self,
        statement: Statement,
        tenant: Option<&TenantId>,
    ) -> DbResult<impl Open<Row = Self::Output>>;
}

/// Takes a query of sqlx apart, refusing any text but the proved one.
fn take_apart<'q, Q: Execute<'q, Postgres>>(
    mut query: Q,
    statement: &Statement,
    tenant: Option<&TenantId>,
) -> DbResult<Ready> {
    let arguments = query
        .take_arguments()
        .map_err(|cause| DbError::with_cause(DbErrorKind::InvalidValue, cause))?
        .unwrap_or_default();
    let persistent = query.persistent();
    if query.sql().as_str() != statement.sql {
        return Err(statement.misused("is not the one that was proved".to_owned()));
    }
    let arguments = statement.complete(arguments, tenant)?;
    Ok(Ready {
        sql: statement.sql,
        arguments,
        persistent,
    })
}

/// Rows that are made into something else on the way.
struct Decoded<O, F>(O, F);

impl<O: Open, T: Send, F: FnMut(O::Row) -> Result<T, sqlx::Error> + Send> Open for Decoded<O, F> {
    type Row = T;

    fn open<'e>(self, connection: &'e mut PgConnection) -> BoxStream<'e, Step<T>>
    where
        Self: 'e,
        T: 'e,
    {
        let Self(inner, mut decode) = self;
        inner
            .open(connection)
            .map(move |step| match step? {
                Either::Left(done) => Ok(Either::Left(done)),
                Either::Right(row) => decode(row).map(Either::Right),
            })
            .boxed()
    }

    fn keep_nothing(&mut self) {
        self.0.keep_nothing();
    }
}

impl<A: Send + IntoArguments<Postgres>> Runnable for Query<'_, Postgres, A> {
    type Output = PgRow;

    fn open(
        self,
        statement: Statement,
        tenant: Option<&TenantId>,
    ) -> DbResult<impl Open<Row = PgRow>> {
        take_apart(self, &statement, tenant)
    }
}

impl<T, A> Runnable for QueryAs<'_, Postgres, T, A>
where
    T: Send + for<'r> FromRow<'r, PgRow>,
    A: Send + IntoArguments<Postgres>,
{
    type Output = T;

    fn open(self, statement: Statement, tenant: Option<&TenantId>) -> DbResult<impl Open<Row = T>> {
        let ready = take_apart(self, &statement, tenant)?;
        Ok(Decoded(ready, |row: PgRow| T::from_row(&row)))
    }
}

impl<T, A> Runnable for QueryScalar<'_, Postgres, T, A>
where
    T: Send,
    (T,): for<'r> FromRow<'r, PgRow>,
    A: Send + IntoArguments<Postgres>,
{
    type Output = T;

    fn open(self, statement: Statement, tenant: Option<&TenantId>) -> DbResult<impl Open<Row = T>> {
        let ready = take_apart(self, &statement, tenant)?;
        Ok(Decoded(ready, |row: PgRow| {
            <(T,)>::from_row(&row).map(|(value,)| value)
        }))
    }
}

/// What `query!` and `query_as!` give.
struct Mapped<M>(M);

impl<'q, F, T, A> Open for Mapped<Map<'q, Postgres, F, A>>
where
    F: FnMut(PgRow) -> Result<T, sqlx::Error> + Send,
    T: Send + Unpin,
    A: 'q + Send + IntoArguments<Postgres>,
{
    type Row = T;

    fn open<'e>(self, connection: &'e mut PgConnection) -> BoxStream<'e, Step<T>>
    where
        Self: 'e,
        T: 'e,
    {
        let rows: BoxStream<'e, Result<T, sqlx::Error>> = self.0.fetch(connection);
        rows.map_ok(Either::Right).boxed()
    }
}

impl<'q, F, T, A> Runnable for Map<'q, Postgres, F, A>
where
    F: FnMut(PgRow) -> Result<T, sqlx::Error> + Send,
    T: Send + Unpin,
    A: 'q + Send + IntoArguments<Postgres>,
{
    type Output = T;

    fn open(self, statement: Statement, _: Option<&TenantId>) -> DbResult<impl Open<Row = T>> {
        if statement.tenant {
            // In sqlx's macros the tenant is the setting, never a parameter.
            return Err(statement.misused("expects its tenant as a parameter".to_owned()));
        }
        Ok(Mapped(self))
    }
}

/// A query with a function over its rows, from [`Proved::map`].
pub struct WithMap<Q, F> {
    query: Q,
    map: F,
}

impl<Q, F> std::fmt::Debug for WithMap<Q, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithMap").finish_non_exhaustive()
    }
}

impl<Q, F, T> Runnable for WithMap<Q, F>
where
    Q: Runnable,
    F: FnMut(Q::Output) -> Result<T, sqlx::Error> + Send,
    T: Send,
{
    type Output = T;

    fn open(self, statement: Statement, tenant: Option<&TenantId>) -> DbResult<impl Open<Row = T>> {
        Ok(Decoded(self.query.open(statement, tenant)?, self.map))
    }
}

macro_rules! binds {
    ($([$($generic:ident)?] $query:ty),*) => {$(
        impl<'q, $($generic,)? A> Proved<$query, A> {
            /// Binds the next parameter, counted from `$1`. `$tenant` is bound by the executor.
            ///
            /// A float for a parameter without a cast is an error when the query is run, if the
            /// statement's own filter carries the proof: beside a `numeric` column the server
            /// would turn the column into a float, and print another tenant's value if that
            /// fails. Write `$1::numeric` or `$1::float8`.
            pub fn bind<T: 'q + Encode<'q, Postgres> + Type<Postgres>>(mut self, value: T) -> Self {
                self.statement.look_at(&value);
                self.query = self.query.bind(value);
                self
            }

            /// Whether the server keeps the prepared statement, as it does by default.
            pub fn persistent(mut self, persistent: bool) -> Self {
                self.query = self.query.persistent(persistent);
                self
            }
        }
    )*};
}

binds!(
    [] Query<'q, Postgres, PgArguments>,
    [O] QueryAs<'q, Postgres, O, PgArguments>,
    [O] QueryScalar<'q, Postgres, O, PgArguments>
);

impl<Q: Runnable, A> Proved<Q, A> {
    /// Makes something else of each row.
    #[allow(clippy::type_complexity)] // An opaque closure has no name to alias.
    pub fn map<T: Send>(
        self,
        mut map: impl FnMut(Q::Output) -> T + Send,
    ) -> Proved<WithMap<Q, impl FnMut(Q::Output) -> Result<T, sqlx::Error> + Send>, A> {
        self.try_map(move |row| Ok(map(row)))
    }

    /// Makes something else of each row, or fails.
    pub fn try_map<T: Send, F>(self, map: F) -> Proved<WithMap<Q, F>, A>
    where
        F: FnMut(Q::Output) -> Result<T, sqlx::Error> + Send,
    {
        let Self {
            statement,
            query,
            access,
        } = self;
        Proved {
            statement,
            query: WithMap { query, map },
            access,
        }
    }
}

impl<Q: Runnable<Output = PgRow>, A> Proved<Q, A> {
    /// Reads each row by `FromRow`. Bind the values first.
    #[allow(clippy::type_complexity)] // As above.
    pub fn rows_as<T: Send + for<'r> FromRow<'r, PgRow>>(
        self,
    ) -> Proved<WithMap<Q, impl FnMut(PgRow) -> Result<T, sqlx::Error> + Send>, A> {
        self.try_map(|row: PgRow| T::from_row(&row))
    }

    /// Reads the first column of each row. Bind the values first.
    #[allow(clippy::type_complexity)] // As above.
    pub fn scalars<T: Send + Type<Postgres> + for<'r> sqlx::Decode<'r, Postgres>>(
        self,
    ) -> Proved<WithMap<Q, impl FnMut(PgRow) -> Result<T, sqlx::Error> + Send>, A> {
        self.try_map(|row: PgRow| row.try_get(0))
    }
}

macro_rules! fetches {
    ($access:ident, $scope:ident, $access_trait:ident, $writes:literal) => {
        impl<Q: Runnable> Proved<Q, $access> {
            /// All rows.
            ///
            /// # Errors
            /// Those of the database, and of a row that does not fit.
            pub async fn fetch_all(self, scope: &mut $scope<'_>) -> DbResult<Vec<Q::Output>> {
                let target = $access_trait::target(scope);
                let open = self.query.open(self.statement, target.tenant)?;
                run::all(target, &self.statement, $writes, open, Ok).await
            }

            /// The first row, as sqlx has it: further rows are dropped.
            ///
            /// # Errors
            /// As `fetch_all`.
            pub async fn fetch_optional(
                self,
                scope: &mut $scope<'_>,
            ) -> DbResult<Option<Q::Output>> {
                let target = $access_trait::target(scope);
                let open = self.query.open(self.statement, target.tenant)?;
                run::first(target, &self.statement, $writes, false, open, Ok).await
            }

            /// The first row, as sqlx has it: further rows are dropped.
            ///
            /// # Errors
            /// As `fetch_all`, and if there is no row.
            pub async fn fetch_one(self, scope: &mut $scope<'_>) -> DbResult<Q::Output> {
                not_found(self.fetch_optional(scope).await?)
            }

            /// Row by row. A stream that is dropped before its end closes the connection.
            pub fn fetch<'s>(self, scope: &'s mut $scope<'_>) -> Rows<'s, Q::Output>
            where
                Q: 's,
            {
                let target = $access_trait::target(scope);
                match self.query.open(self.statement, target.tenant) {
                    Ok(open) => Rows::new(target, self.statement, $writes, open, Ok),
                    Err(error) => Rows::failed(error),
                }
            }

            /// Runs the query and tells how many rows it changed.
            ///
            /// # Errors
            /// Those of the database.
            pub async fn execute(self, scope: &mut $scope<'_>) -> DbResult<PgQueryResult> {
                let target = $access_trait::target(scope);
                let open = self.query.open(self.statement, target.tenant)?;
                run::run(target, &self.statement, $writes, open, |_| Ok(())).await
            }
        }
    };
}

fetches!(Read, Scope, ReadAccess, false);
fetches!(Write, WriteScope, WriteAccess, true);
