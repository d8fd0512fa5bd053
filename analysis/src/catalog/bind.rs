//! Binds what is stored: relations of views, policies and standard bodies are qualified when they
//! are created, `*` and `NATURAL` are written out, as PostgreSQL stores them.
//!
//! Invariant: after binding, a later change of names or columns can't change what a stored query
//! means; where that can't be done, binding fails and the object is not understood.

use super::expand::Expander;
pub(super) use super::expand::{Output, rename};
use super::model::{Column, RelationId};
use super::walk::{self, Visitor};
use crate::ir::{Alias, Expr, Query, RelationRef, Statement};

/// Finds relations as the migration sees them.
pub(super) trait Resolve {
    /// The identity, schema and columns of a relation.
    fn resolve(&self, parts: &[String]) -> Option<(RelationId, String, Vec<Column>)>;
}

/// Qualifies every relation and expands what PostgreSQL expands. Gives the relations read.
pub(super) fn query(query: &mut Query, catalog: &dyn Resolve) -> Result<Vec<RelationId>, String> {
    Expander::new(catalog, false).query(query)?;
    let mut binder = Binder {
        catalog,
        reads: Vec::new(),
        missing: None,
    };
    walk::query(query, &mut binder);
    binder.finish()
}

/// The same for an expression's sub-queries.
pub(super) fn expr(expr: &mut Expr, catalog: &dyn Resolve) -> Result<Vec<RelationId>, String> {
    Expander::new(catalog, true).expr(expr)?;
    let mut binder = Binder {
        catalog,
        reads: Vec::new(),
        missing: None,
    };
    walk::expr(expr, &mut binder);
    binder.finish()
}

/// The same for a statement of a standard body.
pub(super) fn statement(
    statement: &mut Statement,
    catalog: &dyn Resolve,
) -> Result<Vec<RelationId>, String> {
    Expander::new(catalog, false).statement(statement)?;
    let mut binder = Binder {
        catalog,
        reads: Vec::new(),
        missing: None,
    };
    walk::statement(statement, &mut binder);
    binder.finish()
}

/// The output columns of a bound query; nothing where a name is not known.
pub(super) fn outputs(query: &Query, catalog: &dyn Resolve) -> Option<Vec<Output>> {
    Expander::new(catalog, false).outputs_of(query)
}

struct Binder<'a> {
    catalog: &'a dyn Resolve,
    reads: Vec<RelationId>,
    missing: Option<String>,
}

impl Binder<'_> {
    fn finish(self) -> Result<Vec<RelationId>, String> {
        match self.missing {
            Some(name) => Err(format!(
                "it reads `{name}`, which no migration before it creates"
            )),
            None => Ok(self.reads),
        }
    }
}

impl Visitor for Binder<'_> {
    fn relation(&mut self, relation: &mut RelationRef, cte: bool) {
        if cte {
            return;
        }
        match self.catalog.resolve(&relation.name.parts) {
            Some((id, schema, _)) => {
                if !self.reads.contains(&id) {
                    self.reads.push(id);
                }
                qualify(relation, schema);
            }
            None => {
                self.missing
                    .get_or_insert_with(|| relation.name.parts.join("."));
            }
        }
    }
}

/// `FROM t` becomes `FROM schema.t AS t`, so that columns written `t.c` keep their meaning when
/// the relation is renamed.
fn qualify(relation: &mut RelationRef, schema: String) {
    let Some(name) = relation.name.parts.last().cloned() else {
        return;
    };
    relation.name.parts = vec![schema, name.clone()];
    if relation.alias.is_none() {
        relation.alias = Some(Alias {
            name,
            columns: Vec::new(),
        });
    }
}
