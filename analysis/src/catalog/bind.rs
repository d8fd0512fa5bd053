//! Binds what is stored: relations of views, policies and standard bodies are qualified when they
//! are created, `*` and `NATURAL` are written out, as PostgreSQL stores them.
//!
//! Invariant: after binding, a later change of names or columns can't change what a stored query
//! means; where that can't be done, binding fails and the object is not understood.

use super::model::{Column, RelationId};
use super::walk::{self, Visitor};
use crate::ir::{
    Alias, Expr, ExprKind, FromItem, Join, JoinConstraint, JoinKind, Query, QueryBody, RelationRef,
    Select, Statement, Target, TypeName,
};

/// Finds relations as the migration sees them.
pub(super) trait Resolve {
    /// The identity, schema and columns of a relation.
    fn resolve(&self, parts: &[String]) -> Option<(RelationId, String, Vec<Column>)>;
}

/// An output column of a query.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) ty: Option<TypeName>,
}

/// Qualifies every relation and expands what PostgreSQL expands. Gives the relations read.
pub(super) fn query(query: &mut Query, catalog: &dyn Resolve) -> Result<Vec<RelationId>, String> {
    let mut expander = Expander {
        catalog,
        ctes: Vec::new(),
    };
    expander.query(query)?;
    let mut binder = Binder {
        catalog,
        reads: Vec::new(),
        missing: None,
    };
    walk::query(query, &mut binder);
    binder.finish()
}

/// Qualifies the relations of an expression's sub-queries.
pub(super) fn expr(expr: &mut Expr, catalog: &dyn Resolve) -> Result<Vec<RelationId>, String> {
    let mut binder = Binder {
        catalog,
        reads: Vec::new(),
        missing: None,
    };
    walk::expr(expr, &mut binder);
    binder.finish()
}

/// Qualifies the relations of a statement of a standard body.
pub(super) fn statement(
    statement: &mut Statement,
    catalog: &dyn Resolve,
) -> Result<Vec<RelationId>, String> {
    if let Statement::Query(query) = statement {
        return self::query(query, catalog);
    }
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
    Expander {
        catalog,
        ctes: Vec::new(),
    }
    .outputs_of(query)
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

/// The columns that one item of a `FROM` offers, under the name it goes by.
struct Source {
    name: Option<String>,
    columns: Vec<Output>,
}

struct Expander<'a> {
    catalog: &'a dyn Resolve,
    /// `WITH` names in scope and their columns; `None` where they are not known.
    ctes: Vec<(String, Option<Vec<Output>>)>,
}

impl Expander<'_> {
    fn query(&mut self, query: &mut Query) -> Result<(), String> {
        let depth = self.ctes.len();
        if let Some(with) = &mut query.with {
            if with.recursive {
                for cte in &with.ctes {
                    let named = (!cte.columns.is_empty()).then(|| named(&cte.columns));
                    self.ctes.push((cte.name.clone(), named));
                }
            }
            for cte in &mut with.ctes {
                let outputs = match &mut cte.statement {
                    Statement::Query(inner) => {
                        self.query(inner)?;
                        self.outputs_of(inner)
                    }
                    _ => None,
                };
                let outputs = outputs.map(|outputs| rename(outputs, &cte.columns));
                let outputs = if cte.added_columns.is_empty() {
                    outputs
                } else {
                    None
                };
                self.ctes.push((cte.name.clone(), outputs));
            }
        }
        match &mut query.body {
            QueryBody::Select(select) => self.select(select)?,
            QueryBody::Values(_) => {}
            QueryBody::SetOperation { left, right, .. } => {
                self.query(left)?;
                self.query(right)?;
            }
        }
        self.ctes.truncate(depth);
        Ok(())
    }

    fn select(&mut self, select: &mut Select) -> Result<(), String> {
        for item in &mut select.from {
            self.item(item)?;
        }
        let mut sub = SubQueries {
            expander: self,
            error: None,
        };
        for target in &mut select.targets {
            walk_shallow(&mut target.expr, &mut sub);
        }
        for expr in select
            .filter
            .iter_mut()
            .chain(&mut select.having)
            .chain(&mut select.group_by)
        {
            walk_shallow(expr, &mut sub);
        }
        if let Some(error) = sub.error {
            return Err(error);
        }
        let stars = select
            .targets
            .iter()
            .any(|target| matches!(target.expr.kind, ExprKind::Star(_)));
        if !stars {
            return Ok(());
        }
        let mut targets = Vec::new();
        for target in std::mem::take(&mut select.targets) {
            let ExprKind::Star(prefix) = &target.expr.kind else {
                targets.push(target);
                continue;
            };
            let sources = self
                .sources(&select.from)
                .ok_or("`*` stands for columns that are not known")?;
            let wanted: Vec<&Source> = match prefix.last() {
                None => sources.iter().collect(),
                Some(name) => sources
                    .iter()
                    .filter(|s| s.name.as_ref() == Some(name))
                    .collect(),
            };
            // A merged column of USING has no qualifier, so `*` over it can't be written out here.
            let merged = select.from.iter().any(has_using);
            if wanted.is_empty() || (prefix.is_empty() && merged) {
                return Err("`*` over a join with USING is not written out".to_owned());
            }
            for source in wanted {
                for column in &source.columns {
                    let parts = source.name.iter().chain([&column.name]).cloned().collect();
                    targets.push(Target {
                        expr: Expr {
                            kind: ExprKind::Column(parts),
                            span: target.span.clone(),
                        },
                        alias: None,
                        span: target.span.clone(),
                    });
                }
            }
        }
        select.targets = targets;
        Ok(())
    }

    fn item(&mut self, item: &mut FromItem) -> Result<(), String> {
        match item {
            FromItem::Relation(_) | FromItem::Function { .. } => Ok(()),
            FromItem::Subquery { query, .. } => self.query(query),
            FromItem::Join(join) => {
                self.item(&mut join.left)?;
                self.item(&mut join.right)?;
                self.natural(join)
            }
        }
    }

    /// `NATURAL` becomes `USING` over the common columns of today.
    fn natural(&mut self, join: &mut Join) -> Result<(), String> {
        if !matches!(join.constraint, JoinConstraint::Natural) {
            return Ok(());
        }
        let names = |item: &FromItem| -> Option<Vec<String>> {
            let sources = self.sources(std::slice::from_ref(item))?;
            Some(
                sources
                    .into_iter()
                    .flat_map(|s| s.columns)
                    .map(|column| column.name)
                    .collect(),
            )
        };
        let left = names(&join.left).ok_or("NATURAL over columns that are not known")?;
        let right = names(&join.right).ok_or("NATURAL over columns that are not known")?;
        let common: Vec<String> = left
            .into_iter()
            .filter(|name| right.contains(name))
            .collect();
        join.constraint = if common.is_empty() {
            JoinConstraint::None
        } else {
            JoinConstraint::Using {
                columns: common,
                alias: None,
            }
        };
        if matches!(join.constraint, JoinConstraint::None) && join.kind != JoinKind::Inner {
            return Err("an outer NATURAL join without common columns".to_owned());
        }
        Ok(())
    }

    fn sources(&self, items: &[FromItem]) -> Option<Vec<Source>> {
        let mut sources = Vec::new();
        for item in items {
            self.source(item, &mut sources)?;
        }
        Some(sources)
    }

    fn source(&self, item: &FromItem, into: &mut Vec<Source>) -> Option<()> {
        match item {
            FromItem::Relation(relation) => {
                let columns = self.relation_columns(&relation.name.parts)?;
                let alias = relation.alias.as_ref();
                let name = alias
                    .map(|a| &a.name)
                    .or(relation.name.parts.last())
                    .cloned();
                let renamed = alias.map_or(&[][..], |a| a.columns.as_slice());
                into.push(Source {
                    name,
                    columns: rename(columns, renamed),
                });
            }
            FromItem::Subquery { query, alias, .. } => {
                let columns = self.outputs_of(query)?;
                let renamed = alias.as_ref().map_or(&[][..], |a| a.columns.as_slice());
                into.push(Source {
                    name: alias.as_ref().map(|a| a.name.clone()),
                    columns: rename(columns, renamed),
                });
            }
            FromItem::Function { .. } => return None,
            FromItem::Join(join) => {
                if join.alias.is_some() {
                    return None;
                }
                self.source(&join.left, into)?;
                self.source(&join.right, into)?;
            }
        }
        Some(())
    }

    fn relation_columns(&self, parts: &[String]) -> Option<Vec<Output>> {
        if let [name] = parts
            && let Some((_, columns)) = self.ctes.iter().rev().find(|(cte, _)| cte == name)
        {
            return columns.clone();
        }
        let (_, _, columns) = self.catalog.resolve(parts)?;
        // A view whose columns are not known has none.
        if columns.is_empty() {
            return None;
        }
        Some(
            columns
                .into_iter()
                .map(|column| Output {
                    name: column.name,
                    ty: column.ty,
                })
                .collect(),
        )
    }

    fn outputs_of(&self, query: &Query) -> Option<Vec<Output>> {
        let mut inner = Expander {
            catalog: self.catalog,
            ctes: self.ctes.clone(),
        };
        if let Some(with) = &query.with {
            for cte in &with.ctes {
                let outputs = match &cte.statement {
                    Statement::Query(query) if cte.added_columns.is_empty() => inner
                        .outputs_of(query)
                        .map(|outputs| rename(outputs, &cte.columns)),
                    _ => None,
                };
                inner.ctes.push((cte.name.clone(), outputs));
            }
        }
        match &query.body {
            QueryBody::Select(select) => {
                let sources = inner.sources(&select.from);
                select
                    .targets
                    .iter()
                    .map(|target| {
                        if matches!(target.expr.kind, ExprKind::Star(_)) {
                            return None;
                        }
                        Some(Output {
                            name: target
                                .alias
                                .clone()
                                .unwrap_or_else(|| column_name(&target.expr)),
                            ty: type_of(&target.expr, sources.as_deref()),
                        })
                    })
                    .collect()
            }
            QueryBody::Values(rows) => Some(
                (1..=rows.first()?.len())
                    .map(|index| Output {
                        name: format!("column{index}"),
                        ty: None,
                    })
                    .collect(),
            ),
            QueryBody::SetOperation { left, right, .. } => {
                let right = inner.outputs_of(right)?;
                let left = inner.outputs_of(left)?;
                Some(
                    left.into_iter()
                        .zip(right)
                        .map(|(a, b)| Output {
                            ty: if a.ty.as_ref().map(|t| &t.name.parts)
                                == b.ty.as_ref().map(|t| &t.name.parts)
                            {
                                a.ty
                            } else {
                                None
                            },
                            name: a.name,
                        })
                        .collect(),
                )
            }
        }
    }
}

/// Expands the sub-queries of an expression.
struct SubQueries<'a, 'b> {
    expander: &'a mut Expander<'b>,
    error: Option<String>,
}

fn walk_shallow(expr: &mut Expr, sub: &mut SubQueries<'_, '_>) {
    walk::expr(expr, sub);
}

impl Visitor for SubQueries<'_, '_> {
    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Subquery { query, .. } = &mut expr.kind
            && let Err(error) = self.expander.query(query)
        {
            self.error.get_or_insert(error);
        }
    }

    // The expander goes into them itself.
    fn enters(&self) -> bool {
        false
    }
}

fn has_using(item: &FromItem) -> bool {
    match item {
        FromItem::Join(join) => {
            matches!(join.constraint, JoinConstraint::Using { .. })
                || has_using(&join.left)
                || has_using(&join.right)
        }
        _ => false,
    }
}

fn named(columns: &[String]) -> Vec<Output> {
    columns
        .iter()
        .map(|name| Output {
            name: name.clone(),
            ty: None,
        })
        .collect()
}

/// Gives the first columns other names.
pub(super) fn rename(mut outputs: Vec<Output>, names: &[String]) -> Vec<Output> {
    for (output, name) in outputs.iter_mut().zip(names) {
        output.name.clone_from(name);
    }
    outputs
}

/// The name that PostgreSQL gives an output without an alias (`FigureColname`).
fn column_name(expr: &Expr) -> String {
    fn name(expr: &Expr) -> Option<(String, u8)> {
        let strong = |name: &str| Some((name.to_owned(), 2));
        match &expr.kind {
            ExprKind::Column(parts) => parts.last().map(|part| (part.clone(), 2)),
            ExprKind::Indirection { expr, steps } => steps
                .iter()
                .rev()
                .find_map(|step| match step {
                    crate::ir::IndirectionStep::Field(field) => Some((field.clone(), 2)),
                    _ => None,
                })
                .or_else(|| name(expr)),
            ExprKind::Call(call) => call.name.parts.last().map(|part| (part.clone(), 2)),
            ExprKind::Cast { expr, ty } => match name(expr) {
                Some((inner, 2)) => Some((inner, 2)),
                _ => ty.name.parts.last().map(|part| (part.clone(), 1)),
            },
            ExprKind::Collate { expr, .. } => name(expr),
            ExprKind::Case { otherwise, .. } => match otherwise.as_deref().and_then(name) {
                Some((inner, 2)) => Some((inner, 2)),
                _ => Some(("case".to_owned(), 1)),
            },
            ExprKind::Coalesce(_) => strong("coalesce"),
            ExprKind::NullIf(..) => strong("nullif"),
            ExprKind::Array(_) => strong("array"),
            ExprKind::Row(_) => strong("row"),
            ExprKind::Grouping(_) => strong("grouping"),
            _ => None,
        }
    }
    name(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// The type of an output where it is a plain column or a cast.
fn type_of(expr: &Expr, sources: Option<&[Source]>) -> Option<TypeName> {
    match &expr.kind {
        ExprKind::Cast { ty, .. } => Some(ty.clone()),
        ExprKind::Column(parts) => {
            let (name, qualifier) = match parts.as_slice() {
                [name] => (name, None),
                [.., qualifier, name] => (name, Some(qualifier)),
                [] => return None,
            };
            let mut found = sources?
                .iter()
                .filter(|source| qualifier.is_none_or(|q| source.name.as_ref() == Some(q)))
                .flat_map(|source| &source.columns)
                .filter(|column| column.name == *name);
            match (found.next(), found.next()) {
                (Some(one), None) => one.ty.clone(),
                _ => None,
            }
        }
        _ => None,
    }
}
