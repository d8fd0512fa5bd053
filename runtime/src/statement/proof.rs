//! A statement that carries its proof.
//!
//! Invariant: the text is the one that was proved, byte for byte, and is what the executor sends.

/// A proved statement, written by the macros as a constant.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) catalog: &'static str,
    pub(crate) name: &'static str,
    pub(crate) parameters: usize,
    pub(crate) tenant: bool,
}

impl Statement {
    /// `sql` was proved against the catalog with the id `catalog`; `name` is the function it
    /// stands in, for the log.
    #[must_use]
    pub const fn new(sql: &'static str, catalog: &'static str, name: &'static str) -> Self {
        Self {
            sql,
            catalog,
            name,
            parameters: 0,
            tenant: false,
        }
    }

    /// The number of parameters that the caller binds.
    #[must_use]
    pub const fn parameters(mut self, parameters: usize) -> Self {
        self.parameters = parameters;
        self
    }

    /// The last parameter is `$tenant`, which the executor binds.
    #[must_use]
    pub const fn tenant(mut self) -> Self {
        self.tenant = true;
        self
    }
}
