//! Writes out what PostgreSQL writes out when it stores a query: `*`, `NATURAL`, and the columns of
//! an `INSERT`, wherever in the query they stand.
//!
//! Invariant: exhaustive over the intermediate form; what is left of them is whole rows, which mean
//! the same whatever columns there are.

use super::bind::Resolve;
use super::walk::{self, Visitor};
use crate::ir::{
    Assignment, ConflictTarget, Expr, ExprKind, FromItem, IndirectionStep, Insert, InsertColumn,
    Join, JoinConstraint, JoinKind, OnConflict, Query, QueryBody, Select, Statement, SubqueryKind,
    Target, TypeName, With,
};

/// An output column of a query.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) ty: Option<TypeName>,
}

/// The columns that one item of a `FROM` offers, under the name it goes by.
struct Source {
    name: Option<String>,
    columns: Vec<Output>,
}

pub(super) struct Expander<'a> {
    catalog: &'a dyn Resolve,
    /// `WITH` names in scope and their columns; `None` where they are not known.
    ctes: Vec<(String, Option<Vec<Output>>)>,
    /// Whether it is an expression of a table: there a `*` stays that only asks whether a row is
    /// there, or stands for what a function gives.
    lenient: bool,
}

impl<'a> Expander<'a> {
    pub(super) fn new(catalog: &'a dyn Resolve, lenient: bool) -> Self {
        Expander {
            catalog,
            ctes: Vec::new(),
            lenient,
        }
    }

    /// Writes out a statement.
    pub(super) fn statement(&mut self, statement: &mut Statement) -> Result<(), String> {
        let depth = self.ctes.len();
        match statement {
            Statement::Query(query) => self.query(query)?,
            Statement::Insert(insert) => {
                self.with(insert.with.as_mut())?;
                self.insert(insert)?;
            }
            Statement::Update(update) => {
                self.with(update.with.as_mut())?;
                self.items(&mut update.from)?;
                self.assignments(&mut update.assignments)?;
                self.exprs(update.filter.iter_mut())?;
                let mut from = vec![FromItem::Relation(update.target.clone())];
                from.extend(update.from.iter().cloned());
                self.targets(&mut update.returning, &from)?;
            }
            Statement::Delete(delete) => {
                self.with(delete.with.as_mut())?;
                self.items(&mut delete.using)?;
                self.exprs(delete.filter.iter_mut())?;
                let mut from = vec![FromItem::Relation(delete.target.clone())];
                from.extend(delete.using.iter().cloned());
                self.targets(&mut delete.returning, &from)?;
            }
            Statement::Merge(_) => return Err("a MERGE is not written out".to_owned()),
        }
        self.ctes.truncate(depth);
        Ok(())
    }

    /// An `INSERT` without columns means those of today.
    fn insert(&mut self, insert: &mut Insert) -> Result<(), String> {
        let target = FromItem::Relation(insert.target.clone());
        if let Some(source) = &mut insert.source {
            self.query(source)?;
            if insert.columns.is_empty() {
                let given = self.outputs_of(source).map(|outputs| outputs.len());
                let known = self.relation_columns(&insert.target.name.parts);
                let (Some(given), Some(known)) = (given, known) else {
                    return Err("an INSERT without its columns".to_owned());
                };
                let columns = known.into_iter().take(given).map(|column| InsertColumn {
                    name: column.name,
                    partial: false,
                    subscripts: Vec::new(),
                    span: insert.target.name.span.clone(),
                });
                insert.columns = columns.collect();
            }
        }
        if let Some(OnConflict { target, update, .. }) = &mut insert.on_conflict {
            if let Some(ConflictTarget::Columns { elements, filter }) = target {
                self.exprs(elements.iter_mut().chain(filter))?;
            }
            if let Some(update) = update {
                self.assignments(&mut update.assignments)?;
                self.exprs(update.filter.iter_mut())?;
            }
        }
        self.targets(&mut insert.returning, &[target])
    }

    fn assignments(&mut self, assignments: &mut [Assignment]) -> Result<(), String> {
        self.exprs(assignments.iter_mut().map(|a| &mut a.value))
    }

    fn with(&mut self, with: Option<&mut With>) -> Result<(), String> {
        let Some(with) = with else { return Ok(()) };
        if with.recursive {
            for cte in &with.ctes {
                let named = (!cte.columns.is_empty()).then(|| named(&cte.columns));
                self.ctes.push((cte.name.clone(), named));
            }
        }
        for cte in &mut with.ctes {
            self.statement(&mut cte.statement)?;
            self.exprs(cte.cycle_values.iter_mut())?;
            let outputs = match &cte.statement {
                Statement::Query(inner) if cte.added_columns.is_empty() => self.outputs_of(inner),
                _ => None,
            };
            let outputs = outputs.map(|outputs| rename(outputs, &cte.columns));
            self.ctes.push((cte.name.clone(), outputs));
        }
        Ok(())
    }

    /// Writes out a query.
    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), String> {
        self.query_with(query, false)
    }

    fn query_with(&mut self, query: &mut Query, exists: bool) -> Result<(), String> {
        let depth = self.ctes.len();
        self.with(query.with.as_mut())?;
        match &mut query.body {
            QueryBody::Select(select) => self.select(select, exists)?,
            QueryBody::Values(rows) => {
                let star = |expr: &Expr| matches!(expr.kind, ExprKind::Star(_));
                if rows.iter().flatten().any(star) {
                    return Err("`*` in VALUES is not written out".to_owned());
                }
                self.exprs(rows.iter_mut().flatten())?;
            }
            QueryBody::SetOperation { left, right, .. } => {
                self.query(left)?;
                self.query(right)?;
            }
        }
        self.exprs(query.order_by.iter_mut().map(|item| &mut item.expr))?;
        self.exprs(query.limit.iter_mut().chain(&mut query.offset))?;
        self.ctes.truncate(depth);
        Ok(())
    }

    fn select(&mut self, select: &mut Select, exists: bool) -> Result<(), String> {
        self.items(&mut select.from)?;
        self.exprs(select.distinct.iter_mut().flatten())?;
        self.exprs(
            select
                .filter
                .iter_mut()
                .chain(&mut select.having)
                .chain(&mut select.group_by),
        )?;
        for window in &mut select.windows {
            self.exprs(window.partition_by.iter_mut().chain(&mut window.frame))?;
            self.exprs(window.order_by.iter_mut().map(|item| &mut item.expr))?;
        }
        let stays = match select.from.as_slice() {
            [FromItem::Function { .. }] => self.lenient,
            _ => self.lenient && exists,
        };
        if stays {
            return self.exprs(select.targets.iter_mut().map(|target| &mut target.expr));
        }
        let from = std::mem::take(&mut select.from);
        let result = self.targets(&mut select.targets, &from);
        select.from = from;
        result
    }

    /// The targets, with every `*` written out over `from`.
    fn targets(&mut self, list: &mut Vec<Target>, from: &[FromItem]) -> Result<(), String> {
        self.exprs(list.iter_mut().map(|target| &mut target.expr))?;
        let star = |expr: &Expr| matches!(expr.kind, ExprKind::Star(_));
        let row = |expr: &Expr| match &expr.kind {
            ExprKind::Indirection { steps, .. } => {
                matches!(steps.last(), Some(IndirectionStep::Star))
            }
            _ => false,
        };
        if list.iter().any(|target| row(&target.expr)) {
            return Err("`(…).*` is not written out".to_owned());
        }
        if !list.iter().any(|target| star(&target.expr)) {
            return Ok(());
        }
        let mut targets = Vec::new();
        for target in std::mem::take(list) {
            let ExprKind::Star(prefix) = &target.expr.kind else {
                targets.push(target);
                continue;
            };
            let sources = self
                .sources(from)
                .ok_or("`*` stands for columns that are not known")?;
            let wanted: Vec<&Source> = match prefix.last() {
                None => sources.iter().collect(),
                Some(name) => sources
                    .iter()
                    .filter(|s| s.name.as_ref() == Some(name))
                    .collect(),
            };
            // A merged column of USING has no qualifier, so `*` over it can't be written out here.
            let merged = from.iter().any(has_using);
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
        *list = targets;
        Ok(())
    }

    fn items(&mut self, items: &mut [FromItem]) -> Result<(), String> {
        items.iter_mut().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &mut FromItem) -> Result<(), String> {
        match item {
            FromItem::Relation(relation) => {
                let sample = relation.sample.iter_mut();
                self.exprs(sample.flat_map(|sample| &mut sample.args))
            }
            FromItem::Function { calls, .. } => {
                self.exprs(calls.iter_mut().map(|call| &mut call.expr))
            }
            FromItem::Subquery { query, .. } => self.query(query),
            FromItem::Join(join) => {
                self.item(&mut join.left)?;
                self.item(&mut join.right)?;
                if let JoinConstraint::On(on) = &mut join.constraint {
                    self.expr(on)?;
                }
                self.natural(join)
            }
        }
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e mut Expr>) -> Result<(), String> {
        exprs.into_iter().try_for_each(|expr| self.expr(expr))
    }

    /// Writes out the sub-queries of an expression.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), String> {
        let mut sub = SubQueries {
            expander: self,
            error: None,
        };
        walk::expr(expr, &mut sub);
        sub.error.map_or(Ok(()), Err)
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

    /// The output columns of a query; nothing where a name is not known.
    pub(super) fn outputs_of(&self, query: &Query) -> Option<Vec<Output>> {
        let mut inner = Expander {
            catalog: self.catalog,
            ctes: self.ctes.clone(),
            lenient: self.lenient,
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

impl Visitor for SubQueries<'_, '_> {
    fn expr(&mut self, expr: &mut Expr) {
        let done = match &mut expr.kind {
            ExprKind::Subquery { kind, query } => {
                let exists = matches!(kind, SubqueryKind::Exists);
                self.expander.query_with(query, exists)
            }
            // Elsewhere `t.*` is the whole row, whatever columns it has.
            ExprKind::Row(list)
                if list
                    .iter()
                    .any(|expr| matches!(expr.kind, ExprKind::Star(_))) =>
            {
                Err("`*` in ROW is not written out".to_owned())
            }
            _ => Ok(()),
        };
        if let Err(error) = done {
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
