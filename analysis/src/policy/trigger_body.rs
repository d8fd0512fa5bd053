//! What the function of a trigger does: it may set columns of the new row, raise errors, and change
//! rows that row-level security confines or that carry the tenant of the row that fired it.
//!
//! Invariant: an allow-list. What is not understood in full makes the trigger unknown.

use super::content;
use super::term;
use super::trigger::Firing;
use super::trigger_names::{Names, Path};
use crate::catalog::walk::statement_mentions;
use crate::catalog::{Body, Catalog, Function};
use crate::ddl;
use crate::ddl::plpgsql::{self, Block, Item};
use crate::ir::{Expr, ExprKind, QueryBody, Statement, TypeName};

/// Judges the body of a trigger function.
pub(super) fn understood(
    catalog: &Catalog,
    function: &Function,
    firing: Firing<'_>,
) -> Result<(), String> {
    let Body::Opaque { text, .. } = &function.body else {
        return Err("calls a function that is not in PL/pgSQL".to_owned());
    };
    if function.language != "plpgsql" {
        return Err(format!("calls a function in {}", function.language));
    }
    let unclear = |reason| format!("is not understood ({reason})");
    let body: Block = plpgsql::tree(text).map_err(unclear)?;
    let judge = Judge {
        catalog,
        function,
        names: Names::of(&body, &function.name)?,
        path: Path::of(catalog, function, firing.path)?,
        firing: Firing {
            as_owner: firing.as_owner || function.security_definer,
            ..firing
        },
    };
    let items = plpgsql::items(text).map_err(unclear)?;
    items.iter().try_for_each(|item| judge.item(item))
}

/// The columns of the new row that a trigger function sets; `None` where that is not known.
pub(super) fn assigned(function: &Function) -> Option<Vec<String>> {
    let mut columns = Vec::new();
    for item in items(function)? {
        match item {
            Item::Assign { target, .. } => match target.as_slice() {
                [row, column] if row == "new" => columns.push(column.clone()),
                // With the name of the function in front it is the row all the same.
                target if target.iter().any(|part| part == "new") => return None,
                _ => {}
            },
            Item::Return(expr) if returned(&expr).is_err() => return None,
            _ => {}
        }
    }
    Some(columns)
}

/// The columns of the new row that a trigger function fills with something computed of the tenant,
/// directly or through variables: by the words of its assignments, which marks rather too much.
pub(super) fn told(function: &Function, tenant: &[&str]) -> Vec<String> {
    let assignments: Vec<(Vec<String>, String)> = items(function)
        .into_iter()
        .flatten()
        .filter_map(|item| match item {
            Item::Assign { target, expr } => Some((target, expr)),
            _ => None,
        })
        .collect();
    let mut telling: Vec<String> = tenant.iter().map(|word| (*word).to_owned()).collect();
    telling.push("current_setting".to_owned());
    loop {
        let known = telling.len();
        for (target, expr) in &assignments {
            let Some(name) = target.iter().rfind(|part| !part.is_empty()) else {
                continue;
            };
            if !telling.contains(name) && mentions_any(expr, &telling) {
                telling.push(name.clone());
            }
        }
        if telling.len() == known {
            break;
        }
    }
    let column = |(target, _): (Vec<String>, String)| match target.as_slice() {
        [row, column] if row == "new" && telling.contains(column) => Some(column.clone()),
        _ => None,
    };
    assignments.into_iter().filter_map(column).collect()
}

/// Whether one of the words of a text is among these.
fn mentions_any(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    let mut found = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    found.any(|word| words.iter().any(|known| known == word))
}

/// Whether a trigger function gives every row on with the tenant that it has.
pub(super) fn passes_on(function: &Function, tenant: Option<&str>) -> bool {
    let new = |text: &str| matches!(returned(text), Ok(Returned::New));
    let Some(items) = items(function) else {
        return false;
    };
    items.iter().all(|item| match item {
        Item::Return(expr) => new(expr),
        Item::Assign { target, .. } => match target.as_slice() {
            [row, column] if row == "new" => Some(column.as_str()) != tenant,
            target => !target.iter().any(|part| part == "new"),
        },
        _ => true,
    })
}

fn items(function: &Function) -> Option<Vec<Item>> {
    match &function.body {
        Body::Opaque { text, .. } if function.language == "plpgsql" => plpgsql::items(text).ok(),
        _ => None,
    }
}

pub(super) struct Judge<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) function: &'a Function,
    pub(super) names: Names,
    pub(super) path: Path,
    pub(super) firing: Firing<'a>,
}

impl Judge<'_> {
    fn item(&self, item: &Item) -> Result<(), String> {
        match item {
            Item::Sql(text) => self.sql(text),
            Item::Execute(_) => Err("runs computed SQL text".to_owned()),
            Item::Return(expr) => returned(expr).map(|_| ()),
            Item::Expr(expr) => self.expression(expr).map(|_| ()),
            Item::Type(text) => self.type_of_variable(text),
            Item::Assign { target, expr } => {
                let value = self.expression(expr)?;
                self.assign(target, &value)
            }
        }
    }

    /// Variables may be set, and the columns of the new row but for the tenant.
    fn assign(&self, target: &[String], value: &Statement) -> Result<(), String> {
        match target {
            [row, column] if row == "new" => {
                if self.firing.tenant != Some(column.as_str()) || self.is_term(value) {
                    return Ok(());
                }
                Err(format!(
                    "assigns the tenant of the row; leave `NEW.{column}` as it is, or give it \
                     `current_setting('{}')`",
                    self.catalog.config().tenant.setting
                ))
            }
            target if target.iter().any(|part| part == "new" || part == "old") => Err(
                "assigns the row that fired it; assign columns of `NEW`, or a variable".to_owned(),
            ),
            [_] => Ok(()),
            // An element of an array has an empty name.
            [variable, ..] if self.names.may_qualify(variable) => Ok(()),
            [.., element] if element.is_empty() => Ok(()),
            _ => Err(format!(
                "assigns `{}`, which is no variable that it declares",
                target.join(".")
            )),
        }
    }

    /// A value is coerced to the type of its variable, which runs the checks of a domain.
    fn type_of_variable(&self, text: &str) -> Result<(), String> {
        let fail = |why: &str| Err(format!("has a variable of type `{text}`{why}"));
        if text.contains('"') && !self.catalog.types().is_empty() {
            return fail(", whose name is quoted");
        }
        // `notes.body%TYPE` is the type of one of the columns.
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        for word in words.filter(|word| !word.is_empty()) {
            let ty = TypeName {
                name: crate::ir::Name {
                    parts: vec![word.to_lowercase()],
                    span: 0..0,
                },
                modifiers: Vec::new(),
                dimensions: 0,
                set_of: false,
            };
            for check in content::checks_of_type(self.catalog, &ty) {
                let Some(check) = check else {
                    return fail(", which is not understood");
                };
                if let Err(why) = content::is_confined(self.catalog, check, self.firing.depth) {
                    return fail(&format!(": {why}"));
                }
            }
        }
        Ok(())
    }

    /// Reads an expression of PL/pgSQL, whose sub-queries stay within the tenant.
    fn expression(&self, text: &str) -> Result<Statement, String> {
        let mut statements = ddl::statements(&format!("SELECT {text}"))
            .map_err(|why| format!("evaluates what is not understood ({why})"))?;
        let Some(statement) = statements.pop().filter(|_| statements.is_empty()) else {
            return Err("evaluates what is no expression".to_owned());
        };
        let found = statement_mentions(&statement);
        if !found.relations.is_empty() {
            self.stays_within(&statement).map_err(|why| {
                format!("evaluates `{text}`, which is not known to stay within the tenant: {why}")
            })?;
            return Ok(statement);
        }
        content::are_confined(self.catalog, &found, 0)
            .map_err(|why| format!("is not understood ({why})"))?;
        Ok(statement)
    }

    /// Whether an expression is the tenant, or what the new row has as it anyway.
    fn is_term(&self, statement: &Statement) -> bool {
        let Statement::Query(query) = statement else {
            return false;
        };
        let QueryBody::Select(select) = &query.body else {
            return false;
        };
        match select.targets.as_slice() {
            [target] if select.from.is_empty() => {
                term::is_tenant_term(&target.expr, self.catalog)
                    || self.is_of_row(&target.expr, &["new", "old"])
            }
            _ => false,
        }
    }

    /// `NEW.tenant_id`, `OLD.tenant_id`, whichever of them there is, or the session's tenant.
    pub(super) fn is_tenant(&self, expr: &Expr) -> bool {
        // Policies check a new row after the triggers before the command.
        let rows: &[&str] = if self.firing.new_counts {
            &["new", "old"]
        } else {
            &["old"]
        };
        self.is_of_row(expr, rows) || term::is_tenant_term(expr, self.catalog)
    }

    pub(super) fn is_of_row(&self, expr: &Expr, rows: &[&str]) -> bool {
        match &expr.kind {
            ExprKind::Column(parts) => match parts.as_slice() {
                [row, column] => {
                    rows.contains(&row.as_str()) && self.firing.tenant == Some(column.as_str())
                }
                _ => false,
            },
            ExprKind::Coalesce(list) => {
                !list.is_empty() && list.iter().all(|expr| self.is_of_row(expr, rows))
            }
            _ => false,
        }
    }
}

/// What a trigger gives back.
enum Returned {
    New,
    Other,
}

/// A trigger may give back the new row, the old one, or none; another one could be anybody's.
fn returned(expr: &str) -> Result<Returned, String> {
    let text: String = expr.split_whitespace().collect::<String>().to_lowercase();
    match text.trim_matches(|c| c == '(' || c == ')') {
        "new" | "coalesce(new,old" => Ok(Returned::New),
        "" | "old" | "null" | "coalesce(old,new" => Ok(Returned::Other),
        _ => Err(format!(
            "returns `{expr}` instead of the new row; write `RETURN NEW`"
        )),
    }
}
