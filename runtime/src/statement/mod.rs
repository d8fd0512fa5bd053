//! Execution of proved statements: what the macros expand to.
//!
//! Invariant: the only way from user code to a tenant's connection, and every way through it sends
//! the text of a [`Statement`] and no other.

mod access;
mod bound;
mod catalog;
mod choice;
mod decode;
mod proof;
mod proved;
mod run;
mod stream;

pub use access::{Read, ReadAccess, System, SystemAccess, Target, Write, WriteAccess};
pub use bound::{Bound, Entered};
pub use catalog::{Catalog, Migration, Policy, Relation, RelationKind, Settings, TenantKind};
pub use choice::{Given, flag, given};
pub use decode::{
    AsColumn, AsHidden, AsNothing, AsRow, ByColumn, ByNothing, ByRow, ByShape, ColumnDecoder,
    Decoder, NoDecoder, OnlyColumn, Row, RowDecoder, RowOrColumn, SpelledOut, Stays, Wanted,
};
pub use proof::Statement;
pub use proved::{Proved, Runnable, WithMap, query};
pub use run::{Open, Ready, Step};
pub use stream::{Rows, refused_stream};
