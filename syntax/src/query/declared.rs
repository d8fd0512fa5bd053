//! The declared form: a signature and a statement, no body.
//!
//! Checks the signature against the statement: the first argument is the scope, every other one
//! is a parameter and every parameter an argument, and the return type fits what comes back.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::{Ident, PatType, Safety};
use watertight_analysis::prepare::TenantBinding;

use super::attr::{Kind, QueryAttr};
use super::expand;
use super::item::{Function, simple_name, spelled};
use super::judge::{Judged, Question, judge};
use super::output::{self, Output};
use crate::errors::Errors;
use crate::project::Loader;

/// A checked declaration: nothing in it can fail to expand.
pub(super) struct Declared<'a> {
    pub(super) attr: &'a QueryAttr,
    pub(super) function: &'a Function,
    pub(super) scope: &'a Ident,
    /// In the order of their numbers.
    pub(super) bound: Vec<&'a Ident>,
    pub(super) output: Output,
    pub(super) catalog: String,
    pub(super) judged: Judged,
    pub(super) writes: bool,
}

pub(super) fn expand(
    attr: &QueryAttr,
    function: &Function,
    load: Loader<'_>,
    mut errors: Errors,
) -> TokenStream {
    let output = output::read(function, &mut errors);
    match check(attr, function, output.clone(), load, &mut errors) {
        Some(declared) if errors.is_empty() => expand::declared(&declared),
        _ => expand::refused(attr, function, output.as_ref(), errors),
    }
}

fn check<'a>(
    attr: &'a QueryAttr,
    function: &'a Function,
    output: Option<Output>,
    load: Loader<'_>,
    errors: &mut Errors,
) -> Option<Declared<'a>> {
    let arguments = signature(attr, function, output.as_ref(), errors);
    let Some(sql) = &attr.sql else {
        errors.push(
            &function.sig.ident,
            format!(
                "`{0}` has neither a statement nor a body\n\
                 help: write the statement into the attribute, `#[tenant_query(\"SELECT …\")]`, \
                 or give `{0}` a body",
                function.sig.ident
            ),
        );
        return None;
    };
    let project = match load(attr.catalog.as_ref().map(syn::LitStr::value).as_deref()) {
        Ok(project) => project,
        Err(message) => {
            errors.push(attr.catalog.as_ref().unwrap_or(sql), message);
            return None;
        }
    };
    let question = match &attr.system {
        Some(system) => Question::System(&system.tables),
        None if attr.kind == Kind::System => return None,
        None => Question::Tenant,
    };
    let judged = judge(
        &project,
        &sql.value(),
        sql.span(),
        TenantBinding::LastParameter,
        question,
        errors,
    )?;
    let (scope, arguments) = arguments?;
    let bound = bind(&judged, &arguments, errors);
    let proof = judged.proof.as_ref()?;
    let output = output?;
    fits(&output, proof.returns_rows, function, errors);
    Some(Declared {
        attr,
        function,
        scope,
        bound: bound?,
        output,
        catalog: project.catalog.id().to_owned(),
        writes: proof.writes,
        judged,
    })
}

/// The scope's name and the arguments behind it.
fn signature<'a>(
    attr: &QueryAttr,
    function: &'a Function,
    output: Option<&Output>,
    errors: &mut Errors,
) -> Option<(&'a Ident, Vec<&'a Ident>)> {
    let sig = &function.sig;
    let streams = matches!(output, Some(Output::Stream(_, false)));
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

/// Finds the argument of each parameter.
fn bind<'a>(
    judged: &Judged,
    arguments: &[&'a Ident],
    errors: &mut Errors,
) -> Option<Vec<&'a Ident>> {
    let parameters = &judged.prepared.parameters;
    let named = parameters.iter().any(|parameter| parameter.name.is_some());
    let mut used = vec![false; arguments.len()];
    let mut bound = Vec::new();
    for parameter in parameters {
        let index = match &parameter.name {
            Some(name) => arguments
                .iter()
                .position(|argument| argument.unraw() == name),
            None => usize::try_from(parameter.number)
                .ok()
                .and_then(|number| number.checked_sub(1)),
        };
        let found = index.and_then(|index| {
            let argument = arguments.get(index)?;
            *used.get_mut(index)? = true;
            Some(*argument)
        });
        match found {
            Some(argument) => bound.push(argument),
            None => {
                let name = parameter.name.as_deref();
                let meant = unknown(judged, parameter.number, name, arguments, errors);
                // One slip of the fingers is one mistake, not an unused argument as well.
                if let Some(place) = meant.and_then(|meant| used.get_mut(meant)) {
                    *place = true;
                }
            }
        }
    }
    let named = named || parameters.is_empty();
    for (argument, _) in arguments.iter().zip(&used).filter(|(_, used)| !**used) {
        unused(argument, named, errors);
    }
    (bound.len() == parameters.len()).then_some(bound)
}

const ADD_OR_NAME: &str = "add an argument, or name the parameters: `$plan` is the argument \
`plan`, `$tenant` the session's tenant";

/// Refuses a parameter without an argument; returns the argument that was meant, if one is near.
fn unknown(
    judged: &Judged,
    number: u32,
    name: Option<&str>,
    arguments: &[&Ident],
    errors: &mut Errors,
) -> Option<usize> {
    let Some(name) = name else {
        let message = format!(
            "`${number}` has no argument: the function has {} behind the scope",
            arguments.len()
        );
        let name = number.to_string();
        judged.refuse_parameter(&name, message, ADD_OR_NAME.to_owned(), errors);
        return None;
    };
    let meant = closest(name, arguments);
    let help = match meant.and_then(|meant| arguments.get(meant)) {
        Some(meant) => format!("write `${}`, or add an argument `{name}`", meant.unraw()),
        None => format!("add an argument `{name}` to the function"),
    };
    let message = format!("`${name}` is not an argument of the function");
    judged.refuse_parameter(name, message, help, errors);
    meant
}

fn unused(argument: &Ident, named: bool, errors: &mut Errors) {
    let name = argument.unraw();
    let help = if named {
        format!("use it as `${name}`, or remove it")
    } else {
        "parameters count the arguments behind the scope from `$1`; use it or remove it".to_owned()
    };
    errors.push(
        argument,
        format!("the statement does not use the argument `{name}`\nhelp: {help}"),
    );
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

/// The position of the nearest argument, if it is near enough to be a slip of the fingers.
fn closest(name: &str, arguments: &[&Ident]) -> Option<usize> {
    arguments
        .iter()
        .map(|argument| argument.unraw().to_string())
        .enumerate()
        .map(|(index, argument)| (distance(name, &argument), argument.len(), index))
        .filter(|(distance, length, _)| *distance <= 1 + length / 4)
        .min()
        .map(|(_, _, index)| index)
}

/// Levenshtein's distance, over characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for ((y, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != *y))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
