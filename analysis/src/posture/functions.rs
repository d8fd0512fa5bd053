//! Functions, triggers and rules: what runs with other rights than the caller's, or under another
//! tenant, or runs text.
//!
//! Invariant: a function that the configuration allows with a reason is not told of again.

use super::facts::{Function, Relation};
use super::{Look, at};
use crate::catalog::{Class, Command, quote};
use crate::diagnostic::Code;
use crate::finding::{Finding, Level, Place};
use crate::policy::trigger;

pub(super) fn look(look: &mut Look<'_>) {
    let functions: Vec<&Function> = look.facts.functions.iter().collect();
    for function in functions {
        if !look.is_allowed(function) {
            each(look, function);
        }
    }
    let relations: Vec<&Relation> = look.facts.relations.iter().collect();
    for relation in relations.into_iter().filter(|it| !it.extension) {
        triggers(look, relation);
    }
    rules(look);
}

fn spot(function: &Function) -> Place {
    Place::object("function", function.signature())
}

impl Look<'_> {
    /// Whether the configuration allows it with a reason.
    fn is_allowed(&self, function: &Function) -> bool {
        let qualified = format!("{}.{}", function.schema, function.name);
        let functions = &self.catalog.config().functions;
        functions
            .iter()
            .any(|allowed| allowed.name == function.name || allowed.name == qualified)
    }

    /// Whether a policy, a view or a trigger may run it, or the application itself.
    fn runs(&self, function: &Function) -> bool {
        let dotted = format!("{}.{}", function.schema, function.name);
        function.executable
            || self.facts.uses.iter().any(|uses| uses.name == dotted)
            || self
                .facts
                .triggers
                .iter()
                .any(|trigger| trigger.function == dotted)
    }

    /// Why a definer's function is not confined to the tenant.
    pub(super) fn definer_reason(&self, function: &Function) -> Option<String> {
        if !function.definer || function.owner == self.role || function.of_triggers() {
            return None;
        }
        let owner = quote(&function.owner);
        let why = if self.bypasses(&function.owner) {
            format!("no policy holds for `{owner}`")
        } else {
            let open = self.facts.relations.iter().find(|table| {
                table.is_table()
                    && self.tenant_column(table).is_some()
                    && table.rls
                    && self.unconfined(table, &function.owner, 0).is_some()
            })?;
            let why = self.unconfined(open, &function.owner, 0)?;
            format!("as `{owner}`, {why}")
        };
        let confined = self
            .catalog
            .functions(Some(&function.schema), &function.name)
            .into_iter()
            .filter(|known| known.inputs().count() == arguments(function))
            .all(|known| self.catalog.call_class(known) == Class::Protected);
        (!confined).then_some(why)
    }
}

/// The number of a function's input arguments, as `pg_get_function_identity_arguments` writes them.
fn arguments(function: &Function) -> usize {
    let mut depth = 0_i32;
    let mut count = usize::from(!function.arguments.is_empty());
    for c in function.arguments.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

fn each(look: &mut Look<'_>, function: &Function) {
    let shown = function.signature();
    let word = function.word();
    if let Some(why) = look.definer_reason(function)
        && function.executable
    {
        let message =
            format!("`{shown}` is SECURITY DEFINER, and the application role may call it: {why}");
        let from = look.takes_from(&function.callers);
        look.found(
            Finding::new(Code::DEFINER_FUNCTION, spot(function), message)
                .note("what its body reads is not confined by any policy")
                .help(format!("where nothing but other functions calls it: REVOKE EXECUTE ON {word} {shown} FROM {from}"))
                .help(format!("or, after reading it, allow it in watertight.toml: [[functions]] with name = \"{}.{}\" and a reason", function.schema, function.name))
                .mend(format!("ALTER {word} {shown} SECURITY INVOKER")),
        );
    }
    search_path(look, function);
    if function.leakproof && look.runs(function) {
        let message = format!(
            "`{shown}` is LEAKPROOF: PostgreSQL may run it before the policies, on every tenant's rows"
        );
        look.found(
            Finding::new(Code::LEAKPROOF_FUNCTION, spot(function), message)
                .mend(format!("ALTER {word} {shown} NOT LEAKPROOF")),
        );
    }
    let tenant = look.catalog.config().tenant.setting.clone();
    for name in [
        tenant.as_str(),
        "role",
        "session_authorization",
        "row_security",
    ] {
        if let Some(value) = function.setting(name)
            && look.runs(function)
            && !(name == "row_security" && value.eq_ignore_ascii_case("on"))
        {
            let what = if name == tenant {
                "under a tenant of its own"
            } else {
                "with a changed session"
            };
            let message = format!("`{shown}` runs {what}: it has `SET {name} = '{value}'`");
            look.found(
                Finding::new(Code::FUNCTION_SETS_TENANT, spot(function), message)
                    .about(name)
                    .mend(format!("ALTER {word} {shown} RESET {name}")),
            );
        }
    }
    let source = code(&function.source);
    if function.volatility == 'i' && source.contains("current_setting") && look.runs(function) {
        let message = format!(
            "`{shown}` is IMMUTABLE but reads a setting: a cached plan keeps the value of another session"
        );
        look.found(
            Finding::new(Code::FOLDED_SETTING, spot(function), message)
                .mend(format!("ALTER {word} {shown} STABLE")),
        );
    }
    if function.executable && !function.of_triggers() && runs_text(function, &source) {
        let message = format!(
            "`{shown}` runs SQL text that is made at run time: whoever chooses the text or its parts chooses what is read"
        );
        let finding = Finding::new(Code::FUNCTION_RUNS_TEXT, spot(function), message)
            .level(if function.definer { Level::High } else { Level::Medium })
            .help("write the statements out, or format names with %I and pass values with USING")
            .help(format!("or, after reading it, allow it in watertight.toml: [[functions]] with name = \"{}.{}\" and a reason", function.schema, function.name));
        let from = look.takes_from(&function.callers);
        look.found(finding.mend(format!("REVOKE EXECUTE ON {word} {shown} FROM {from}")));
    }
}

/// A definer's names are looked up in the caller's search path, the temporary schema first.
fn search_path(look: &mut Look<'_>, function: &Function) {
    if !function.definer || function.owner == look.role || !look.runs(function) {
        return;
    }
    let shown = function.signature();
    let word = function.word();
    let safe = format!(
        "ALTER {word} {shown} SET search_path = pg_catalog, {}, pg_temp",
        quote(&function.schema)
    );
    match function.setting("search_path") {
        None => {
            let message = format!(
                "`{shown}` is SECURITY DEFINER without a search path of its own: a caller's temporary table or schema takes the place of what it names"
            );
            let finding =
                Finding::new(Code::DEFINER_SEARCH_PATH, spot(function), message).mend(safe);
            // What a role that policies hold for can be made to do is less.
            let confined =
                look.definer_reason(function).is_none() && !look.bypasses(&function.owner);
            look.found(if confined {
                finding.level(Level::Low).review()
            } else {
                finding
            });
        }
        Some(path) => {
            let empty = matches!(path.trim(), "" | "\"\"" | "''");
            if !empty && !path.contains("pg_temp") && look.facts.database.temporary {
                let message = format!(
                    "`{shown}` is SECURITY DEFINER with the search path `{path}`, which the temporary schema of the caller goes before"
                );
                look.found(
                    Finding::new(Code::DEFINER_SEARCH_PATH, spot(function), message)
                        .level(Level::Low)
                        .review()
                        .mend(format!(
                            "ALTER {word} {shown} SET search_path = {path}, pg_temp"
                        )),
                );
            }
        }
    }
}

/// A body without its comments and strings, in lower case.
fn code(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("--") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            Some(rest.find("*/").map_or(rest.len(), |at| at + 2))
        } else {
            None
        };
        let length = skipped.unwrap_or(c.len_utf8());
        match skipped {
            Some(_) => out.push(' '),
            None => out.extend(c.to_lowercase()),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Functions of the server that run a text they are given.
const RUNNERS: &[&str] = &[
    "query_to_xml(",
    "query_to_xmlschema(",
    "query_to_xml_and_xmlschema(",
    "ts_stat(",
    "dblink(",
    "dblink_exec(",
    "dblink_open(",
    "dblink_send_query(",
    "crosstab(",
    "connectby(",
    "xpath_table(",
];

/// Whether a body runs something that is not a constant: with `EXECUTE` of PL/pgSQL, or with a
/// function that takes a text.
fn runs_text(function: &Function, code: &str) -> bool {
    if !matches!(function.language.as_str(), "plpgsql" | "sql") {
        return false;
    }
    let given = RUNNERS.iter().any(|runner| {
        code.match_indices(runner).any(|(at, found)| {
            let after = code.get(at + found.len()..).unwrap_or_default();
            !after.trim_start().starts_with('\'')
        })
    });
    if given {
        return true;
    }
    if function.language != "plpgsql" {
        return false;
    }
    let words: Vec<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '\'' | '$')))
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().enumerate().any(|(at, word)| {
        *word == "execute"
            && !matches!(words.get(at + 1).copied(), Some("function" | "procedure"))
            && !(is_constant(code, at, &words))
    })
}

/// `EXECUTE 'text'` with nothing joined to the text.
fn is_constant(code: &str, at: usize, words: &[&str]) -> bool {
    let nth = words
        .iter()
        .take(at)
        .filter(|word| **word == "execute")
        .count();
    let Some((start, _)) = code.match_indices("execute").nth(nth) else {
        return false;
    };
    let rest = code
        .get(start + "execute".len()..)
        .unwrap_or_default()
        .trim_start();
    let Some(rest) = rest.strip_prefix('\'') else {
        return false;
    };
    let Some((_, after)) = rest.split_once('\'') else {
        return false;
    };
    let after = after.trim_start();
    after.starts_with(';') || after.starts_with("using") || after.starts_with("into")
}

fn triggers(look: &mut Look<'_>, relation: &Relation) {
    if !relation.writable() || !matches!(relation.kind, 'r' | 'p' | 'v') {
        return;
    }
    let Some(known) = look.in_catalog(relation) else {
        return;
    };
    let mut told: Vec<String> = Vec::new();
    for command in [Command::Insert, Command::Update, Command::Delete] {
        if !relation.may(command.sql()) {
            continue;
        }
        let Some(class) = trigger::judge(look.catalog, known, command, relation.rls, 0) else {
            continue;
        };
        let Some(reason) = class
            .reason()
            .filter(|reason| reason.starts_with("the trigger"))
        else {
            continue;
        };
        if told.iter().any(|known| known == reason) {
            continue;
        }
        told.push(reason.to_owned());
        let shown = relation.qualified();
        let message =
            format!("a write to `{shown}` sets off more than the tenant's rows: {reason}");
        let mut finding = at(Code::TRIGGER, relation, message).about(reason).help(
            "let the trigger only set columns of `NEW`, or write rows with the tenant of the row that fired it into a protected table",
        );
        if matches!(class, Class::Unknown { .. }) {
            finding = finding.review().level(Level::Medium);
        }
        look.found(finding);
    }
    // What a definer's trigger does is past every policy.
    let definers: Vec<(String, String)> = look
        .facts
        .triggers
        .iter()
        .filter(|trigger| trigger.schema == relation.schema && trigger.relation == relation.name)
        .filter(|trigger| !told.iter().any(|reason| reason.contains(&trigger.name)))
        .filter_map(|trigger| {
            let mut functions = look.facts.functions_named(&trigger.function);
            let function =
                functions.find(|function| function.definer && look.bypasses(&function.owner))?;
            let judged = trigger::judge(look.catalog, known, Command::Insert, relation.rls, 0);
            (judged.is_some()).then(|| (trigger.name.clone(), function.signature()))
        })
        .collect();
    for (name, function) in definers {
        let shown = relation.qualified();
        let message = format!(
            "the trigger `{name}` of `{shown}` runs `{function}` as a role that no policy holds for"
        );
        look.found(at(Code::TRIGGER, relation, message).about(name));
    }
}

fn rules(look: &mut Look<'_>) {
    for rule in &look.facts.rewrites {
        let Some(relation) = look.facts.relation(&rule.schema, &rule.relation) else {
            continue;
        };
        let nothing = rule.definition.contains("DO INSTEAD NOTHING");
        if nothing || !relation.reachable() || relation.extension {
            continue;
        }
        let (shown, name) = (relation.qualified(), quote(&rule.name));
        let message = format!(
            "the rule `{name}` of `{shown}` rewrites every {}, and what it runs has the rights of the owner `{}`",
            rule.command,
            quote(&relation.owner)
        );
        look.found(
            at(Code::TRIGGER, relation, message)
                .about(rule.name.as_str())
                .help("a trigger that sets columns of `NEW`, or a second statement, does the same with the caller's rights")
                .mend(format!("DROP RULE {name} ON {shown}")),
        );
    }
}
