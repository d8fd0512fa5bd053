//! Keys: what a constraint tells of other tenants' rows, or does to them.
//!
//! Invariant: what it tells is the existence of a value, so the level is low; an action that reaches
//! rows is more. A primary key is left out: its numbers are the sequence's concern.

use super::facts;
use super::{Look, at};
use crate::catalog::{Column, ForeignKey, Key, KeyKind, ReferentialAction, Relation, quote};
use crate::diagnostic::Code;
use crate::finding::Finding;

pub(super) fn look(look: &mut Look<'_>) {
    let relations: Vec<&facts::Relation> = look.facts.relations.iter().collect();
    for facts in relations {
        // What the application can't write tells it nothing.
        if !facts.is_table() || facts.extension || !facts.writable() {
            continue;
        }
        let Some((relation, tenant)) = look
            .in_catalog(facts)
            .and_then(|relation| Some((relation, relation.tenant()?)))
        else {
            continue;
        };
        let registry = relation.keys.iter().any(|key| is_of_tenant(key, tenant));
        for key in &relation.keys {
            if !registry && let Some(finding) = unique(look, facts, relation, tenant, key) {
                look.found(finding);
            }
        }
        for key in &relation.foreign_keys {
            if let Some(finding) = foreign(look, facts, relation, tenant, key) {
                look.found(finding);
            }
        }
    }
}

/// One row for each tenant: the names in it are often meant to be unique.
fn is_of_tenant(key: &Key, tenant: &Column) -> bool {
    !key.partial && matches!(key.columns.as_slice(), [Some(one)] if *one == tenant.name)
}

fn unique(
    look: &Look<'_>,
    facts: &facts::Relation,
    relation: &Relation,
    tenant: &Column,
    key: &Key,
) -> Option<Finding> {
    let columns: Vec<&String> = key.columns.iter().flatten().collect();
    let is_uuid = |name: &String| {
        let column = relation.column(name);
        let ty = column.and_then(|(_, column)| column.ty.as_ref());
        ty.and_then(|ty| ty.name.parts.last())
            .is_some_and(|last| last == "uuid")
    };
    let surrogate = !columns.is_empty()
        && columns.len() == key.columns.len()
        && columns.iter().all(|c| is_uuid(c));
    if key.kind == KeyKind::Primary || columns.contains(&&tenant.name) || surrogate {
        return None;
    }
    let (shown, name, column) = (facts.qualified(), quote(&key.name), quote(&tenant.name));
    let what = match key.kind {
        KeyKind::Exclusion => "the exclusion constraint",
        _ => "the unique key",
    };
    let message = format!(
        "{what} `{name}` of `{shown}` holds across tenants: an error, or none, tells that another one has the value"
    );
    let finding = at(Code::KEY_WITHOUT_TENANT, facts, message).about(key.name.as_str());
    let gist = look.catalog.has_extension("btree_gist");
    Some(match (written_again(look, facts, key, &column), key.kind) {
        // Equality in such an index needs the extension, but for ranges.
        (Some(add), kind) if kind != KeyKind::Exclusion || gist => {
            let drop = if key.constraint || kind == KeyKind::Exclusion {
                format!("ALTER TABLE {shown} DROP CONSTRAINT {name}")
            } else {
                format!("DROP INDEX {}.{name}", quote(&facts.schema))
            };
            finding.mend(add).mend(drop)
        }
        (_, KeyKind::Exclusion) => finding.help(format!("drop it and write it again with `{column} WITH =` first (for a uuid or text column that needs the extension btree_gist)")),
        _ => finding.help(format!("write the index again with `{column}` first")),
    })
}

/// The same constraint or index with the tenant in front, by the server's own words for it: nothing that
/// it says of deferring, NULLs, ranges or rows that count is lost.
fn written_again(
    look: &Look<'_>,
    facts: &facts::Relation,
    key: &Key,
    column: &str,
) -> Option<String> {
    let index = look.facts.indexes.iter().find(|index| {
        index.schema == facts.schema && index.relation == facts.name && index.name == key.name
    })?;
    let definition = index.definition.as_deref()?;
    let first = if key.kind == KeyKind::Exclusion {
        format!("{column} WITH =")
    } else {
        column.to_owned()
    };
    let named = format!("CREATE UNIQUE INDEX {} ON ", quote(&key.name));
    match definition.strip_prefix(&named) {
        Some(rest) => {
            let (head, columns) = rest.split_once(" (")?;
            // Or it is a part of a quoted name.
            head.contains(" USING ").then_some(())?;
            Some(format!("CREATE UNIQUE INDEX ON {head} ({first}, {columns}"))
        }
        None if definition.starts_with("CREATE ") => None,
        None => {
            let (head, columns) = definition.split_once('(')?;
            let shown = facts.qualified();
            Some(format!("ALTER TABLE {shown} ADD {head}({first}, {columns}"))
        }
    }
}

fn foreign(
    look: &Look<'_>,
    facts: &facts::Relation,
    relation: &Relation,
    tenant: &Column,
    key: &ForeignKey,
) -> Option<Finding> {
    let target = look.catalog.get(key.target)?;
    let theirs = target.tenant()?;
    let mut pairs = key.columns.iter().zip(&key.target_columns);
    if pairs.any(|(own, other)| *own == tenant.name && *other == theirs.name) {
        return None;
    }
    let acts = |action: ReferentialAction| {
        matches!(
            action,
            ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault
        )
    };
    let (code, what) = if acts(key.on_delete) || acts(key.on_update) {
        (
            Code::CASCADE_ACROSS_TENANTS,
            "acts on other tenants' rows when a row is deleted or changed, past every policy",
        )
    } else {
        (
            Code::FOREIGN_KEY_WITHOUT_TENANT,
            "can refer to another tenant's row, and tells whether it exists",
        )
    };
    let (shown, name) = (facts.qualified(), quote(&key.name));
    let message = format!("the foreign key `{name}` of `{shown}` {what}");
    let mut forced = Vec::new();
    if relation.rls.forced {
        forced.push(shown.clone());
    }
    if target.rls.forced && target.qualified() != shown {
        forced.push(target.qualified());
    }
    let finding = at(code, facts, message).about(key.name.as_str());
    let mends = key.with_tenant(&shown, target, (&tenant.name, &theirs.name), &forced);
    Some(mends.into_iter().fold(finding, Finding::mend))
}
