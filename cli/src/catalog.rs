//! `cargo watertight catalog`: what the migrations make of every relation and function, and why.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value, json};
use watertight_analysis::catalog::{
    ArgumentMode, Catalog, Class, Command, Directive, Function, Relation, RelationKind, type_text,
};
use watertight_analysis::{Code, policy, render};

use crate::args::{CatalogArgs, CatalogFormat};
use crate::output::clean::{clean, one_line};
use crate::paint::Paint;
use crate::project;

pub(crate) fn run(args: &CatalogArgs) -> Result<ExitCode> {
    #[cfg(feature = "database")]
    if let Some(crate::args::CatalogCommand::Pull(args)) = &args.command {
        return crate::pull::run(args);
    }
    let catalog = project::catalog(&args.source)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        CatalogFormat::Json => {
            let mut rows: Vec<Value> = listed(&catalog)
                .map(|relation| relation_json(&catalog, relation))
                .collect();
            rows.extend(
                catalog
                    .all_functions()
                    .iter()
                    .map(|function| function_json(&catalog, function)),
            );
            serde_json::to_writer_pretty(&mut out, &rows)?;
            writeln!(out)?;
        }
        CatalogFormat::Text => text(&mut out, &catalog)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Relations with rows; sequences have none.
fn listed(catalog: &Catalog) -> impl Iterator<Item = &Relation> {
    catalog
        .relations()
        .filter(|relation| relation.kind != RelationKind::Sequence)
}

pub(crate) fn kind(relation: &Relation) -> &'static str {
    match relation.kind {
        RelationKind::Partition => "partition",
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized_view",
        _ => "table",
    }
}

/// The codes of the rules that a class offends.
fn codes(class: &Class) -> Option<Code> {
    match class {
        Class::Unprotected { reason } => Some(match reason.as_str() {
            "definer-view" => Code::DEFINER_VIEW,
            "materialized" => Code::MATERIALIZED,
            "scoped-table" => Code::VIEW_BODY,
            "security-definer" => Code::FUNCTION_BODY,
            "undeclared" => Code::UNDECLARED,
            reason if reason.starts_with("the trigger") => Code::TRIGGER,
            _ => Code::UNPROTECTED,
        }),
        Class::Unknown { reason }
            if reason.starts_with("the trigger") || reason.starts_with("the rule") =>
        {
            Some(Code::TRIGGER)
        }
        Class::Unknown { .. } => Some(Code::UNKNOWN_STATE),
        _ => None,
    }
}

/// What is to be known about a relation beside its classes.
fn remarks(catalog: &Catalog, relation: &Relation) -> Vec<(Option<Code>, String)> {
    let mut remarks = Vec::new();
    if let Some(unknown) = &relation.unknown {
        remarks.push((Some(Code::UNKNOWN_STATE), unknown.reason.clone()));
    }
    match &relation.directive {
        Some(Directive::Global { reason }) => {
            remarks.push((None, format!("declared global: {reason}")))
        }
        Some(Directive::Tenant { column }) => {
            remarks.push((None, format!("`{column}` is declared its tenant column")))
        }
        None => {}
    }
    let secured = relation.rls.enabled || !relation.policies.is_empty();
    if relation.is_table() && secured && relation.unknown.is_none() {
        let mut gaps: Vec<(String, Vec<&str>)> = Vec::new();
        for command in Command::ALL {
            if let Some(gap) = policy::gap(catalog, relation, command) {
                match gaps.iter_mut().find(|(known, _)| *known == gap) {
                    Some((_, commands)) => commands.push(command.sql()),
                    None => gaps.push((gap, vec![command.sql()])),
                }
            }
        }
        for (gap, commands) in gaps {
            let commands = if commands.len() == 4 {
                String::new()
            } else {
                format!("{}: ", commands.join(", "))
            };
            remarks.push((Some(Code::UNPROTECTED), format!("{commands}{gap}")));
        }
    }
    remarks
}

fn relation_json(catalog: &Catalog, relation: &Relation) -> Value {
    let mut commands = Map::new();
    let mut found: Vec<&'static str> = Vec::new();
    let mut note = |code: Option<Code>| {
        if let Some(code) = code
            && !found.contains(&code.number())
        {
            found.push(code.number());
        }
    };
    for command in Command::ALL {
        let class = catalog.class(relation, command);
        note(codes(&class));
        commands.insert(
            command.sql().to_lowercase(),
            json!({"class": class.word(), "reason": class.reason()}),
        );
    }
    let remarks = remarks(catalog, relation);
    for (code, _) in &remarks {
        note(*code);
    }
    let message: Vec<String> = remarks.into_iter().map(|(_, text)| text).collect();
    json!({
        "schema": relation.schema,
        "name": relation.name,
        "kind": kind(relation),
        "commands": commands,
        "codes": found,
        "message": message.join("; "),
    })
}

fn call_word(class: &Class) -> &'static str {
    match class {
        Class::Protected | Class::Global => "safe",
        Class::Unprotected { .. } => "unprotected",
        _ => "unknown",
    }
}

fn arguments(function: &Function) -> String {
    let types: Vec<String> = function
        .arguments
        .iter()
        .filter(|argument| argument.mode != ArgumentMode::Table && argument.mode.is_input())
        .map(|argument| type_text(&argument.ty))
        .collect();
    types.join(", ")
}

fn function_json(catalog: &Catalog, function: &Function) -> Value {
    let class = catalog.call_class(function);
    let codes: Vec<&str> = codes(&class)
        .map(|code| code.number())
        .into_iter()
        .collect();
    json!({
        "schema": function.schema,
        "name": function.name,
        "kind": "function",
        "call": {"class": call_word(&class), "reason": class.reason()},
        "arguments": arguments(function),
        "codes": codes,
        "message": class.reason().unwrap_or(""),
    })
}

fn text(out: &mut impl Write, catalog: &Catalog) -> Result<()> {
    let paint = Paint::stdout();
    let colour = |word: &str, text: &str| match word {
        "protected" | "global" | "denied" | "safe" => paint.green(text),
        "scoped" => paint.yellow(text),
        _ => paint.red(text),
    };
    let width = listed(catalog)
        .map(|relation| one_line(&relation.display()).chars().count())
        .max()
        .unwrap_or(0);
    for relation in listed(catalog) {
        let classes: Vec<Class> = Command::ALL
            .into_iter()
            .map(|command| catalog.class(relation, command))
            .collect();
        write!(
            out,
            "{:<17} {:<width$} ",
            kind(relation),
            one_line(&relation.display())
        )?;
        for (command, class) in Command::ALL.into_iter().zip(&classes) {
            let cell = format!("{:<11}", class.word());
            write!(
                out,
                " {} {}",
                command.sql().to_lowercase(),
                colour(class.word(), &cell)
            )?;
        }
        writeln!(out)?;
        let mut said: Vec<String> = remarks(catalog, relation)
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        let refused = classes.iter().filter(|class| class.reason().is_some());
        said.extend(refused.map(|class| policy::advice::of(catalog, relation, class).reason));
        let mut known = Vec::new();
        for line in said {
            if !known.contains(&line) {
                writeln!(out, "{:<17}   {}", "", clean(&line))?;
                known.push(line);
            }
        }
    }
    for function in catalog.all_functions() {
        let class = catalog.call_class(function);
        let word = call_word(&class);
        writeln!(
            out,
            "{:<17} {}  {}",
            "function",
            one_line(&function.signature()),
            colour(word, word)
        )?;
        if let Some(reason) = class.reason() {
            writeln!(out, "{:<17}   {}", "", clean(reason))?;
        }
    }
    if !catalog.diagnostics().is_empty() {
        writeln!(out)?;
    }
    for diagnostic in catalog.diagnostics() {
        writeln!(out, "{}\n", clean(&render(diagnostic, "")))?;
    }
    Ok(())
}
