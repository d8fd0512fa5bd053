//! The rows of a script's queries over the server's own catalogs: what it asks for before it creates
//! something, and what it loops over.
//!
//! Invariant: a row that may or may not be there is marked, and what is not modelled is unknown.

use super::super::build::Builder;
use super::super::model::Relation;
use super::super::names::quote;
use super::server::table;
use super::value::{Names, Value};
use crate::catalog::walk::mentions;
use crate::ir::{
    Alias, ExprKind, FromItem, JoinConstraint, JoinKind, Literal, Query, QueryBody, Select,
};

/// Functions that compute one value for each row.
const SCALAR: &[&str] = &[
    "format",
    "quote_ident",
    "quote_literal",
    "lower",
    "upper",
    "concat",
    "string_to_array",
    "array_remove",
    "current_schema",
    "to_regclass",
    "unnest",
];

/// More rows than this are not enumerated.
const LIMIT: usize = 200_000;

/// The rows of a query.
pub(super) struct Rows {
    /// Each row, and whether it is certainly there.
    pub(super) rows: Vec<(Vec<(String, Value)>, bool)>,
    /// Whether these are all that could be there.
    pub(super) complete: bool,
    /// Whether the columns stand in the order of the server.
    pub(super) ordered: bool,
}

impl Rows {
    fn unknown() -> Rows {
        Rows {
            rows: Vec::new(),
            complete: false,
            ordered: true,
        }
    }

    /// `EXISTS`.
    pub(super) fn exists(&self) -> Value {
        if self.rows.iter().any(|(_, sure)| *sure) {
            Value::Bool(true)
        } else if self.complete && self.rows.is_empty() {
            Value::Bool(false)
        } else {
            Value::Unknown
        }
    }

    /// The one column of every row; nothing where that is not certain.
    pub(super) fn first_column(&self) -> Option<Vec<Value>> {
        if !self.complete || !self.ordered || self.rows.iter().any(|(_, sure)| !sure) {
            return None;
        }
        self.rows
            .iter()
            .map(|(row, _)| row.first().map(|(_, value)| value.clone()))
            .collect()
    }
}

/// The value of a relation, as `oid` or `regclass`.
pub(super) fn relation_value(relation: &Relation) -> Value {
    Value::Object {
        id: format!("relation {}", relation.id.0),
        text: relation.display(),
    }
}

/// The value of a schema, as `oid` or `regnamespace`.
pub(super) fn schema_value(name: &str) -> Value {
    Value::Object {
        id: format!("schema {name}"),
        text: quote(name),
    }
}

/// A row in the making: columns by name and by `alias.name`.
type Scope = (Names, bool);

/// The rows that a query gives, with these variables around it.
pub(super) fn rows(builder: &Builder, query: &Query, outer: &Names) -> Rows {
    let plain = query.with.is_none()
        && query.offset.is_none()
        && query.locking.is_empty()
        && builder.catalog.ever.anything.is_none();
    let QueryBody::Select(select) = &query.body else {
        return values(builder, query, outer);
    };
    let plain =
        plain && select.group_by.is_empty() && select.having.is_none() && select.windows.is_empty();
    if !plain {
        return Rows::unknown();
    }
    // An aggregate anywhere in the list gives one row for all of them, also for none.
    let computes = |name: &String| SCALAR.contains(&name.as_str());
    if !select
        .targets
        .iter()
        .all(|target| mentions(&target.expr).functions.iter().all(computes))
    {
        return Rows::unknown();
    }
    let Some(found) = from(builder, select, outer) else {
        return Rows::unknown();
    };
    let mut result = Rows {
        rows: Vec::new(),
        complete: true,
        ordered: true,
    };
    for (names, sure) in found {
        let kept = select
            .filter
            .as_ref()
            .map_or(Value::Bool(true), |filter| builder.value(filter, &names));
        let sure = match kept.truth() {
            Some(false) => continue,
            Some(true) => sure,
            None => false,
        };
        if !output(builder, select, &names, sure, &mut result) {
            return Rows::unknown();
        }
    }
    // One row of several: which, depends on the order; or none at all.
    let one = |limit: &crate::ir::Expr| matches!(&limit.kind, ExprKind::Literal(Literal::Number(n)) if n == "1");
    if query
        .limit
        .as_ref()
        .is_some_and(|limit| !one(limit) || result.rows.len() > 1)
    {
        for (_, sure) in &mut result.rows {
            *sure = false;
        }
    }
    result
}

/// `VALUES ('a'), ('b')`.
fn values(builder: &Builder, query: &Query, outer: &Names) -> Rows {
    let (QueryBody::Values(list), None) = (&query.body, &query.limit) else {
        return Rows::unknown();
    };
    let row = |exprs: &Vec<crate::ir::Expr>| {
        let columns = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| (format!("column{}", index + 1), builder.value(expr, outer)));
        (columns.collect(), true)
    };
    Rows {
        rows: list.iter().map(row).collect(),
        complete: true,
        ordered: true,
    }
}

/// Adds the select list of one row; false where it is not understood.
fn output(
    builder: &Builder,
    select: &Select,
    names: &Names,
    sure: bool,
    result: &mut Rows,
) -> bool {
    let mut row = Vec::new();
    for target in &select.targets {
        match &target.expr.kind {
            ExprKind::Star(_) => {
                let mut columns: Vec<(String, Value)> = names
                    .iter()
                    .filter(|(name, value)| !name.contains('.') && !matches!(value, Value::Row(_)))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                columns.sort_by(|(a, _), (b, _)| a.cmp(b));
                result.ordered &= columns.len() == 1 && select.targets.len() == 1;
                row.extend(columns);
            }
            ExprKind::Call(call) if call.name.parts.last().is_some_and(|n| n == "unnest") => {
                let ([_], [array]) = (select.targets.as_slice(), call.args.as_slice()) else {
                    return false;
                };
                let Value::Array(items) = builder.value(array, names) else {
                    return false;
                };
                let name = target.alias.clone().unwrap_or_else(|| "unnest".to_owned());
                let rows = items
                    .into_iter()
                    .map(|item| (vec![(name.clone(), item)], sure));
                result.rows.extend(rows);
                return true;
            }
            kind => {
                let name = target.alias.clone().or_else(|| match kind {
                    ExprKind::Column(parts) => parts.last().cloned(),
                    _ => None,
                });
                row.push((
                    name.unwrap_or_else(|| "?column?".to_owned()),
                    builder.value(&target.expr, names),
                ));
            }
        }
    }
    result.rows.push((row, sure));
    true
}

fn from(builder: &Builder, select: &Select, outer: &Names) -> Option<Vec<Scope>> {
    let by_schema = |name: &String| {
        matches!(
            name.as_str(),
            "schemaname" | "table_schema" | "nspname" | "relnamespace"
        )
    };
    let filter = select.filter.as_ref();
    let by_schema = filter.is_some_and(|filter| mentions(filter).columns.iter().any(by_schema));
    let mut scopes = vec![(outer.clone(), true)];
    for item in &select.from {
        scopes = join(builder, scopes, item, by_schema)?;
    }
    Some(scopes)
}

/// Every combination of the rows so far with those of an item.
fn join(
    builder: &Builder,
    scopes: Vec<Scope>,
    item: &FromItem,
    by_schema: bool,
) -> Option<Vec<Scope>> {
    match item {
        FromItem::Join(inner) => {
            if inner.kind != JoinKind::Inner || inner.alias.is_some() {
                return None;
            }
            let scopes = join(builder, scopes, &inner.left, by_schema)?;
            let scopes = join(builder, scopes, &inner.right, by_schema)?;
            match &inner.constraint {
                JoinConstraint::None => Some(scopes),
                JoinConstraint::On(condition) => Some(
                    scopes
                        .into_iter()
                        .filter_map(|(names, sure)| {
                            match builder.value(condition, &names).truth() {
                                Some(true) => Some((names, sure)),
                                Some(false) => None,
                                None => Some((names, false)),
                            }
                        })
                        .collect(),
                ),
                _ => None,
            }
        }
        FromItem::Relation(relation) => {
            let table = table(builder, &relation.name.parts, by_schema)?;
            let name = relation.name.parts.last()?.clone();
            if relation
                .alias
                .as_ref()
                .is_some_and(|alias| !alias.columns.is_empty())
            {
                return None;
            }
            product(scopes, table, relation.alias.as_ref(), &name)
        }
        FromItem::Function {
            calls,
            ordinality: false,
            alias,
            ..
        } => {
            let [call] = calls.as_slice() else {
                return None;
            };
            let ExprKind::Call(call) = &call.expr.kind else {
                return None;
            };
            if call.name.parts.last()? != "unnest" || call.args.len() != 1 {
                return None;
            }
            let (first, _) = scopes.first()?;
            let Value::Array(items) = builder.value(call.args.first()?, first) else {
                return None;
            };
            let column = alias.as_ref().map_or("unnest".to_owned(), |alias| {
                alias.columns.first().unwrap_or(&alias.name).clone()
            });
            let table = items
                .into_iter()
                .map(|item| (vec![(column.clone(), item)], true))
                .collect();
            product(scopes, table, alias.as_ref(), "unnest")
        }
        FromItem::Subquery {
            query,
            alias,
            lateral: false,
            ..
        } => {
            let (first, _) = scopes.first()?;
            let inner = rows(builder, query, first);
            if !inner.complete {
                return None;
            }
            let alias = alias.as_ref()?;
            if !inner.ordered && !alias.columns.is_empty() {
                return None;
            }
            let renamed = inner.rows.into_iter().map(|(row, sure)| {
                let columns = row.into_iter().enumerate().map(|(index, (name, value))| {
                    (alias.columns.get(index).cloned().unwrap_or(name), value)
                });
                (columns.collect(), sure)
            });
            product(scopes, renamed.collect(), Some(alias), "")
        }
        FromItem::Function { .. } | FromItem::Subquery { .. } => None,
    }
}

pub(super) type Table = Vec<(Vec<(String, Value)>, bool)>;

fn product(
    scopes: Vec<Scope>,
    table: Table,
    alias: Option<&Alias>,
    name: &str,
) -> Option<Vec<Scope>> {
    if scopes.len().saturating_mul(table.len()) > LIMIT {
        return None;
    }
    let name = alias.map_or(name, |alias| alias.name.as_str());
    let mut result = Vec::new();
    for (names, sure) in &scopes {
        for (row, there) in &table {
            let mut names = names.clone();
            for (column, value) in row {
                names.insert(column.clone(), value.clone());
            }
            names.insert(name.to_owned(), Value::Row(row.clone()));
            result.push((names, *sure && *there));
        }
    }
    Some(result)
}
