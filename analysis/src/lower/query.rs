//! Queries: `SELECT`, `VALUES`, set operations, `WITH`.

use rupg_sql::nodes::{LimitOption, List, Node, SelectStmt, SetOperation, WithClause};

use super::{Lower, Result, hull, join};
use crate::ir::{
    Cte, Expr, Locking, Name, Query, QueryBody, Select, SetOperator, Span, Target, With,
};

impl Lower<'_> {
    /// Lowers a query.
    pub(crate) fn query(&self, node: &SelectStmt) -> Result<Query> {
        self.deeper(0..0, || self.query_inner(node))
    }

    fn query_inner(&self, node: &SelectStmt) -> Result<Query> {
        if node.intoClause.is_some() {
            return self.unknown("`SELECT INTO`, which creates a table,", self.hint(node));
        }
        let with = self.with(node.withClause.as_deref())?;
        let (body, inner) = self.body(node)?;
        let order_by = self.order_by(&node.sortClause)?;
        let limit = self.optional(node.limitCount.as_ref())?;
        let offset = self.optional(node.limitOffset.as_ref())?;
        let locking = self.locking(&node.lockingClause)?;
        let further = order_by
            .iter()
            .map(|item| &item.expr.span)
            .chain(limit.iter().chain(offset.iter()).map(|expr| &expr.span));
        let span = hull(inner.iter().chain(further)).unwrap_or(0..0);
        Ok(Query {
            with,
            body,
            order_by,
            limit,
            with_ties: node.limitOption == LimitOption::LIMIT_OPTION_WITH_TIES,
            offset,
            locking,
            span,
        })
    }

    /// A place for a query that is refused before its parts are lowered.
    fn hint(&self, node: &SelectStmt) -> Span {
        match node.targetList.first() {
            Some(Some(Node::ResTarget(target))) => self.tokens.token(self.at(target.location)),
            _ => 0..0,
        }
    }

    fn body(&self, node: &SelectStmt) -> Result<(QueryBody, Option<Span>)> {
        if node.op != SetOperation::SETOP_NONE {
            let operator = match node.op {
                SetOperation::SETOP_UNION => SetOperator::Union,
                SetOperation::SETOP_INTERSECT => SetOperator::Intersect,
                SetOperation::SETOP_EXCEPT => SetOperator::Except,
                _ => return Err(self.bug("an unknown set operation")),
            };
            let (Some(left), Some(right)) = (&node.larg, &node.rarg) else {
                return Err(self.bug("a set operation without an arm"));
            };
            let left = Box::new(self.query(left)?);
            let right = Box::new(self.query(right)?);
            let span = join(&left.span, &right.span);
            let body = QueryBody::SetOperation {
                operator,
                all: node.all,
                left,
                right,
            };
            return Ok((body, Some(span)));
        }
        if !node.valuesLists.is_empty() {
            let rows = node
                .valuesLists
                .iter()
                .map(|row| match row {
                    Some(Node::List(row)) => self.exprs(row),
                    _ => Err(self.bug("a row of VALUES that is no list")),
                })
                .collect::<Result<Vec<_>>>()?;
            let span = hull(rows.iter().flatten().map(|expr| &expr.span));
            return Ok((QueryBody::Values(rows), span));
        }
        let distinct = match node.distinctClause.as_slice() {
            [] => None,
            [None] => Some(Vec::new()),
            _ => Some(self.exprs(&node.distinctClause)?),
        };
        let targets = self.targets(&node.targetList)?;
        let from = node
            .fromClause
            .iter()
            .map(|item| self.item(item.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        let filter = self.optional(node.whereClause.as_ref())?;
        let mut group_by = Vec::new();
        let mut grouping_sets = false;
        for item in &node.groupClause {
            grouping_sets |= self.group_by(item.as_ref(), &mut group_by)?;
        }
        let having = self.optional(node.havingClause.as_ref())?;
        let windows = node
            .windowClause
            .iter()
            .map(|window| match window {
                Some(Node::WindowDef(window)) => self.window(window),
                _ => Err(self.bug("a window that is none")),
            })
            .collect::<Result<Vec<_>>>()?;
        let span = hull(
            targets
                .iter()
                .map(|target| &target.span)
                .chain(from.iter().map(crate::ir::FromItem::span))
                .chain(filter.iter().map(|expr| &expr.span))
                .chain(group_by.iter().map(|expr| &expr.span))
                .chain(having.iter().map(|expr| &expr.span)),
        );
        let select = Select {
            distinct,
            targets,
            from,
            filter,
            group_by,
            grouping_sets,
            having,
            windows,
        };
        Ok((QueryBody::Select(Box::new(select)), span))
    }

    /// Adds the expressions of one item of `GROUP BY`; tells whether it is a grouping set.
    fn group_by(&self, item: Option<&Node>, into: &mut Vec<Expr>) -> Result<bool> {
        match item {
            Some(Node::GroupingSet(set)) => {
                for item in &set.content {
                    self.deeper(0..0, || self.group_by(item.as_ref(), into))?;
                }
                Ok(true)
            }
            // The elements of a grouping set can be lists.
            Some(Node::List(list)) => {
                for item in list {
                    self.deeper(0..0, || self.group_by(item.as_ref(), into))?;
                }
                Ok(false)
            }
            item => {
                into.push(self.required(item)?);
                Ok(false)
            }
        }
    }

    pub(super) fn targets(&self, list: &List) -> Result<Vec<Target>> {
        list.iter()
            .map(|item| {
                let Some(Node::ResTarget(target)) = item else {
                    return Err(self.bug("a select list with an unknown item"));
                };
                if !target.indirection.is_empty() {
                    return Err(self.bug("a target with an indirection"));
                }
                let expr = self.required(target.val.as_ref())?;
                Ok(Target {
                    span: expr.span.clone(),
                    alias: target.name.as_ref().map(ToString::to_string),
                    expr,
                })
            })
            .collect()
    }

    fn locking(&self, list: &List) -> Result<Vec<Locking>> {
        list.iter()
            .map(|item| {
                let Some(Node::LockingClause(clause)) = item else {
                    return Err(self.bug("a locking clause that is none"));
                };
                let of = clause
                    .lockedRels
                    .iter()
                    .map(|relation| match relation {
                        Some(Node::RangeVar(variable)) => {
                            let name = self.relation_name(variable)?;
                            if name.parts.len() > 1 {
                                return self
                                    .unknown("a qualified name in `FOR UPDATE OF`", name.span);
                            }
                            Ok(name)
                        }
                        _ => Err(self.bug("a locked relation that is none")),
                    })
                    .collect::<Result<Vec<Name>>>()?;
                Ok(Locking { of })
            })
            .collect()
    }

    pub(super) fn with(&self, clause: Option<&WithClause>) -> Result<Option<With>> {
        let Some(clause) = clause else {
            return Ok(None);
        };
        let mut ctes = Vec::with_capacity(clause.ctes.len());
        for item in &clause.ctes {
            let Some(Node::CommonTableExpr(cte)) = item else {
                return Err(self.bug("a WITH with an unknown item"));
            };
            let span = self.tokens.token(self.at(cte.location));
            let Some(name) = &cte.ctename else {
                return Err(self.bug("a common table expression without a name"));
            };
            let Some(query) = &cte.ctequery else {
                return Err(self.bug("a common table expression without a query"));
            };
            let statement = self.deeper(span.clone(), || self.statement(query, &span))?;
            let mut added_columns = Vec::new();
            let mut cycle_values = Vec::new();
            if let Some(search) = &cte.search_clause {
                added_columns.extend(search.search_seq_column.as_ref().map(ToString::to_string));
            }
            if let Some(cycle) = &cte.cycle_clause {
                added_columns.extend(cycle.cycle_mark_column.as_ref().map(ToString::to_string));
                added_columns.extend(cycle.cycle_path_column.as_ref().map(ToString::to_string));
                for value in [&cycle.cycle_mark_value, &cycle.cycle_mark_default] {
                    cycle_values.extend(self.optional(value.as_ref())?);
                }
            }
            ctes.push(Cte {
                name: name.to_string(),
                columns: self.strings(&cte.aliascolnames)?,
                materialized: cte.ctematerialized
                    == rupg_sql::nodes::CTEMaterialize::CTEMaterializeAlways,
                inlined: cte.ctematerialized
                    == rupg_sql::nodes::CTEMaterialize::CTEMaterializeNever,
                statement,
                added_columns,
                cycle_values,
                span,
            });
        }
        Ok(Some(With {
            recursive: clause.recursive,
            ctes,
        }))
    }
}
