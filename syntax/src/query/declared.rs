//! The declared form: a signature and a statement, no body.
//!
//! Checks the signature against the statement: the first argument is the scope, every other one
//! is a parameter or a choice, and the return type fits what comes back. With bounded choices
//! there are several statements, and every one of them is judged.

use std::sync::Arc;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::{Ident, PatType, Safety};
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::prepare::{TenantBinding, first_numbered};
use watertight_analysis::template::Template;

use super::attr::{Kind, QueryAttr};
use super::choice::{self, Combination};
use super::expand;
use super::float;
use super::item::{Function, simple_name, spelled};
use super::judge::{Desk, Judged, Judgement, Question, Text, judge};
use super::output::{self, Output};
use super::parameters::Arguments;
use super::provenance::{self, Carried};
use super::selector::{self, Selector, selectors};
use super::text_value;
use crate::errors::Errors;
use crate::project::Project;

/// A checked declaration: nothing in it can fail to expand.
pub(super) struct Declared<'a> {
    pub(super) attr: &'a QueryAttr,
    pub(super) function: &'a Function,
    pub(super) scope: &'a Ident,
    /// Of the choices, in their order; empty where there is one statement.
    pub(super) selectors: Vec<Selector<'a>>,
    /// In the order of the combinations; never empty.
    pub(super) statements: Vec<Proven<'a>>,
    pub(super) output: Output,
    pub(super) catalog: String,
    /// Whether any of them writes.
    pub(super) writes: bool,
    /// Where the statement stands.
    pub(super) span: Span,
    /// Rows that tell the tenant, without a reason.
    pub(super) carried: Option<Carried>,
    /// How many columns a row has; one where that is not known.
    pub(super) columns: usize,
    /// The files that the compiler watches.
    pub(super) read: Vec<String>,
}

/// One statement of a declaration.
pub(super) struct Proven<'a> {
    pub(super) combination: Combination,
    /// The text that is sent.
    pub(super) sql: String,
    /// Whether the executor binds the tenant.
    pub(super) tenant: bool,
    /// In the order of their numbers.
    pub(super) bound: Vec<&'a Ident>,
    /// Parameters that take no float.
    pub(super) uncast: Vec<u32>,
    /// Parameters that take no text.
    pub(super) untexted: Vec<u32>,
    /// The relations that the proof rests on, schema-qualified.
    pub(super) relations: Vec<String>,
    writes: bool,
}

pub(super) fn expand(attr: &QueryAttr, function: &Function, desk: &mut Desk<'_>) -> TokenStream {
    let output = output::read(function, &mut desk.errors);
    match check(attr, function, output.clone(), desk) {
        Some(declared) if desk.errors.is_empty() => expand::declared(&declared),
        _ => expand::refused(attr, function, &desk.errors),
    }
}

fn check<'a>(
    attr: &'a QueryAttr,
    function: &'a Function,
    output: Option<Output>,
    desk: &mut Desk<'_>,
) -> Option<Declared<'a>> {
    let arguments = signature(attr, function, &mut desk.errors);
    if attr.unread {
        return None;
    }
    if attr.sql.is_none() && attr.file.is_none() {
        desk.errors.push(
            &function.sig.ident,
            format!(
                "`{0}` has neither a statement nor a body\n\
                 help: write the statement into the attribute, `#[tenant_query(\"SELECT …\")]`, \
                 or give `{0}` a body",
                function.sig.ident
            ),
        );
        return None;
    }
    let text = attr.text(desk)?;
    let project = desk.project(attr.catalog.as_ref(), text.span)?;
    let question = attr.question()?;
    let (template, combinations) = combinations(attr, &text, &mut desk.errors)?;
    let texts: Vec<Text> = combinations
        .iter()
        .map(|combination| choice::fill(&template, &text, &attr.choices, combination))
        .collect();
    if !attr.choices.is_empty() && !all_named(attr, function, &texts, &mut desk.errors) {
        return None;
    }
    let judged = judge_all(
        attr,
        function,
        &project,
        &question,
        &combinations,
        &texts,
        desk,
    );
    let (scope, names) = arguments?;
    let mut arguments = Arguments::new(names);
    let selectors = selectors(
        attr,
        function,
        (&text, &template),
        &mut arguments,
        &mut desk.errors,
    );
    let mut floats = float::Floats::new(attr, function);
    let mut texts_of_callers = text_value::Texts::new(attr, function);
    let mut statements = Vec::new();
    let mut rows = Vec::new();
    let mut columns = Vec::new();
    // What a text that does not parse uses is not known.
    let readable = judged.iter().all(|judged| {
        let mut problems = judged.problems.iter();
        judged.prepared.is_some() && !problems.any(|problem| problem.code == Code::SYNTAX)
    });
    let carried = tells_tenant(
        attr,
        function,
        output.as_ref(),
        (&combinations, &texts),
        &judged,
        desk,
    );
    for ((combination, text), judged) in combinations.iter().zip(&texts).zip(judged) {
        let Some(prepared) = &judged.prepared else {
            continue;
        };
        arguments.excuse(&judged.problems);
        let bound = arguments.bind(text, prepared, &mut desk.errors);
        let (Some(proof), Some(bound)) = (&judged.proof, bound) else {
            continue;
        };
        rows.push(proof.returns_rows);
        columns.extend(proof.columns.as_ref().map(Vec::len));
        floats.refuse(prepared, proof, &bound, &mut desk.errors);
        texts_of_callers.refuse(prepared, proof, &bound, &mut desk.errors);
        statements.push(Proven {
            combination: combination.clone(),
            sql: prepared.sql.clone(),
            tenant: prepared.tenant.is_some(),
            bound,
            uncast: float::uncast(attr.kind, proof).to_vec(),
            untexted: text_value::untexted(attr.kind, proof).to_vec(),
            relations: proof.relations.clone(),
            writes: proof.writes,
        });
    }
    rows.sort_unstable();
    rows.dedup();
    for (output, returns_rows) in output.iter().cycle().zip(rows) {
        fits(output, returns_rows, function, &mut desk.errors);
    }
    // With choices there may be several numbers; one that does not fit is enough.
    columns.sort_unstable();
    columns.dedup();
    if let Some(row) = output.as_ref().and_then(Output::row) {
        columns
            .iter()
            .for_each(|count| fits_tuple(row, *count, &mut desk.errors));
    }
    if readable {
        arguments.refuse_unused(&mut desk.errors);
    }
    if statements.len() < combinations.len() {
        return None;
    }
    Some(Declared {
        attr,
        function,
        scope,
        selectors: selectors?,
        writes: statements.iter().any(|statement| statement.writes),
        statements,
        output: output?,
        catalog: project.catalog.id().to_owned(),
        columns: columns.into_iter().find(|count| *count != 1).unwrap_or(1),
        span: text.span,
        carried,
        read: desk.read.clone(),
    })
}

/// The statement as a template, and what its choices make of it. Bounded here.
fn combinations(
    attr: &QueryAttr,
    text: &Text,
    errors: &mut Errors,
) -> Option<(Template, Vec<Combination>)> {
    let template = match Template::parse(&text.source) {
        Ok(template) => template,
        Err(problems) => {
            for problem in &problems {
                text.refuse(problem, errors);
            }
            return None;
        }
    };
    if !selector::all_known(attr, text, &template, errors) || attr.broken {
        return None;
    }
    let sizes = attr.choices.iter().map(|choice| choice.cases.len());
    let count = sizes.fold(1_usize, usize::saturating_mul);
    if count > choice::MOST {
        let factors: Vec<String> = attr
            .choices
            .iter()
            .map(|choice| format!("{} of `{}`", choice.cases.len(), choice.name))
            .collect();
        errors.push_at(
            text.span,
            format!(
                "the choices make {count} statements, and at most {} are proved: {}\n\
                 help: write an optional filter as one condition, \
                 `($plan::text IS NULL OR plan = $plan)`, which makes no choice; \
                 or split the function in two",
                choice::MOST,
                factors.join(", ")
            ),
        );
        return None;
    }
    Some((template, choice::combinations(&attr.choices)))
}

/// Whether every parameter has a name. The statements of choices differ in their parameters, so a
/// number would stand for another argument in each.
fn all_named(attr: &QueryAttr, function: &Function, texts: &[Text], errors: &mut Errors) -> bool {
    let found = texts
        .iter()
        .find_map(|text| Some((text, first_numbered(&text.source)?)));
    let Some((text, place)) = found else {
        return true;
    };
    let number = text.source.get(place.clone()).unwrap_or("$1");
    // The argument that was meant: the choices are none that a number would count.
    let meant = number.get(1..).and_then(|digits| digits.parse().ok());
    let meant = function
        .typed()
        .skip(1)
        .filter_map(simple_name)
        .map(|argument| argument.unraw())
        .filter(|argument| attr.choices.iter().all(|it| it.name.unraw() != *argument))
        .nth(meant.unwrap_or(1_usize).saturating_sub(1));
    let problem = Diagnostic::error(
        Code::UNKNOWN_PARAMETER,
        format!("`{number}` is a number, and with choices the parameters have names"),
    )
    .at(place)
    .note("the statements of the choices differ in their parameters, so numbers would not fit all")
    .help(match meant {
        Some(meant) => format!("write `${meant}`, which is the argument `{meant}`"),
        None => "write `$plan` and add an argument `plan` to the function".to_owned(),
    });
    text.refuse(&problem, errors);
    false
}

/// Judges every statement. A problem that several of them share is told once, with what they have
/// in common.
fn judge_all(
    attr: &QueryAttr,
    function: &Function,
    project: &Arc<Project>,
    question: &Question,
    combinations: &[Combination],
    texts: &[Text],
    desk: &mut Desk<'_>,
) -> Vec<Judged> {
    let mut all = Vec::new();
    for (combination, text) in combinations.iter().zip(texts) {
        let judged = judge(
            project,
            &text.source,
            TenantBinding::LastParameter,
            question,
        );
        desk.judged.push(Judgement {
            function: function.name(),
            combination: (!attr.choices.is_empty())
                .then(|| choice::name(&attr.choices, combination)),
            file: text.file.clone(),
            catalog: attr.catalog.as_ref().map(syn::LitStr::value),
            question: question.clone(),
            source: text.source.clone(),
            sql: judged.prepared.as_ref().map(|found| found.sql.clone()),
            proof: judged.proof.clone(),
            returns_tenant: attr.reason_to_tell(text, judged.proof.as_ref()),
            span: text.span,
        });
        all.push(judged);
    }
    // By the first statement that has it: the text that its carets are under.
    let mut groups: Vec<(&_, &Text, Vec<&Combination>)> = Vec::new();
    for ((judged, text), combination) in all.iter().zip(texts).zip(combinations) {
        for problem in &judged.problems {
            let known = groups.iter_mut().find(|(known, _, _)| same(known, problem));
            match known {
                Some((_, _, members)) => {
                    if members.last() != Some(&combination) {
                        members.push(combination);
                    }
                }
                None => groups.push((problem, text, vec![combination])),
            }
        }
    }
    for (problem, text, members) in groups {
        let note = choice::describe(&attr.choices, &members);
        let mut problem = problem.clone();
        if let Some(note) = note {
            problem = problem.note(format!("with {note}"));
        } else if members.len() > 1 {
            problem = problem.note(format!("in all {} combinations", members.len()));
        }
        text.refuse(&problem, &mut desk.errors);
    }
    all
}

/// What of the rows tells the tenant, where no reason is given for that.
fn tells_tenant(
    attr: &QueryAttr,
    function: &Function,
    output: Option<&Output>,
    (combinations, texts): (&[Combination], &[Text]),
    judged: &[Judged],
    desk: &mut Desk<'_>,
) -> Option<Carried> {
    if attr.kind != Kind::Tenant || judged.iter().any(|judged| judged.proof.is_none()) {
        return None;
    }
    let mut telling: Vec<(Carried, &Combination)> = Vec::new();
    for ((judged, text), combination) in judged.iter().zip(texts).zip(combinations) {
        let carried = judged
            .proof
            .as_ref()
            .and_then(|proof| provenance::carried(text, proof));
        telling.extend(carried.map(|carried| (carried, combination)));
    }
    let row = output.and_then(Output::row);
    match (&attr.returns_tenant, telling.is_empty() || row.is_none()) {
        (Some(reason), true) => provenance::refuse_unused(reason, &mut desk.errors),
        (None, false) => {}
        _ => return None,
    }
    let members: Vec<&Combination> = telling
        .iter()
        .map(|(_, combination)| *combination)
        .collect();
    let note = choice::describe(&attr.choices, &members);
    let (first, _) = telling.into_iter().next()?;
    let carried = first.among(note);
    if row.is_some_and(|row| provenance::is_generic(row, &function.sig.generics)) {
        let mend = "write the row's type in the place of the function's type parameter";
        carried.refuse_unseen(Some(mend), &mut desk.errors);
        return None;
    }
    Some(carried)
}

/// Whether two problems are one mistake of the user.
fn same(a: &Diagnostic, b: &Diagnostic) -> bool {
    a.code == b.code && a.message == b.message
}

/// The scope's name and the arguments behind it.
fn signature<'a>(
    attr: &QueryAttr,
    function: &'a Function,
    errors: &mut Errors,
) -> Option<(&'a Ident, Vec<&'a Ident>)> {
    let sig = &function.sig;
    let streams = output::streams(function) == Some(false);
    if sig.asyncness.is_none() && !streams {
        errors.push(
            sig.fn_token,
            format!("a statement is awaited: write `async fn {}`", sig.ident),
        );
    }
    if let Some(constness) = &sig.constness {
        errors.push(constness, "a statement can't run in a `const fn`");
    }
    if let Some(abi) = &sig.abi {
        errors.push(
            abi,
            "a statement's function has Rust's own calling convention",
        );
    }
    if !matches!(sig.safety, Safety::Default) {
        errors.push(
            &sig.safety,
            "running a proved statement is safe: remove this",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.push(variadic, "a statement has a fixed number of arguments");
    }
    let names = function
        .typed()
        .map(|argument| named(argument, errors))
        .collect::<Vec<_>>();
    let mut arguments = function.typed();
    let scope_type = if attr.kind == Kind::System {
        "SystemScope"
    } else {
        "Scope"
    };
    if arguments
        .next()
        .is_none_or(|first| !looks_like_scope(first))
    {
        let place = function.typed().next();
        let message = format!(
            "the first argument is the scope that the statement runs in\n\
             help: write `{}(db: &mut {scope_type}<'_>{})`",
            sig.ident,
            if place.is_some() { ", …" } else { "" }
        );
        match place {
            Some(first) => errors.push(first, message),
            None => errors.push(&sig.ident, message),
        }
        return None;
    }
    let mut names = names.into_iter();
    let scope = names.next().flatten()?;
    Some((scope, names.collect::<Option<_>>()?))
}

fn named<'a>(argument: &'a PatType, errors: &mut Errors) -> Option<&'a Ident> {
    let name = simple_name(argument);
    if name.is_none() {
        errors.push(
            &argument.pat,
            "an argument of a statement is a plain name: `plan: &str` is `$plan`",
        );
    }
    name
}

/// Syntax only, for a helpful message; the type itself is checked by what the expansion calls.
fn looks_like_scope(argument: &PatType) -> bool {
    matches!(&*argument.ty, syn::Type::Reference(reference) if reference.mutability.is_some())
}

/// A tuple against the number of columns: sqlx would leave the last ones out in silence.
fn fits_tuple(row: &syn::Type, columns: usize, errors: &mut Errors) {
    let syn::Type::Tuple(tuple) = row else {
        return;
    };
    let count = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    if tuple.elems.len() != columns {
        errors.push(
            tuple,
            format!(
                "the statement returns {}, and this tuple takes {}\n\
                 help: write a type for each column, in their order, or a struct that derives \
                 `sqlx::FromRow`",
                count(columns, "column"),
                tuple.elems.len()
            ),
        );
    }
}

/// The return type against what the statement gives.
fn fits(output: &Output, returns_rows: bool, function: &Function, errors: &mut Errors) {
    let syn::ReturnType::Type(_, returned) = &function.sig.output else {
        return;
    };
    let name = &function.sig.ident;
    match (output, returns_rows) {
        (Output::Affected, true) => errors.push(
            returned,
            format!(
                "`u64` is the number of rows that a statement changed, but this one returns rows\n\
                 help: for one number write `DbResult<i64>`, for rows `DbResult<Vec<T>>`; \
                 `{name}` would drop them"
            ),
        ),
        (Output::Nothing, true) => errors.push(
            returned,
            "this statement returns rows, and `()` would drop them\n\
             help: write `DbResult<Vec<T>>`, `DbResult<Option<T>>` or `DbResult<T>`",
        ),
        (output, false) if output.takes_rows() => errors.push(
            returned,
            format!(
                "this statement returns no rows, so there is nothing to make `{}` of\n\
                 help: write `DbResult<u64>` for the number of rows, `DbResult<()>`, \
                 or add `RETURNING …` to the statement",
                spelled(returned)
            ),
        ),
        _ => {}
    }
}
