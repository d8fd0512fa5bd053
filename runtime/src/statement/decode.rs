//! Makes the user's type from a row: as a row (`FromRow`) or as a single column.
//!
//! The macro can't know which; it writes `(&&&&Wanted::<T>::NEW).decoder().of::<T, N>()`, where `N`
//! is the number of columns that the statement returns. Method lookup takes the first of the traits
//! below whose bound holds, and `of` demands of the type what this way of reading needs: there, at
//! the user's own tokens, a wrong type is one error. Invariant: a type that is neither a row nor the
//! only column, or an alias that hides `Vec`, `Option`, `u64` or `()`, does not compile.

use std::marker::PhantomData;

use sqlx::postgres::PgRow;
use sqlx::{Decode, FromRow, Postgres, Row as _, Type};

use crate::tool::generated::OpenOutput;

/// Reads one row as a `T`. A parameter and not an associated type: then what a function returns is
/// known although no row can become it, and nothing else is wrong.
pub trait Decoder<T>: Copy + Send {
    /// Reads it.
    ///
    /// # Errors
    /// If a column is missing or of another type.
    fn decode(self, row: &PgRow) -> Result<T, sqlx::Error>;
}

/// Asks for the decoder of `T`.
#[derive(Debug)]
pub struct Wanted<T>(PhantomData<fn() -> T>);

impl<T> Wanted<T> {
    /// The question; the traits below answer it.
    pub const NEW: Self = Self(PhantomData);
}

/// First: a shape that must be spelled out in the return type. Only asked for exactly-one rows.
pub trait ByShape {
    /// How it is read.
    fn decoder(&self) -> AsHidden {
        AsHidden
    }
}

impl<T> ByShape for &&&Wanted<Vec<T>> {}
impl<T> ByShape for &&&Wanted<Option<T>> {}
impl ByShape for &&&Wanted<u64> {}
impl ByShape for &&&Wanted<()> {}

/// Second: a row.
pub trait ByRow {
    /// How it is read.
    fn decoder(&self) -> AsRow {
        AsRow
    }
}

impl<T: for<'r> FromRow<'r, PgRow>> ByRow for &&Wanted<T> {}

/// Third: a single column.
pub trait ByColumn {
    /// How it is read.
    fn decoder(&self) -> AsColumn {
        AsColumn
    }
}

impl<T: Type<Postgres> + for<'r> Decode<'r, Postgres>> ByColumn for &Wanted<T> {}

/// Last: neither.
pub trait ByNothing {
    /// How it is read.
    fn decoder(&self) -> AsNothing {
        AsNothing
    }
}

impl<T> ByNothing for Wanted<T> {}

/// Reads by `FromRow`.
#[derive(Debug, Clone, Copy)]
pub struct AsRow;

impl AsRow {
    /// The decoder of `T`, whose fields find their columns by themselves.
    #[must_use]
    pub fn of<T: for<'r> FromRow<'r, PgRow>, const N: usize>(self) -> RowDecoder<T> {
        RowDecoder(PhantomData)
    }
}

/// Reads the only column.
#[derive(Debug, Clone, Copy)]
pub struct AsColumn;

impl AsColumn {
    /// The decoder of `T`, if there is one column.
    #[must_use]
    pub fn of<T: OnlyColumn<N>, const N: usize>(self) -> ColumnDecoder<T> {
        ColumnDecoder(PhantomData)
    }
}

/// Refuses.
#[derive(Debug, Clone, Copy)]
pub struct AsNothing;

impl AsNothing {
    /// Refuses, by its bound.
    #[must_use]
    pub fn of<T: RowOrColumn, const N: usize>(self) -> NoDecoder<T> {
        NoDecoder(PhantomData)
    }
}

/// Refuses.
#[derive(Debug, Clone, Copy)]
pub struct AsHidden;

impl AsHidden {
    /// Refuses, by its bound.
    #[must_use]
    pub fn of<T: SpelledOut, const N: usize>(self) -> NoDecoder<T> {
        NoDecoder(PhantomData)
    }
}

/// Reads by `FromRow`.
#[derive(Debug)]
pub struct RowDecoder<T>(PhantomData<fn() -> T>);

/// Reads the only column.
#[derive(Debug)]
pub struct ColumnDecoder<T>(PhantomData<fn() -> T>);

/// Stands for the decoder of a type that was refused, so that nothing else is wrong.
#[derive(Debug)]
pub struct NoDecoder<T>(PhantomData<fn() -> T>);

macro_rules! copy {
    ($($decoder:ident),*) => {$(
        impl<T> Clone for $decoder<T> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<T> Copy for $decoder<T> {}
    )*};
}

copy!(RowDecoder, ColumnDecoder, NoDecoder);

impl<T: Send + for<'r> FromRow<'r, PgRow>> Decoder<T> for RowDecoder<T> {
    fn decode(self, row: &PgRow) -> Result<T, sqlx::Error> {
        T::from_row(row)
    }
}

impl<T: Send + Type<Postgres> + for<'r> Decode<'r, Postgres>> Decoder<T> for ColumnDecoder<T> {
    fn decode(self, row: &PgRow) -> Result<T, sqlx::Error> {
        if row.len() != 1 {
            // sqlx would take the first column in silence.
            let source = format!(
                "one column was expected, the statement returns {}",
                row.len()
            );
            return Err(sqlx::Error::Decode(source.into()));
        }
        row.try_get(0)
    }
}

impl<T: Send> Decoder<T> for NoDecoder<T> {
    fn decode(self, _: &PgRow) -> Result<T, sqlx::Error> {
        Err(sqlx::Error::Decode("no row can become this type".into()))
    }
}

/// Whether a row's type may leave the server, as a constant: this one where it may, that of
/// [`Stays`] where it may not.
#[derive(Debug)]
pub struct Row<T>(PhantomData<fn() -> T>);

impl<T: OpenOutput> Row<T> {
    /// A tool can return it. Where its own derive was refused, that has been told and this has not
    /// to be told as well.
    pub const LEAVES: bool = !T::REFUSED;
}

/// What holds of a type that no tool can return.
pub trait Stays {
    /// It stays in the server.
    const LEAVES: bool = false;
}

impl<T> Stays for Row<T> {}

/// What a row can become. Implemented by nothing: it is only asked of types that can't.
#[diagnostic::on_unimplemented(
    message = "no row can become `{Self}`",
    label = "neither a row nor a column",
    note = "derive `sqlx::FromRow` for a struct with a field for each column, or name the Rust type of the only column, such as `i64` or `String`",
    note = "an alias of `Vec<T>` or `Option<T>` can't be seen through: write it out"
)]
pub trait RowOrColumn {}

/// What can be read from a row of `N` columns as its only one.
#[diagnostic::on_unimplemented(
    message = "the statement returns {N} columns, and `{Self}` reads one",
    label = "reads one column of {N}",
    note = "write a tuple with a type for each column, `({Self}, …)`, or a struct that derives `sqlx::FromRow`"
)]
pub trait OnlyColumn<const N: usize> {}
#[diagnostic::do_not_recommend]
impl<T> OnlyColumn<1> for T {}

/// A shape in full view. Implemented by nothing: it is only asked of shapes behind an alias.
#[diagnostic::on_unimplemented(
    message = "the return type hides `{Self}` behind an alias",
    label = "write `DbResult<{Self}>` in full",
    note = "the return type chooses how rows are fetched, and the macro sees only its tokens"
)]
pub trait SpelledOut {}
