//! What the migrations can't tell: tables without a tenant, keys across tenants, functions that run
//! as their owner. Each is a sentence and statements to take over.
//!
//! Invariant: nothing here is proposed as a statement; it stands in the migration as a comment.

use std::collections::BTreeMap;

use watertight_analysis::catalog::{
    Catalog, Column, ForeignKey, KeyKind, ReferentialAction, Relation, RelationId, RelationKind,
    quote, type_text,
};

use super::plan::{Decision, Item, State, condition};

pub(super) fn add(
    before: &Catalog,
    after: &Catalog,
    registries: &BTreeMap<RelationId, String>,
    items: &mut Vec<Item>,
) {
    let known = |item: &Item| {
        let mut all = after.relations();
        all.find(|relation| relation.qualified() == item.name)
    };
    let children = children(after, registries);
    for item in items.iter_mut() {
        let Some(relation) = known(item) else {
            continue;
        };
        if relation.kind != RelationKind::Table {
            continue;
        }
        if item.why.is_empty() {
            match children.get(&relation.id) {
                Some(child) => child.describe(after, relation, item),
                None => undeclared(relation, item),
            }
        }
        if relation.tenant().is_some() && item.state != State::Open {
            keys(after, relation, item);
        }
    }
    for function in before.all_functions() {
        let trigger = function
            .returns
            .as_ref()
            .is_some_and(|ty| type_text(ty).ends_with("trigger"));
        if !function.security_definer || trigger {
            continue;
        }
        let signature = function.signature();
        items.push(Item {
            name: signature.clone(),
            why: "it runs with the rights of its owner, and everybody may call it unless that is revoked".to_owned(),
            decide: vec![
                decision(
                    "where it needs no more than the caller's rights",
                    vec![format!("ALTER FUNCTION {signature} SECURITY INVOKER")],
                ),
                decision(
                    "where tools don't call it",
                    vec![format!("REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")],
                ),
            ],
            ..Item::default()
        });
    }
}

fn decision(text: &str, sql: Vec<String>) -> Decision {
    Decision {
        text: text.to_owned(),
        sql,
        before: false,
    }
}

/// A table without a tenant column that belongs to a tenant by a foreign key.
struct Child {
    /// Its own column is the tenant's id.
    own: Option<String>,
    /// The table that tells the tenant, and the foreign key to it.
    parent: RelationId,
    key: ForeignKey,
    /// The parent has to get a tenant column first.
    parent_too: bool,
}

/// Found step by step: a child's children are its tenant's too.
fn children(
    after: &Catalog,
    registries: &BTreeMap<RelationId, String>,
) -> BTreeMap<RelationId, Child> {
    let mut found: BTreeMap<RelationId, Child> = BTreeMap::new();
    loop {
        let mut more = Vec::new();
        for relation in super::infer::tables(after) {
            if relation.tenant().is_some()
                || relation.is_global()
                || found.contains_key(&relation.id)
            {
                continue;
            }
            let candidates = relation
                .foreign_keys
                .iter()
                .filter(|key| key.target != relation.id);
            let child = candidates.filter_map(|key| {
                let target = after.get(key.target)?;
                let registry = registries.contains_key(&key.target);
                let parent_too = found.contains_key(&key.target);
                (target.tenant().is_some() || parent_too).then(|| Child {
                    own: registry.then(|| key.columns.first().cloned()).flatten(),
                    parent: key.target,
                    key: key.clone(),
                    parent_too,
                })
            });
            // A table that every row must have comes first.
            let best = child.min_by_key(|child| {
                let required = child.key.columns.iter().all(|name| {
                    relation
                        .column(name)
                        .is_some_and(|(_, column)| column.not_null)
                });
                (!required, child.own.is_none(), child.parent_too)
            });
            more.extend(best.map(|child| (relation.id, child)));
        }
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

impl Child {
    fn describe(&self, after: &Catalog, relation: &Relation, item: &mut Item) {
        let config = after.config();
        let Some(parent) = after.get(self.parent) else {
            return;
        };
        let (shown, theirs) = (relation.qualified(), parent.qualified());
        if let Some(own) = &self.own
            && let Some((_, column)) = relation.column(own)
        {
            item.why = format!(
                "it has no `{}`, but `{}` refers to the list of tenants",
                config.tenant.column,
                quote(own)
            );
            let mut sql = vec![format!(
                "COMMENT ON TABLE {shown} IS '@tenant {}'",
                quote(own).replace('\'', "''")
            )];
            sql.extend(protected(&shown, &condition(config, column)));
            item.decide
                .push(decision("if that is the tenant of the row", sql));
            item.decide.push(decision("if it is something else, give the table a tenant column; until then it is granted to no tool", Vec::new()));
            return;
        }
        item.why = format!(
            "it has no `{}`; by the foreign key `{}` its rows belong to those of {theirs}",
            config.tenant.column, self.key.name
        );
        let name = quote(&config.tenant.column);
        let tenant = parent.tenant();
        let (their_column, ty) = match tenant {
            Some(column) => (
                quote(&column.name),
                column.ty.as_ref().map(type_text).unwrap_or_default(),
            ),
            None => (name.clone(), config.tenant.kind.sql().to_owned()),
        };
        let pairs = self.key.columns.iter().zip(&self.key.target_columns);
        let joined: Vec<String> = pairs
            .map(|(own, other)| format!("parent.{} = child.{}", quote(other), quote(own)))
            .collect();
        let fill = vec![
            format!("ALTER TABLE {shown} ADD COLUMN {name} {ty}"),
            format!(
                "UPDATE {shown} AS child SET {name} = parent.{their_column} FROM {theirs} AS parent WHERE {}",
                joined.join(" AND ")
            ),
            format!("ALTER TABLE {shown} ALTER COLUMN {name} SET NOT NULL"),
        ];
        let text = match self.parent_too {
            true => format!("give it one, after {theirs} has its own"),
            false => "give it one".to_owned(),
        };
        item.decide.push(Decision {
            text,
            sql: fill,
            before: true,
        });
        let columns = (
            config.tenant.column.as_str(),
            tenant.map_or(config.tenant.column.as_str(), |column| &column.name),
        );
        item.decide.push(Decision {
            text: "where it has one, it can't refer to another tenant's row".to_owned(),
            sql: self.key.with_tenant(&shown, parent, columns, &[]),
            before: true,
        });
        let condition = format!("{name} = {}", config.tenant_expression());
        let mut rest = protected(&shown, &condition);
        rest.push(format!("CREATE INDEX ON {shown} ({name})"));
        item.decide.push(decision(
            "where it has one, it is protected like the others",
            rest,
        ));
        item.decide.push(decision(
            "or leave it: no tool is granted it, so none reaches it",
            Vec::new(),
        ));
    }
}

fn protected(shown: &str, condition: &str) -> Vec<String> {
    vec![
        format!("ALTER TABLE {shown} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {shown} FORCE ROW LEVEL SECURITY"),
        format!(
            "CREATE POLICY tenant_isolation ON {shown} USING ({condition}) WITH CHECK ({condition})"
        ),
    ]
}

/// Neither a tenant's nor declared.
fn undeclared(relation: &Relation, item: &mut Item) {
    let shown = relation.qualified();
    item.why = "whose rows these are can't be told".to_owned();
    item.decide.push(decision(
        "if all tenants share it and tools only read it, say why, and grant it in the file of roles",
        vec![format!("COMMENT ON TABLE {shown} IS '@global …'")],
    ));
    item.decide.push(decision(
        "if its rows are tenants', give it a tenant column; if tools need not reach it, leave it: it is granted to none",
        Vec::new(),
    ));
}

/// Keys that hold across tenants, and foreign keys that can cross.
fn keys(after: &Catalog, relation: &Relation, item: &mut Item) {
    let Some(tenant) = relation.tenant() else {
        return;
    };
    let shown = relation.qualified();
    let registry = relation.keys.iter().any(|key| {
        !key.partial && matches!(key.columns.as_slice(), [Some(one)] if *one == tenant.name)
    });
    for key in relation.keys.iter().filter(|_| !registry) {
        let columns: Vec<&String> = key.columns.iter().flatten().collect();
        let plain = columns.len() == key.columns.len() && !key.partial;
        if key.kind != KeyKind::Unique
            || columns.contains(&&tenant.name)
            || all_uuid(relation, &columns)
        {
            continue;
        }
        let (name, column) = (quote(&key.name), quote(&tenant.name));
        let text =
            format!("`{name}` holds across tenants: an error tells one that another has the value");
        let sql = match plain {
            true => vec![
                format!(
                    "ALTER TABLE {shown} ADD UNIQUE ({column}, {})",
                    list(columns.iter().copied())
                ),
                match key.constraint {
                    true => format!("ALTER TABLE {shown} DROP CONSTRAINT {name}"),
                    false => format!("DROP INDEX {}.{name}", quote(&relation.schema)),
                },
            ],
            false => Vec::new(),
        };
        let text = match plain {
            true => text,
            false => format!("{text}; write the index again with `{column}` first"),
        };
        item.decide.push(Decision {
            text,
            sql,
            before: false,
        });
    }
    for key in &relation.foreign_keys {
        if let Some(decision) = foreign(after, &shown, tenant, key) {
            item.decide.push(decision);
        }
    }
}

fn foreign(after: &Catalog, shown: &str, tenant: &Column, key: &ForeignKey) -> Option<Decision> {
    let target = after.get(key.target)?;
    let theirs = target.tenant()?;
    let mut pairs = key.columns.iter().zip(&key.target_columns);
    if pairs.any(|(own, other)| *own == tenant.name && *other == theirs.name) {
        return None;
    }
    let acts = |action: ReferentialAction| {
        !matches!(
            action,
            ReferentialAction::NoAction | ReferentialAction::Restrict
        )
    };
    let what = match acts(key.on_delete) || acts(key.on_update) {
        true => "acts on other tenants' rows, past every policy",
        false => "can refer to another tenant's row, and tells whether it exists",
    };
    Some(Decision {
        text: format!("the foreign key `{}` {what}", key.name),
        // In front of FORCE, which hides from the server the rows that it compares.
        sql: key.with_tenant(shown, target, (&tenant.name, &theirs.name), &[]),
        before: true,
    })
}

fn all_uuid(relation: &Relation, columns: &[&String]) -> bool {
    let is_uuid = |name: &&&String| {
        let column = relation.column(name).map(|(_, column)| column);
        let ty = column.and_then(|column| column.ty.as_ref());
        ty.is_some_and(|ty| type_text(ty) == "uuid")
    };
    !columns.is_empty() && columns.iter().all(|name| is_uuid(&name))
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| quote(name)).collect();
    names.join(", ")
}
