//! The server's own catalogs as tables, from the model.
//!
//! Invariant: a row that may or may not be there is marked; what migrations do not name and the server
//! may have (of extensions, platforms and tools, or implied by something else) has a row that may be there.

use super::super::build::{Builder, TEMPORARY};
use super::super::model::{KeyKind, Relation, RelationKind};
use super::perhaps::{mark, mark_of};
use super::rows::{Table, relation_value, schema_value};
use super::value::Value;

/// Tables in which tools keep what they have applied.
pub(in super::super) const BOOKKEEPING: &[&str] = &[
    "_sqlx_migrations",
    "schema_migrations",
    "ar_internal_metadata",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "goose_db_version",
    "gorp_migrations",
    "django_migrations",
    "alembic_version",
    "_prisma_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "migrations",
    "pgmigrations",
    "refinery_schema_history",
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "__efmigrationshistory",
    "sequelizemeta",
    "dbmate_migrations",
    "schema_version",
];

/// The rows of one of the server's catalogs; nothing for one that is not modelled.
pub(super) fn table(builder: &Builder, parts: &[String], by_schema: bool) -> Option<Table> {
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
    let sure =
        |relation: &Relation| !builder.is_perhaps(&mark("relation", &relation.id.0.to_string()));
    let known = |relation: &Relation, kind: &str, name: &str| {
        relation.unknown.is_none() && !builder.is_perhaps(&mark_of(kind, relation.id, name))
    };
    let switch = |relation: &Relation, value: bool| {
        let left_out = builder.is_perhaps(&mark("switches", &relation.id.0.to_string()));
        if relation.unknown.is_some() || left_out {
            Value::Unknown
        } else {
            Value::Bool(value)
        }
    };
    let bookkeeping = || {
        BOOKKEEPING
            .iter()
            .filter(|name| !builder.catalog.relations().any(|r| r.name == **name))
    };
    match name.as_str() {
        "pg_tables" => {
            for relation in relations().filter(|relation| relation.is_table()) {
                add(
                    vec![
                        ("schemaname", text(&relation.schema)),
                        ("tablename", text(&relation.name)),
                        ("rowsecurity", switch(relation, relation.rls.enabled)),
                    ],
                    sure(relation),
                );
            }
            for name in bookkeeping() {
                add(vec![("tablename", text(name))], false);
            }
            for schema in foreign_schemas(builder) {
                let name = foreign_name(builder, &schema, by_schema);
                add(vec![("schemaname", schema), ("tablename", name)], false);
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
                    sure(relation),
                );
            }
            for name in bookkeeping() {
                add(vec![("table_name", text(name))], false);
            }
            for schema in foreign_schemas(builder) {
                let name = foreign_name(builder, &schema, by_schema);
                add(vec![("table_schema", schema), ("table_name", name)], false);
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
            for schema in foreign_schemas(builder) {
                let name = foreign_name(builder, &schema, by_schema);
                let row = vec![("table_schema", schema), ("table_name", name)];
                add(row, false);
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
                        known(relation, "policy", &policy.name),
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
                    sure(relation),
                );
            }
            // Indexes and the relations of other schemas.
            add(Vec::new(), false);
        }
        "pg_namespace" => {
            for schema in &builder.catalog.schemas {
                add(
                    vec![("oid", schema_value(schema)), ("nspname", text(schema))],
                    !builder.is_perhaps(&mark("schema", schema)),
                );
            }
            for schema in foreign_schemas(builder) {
                // What stands for others may be none.
                let own = match &schema {
                    Value::Text(name) => Some(schema_value(name)),
                    _ => None,
                };
                let sure = own.is_some();
                let oid = own.unwrap_or(Value::Unknown);
                add(vec![("oid", oid), ("nspname", schema)], sure);
            }
        }
        "information_schema.schemata" => {
            for schema in &builder.catalog.schemas {
                let sure = !builder.is_perhaps(&mark("schema", schema));
                add(vec![("schema_name", text(schema))], sure);
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
                        known(relation, "constraint", constraint) && !constraint.is_empty(),
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
                        known(relation, "trigger", &trigger.name),
                    );
                }
                // Those of foreign keys on either side, and the clones of a partitioned table's.
                add(vec![("tgrelid", relation_value(relation))], false);
            }
        }
        "pg_type" => {
            for ty in &builder.catalog.types {
                add(
                    vec![
                        ("typname", text(&ty.name)),
                        ("typnamespace", schema_value(&ty.schema)),
                    ],
                    !builder.is_perhaps(&mark("type", &format!("{}.{}", ty.schema, ty.name))),
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

/// Schemas that no migration creates and that are there all the same: the server's own, and what
/// stands for those of extensions and platforms.
fn foreign_schemas(builder: &Builder) -> Vec<Value> {
    let own = ["pg_catalog", "information_schema", "pg_toast"];
    let missing = own
        .iter()
        .filter(|schema| !builder.catalog.schemas.contains(**schema));
    let mut schemas: Vec<Value> = missing.map(|schema| Value::text(schema)).collect();
    let names = builder.catalog.schemas.iter().cloned();
    let names = names.chain(own.iter().map(|schema| (*schema).to_owned()));
    schemas.push(Value::Other(names.collect()));
    // An extension puts its relations wherever it is told to.
    if builder.extensions {
        schemas.push(Value::Unknown);
    }
    schemas
}

/// The name of a relation that no migration creates. Where a query asks for a schema, one of another
/// schema may have any name; else it is taken for none of those that are there.
fn foreign_name(builder: &Builder, schema: &Value, by_schema: bool) -> Value {
    if by_schema && !matches!(schema, Value::Unknown) {
        return Value::Unknown;
    }
    let names = builder
        .catalog
        .relations()
        .map(|relation| relation.name.clone());
    Value::Other(names.collect())
}
