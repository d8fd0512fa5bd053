//! The rows of the server's own catalogs, as the model has them: what scripts ask for before they
//! create something, and what they loop over.
//!
//! Invariant: a row that may or may not be there is marked, and what is not modelled is unknown.

use super::super::build::{Builder, TEMPORARY};
use super::super::model::{KeyKind, Relation, RelationKind};
use super::super::names::quote;
use super::value::{FOREIGN, Names, Value};
use crate::ir::{Alias, ExprKind, FromItem, JoinConstraint, JoinKind, Query, QueryBody, Select};

/// More rows than this are not enumerated.
const LIMIT: usize = 200_000;

/// The rows of a query.
pub(super) struct Rows {
    /// Each row, and whether it is certainly there.
    pub(super) rows: Vec<(Vec<(String, Value)>, bool)>,
    /// Whether these are all that could be there.
    pub(super) complete: bool,
}

impl Rows {
    fn unknown() -> Rows {
        Rows {
            rows: Vec::new(),
            complete: false,
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
        if !self.complete || self.rows.iter().any(|(_, sure)| !sure) {
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
    let Some(found) = from(builder, select, outer) else {
        return Rows::unknown();
    };
    let mut result = Rows {
        rows: Vec::new(),
        complete: true,
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
    // One row of several: which, depends on the order.
    if query.limit.is_some() && result.rows.len() > 1 {
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
                // An aggregate gives one row for all of them.
                if let ExprKind::Call(call) = kind
                    && matches!(
                        call.name.parts.last().map(String::as_str),
                        Some(
                            "count"
                                | "min"
                                | "max"
                                | "bool_or"
                                | "bool_and"
                                | "array_agg"
                                | "string_agg"
                        )
                    )
                {
                    return false;
                }
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
    let mut scopes = vec![(outer.clone(), true)];
    for item in &select.from {
        scopes = join(builder, scopes, item)?;
    }
    Some(scopes)
}

/// Every combination of the rows so far with those of an item.
fn join(builder: &Builder, scopes: Vec<Scope>, item: &FromItem) -> Option<Vec<Scope>> {
    match item {
        FromItem::Join(inner) => {
            if inner.kind != JoinKind::Inner || inner.alias.is_some() {
                return None;
            }
            let scopes = join(builder, scopes, &inner.left)?;
            let scopes = join(builder, scopes, &inner.right)?;
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
            let table = system_table(builder, &relation.name.parts)?;
            let name = relation.name.parts.last()?.clone();
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

type Table = Vec<(Vec<(String, Value)>, bool)>;

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

/// The rows of one of the server's catalogs; nothing for one that is not modelled.
fn system_table(builder: &Builder, parts: &[String]) -> Option<Table> {
    let name = match parts {
        [name] if name.starts_with("pg_") => name.clone(),
        [schema, name] if schema == "pg_catalog" => name.clone(),
        [schema, name] if schema == "information_schema" => format!("information_schema.{name}"),
        _ => return None,
    };
    let mut table = Table::new();
    let mut add = |row: Vec<(&str, Value)>, sure: bool| {
        let row = row
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        table.push((row.collect(), sure));
    };
    let relations = || {
        builder
            .catalog
            .relations()
            .filter(|relation| relation.schema != TEMPORARY)
    };
    let text = Value::text;
    match name.as_str() {
        "pg_tables" => {
            for relation in relations().filter(|relation| relation.is_table()) {
                add(
                    vec![
                        ("schemaname", text(&relation.schema)),
                        ("tablename", text(&relation.name)),
                        ("rowsecurity", switch(relation, relation.rls.enabled)),
                    ],
                    true,
                );
            }
            for schema in foreign_schemas(builder) {
                add(
                    vec![("schemaname", schema), ("tablename", text(FOREIGN))],
                    false,
                );
            }
        }
        "information_schema.tables" => {
            for relation in relations().filter(|r| r.kind != RelationKind::Sequence) {
                let kind = match relation.kind {
                    RelationKind::View => "VIEW",
                    RelationKind::ForeignTable => "FOREIGN",
                    RelationKind::MaterializedView => continue,
                    _ => "BASE TABLE",
                };
                add(
                    vec![
                        ("table_schema", text(&relation.schema)),
                        ("table_name", text(&relation.name)),
                        ("table_type", text(kind)),
                    ],
                    true,
                );
            }
            for schema in foreign_schemas(builder) {
                add(
                    vec![("table_schema", schema), ("table_name", text(FOREIGN))],
                    false,
                );
            }
        }
        "information_schema.columns" | "pg_attribute" => {
            for relation in relations() {
                for column in &relation.columns {
                    add(
                        vec![
                            ("table_schema", text(&relation.schema)),
                            ("table_name", text(&relation.name)),
                            ("column_name", text(&column.name)),
                            ("attname", text(&column.name)),
                            ("attrelid", relation_value(relation)),
                            ("attisdropped", Value::Bool(false)),
                        ],
                        relation.unknown.is_none(),
                    );
                }
                if relation.unknown.is_some() || relation.columns.is_empty() {
                    add(
                        vec![
                            ("table_schema", text(&relation.schema)),
                            ("table_name", text(&relation.name)),
                            ("attrelid", relation_value(relation)),
                        ],
                        false,
                    );
                }
            }
        }
        "pg_policies" | "pg_policy" => {
            for relation in relations() {
                for policy in &relation.policies {
                    add(
                        vec![
                            ("schemaname", text(&relation.schema)),
                            ("tablename", text(&relation.name)),
                            ("policyname", text(&policy.name)),
                            ("polname", text(&policy.name)),
                            ("polrelid", relation_value(relation)),
                        ],
                        relation.unknown.is_none(),
                    );
                }
                if relation.unknown.is_some() {
                    add(
                        vec![
                            ("schemaname", text(&relation.schema)),
                            ("tablename", text(&relation.name)),
                            ("polrelid", relation_value(relation)),
                        ],
                        false,
                    );
                }
            }
        }
        "pg_class" => {
            for relation in relations() {
                let kind = match relation.kind {
                    RelationKind::View => text("v"),
                    RelationKind::MaterializedView => text("m"),
                    RelationKind::Sequence => text("S"),
                    RelationKind::ForeignTable => text("f"),
                    _ if relation.partitioned => text("p"),
                    _ => text("r"),
                };
                add(
                    vec![
                        ("oid", relation_value(relation)),
                        ("relname", text(&relation.name)),
                        ("relnamespace", schema_value(&relation.schema)),
                        ("relkind", kind),
                        ("relrowsecurity", switch(relation, relation.rls.enabled)),
                        ("relforcerowsecurity", switch(relation, relation.rls.forced)),
                    ],
                    true,
                );
            }
            // Indexes and the relations of other schemas.
            add(Vec::new(), false);
        }
        "pg_namespace" => {
            for schema in &builder.catalog.schemas {
                add(
                    vec![("oid", schema_value(schema)), ("nspname", text(schema))],
                    true,
                );
            }
            for schema in foreign_schemas(builder) {
                let name = schema.as_text().unwrap_or_default();
                add(
                    vec![("oid", schema_value(&name)), ("nspname", schema)],
                    true,
                );
            }
        }
        "information_schema.schemata" => {
            for schema in &builder.catalog.schemas {
                add(vec![("schema_name", text(schema))], true);
            }
            add(Vec::new(), false);
        }
        "pg_constraint" | "information_schema.table_constraints" => {
            for relation in relations() {
                let keys = relation.keys.iter().filter(|key| key.constraint);
                let names = keys
                    .map(|key| {
                        let kind = match key.kind {
                            KeyKind::Primary => ("p", "PRIMARY KEY"),
                            KeyKind::Unique => ("u", "UNIQUE"),
                            KeyKind::Exclusion => ("x", "EXCLUDE"),
                        };
                        (&key.name, kind)
                    })
                    .chain(
                        relation
                            .foreign_keys
                            .iter()
                            .map(|k| (&k.name, ("f", "FOREIGN KEY"))),
                    )
                    .chain(relation.checks.iter().map(|c| (&c.name, ("c", "CHECK"))));
                for (constraint, (letter, word)) in names {
                    add(
                        vec![
                            ("conname", text(constraint)),
                            ("contype", text(letter)),
                            ("conrelid", relation_value(relation)),
                            ("constraint_name", text(constraint)),
                            ("constraint_type", text(word)),
                            ("constraint_schema", text(&relation.schema)),
                            ("table_schema", text(&relation.schema)),
                            ("table_name", text(&relation.name)),
                        ],
                        relation.unknown.is_none() && !constraint.is_empty(),
                    );
                }
                // Names that the server shortened, and keys to tables that no migration creates.
                add(
                    vec![
                        ("conrelid", relation_value(relation)),
                        ("table_schema", text(&relation.schema)),
                        ("table_name", text(&relation.name)),
                    ],
                    false,
                );
            }
        }
        "pg_trigger" => {
            for relation in relations() {
                for trigger in &relation.triggers {
                    add(
                        vec![
                            ("tgname", text(&trigger.name)),
                            ("tgrelid", relation_value(relation)),
                        ],
                        relation.unknown.is_none(),
                    );
                }
                if relation.unknown.is_some() {
                    add(vec![("tgrelid", relation_value(relation))], false);
                }
            }
        }
        "pg_type" => {
            for ty in &builder.catalog.types {
                add(
                    vec![
                        ("typname", text(&ty.name)),
                        ("typnamespace", schema_value(&ty.schema)),
                    ],
                    true,
                );
            }
            // Types of extensions and of relations.
            add(Vec::new(), false);
        }
        _ => return None,
    }
    fill(&mut table);
    Some(table)
}

/// Columns that a row does not give are unknown.
fn fill(table: &mut Table) {
    let mut columns: Vec<String> = Vec::new();
    for (name, _) in table.iter().flat_map(|(row, _)| row) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    for (row, _) in table {
        for column in &columns {
            if !row.iter().any(|(name, _)| name == column) {
                row.push((column.clone(), Value::Unknown));
            }
        }
    }
}

fn switch(relation: &Relation, value: bool) -> Value {
    if relation.unknown.is_some() {
        Value::Unknown
    } else {
        Value::Bool(value)
    }
}

/// Schemas that no migration creates and that are there all the same: the server's own, and one
/// that stands for those of extensions and platforms.
fn foreign_schemas(builder: &Builder) -> Vec<Value> {
    ["pg_catalog", "information_schema", "pg_toast", "?another?"]
        .into_iter()
        .filter(|schema| !builder.catalog.schemas.contains(*schema))
        .map(Value::text)
        .collect()
}
