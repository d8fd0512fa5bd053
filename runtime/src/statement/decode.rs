//! Makes the user's type from a row: as a row (`FromRow`) or as a single column.
//!
//! The macro can't know which; it writes `(&&&&Wanted::<T>::NEW).decoder()`, and method lookup
//! takes the first of the traits below whose bound holds. Invariant: a type that is neither, or an
//! alias that hides `Vec`, `Option`, `u64` or `()`, does not compile.

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
    /// Refuses, by the bound of its `Decoder`.
    type Hidden;
    /// Refuses.
    fn decoder(&self) -> Hidden<Self::Hidden>;
}

macro_rules! shapes {
    ($([$($generic:ident)?] $shape:ty),*) => {$(
        impl$(<$generic>)? ByShape for &&&Wanted<$shape> {
            type Hidden = $shape;
            fn decoder(&self) -> Hidden<$shape> {
                Hidden(PhantomData)
            }
        }
    )*};
}

shapes!([T] Vec<T>, [T] Option<T>, [] u64, []());

/// Second: a row.
pub trait ByRow {
    /// What a row becomes.
    type Output;
    /// Reads by `FromRow`.
    fn decoder(&self) -> RowDecoder<Self::Output>;
}

impl<T: for<'r> FromRow<'r, PgRow>> ByRow for &&Wanted<T> {
    type Output = T;
    fn decoder(&self) -> RowDecoder<T> {
        RowDecoder(PhantomData)
    }
}

/// Third: a single column.
pub trait ByColumn {
    /// What the column becomes.
    type Output;
    /// Reads the only column.
    fn decoder(&self) -> ColumnDecoder<Self::Output>;
}

impl<T: Type<Postgres> + for<'r> Decode<'r, Postgres>> ByColumn for &Wanted<T> {
    type Output = T;
    fn decoder(&self) -> ColumnDecoder<T> {
        ColumnDecoder(PhantomData)
    }
}

/// Last: neither.
pub trait ByNothing {
    /// The type at fault.
    type Output;
    /// Refuses, by the bound of its `Decoder`.
    fn decoder(&self) -> NoDecoder<Self::Output>;
}

impl<T> ByNothing for Wanted<T> {
    type Output = T;
    fn decoder(&self) -> NoDecoder<T> {
        NoDecoder(PhantomData)
    }
}

/// Reads by `FromRow`.
#[derive(Debug)]
pub struct RowDecoder<T>(PhantomData<fn() -> T>);

/// Reads the only column.
#[derive(Debug)]
pub struct ColumnDecoder<T>(PhantomData<fn() -> T>);

/// Of a type that no row can become.
#[derive(Debug)]
pub struct NoDecoder<T>(PhantomData<fn() -> T>);

/// Of a shape behind an alias.
#[derive(Debug)]
pub struct Hidden<T>(PhantomData<fn() -> T>);

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

copy!(RowDecoder, ColumnDecoder, NoDecoder, Hidden);

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

impl<T: Output + Send> Decoder<T> for NoDecoder<T> {
    fn decode(self, _: &PgRow) -> Result<T, sqlx::Error> {
        Err(sqlx::Error::Decode("no row can become this type".into()))
    }
}

impl<T: SpelledOut + Send> Decoder<T> for Hidden<T> {
    fn decode(self, _: &PgRow) -> Result<T, sqlx::Error> {
        Err(sqlx::Error::Decode(
            "the return type hides its shape".into(),
        ))
    }
}

/// Whether a row's type may leave the server, as a constant: this one where it may, that of
/// [`Stays`] where it may not.
#[derive(Debug)]
pub struct Row<T>(PhantomData<fn() -> T>);

impl<T: OpenOutput> Row<T> {
    /// A tool can return it.
    pub const LEAVES: bool = true;
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
    note = "derive `sqlx::FromRow` for a struct with a field for each column, \
            or name the Rust type of the only column, such as `i64` or `String`",
    note = "an alias of `Vec<T>` or `Option<T>` can't be seen through: write it out"
)]
pub trait Output {}

/// A shape in full view. Implemented by nothing: it is only asked of shapes behind an alias.
#[diagnostic::on_unimplemented(
    message = "the return type hides `{Self}` behind an alias",
    label = "write `DbResult<{Self}>` in full",
    note = "the return type chooses how rows are fetched, and the macro sees only its tokens"
)]
pub trait SpelledOut {}
