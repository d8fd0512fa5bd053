//! Triggers and rules of a written table: what they do belongs to the statement.
//!
//! What a trigger's function does is judged in `trigger_body`; its condition, and what the table
//! stores (defaults, checks, indexes, domains), may only compute.

use super::builtin;
use super::content;
use crate::catalog::walk::mentions;
use crate::catalog::{
    Catalog, Class, ColumnDefault, Command, Function, Relation, RelationKind, Trigger,
    TriggerTiming,
};
use crate::ir::Expr;

/// Trigger functions of the server itself, which only touch the new row.
const BUILTIN: &[&str] = &[
    "suppress_redundant_updates_trigger",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
];

/// What the triggers and rules of `relation` make of `command`; nothing when they do no harm.
pub(crate) fn judge(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
    depth: usize,
) -> Option<Class> {
    if command == Command::Select {
        return None;
    }
    if let Some(rule) = relation
        .rules
        .iter()
        .find(|rule| rule.enabled && rule.command == command)
    {
        return Some(Class::Unknown {
            reason: format!("the rule `{}` rewrites {}", rule.name, command.sql()),
        });
    }
    // Rows of partitions and children fire the triggers of their own tables, and an UPDATE may
    // move a row from one partition to another. A partition fires the row triggers of what it is a
    // partition of, and runs its checks and indexes.
    let mut pending = vec![(relation, false)];
    let mut seen = Vec::new();
    while let Some((table, above)) = pending.pop() {
        if seen.contains(&(table.id, above)) {
            continue;
        }
        seen.push((table.id, above));
        for trigger in &table.triggers {
            let fires = trigger.commands.contains(&command)
                || (command == Command::Update && table.id != relation.id);
            if !trigger.enabled || !fires || (above && !trigger.row) {
                continue;
            }
            if let Err(why) = understood(catalog, table, trigger, depth) {
                let reason = format!(
                    "the trigger `{}` of `{}` {}",
                    trigger.name,
                    table.display(),
                    why.text
                );
                return Some(if why.definer {
                    Class::Unprotected { reason }
                } else {
                    Class::Unknown { reason }
                });
            }
        }
        if let Err(why) = stored(catalog, table, command) {
            return Some(Class::Unknown {
                reason: format!("`{}`: {why}", table.display()),
            });
        }
        if table.kind == RelationKind::Partition {
            let parents = table.parents.iter().filter_map(|id| catalog.get(*id));
            pending.extend(parents.map(|parent| (parent, true)));
        }
        if !above {
            let children = table.children.iter().filter_map(|id| catalog.get(*id));
            pending.extend(children.map(|child| (child, false)));
        }
    }
    None
}

/// Defaults, generated columns, checks, indexes and domains are evaluated with every write.
fn stored(catalog: &Catalog, table: &Relation, command: Command) -> Result<(), String> {
    if command == Command::Delete {
        return Ok(());
    }
    let mut exprs: Vec<(String, Option<&Expr>)> = Vec::new();
    for column in &table.columns {
        let what = |kind: &str| format!("the {kind} of `{}`", column.name);
        match &column.default {
            ColumnDefault::Expr(expr) if command == Command::Insert => {
                exprs.push((what("default"), Some(expr)));
            }
            ColumnDefault::Generated(expr) => exprs.push((what("expression"), Some(expr))),
            ColumnDefault::Opaque => exprs.push((what("default"), None)),
            _ => {}
        }
        if let Some(ty) = &column.ty {
            for expr in content::checks_of_type(catalog, ty) {
                exprs.push((what("type"), expr));
            }
        }
    }
    for check in &table.checks {
        exprs.push((format!("the check `{}`", check.name), check.expr.as_ref()));
    }
    for expr in &table.index_expressions {
        exprs.push(("an index".to_owned(), expr.as_ref()));
    }
    for (what, expr) in exprs {
        let Some(expr) = expr else {
            return Err(format!("{what} is not understood"));
        };
        let mut found = mentions(expr);
        // A sequence gives numbers, and the written row shows one; that is a warning.
        found
            .functions
            .retain(|name| name != "nextval" && !builtin::of_an_extension(name));
        if !found.relations.is_empty() {
            return Err(format!("{what} reads tables"));
        }
        content::are_confined(catalog, &found, 0).map_err(|why| format!("{what}: {why}"))?;
    }
    Ok(())
}

/// The columns that triggers before a command may set in a row; `None` where that is not known.
pub(crate) fn assigned(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
) -> Option<Vec<String>> {
    let mut columns = Vec::new();
    let mut pending = vec![relation];
    let mut seen = Vec::new();
    while let Some(table) = pending.pop() {
        if seen.contains(&table.id) {
            continue;
        }
        seen.push(table.id);
        let before = table.triggers.iter().filter(|trigger| {
            trigger.enabled
                && trigger.row
                && trigger.timing == TriggerTiming::Before
                && trigger.commands.contains(&command)
        });
        for trigger in before {
            let function = match function_of(catalog, trigger) {
                Ok(Some(function)) => function,
                // A search vector of its own, or nothing.
                Ok(None) => continue,
                Err(_) => return None,
            };
            columns.extend(super::trigger_body::assigned(function)?);
        }
        let around = table.children.iter().chain(&table.parents);
        pending.extend(around.filter_map(|id| catalog.get(*id)));
    }
    Some(columns)
}

/// The function of a trigger; nothing for the server's own.
fn function_of<'a>(
    catalog: &'a Catalog,
    trigger: &Trigger,
) -> Result<Option<&'a Function>, &'static str> {
    let (schema, name) = match trigger.function.parts.as_slice() {
        [name] => (None, name),
        [schema, name] => (Some(schema.as_str()), name),
        _ => return Err("calls a function of another database"),
    };
    let mut named = catalog
        .all_functions()
        .iter()
        .filter(|f| f.name == *name && schema.is_none_or(|schema| f.schema == schema));
    match (named.next(), named.next()) {
        (None, _) if BUILTIN.contains(&name.as_str()) && !catalog.shadows_function(name) => {
            Ok(None)
        }
        (Some(function), None) => Ok(Some(function)),
        _ => Err("calls a function that is not known for certain"),
    }
}

struct Why {
    text: String,
    definer: bool,
}

fn understood(
    catalog: &Catalog,
    table: &Relation,
    trigger: &Trigger,
    depth: usize,
) -> Result<(), Why> {
    let fail = |text: &str| Why {
        text: text.to_owned(),
        definer: false,
    };
    // The condition runs whether or not the function does.
    if let Some(condition) = &trigger.condition {
        let Some(condition) = condition else {
            return Err(fail("has a condition that is not understood"));
        };
        content::is_confined(catalog, condition)
            .map_err(|why| fail(&format!("has a condition that is not confined: {why}")))?;
    }
    let Some(function) = function_of(catalog, trigger).map_err(fail)? else {
        return Ok(());
    };
    if catalog.allows(function) {
        return Ok(());
    }
    let why = |text: String| Why {
        text,
        definer: function.security_definer,
    };
    if let Some(reason) = &function.unknown {
        return Err(why(format!("calls a function that is not known: {reason}")));
    }
    if function
        .settings
        .iter()
        .any(|(setting, _)| setting != "search_path")
    {
        return Err(why("calls a function that changes settings".to_owned()));
    }
    super::trigger_body::understood(catalog, table, function, depth).map_err(why)
}
