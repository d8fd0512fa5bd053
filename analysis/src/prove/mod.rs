//! The prover: a statement and a catalog to a proof or a refusal.
//!
//! Invariant: what is not understood is refused, and every relation that the parse tree names was
//! classified.

mod proof;

pub use proof::{Grade, Occurrence, OutputColumn, Proof, StatementKind};

use crate::catalog::Catalog;
use crate::diagnostic::{Code, Diagnostic};
use crate::prepare::Prepared;

/// Proves that the statement reads only the tenant's rows and global tables, and writes only the
/// tenant's rows.
///
/// # Errors
/// Everything that keeps it from being proved; spans are in `prepared.source`.
pub fn prove(catalog: &Catalog, prepared: &Prepared) -> Result<Proof, Vec<Diagnostic>> {
    refuse(catalog, prepared)
}

/// For `unproved!`: one statement on the function list whose relations are all protected or
/// global. Only what is not understood about its predicates is waived.
///
/// # Errors
/// As [`prove`].
pub fn prove_unproved(catalog: &Catalog, prepared: &Prepared) -> Result<Proof, Vec<Diagnostic>> {
    refuse(catalog, prepared)
}

/// For queries before there is a tenant: one statement on the function list whose relations are
/// among `tables`.
///
/// # Errors
/// As [`prove`].
pub fn prove_system(
    catalog: &Catalog,
    prepared: &Prepared,
    tables: &[String],
) -> Result<Proof, Vec<Diagnostic>> {
    let _ = tables;
    refuse(catalog, prepared)
}

fn refuse(catalog: &Catalog, prepared: &Prepared) -> Result<Proof, Vec<Diagnostic>> {
    let _ = (catalog, prepared);
    Err(vec![Diagnostic::error(
        Code::NOT_UNDERSTOOD,
        "the prover does not judge statements yet",
    )])
}
