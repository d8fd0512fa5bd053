//! Sub-queries within expressions: what their value depends on, and what the error of a second row
//! would tell.
//!
//! Invariant: a sub-query that may return several rows where one is wanted counts as a part that can
//! raise an error; it returns one only where that holds whatever the tables have in them.

use super::state::{Env, Info, Leak, Prover, SubQuery};
use super::walk;
use crate::functions::types::Ty;
use crate::ir::{Expr, ExprKind, FromItem, Literal, Query, QueryBody, Span, SubqueryKind};

impl<'a> Prover<'a> {
    pub(super) fn subquery(
        &mut self,
        kind: &'a SubqueryKind,
        query: &'a Query,
        span: &Span,
        env: &Env,
    ) -> Info {
        let (left, operator) = match kind {
            SubqueryKind::Any { left, operator }
            | SubqueryKind::All { left, operator }
            | SubqueryKind::RowCompare { left, operator } => {
                (Some(self.expr(left, env)), Some(operator))
            }
            SubqueryKind::Scalar | SubqueryKind::Exists | SubqueryKind::Array => (None, None),
        };
        let watermark = self.watch.len();
        self.begin_watch();
        let (early, first) = (self.early, self.blocks.len());
        let top = self.top_exists.take();
        let first_rte = self.rtes.len();
        self.early = env.condition;
        let output = self.query(query, Some(env.block), &env.guard, Some(env.scope));
        self.early = early;
        let several = matches!(kind, SubqueryKind::Scalar | SubqueryKind::RowCompare { .. })
            && !self.at_most_one(query);
        if several {
            // The error of a second row tells as much as any other.
            for block in self.blocks.iter_mut().skip(first) {
                block.leak.get_or_insert_with(|| {
                    let leak = Leak {
                        span: span.clone(),
                        what: "a sub-query that may return several rows".to_owned(),
                    };
                    (leak, block.rtes.clone())
                });
            }
        }
        let watched = self.watch.pop();
        self.watch.truncate(watermark);
        self.top_exists = top;
        // As a conjunct `IN` becomes a join, whose sides are filtered by their own policies first, and
        // `EXISTS` a join or a condition that is asked once, before any row. The rows that
        // `ARRAY (… LIMIT $n)` claims are known by a key, which is looked up once.
        let claimed = matches!(kind, SubqueryKind::Array)
            && matches!(&query.limit, Some(limit) if matches!(limit.kind, ExprKind::Parameter(_)))
            && !query.locking.is_empty();
        let joined = top == Some(std::ptr::from_ref::<Query>(query));
        // Policies come before an `IN` that is no join; the statement's own condition may not.
        let behind = matches!(kind, SubqueryKind::Any { .. }) && !self.reads_bare(env.block);
        let on_demand = env.condition && !claimed && !joined && !behind;
        if let (Some(watched), true) = (&watched, on_demand) {
            let several = several && !self.one_by_key(query);
            self.fails_on_demand(watched, several, span);
        }
        let columns = self
            .outputs
            .get(output)
            .and_then(|output| output.columns.clone());
        let mut info = Info {
            reads: watched
                .as_ref()
                .is_some_and(|watched| watched.correlated.get()),
            ..Info::default()
        };
        if let Some(left) = &left {
            info.absorb(left);
        }
        match &columns {
            Some(columns) => {
                for column in columns {
                    // Whether a row exists does not show the row.
                    if !matches!(kind, SubqueryKind::Exists) {
                        info.from_tenant |= column.info.from_tenant;
                    }
                }
                if matches!(kind, SubqueryKind::Scalar)
                    && let [column] = columns.as_slice()
                {
                    info.ty.clone_from(&column.info.ty);
                    info.collation.clone_from(&column.info.collation);
                    info.collation.of_column();
                }
                info.loose |= columns.iter().any(|column| column.info.loose);
            }
            None => info.from_tenant = true,
        }
        if matches!(kind, SubqueryKind::Array)
            && let Some([column]) = columns.as_deref()
        {
            info.ty = column
                .info
                .ty
                .clone()
                .filter(|ty| !ty.array)
                .map(|ty| Ty { array: true, ..ty });
        }
        info.constant = false;
        info.aggregate = left.as_ref().is_some_and(|left| left.aggregate);
        if !matches!(kind, SubqueryKind::Scalar | SubqueryKind::Array) {
            info.ty = Some(Ty::plain("bool"));
        }
        // Whether a row exists tells of the tenant where a condition compares it with a value of
        // the caller.
        info.from_tenant |= matches!(kind, SubqueryKind::Exists)
            && self.blocks.iter().skip(first).any(|block| block.probes);
        if let (Some(left), Some(operator)) = (&left, operator) {
            self.compared_with_rows(left, operator, columns.as_deref(), span, &mut info);
        }
        if let Some(watched) = watched {
            let outer: Vec<_> = watched.outer;
            if env.condition && matches!(kind, SubqueryKind::Any { .. }) {
                // Merged into the query around it, the select list becomes part of a condition.
                if let Some(leak) = columns
                    .iter()
                    .flatten()
                    .find_map(|column| column.info.leak.clone())
                {
                    info.leak = info.leak.or(Some(leak));
                }
            }
            if !outer.is_empty() {
                for rte in &outer {
                    if !info.exposed.contains(rte) {
                        info.exposed.push(*rte);
                    }
                }
                // Evaluated for every row of the outer relation, foreign ones included.
                let leak = watched.leak.or_else(|| {
                    let single =
                        !matches!(kind, SubqueryKind::Scalar | SubqueryKind::RowCompare { .. })
                            || self.at_most_one(query);
                    (!single).then(|| Leak {
                        span: span.clone(),
                        what: "a sub-query that may return several rows".to_owned(),
                    })
                });
                info.leak = info.leak.or(leak);
            }
        }
        let arrays = columns
            .iter()
            .flatten()
            .any(|column| column.info.ty.as_ref().is_some_and(|ty| ty.array));
        if arrays && matches!(kind, SubqueryKind::Array) {
            info.raises(span, super::operator::NESTED);
        }
        // What the outer sub-queries see of this one.
        let exposed = info.exposed.clone();
        let leak = info.leak.clone();
        self.observe(&exposed, leak.as_ref());
        let read = SubQuery {
            output,
            inner: first_rte..self.rtes.len(),
        };
        self.sub_queries.insert(std::ptr::from_ref(query), read);
        info
    }

    /// Whether the conditions give every column of a key of the one table that is read: a row at
    /// most, where the tenant's column of the key is given by the policy or the pin.
    fn one_by_key(&self, query: &Query) -> bool {
        let QueryBody::Select(select) = &query.body else {
            return false;
        };
        let [FromItem::Relation(reference)] = select.from.as_slice() else {
            return false;
        };
        let (schema, name) = super::from::split(reference);
        let Some(relation) = self.catalog.relation(schema, name).found() else {
            return false;
        };
        // A name of `WITH` is another thing, and the key of a parent is none of its children's rows.
        if (schema.is_none() && self.is_cte(name))
            || query.with.is_some()
            || !relation.children.is_empty()
        {
            return false;
        }
        let plain =
            |value: &Expr| matches!(value.kind, ExprKind::Parameter(_) | ExprKind::Literal(_));
        let conjuncts: Vec<&Expr> = match &select.filter {
            Some(Expr {
                kind: ExprKind::And(list),
                ..
            }) => list.iter().collect(),
            other => other.iter().collect(),
        };
        let given = |wanted: &str| {
            conjuncts.iter().any(|conjunct| match &conjunct.kind {
                ExprKind::Operator {
                    name,
                    left: Some(left),
                    right,
                } if self.is_equality(name) => {
                    [(left, right), (right, left)]
                        .iter()
                        .any(|(column, value)| {
                            matches!(&column.kind, ExprKind::Column(parts)
                            if parts.last().is_some_and(|name| name == wanted))
                                && match &value.kind {
                                    ExprKind::Cast { expr, .. } => plain(expr),
                                    _ => plain(value),
                                }
                        })
                }
                _ => false,
            })
        };
        let tenant = relation.tenant().map(|column| column.name.as_str());
        relation.keys.iter().any(|key| {
            key.kind != crate::catalog::KeyKind::Exclusion
                && !key.partial
                && !key.columns.is_empty()
                && key.columns.iter().all(|column| {
                    column
                        .as_deref()
                        .is_some_and(|column| Some(column) == tenant || given(column))
                })
        })
    }

    /// Whether a query without a condition of its own on the tenant gives one row at most.
    pub(super) fn gives_one(&self, query: &Query) -> bool {
        bare(query).is_some() || self.at_most_one(query) || self.one_by_key(query)
    }

    /// Whether a query returns one row at most, whatever the tables hold.
    fn at_most_one(&self, query: &Query) -> bool {
        if let Some(limit) = &query.limit
            && !query.with_ties
            && matches!(&limit.kind, ExprKind::Literal(Literal::Number(n)) if n == "1" || n == "0")
        {
            return true;
        }
        let aggregate = |expr: &Expr| walk::has_own_aggregate(expr);
        match &query.body {
            QueryBody::Select(select) => {
                select.group_by.is_empty()
                    && !select.grouping_sets
                    && select.targets.iter().any(|target| aggregate(&target.expr))
                    && select
                        .targets
                        .iter()
                        .all(|target| !returns_set(&target.expr))
            }
            QueryBody::Values(rows) => rows.len() <= 1,
            QueryBody::SetOperation { .. } => false,
        }
    }
}

/// The only expression of a query without anything else: `(SELECT expr)`.
pub(super) fn bare(query: &Query) -> Option<&Expr> {
    if query.with.is_some()
        || query.limit.is_some()
        || query.offset.is_some()
        || !query.order_by.is_empty()
        || !query.locking.is_empty()
    {
        return None;
    }
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let plain = select.from.is_empty()
        && select.filter.is_none()
        && select.group_by.is_empty()
        && !select.grouping_sets
        && select.having.is_none()
        && select.distinct.is_none()
        && select.windows.is_empty();
    match select.targets.as_slice() {
        [target] if plain => Some(&target.expr),
        _ => None,
    }
}

fn returns_set(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Call(call) => call
            .name
            .parts
            .last()
            .and_then(|name| crate::functions::builtin(name))
            .is_none_or(|builtin| builtin.set),
        _ => false,
    };
    here || walk::children(expr).into_iter().any(returns_set)
}
