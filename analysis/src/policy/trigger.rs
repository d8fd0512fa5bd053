//! Triggers and rules of a written table: what they do belongs to the statement.
//!
//! What a trigger's function does is judged in `trigger_body`; its condition, and what the table
//! stores (defaults, checks, indexes, domains), may only compute.

use super::builtin;
use super::content;
use super::trigger_names::Path;
use crate::catalog::walk::mentions;
use crate::catalog::{
    Catalog, Class, ColumnDefault, Command, Function, Relation, RelationId, RelationKind, Trigger,
    TriggerTiming,
};
use crate::ir::Expr;
use std::collections::HashSet;

const SUPPRESS: &str = "suppress_redundant_updates_trigger";

/// Trigger functions of the server itself, which only touch the new row.
const BUILTIN: &[&str] = &[
    SUPPRESS,
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
];

/// The circumstances under which a trigger fires.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firing<'a> {
    /// The tenant column of the table that the statement names: partitions have it as well.
    pub(super) tenant: Option<&'a str>,
    /// Whether it runs with the rights of an owner, for whom policies may not count.
    pub(super) as_owner: bool,
    /// Whether the tenant of `NEW` is certainly that of the statement.
    pub(super) new_counts: bool,
    /// The path of the function that fires it, which a function without one of its own goes by.
    pub(super) path: Option<&'a Path>,
    /// The writes that led here.
    pub(super) chain: Option<&'a Link<'a>>,
    /// How far the question has come.
    pub(super) depth: usize,
}

/// A write that is being judged. Where triggers fire each other, a write that is judged already need
/// not be judged again: each of them stays within the tenant if all of them do.
#[derive(Debug)]
pub(super) struct Link<'a> {
    relation: RelationId,
    command: Command,
    as_owner: bool,
    key: bool,
    new_counts: bool,
    path: Option<&'a Path>,
    outer: Option<&'a Link<'a>>,
}

impl Link<'_> {
    /// Whether it, or one that led to it, is the same write under the same circumstances.
    fn repeats(&self) -> bool {
        let mut link = self.outer;
        while let Some(other) = link {
            if self.relation == other.relation
                && self.command == other.command
                && self.as_owner == other.as_owner
                && self.key == other.key
                && self.new_counts == other.new_counts
                && self.path == other.path
            {
                return true;
            }
            link = other.outer;
        }
        false
    }
}

/// What the triggers and rules of `relation` make of `command`; nothing when they do no harm.
/// `by_policies` tells that only policies keep a statement to rows of the tenant.
pub(crate) fn judge(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
    by_policies: bool,
    depth: usize,
) -> Option<Class> {
    let firing = Firing {
        tenant: super::tenant_name(catalog, relation, None),
        as_owner: false,
        new_counts: !by_policies,
        path: None,
        chain: None,
        depth,
    };
    effects(catalog, relation, command, firing, false)
}

/// Why a command can't be carried out with the rights of an owner: in a function that is SECURITY
/// DEFINER, or as the action of a foreign key (`key`), where the triggers after it have the rights
/// of the caller again. The rows that it touches have the tenant.
pub(crate) fn as_owner(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
    key: bool,
) -> Option<String> {
    let firing = Firing {
        tenant: super::tenant_name(catalog, relation, None),
        as_owner: true,
        new_counts: true,
        path: None,
        chain: None,
        depth: 0,
    };
    let class = effects(catalog, relation, command, firing, key)?;
    class.reason().map(str::to_owned)
}

/// Why what another trigger writes can't be written under its circumstances.
pub(super) fn set_off(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
    firing: Firing<'_>,
) -> Option<String> {
    let firing = Firing {
        tenant: super::tenant_name(catalog, relation, None),
        ..firing
    };
    let class = effects(catalog, relation, command, firing, false)?;
    class.reason().map(str::to_owned)
}

fn effects(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
    firing: Firing<'_>,
    key: bool,
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
    if firing.depth > super::DEPTH {
        return Some(Class::Unknown {
            reason: "its triggers fire each other too deeply".to_owned(),
        });
    }
    let link = Link {
        relation: relation.id,
        command,
        as_owner: firing.as_owner,
        key,
        new_counts: firing.new_counts,
        path: firing.path,
        outer: firing.chain,
    };
    if link.repeats() {
        return None;
    }
    let tables = touched(catalog, relation);
    let fired: Vec<(&Relation, &Trigger)> = tables
        .iter()
        .flat_map(|(table, above)| {
            let of = table.triggers.iter();
            of.filter(|trigger| fires(trigger, table, relation, *above, command))
                .map(|trigger| (*table, trigger))
        })
        .collect();
    // A row that every trigger gives on as it is reaches the policies, or the statement fails.
    let reaches = firing.new_counts
        || fired
            .iter()
            .all(|(_, trigger)| passes_on(catalog, trigger, firing.tenant));
    for (table, trigger) in fired {
        let before = trigger.row && trigger.timing == TriggerTiming::Before;
        let firing = Firing {
            new_counts: reaches || !before,
            chain: Some(&link),
            as_owner: firing.as_owner && (!key || trigger.timing == TriggerTiming::Before),
            ..firing
        };
        if let Err(why) = understood(catalog, trigger, firing) {
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
    for (table, _) in tables {
        if let Err(why) = stored(catalog, table, command) {
            return Some(Class::Unknown {
                reason: format!("`{}`: {why}", table.display()),
            });
        }
    }
    None
}

/// The tables whose triggers a command on `relation` may fire, and whether they are what it is a
/// partition of.
///
/// Rows of partitions and children fire the triggers of their own tables, and an UPDATE may move a
/// row from one partition to another. A partition fires the row triggers of what it is a partition
/// of, and runs its checks and indexes.
fn touched<'a>(catalog: &'a Catalog, relation: &'a Relation) -> Vec<(&'a Relation, bool)> {
    let mut pending = vec![(relation, false)];
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    while let Some((table, above)) = pending.pop() {
        if !seen.insert((table.id, above)) {
            continue;
        }
        found.push((table, above));
        // A foreign table with a parent may be a partition as well.
        if matches!(
            table.kind,
            RelationKind::Partition | RelationKind::ForeignTable
        ) {
            let parents = table.parents.iter().filter_map(|id| catalog.get(*id));
            pending.extend(parents.map(|parent| (parent, true)));
        }
        if !above {
            let children = table.children.iter().filter_map(|id| catalog.get(*id));
            pending.extend(children.map(|child| (child, false)));
        }
    }
    found
}

fn fires(
    trigger: &Trigger,
    table: &Relation,
    named: &Relation,
    above: bool,
    command: Command,
) -> bool {
    // An UPDATE that moves a row to another partition removes and adds it.
    let moves = command == Command::Update
        && (table.id != named.id || (trigger.row && !table.children.is_empty()));
    trigger.enabled && (trigger.row || !above) && (moves || trigger.commands.contains(&command))
}

/// Whether a trigger gives a row on with the tenant that it has.
fn passes_on(catalog: &Catalog, trigger: &Trigger, tenant: Option<&str>) -> bool {
    if !trigger.row || trigger.timing != TriggerTiming::Before {
        return true;
    }
    match function_of(catalog, trigger) {
        Ok(Some(function)) => super::trigger_body::passes_on(function, tenant),
        // It drops rows that stay the same.
        Ok(None) => trigger
            .function
            .parts
            .last()
            .is_some_and(|name| name != SUPPRESS),
        Err(_) => false,
    }
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
    for (table, above) in touched(catalog, relation) {
        let before = table.triggers.iter().filter(|trigger| {
            trigger.row
                && trigger.timing == TriggerTiming::Before
                && fires(trigger, table, relation, above, command)
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
    }
    Some(columns)
}

/// The columns that triggers before a write fill with something computed of the tenant.
pub(crate) fn tell_tenant(catalog: &Catalog, relation: &Relation) -> Vec<String> {
    let own = relation.tenant().map(|column| column.name.as_str());
    let words = [Some(catalog.config().tenant.column.as_str()), own];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    let mut columns = Vec::new();
    for (table, _) in touched(catalog, relation) {
        let mut before = table.triggers.iter();
        while let Some(trigger) = before.find(|it| it.row && it.timing == TriggerTiming::Before) {
            if let Ok(Some(function)) = function_of(catalog, trigger) {
                columns.extend(super::trigger_body::told(function, &words));
            }
        }
    }
    columns
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

/// The function of the trigger that `reason`, why a command is refused, names.
pub(super) fn named_in(catalog: &Catalog, relation: &Relation, reason: &str) -> Option<String> {
    let named = |table: &Relation, trigger: &Trigger| {
        let start = format!("the trigger `{}` of `{}` ", trigger.name, table.display());
        reason.starts_with(&start)
    };
    touched(catalog, relation)
        .into_iter()
        .find_map(|(table, _)| {
            let trigger = table
                .triggers
                .iter()
                .find(|trigger| named(table, trigger))?;
            Some(trigger.function.parts.join("."))
        })
}

/// Whether the configuration allows the function of a trigger that no migration defines, such as a
/// platform's, by the name that the trigger has for it.
fn allowed(catalog: &Catalog, trigger: &Trigger) -> bool {
    let parts = &trigger.function.parts;
    let functions = &catalog.config().functions;
    parts
        .last()
        .is_some_and(|name| !catalog.shadows_function(name))
        && functions
            .iter()
            .any(|function| function.name == parts.join("."))
}

struct Why {
    text: String,
    definer: bool,
}

fn understood(catalog: &Catalog, trigger: &Trigger, firing: Firing<'_>) -> Result<(), Why> {
    let fail = |text: &str| Why {
        text: text.to_owned(),
        definer: false,
    };
    // The condition runs whether or not the function does.
    if let Some(condition) = &trigger.condition {
        let Some(condition) = condition else {
            return Err(fail("has a condition that is not understood"));
        };
        content::is_confined(catalog, condition, firing.depth)
            .map_err(|why| fail(&format!("has a condition that is not confined: {why}")))?;
    }
    let function = match function_of(catalog, trigger) {
        Ok(Some(function)) => function,
        Ok(None) => return Ok(()),
        Err(_) if allowed(catalog, trigger) => return Ok(()),
        Err(why) => {
            let name = trigger.function.parts.join(".");
            return Err(fail(&format!("{why}: `{name}`")));
        }
    };
    if catalog.allows(function) {
        return Ok(());
    }
    let why = |text: String| Why {
        text,
        definer: function.security_definer || firing.as_owner,
    };
    if let Some(reason) = &function.unknown {
        return Err(why(format!("calls a function that is not known: {reason}")));
    }
    super::trigger_body::understood(catalog, function, firing).map_err(why)
}
