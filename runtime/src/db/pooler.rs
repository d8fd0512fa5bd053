//! What stands between the pool and PostgreSQL, as the program says it.
//!
//! Invariant: it changes how statements are sent, never what a scope is: one transaction, which begins
//! with the message that sets everything. Whether it is said rightly is tested when a pool opens
//! (`gate::pooler`).

/// What stands between a pool and PostgreSQL.
///
/// A pooler in transaction mode gives each transaction another server connection. A statement that was
/// prepared on one of them is not there on the next, or is another client's of the same name, whose
/// rows it then returns. A pool tests for that when it opens, and refuses if this is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// None, or one in session mode: a client keeps its server connection while it is connected.
    #[default]
    None,
    /// One in transaction mode. No statement stays prepared, which costs each of them one more round
    /// trip. Right for every pooler: PgBouncer of any version, and those in front of hosted databases.
    Transaction,
    /// One in transaction mode that keeps track of prepared statements: PgBouncer 1.21 or newer with
    /// `max_prepared_statements` above 0. Statements stay prepared.
    TransactionTracked,
}

impl Pooler {
    /// Whether each transaction may run on another server connection.
    pub(crate) const fn mixes(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether a prepared statement may have a name.
    pub(crate) const fn names_statements(self) -> bool {
        !matches!(self, Self::Transaction)
    }
}
