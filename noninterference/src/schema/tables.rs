//! Tables: columns, keys, references, partitions and children.
//!
//! Invariant: a reference points to an earlier table or to the table itself, so that rows can be
//! written in the order of the tables.

use super::{Column, Kind, Owner, Reference, Schema, Table, Ty};
use crate::choice::Choices;

const NAMES: [&str; 9] = [
    "customers",
    "orders",
    "items",
    "tickets",
    "notes",
    "leads",
    "teams",
    "\"Members\"",
    "tags",
];
const EXTRA: [(&str, Ty); 9] = [
    ("name", Ty::Text),
    ("status", Ty::Text),
    ("qty", Ty::Int),
    ("note", Ty::Text),
    ("data", Ty::Json),
    ("flag", Ty::Bool),
    ("made_at", Ty::Time),
    ("parent_id", Ty::Int),
    ("org_id", Ty::Tenant),
];

fn column(name: &str, ty: Ty, not_null: bool) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        not_null,
        default: None,
        generated: false,
    }
}

pub(super) fn generate(schema: &mut Schema, c: &mut Choices) {
    registry(schema, c);
    global(schema);
    if c.chance(40) {
        undeclared(schema);
    }
    let mut names = NAMES.to_vec();
    for _ in 0..3 + c.below(3) {
        let name = names.remove(c.below(names.len()));
        tenant_table(schema, c, name);
    }
    if c.chance(35) {
        partitioned(schema, c);
    }
    if c.chance(25) {
        child(schema, c);
    }
}

fn registry(schema: &mut Schema, c: &mut Choices) {
    // Of the plain type: with citext two tenants would be one.
    let kind = schema.kind.value();
    let sql =
        format!("CREATE TABLE tenants (id {kind} PRIMARY KEY, name text NOT NULL, qty integer)");
    schema.add("tenants", sql);
    let declared = c.chance(60);
    if declared {
        schema.add("tenants", "COMMENT ON TABLE tenants IS '@tenant id'");
    }
    schema.tables.push(Table {
        name: "tenants".to_owned(),
        schema: "public",
        columns: vec![
            column("id", Ty::Tenant, true),
            column("name", Ty::Text, true),
            column("qty", Ty::Int, false),
        ],
        owner: Owner::Tenant("id".to_owned()),
        keys: vec![vec!["id".to_owned()]],
        references: Vec::new(),
        parent: None,
        partition: None,
        guarded: false,
        sound: false,
        declared,
    });
}

fn global(schema: &mut Schema) {
    schema.add("plans", "CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL, status text, qty integer NOT NULL)");
    schema.add("plans", "COMMENT ON TABLE plans IS '@global price list'");
    schema.tables.push(Table {
        name: "plans".to_owned(),
        schema: "public",
        columns: vec![
            column("id", Ty::Int, true),
            column("name", Ty::Text, true),
            column("status", Ty::Text, false),
            column("qty", Ty::Int, true),
        ],
        owner: Owner::Global,
        keys: vec![vec!["id".to_owned()]],
        references: Vec::new(),
        parent: None,
        partition: None,
        guarded: true,
        sound: false,
        declared: true,
    });
}

fn undeclared(schema: &mut Schema) {
    schema.add(
        "jobs",
        "CREATE TABLE jobs (id integer, status text, qty integer, data jsonb)",
    );
    schema.tables.push(Table {
        name: "jobs".to_owned(),
        schema: "public",
        columns: vec![
            column("id", Ty::Int, false),
            column("status", Ty::Text, false),
            column("qty", Ty::Int, false),
            column("data", Ty::Json, false),
        ],
        owner: Owner::Nobody,
        keys: Vec::new(),
        references: Vec::new(),
        parent: None,
        partition: None,
        guarded: false,
        sound: false,
        declared: false,
    });
}

fn sql_type(schema: &Schema, ty: Ty, varchar: bool) -> &'static str {
    match ty {
        Ty::Int => "integer",
        Ty::Text if varchar => "varchar",
        Ty::Text => "text",
        Ty::Bool => "boolean",
        Ty::Json => "jsonb",
        Ty::Time => "timestamp",
        Ty::Ints => "integer[]",
        Ty::Tenant => schema.kind.sql(),
    }
}

fn tenant_table(schema: &mut Schema, c: &mut Choices, name: &str) {
    let schema_of = if c.chance(6) { "crm" } else { "public" };
    let path = match schema_of {
        "public" => name.to_owned(),
        other => format!("{other}.{name}"),
    };
    if schema_of != "public" && !schema.ddl.iter().any(|(object, _)| object == "crm") {
        schema.add("crm", "CREATE SCHEMA crm");
        schema.add("crm", "GRANT USAGE ON SCHEMA crm TO app");
    }
    // Once in a while the tenant's column has another name, declared or not.
    let tenant = if c.chance(5) { "org_id" } else { "tenant_id" };
    let nullable = c.chance(20);
    let mut columns = vec![
        column("id", Ty::Int, true),
        column(tenant, Ty::Tenant, !nullable),
    ];
    for (name, ty) in EXTRA {
        if name != tenant && c.chance(if name == "org_id" { 15 } else { 55 }) {
            columns.push(column(name, ty, false));
        }
    }
    let has = |columns: &[Column], name: &str| columns.iter().any(|c| c.name == name);
    let id = || "id".to_owned();
    let tid = || tenant.to_owned();
    let shape = if nullable {
        [0, 4][c.below(2)]
    } else {
        c.pick(&[25, 20, 25, 10, 10, 10])
    };
    let mut keys = match shape {
        0 => vec![vec![id()]],
        1 => vec![vec![tid(), id()]],
        2 => vec![vec![id()], vec![tid(), id()]],
        3 => vec![
            vec![id()],
            vec![tid(), id()],
            vec![tid(), "name".to_owned()],
        ],
        4 => Vec::new(),
        _ => vec![vec![id()], vec!["name".to_owned()]],
    };
    keys.retain(|key| key.iter().all(|k| has(&columns, k)));

    if c.chance(35) {
        let term = match c.pick(&[70, 15, 15]) {
            0 => schema
                .term(c, "app.tenant_id")
                .replace("(SELECT ", "(")
                .replace("((", "("),
            1 => schema.term(c, "app.org_id").replace("(SELECT ", "("),
            _ => format!("'{}'", schema.kind.ids()[1]),
        };
        columns[1].default = Some(term);
    }
    if has(&columns, "qty") && c.chance(20) {
        let mut twice = column("twice", Ty::Int, false);
        twice.generated = true;
        twice.default = Some(
            if c.chance(30) {
                "(100 / (qty - 13))"
            } else {
                "(qty * 2)"
            }
            .to_owned(),
        );
        columns.push(twice);
    }
    let mut references = Vec::new();
    let mut clauses = Vec::new();
    if has(&columns, "parent_id") && c.chance(60) {
        let wanted = schema.tables.len();
        let candidates: Vec<usize> = (0..schema.tables.len())
            .filter(|t| {
                let table = &schema.tables[*t];
                table.tenant() == Some(tenant) && table.name != "tenants" && !table.keys.is_empty()
            })
            .collect();
        let own = !keys.is_empty() && (candidates.is_empty() || c.chance(25));
        let target = if own {
            Some(wanted)
        } else if candidates.is_empty() {
            None
        } else {
            Some(candidates[c.below(candidates.len())])
        };
        if let Some(target) = target {
            let (target_name, target_keys) = match schema.tables.get(target) {
                Some(table) => (table.named(), table.keys.clone()),
                None => (path.clone(), keys.clone()),
            };
            let both = target_keys.contains(&vec![tid(), id()]) && !schema.collation;
            let alone = target_keys.contains(&vec![id()]);
            let composite = both && (!alone || c.chance(60));
            let action = c.one(&[
                "",
                " ON DELETE CASCADE",
                " ON DELETE SET NULL",
                " ON UPDATE CASCADE ON DELETE CASCADE",
                " ON DELETE RESTRICT",
                " ON DELETE SET DEFAULT",
                " ON DELETE SET NULL (parent_id)",
                " ON UPDATE SET NULL",
                " MATCH FULL ON DELETE CASCADE",
                " DEFERRABLE INITIALLY DEFERRED",
            ]);
            // SET NULL over both columns would take the tenant away; that is one of the cases.
            if composite {
                clauses.push(format!("FOREIGN KEY ({tenant}, parent_id) REFERENCES {target_name} ({tenant}, id){action}"));
            } else if alone {
                clauses.push(format!(
                    "FOREIGN KEY (parent_id) REFERENCES {target_name} (id){action}"
                ));
            }
            if composite || alone {
                references.push(Reference {
                    column: "parent_id".to_owned(),
                    table: target,
                    composite,
                });
            }
        }
    }
    if c.chance(10) && has(&columns, "qty") {
        clauses.push("CHECK (qty < 1000)".to_owned());
    }
    let varchar = c.chance(8);
    let loose = schema.collation && c.chance(50);
    let registry = !loose && c.chance(30);
    let mut parts: Vec<String> = columns
        .iter()
        .map(|col| {
            let mut text = format!("{} {}", col.name, sql_type(schema, col.ty, varchar));
            if col.ty == Ty::Tenant && loose {
                text += " COLLATE nocase";
            }
            if col.not_null {
                text += " NOT NULL";
            }
            match &col.default {
                Some(value) if col.generated => {
                    text += &format!(" GENERATED ALWAYS AS {value} STORED")
                }
                Some(value) => text += &format!(" DEFAULT {value}"),
                None => {}
            }
            if registry && col.name == tenant {
                text += " REFERENCES tenants (id)";
            }
            text
        })
        .collect();
    for (index, key) in keys.iter().enumerate() {
        let what = if index == 0 { "PRIMARY KEY" } else { "UNIQUE" };
        parts.push(format!("{what} ({})", key.join(", ")));
    }
    parts.extend(clauses);
    schema.add(
        name,
        format!("CREATE TABLE {path} (\n    {}\n)", parts.join(",\n    ")),
    );
    let directive = tenant == "org_id" && c.chance(60);
    if directive {
        schema.add(name, format!("COMMENT ON TABLE {path} IS '@tenant org_id'"));
    }
    schema.tables.push(Table {
        name: name.to_owned(),
        schema: schema_of,
        columns,
        owner: Owner::Tenant(tenant.to_owned()),
        keys,
        references,
        parent: None,
        partition: None,
        guarded: false,
        sound: false,
        declared: directive || tenant == "tenant_id",
    });
}

fn partitioned(schema: &mut Schema, c: &mut Choices) {
    let kind = schema.kind.sql();
    let by_status = c.chance(60);
    let tenant_key = schema.kind != Kind::Varchar && !by_status;
    let by = if tenant_key { "tenant_id" } else { "status" };
    schema.add("events", format!("CREATE TABLE events (id integer, tenant_id {kind}, status text, qty integer, note text) PARTITION BY LIST ({by})"));
    let columns = vec![
        column("id", Ty::Int, false),
        column("tenant_id", Ty::Tenant, false),
        column("status", Ty::Text, false),
        column("qty", Ty::Int, false),
        column("note", Ty::Text, false),
    ];
    let parent = schema.tables.len();
    let table = |name: &str, parent, partition| Table {
        name: name.to_owned(),
        schema: "public",
        columns: columns.clone(),
        owner: Owner::Tenant("tenant_id".to_owned()),
        keys: Vec::new(),
        references: Vec::new(),
        parent,
        partition,
        guarded: false,
        sound: false,
        declared: true,
    };
    schema
        .tables
        .push(table("events", None, Some((by.to_owned(), None))));
    let values = if tenant_key {
        schema.kind.ids()[0]
    } else {
        "open"
    }
    .to_owned();
    schema.add(
        "events_open",
        format!("CREATE TABLE events_open PARTITION OF events FOR VALUES IN ('{values}')"),
    );
    schema.add(
        "events_rest",
        "CREATE TABLE events_rest PARTITION OF events DEFAULT",
    );
    schema.tables.push(table(
        "events_open",
        Some(parent),
        Some((by.to_owned(), Some(values))),
    ));
    schema.tables.push(table(
        "events_rest",
        Some(parent),
        Some((by.to_owned(), None)),
    ));
}

fn child(schema: &mut Schema, c: &mut Choices) {
    let candidates: Vec<usize> = (0..schema.tables.len())
        .filter(|t| {
            let table = &schema.tables[*t];
            table.name != "tenants" && table.name != "plans" && table.partition.is_none()
        })
        .collect();
    let parent = candidates[c.below(candidates.len())];
    let table = &schema.tables[parent];
    let sql = format!("CREATE TABLE old_rows () INHERITS ({})", table.named());
    let child = Table {
        name: "old_rows".to_owned(),
        schema: "public",
        keys: Vec::new(),
        references: Vec::new(),
        parent: Some(parent),
        guarded: false,
        sound: false,
        ..table.clone()
    };
    schema.add("old_rows", sql);
    schema.tables.push(child);
}
