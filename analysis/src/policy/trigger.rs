//! Triggers and rules of a written table: what they do belongs to the statement.
//!
//! A trigger is understood when it only sets columns of the new row, raises errors and returns.
//! Anything else may reach rows that are not the tenant's.

use super::builtin;
use super::content;
use super::term;
use crate::catalog::walk::{mentions, statement_mentions};
use crate::catalog::{Body, Catalog, Class, ColumnDefault, Command, Relation, Trigger, TypeKind};
use crate::ddl;
use crate::ddl::plpgsql::{self, Item};
use crate::ir::{Expr, QueryBody, Statement};

/// Trigger functions of the server itself, which only touch the new row.
const BUILTIN: &[&str] = &[
    "suppress_redundant_updates_trigger",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
];

/// What the triggers and rules of `relation` make of `command`; nothing when they do no harm.
pub(super) fn judge(catalog: &Catalog, relation: &Relation, command: Command) -> Option<Class> {
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
    // move a row from one partition to another.
    let mut pending = vec![relation];
    let mut seen = Vec::new();
    while let Some(table) = pending.pop() {
        if seen.contains(&table.id) {
            continue;
        }
        seen.push(table.id);
        for trigger in &table.triggers {
            let fires = trigger.commands.contains(&command)
                || (command == Command::Update && table.id != relation.id);
            if !trigger.enabled || !fires {
                continue;
            }
            if let Err(why) = understood(catalog, table, trigger) {
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
        pending.extend(table.children.iter().filter_map(|id| catalog.get(*id)));
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
        let domain = column
            .ty
            .as_ref()
            .and_then(|ty| ty.name.parts.last())
            .and_then(|name| {
                catalog
                    .types()
                    .iter()
                    .find(|definition| definition.name == *name)
            });
        if let Some(TypeKind::Domain { expressions, .. }) = domain.map(|domain| &domain.kind) {
            exprs.extend(
                expressions
                    .iter()
                    .map(|expr| (what("domain"), expr.as_ref())),
            );
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
        for name in &mentions(expr).functions {
            // A sequence gives numbers, and the written row shows one; that is a warning.
            if name != "nextval" && !builtin::of_an_extension(name) {
                content::function(catalog, name).map_err(|why| format!("{what}: {why}"))?;
            }
        }
    }
    Ok(())
}

struct Why {
    text: String,
    definer: bool,
}

fn understood(catalog: &Catalog, table: &Relation, trigger: &Trigger) -> Result<(), Why> {
    let fail = |text: &str| Why {
        text: text.to_owned(),
        definer: false,
    };
    let (schema, name) = match trigger.function.parts.as_slice() {
        [name] => (None, name),
        [schema, name] => (Some(schema.as_str()), name),
        _ => return Err(fail("calls a function of another database")),
    };
    let named: Vec<_> = catalog
        .all_functions()
        .iter()
        .filter(|f| f.name == *name && schema.is_none_or(|schema| f.schema == schema))
        .collect();
    if named.is_empty() && BUILTIN.contains(&name.as_str()) && !catalog.shadows_function(name) {
        return Ok(());
    }
    let [function] = named.as_slice() else {
        return Err(fail("calls a function that is not known for certain"));
    };
    if catalog.config().functions.iter().any(|allowed| {
        allowed.name == *name || allowed.name == format!("{}.{name}", function.schema)
    }) {
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
    let Body::Opaque { text, .. } = &function.body else {
        return Err(why("calls a function that is not in PL/pgSQL".to_owned()));
    };
    if function.language != "plpgsql" {
        return Err(why(format!("calls a function in {}", function.language)));
    }
    let items =
        plpgsql::items(text).map_err(|reason| why(format!("is not understood ({reason})")))?;
    items
        .iter()
        .try_for_each(|item| item_understood(catalog, table, item).map_err(&why))
}

fn item_understood(catalog: &Catalog, table: &Relation, item: &Item) -> Result<(), String> {
    match item {
        Item::Sql(_) => Err("runs statements".to_owned()),
        Item::Execute(_) => Err("runs computed SQL text".to_owned()),
        Item::Return(expr) if expr.trim().is_empty() => Ok(()),
        Item::Expr(expr) | Item::Return(expr) => expression(catalog, expr).map(|_| ()),
        Item::Assign { target, expr } => {
            let statement = expression(catalog, expr)?;
            match target.as_slice() {
                [variable] if variable != "new" => Ok(()),
                [row, column] if row == "new" => {
                    let tenant = table.tenant().is_some_and(|tenant| tenant.name == *column);
                    if !tenant || is_term(catalog, &statement) {
                        Ok(())
                    } else {
                        Err("assigns the tenant of the row".to_owned())
                    }
                }
                _ => Err("assigns something else than columns of the new row".to_owned()),
            }
        }
    }
}

/// Reads an expression of PL/pgSQL, which may only compute.
fn expression(catalog: &Catalog, text: &str) -> Result<Statement, String> {
    let mut statements = ddl::statements(&format!("SELECT {text}"))
        .map_err(|why| format!("evaluates what is not understood ({why})"))?;
    let Some(statement) = statements.pop().filter(|_| statements.is_empty()) else {
        return Err("evaluates what is no expression".to_owned());
    };
    let found = statement_mentions(&statement);
    if !found.relations.is_empty() {
        return Err("reads tables".to_owned());
    }
    for name in &found.functions {
        content::function(catalog, name).map_err(|why| format!("is not understood ({why})"))?;
    }
    Ok(statement)
}

fn is_term(catalog: &Catalog, statement: &Statement) -> bool {
    let Statement::Query(query) = statement else {
        return false;
    };
    let QueryBody::Select(select) = &query.body else {
        return false;
    };
    match select.targets.as_slice() {
        [target] => term::is_tenant_term(&target.expr, catalog),
        _ => false,
    }
}
