//! The arguments that choose among a function's statements.
//!
//! The macro sees only the tokens of their types. Whether an enum has exactly the variants that
//! are named is for the compiler: the expansion matches on it, with the user's own tokens.

use syn::ext::IdentExt as _;
use syn::{Ident, Type};
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::template::Template;

use super::attr::QueryAttr;
use super::choice::{Choice, Kind, camel};
use super::item::{Function, spelled};
use super::judge::Text;
use super::parameters::Arguments;
use crate::errors::Errors;

/// A choice and the argument that makes it.
pub(super) struct Selector<'a> {
    pub(super) choice: &'a Choice,
    pub(super) argument: &'a Ident,
    /// The argument's type, without a reference before it.
    pub(super) ty: &'a Type,
}

/// Whether every placeholder has its fragments; tells which has not.
pub(super) fn all_known(
    attr: &QueryAttr,
    text: &Text,
    template: &Template,
    errors: &mut Errors,
) -> bool {
    let mut told: Vec<&str> = Vec::new();
    for placeholder in template.placeholders() {
        let name = placeholder.name.as_str();
        let known = attr
            .choices
            .iter()
            .any(|choice| choice.name.unraw() == name);
        if known || told.contains(&name) {
            continue;
        }
        told.push(name);
        // Fragments that could not be read were told already.
        if !attr.broken {
            text.refuse(&unknown(name, attr).at(placeholder.span.clone()), errors);
        }
    }
    told.is_empty()
}

/// Finds the argument of each choice, and tells choices without a placeholder. `None` if anything
/// was wrong.
pub(super) fn selectors<'a>(
    attr: &'a QueryAttr,
    function: &'a Function,
    (text, template): (&Text, &Template),
    arguments: &mut Arguments<'a>,
    errors: &mut Errors,
) -> Option<Vec<Selector<'a>>> {
    let before = errors.len();
    let mut found = Vec::new();
    for choice in &attr.choices {
        let name = choice.name.unraw().to_string();
        if template.placeholders().iter().all(|it| it.name != name) {
            errors.push(
                &choice.name,
                format!(
                    "the statement does not use `{name}`\n\
                     help: write `{{{name}}}` where its fragments belong, or remove it"
                ),
            );
        }
        match arguments.take(&name) {
            Some((index, argument)) => {
                // The scope comes first.
                let ty = function.typed().nth(index + 1).map(|it| referred(&it.ty))?;
                check_type(choice, ty, text, errors);
                found.push(Selector {
                    choice,
                    argument,
                    ty,
                });
            }
            None => errors.push(
                &choice.name,
                format!(
                    "`{name}` is not an argument of the function\nhelp: {}",
                    missing(choice, &name)
                ),
            ),
        }
    }
    (errors.len() == before).then_some(found)
}

fn unknown(name: &str, attr: &QueryAttr) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        Code::UNKNOWN_PARAMETER,
        format!("nothing says what `{{{name}}}` stands for"),
    );
    let names: Vec<String> = attr
        .choices
        .iter()
        .map(|it| format!("`{{{}}}`", it.name))
        .collect();
    let example = format!(
        "name its fragments beside the statement: `{name}(first = \"…\", second = \"…\")`, or \
         `optional({name} = \"AND …\")`; a value is written `${name}`"
    );
    match names.is_empty() {
        true => diagnostic.help(example),
        false => diagnostic.help(format!("there is {}; or {example}", names.join(", "))),
    }
}

/// What to add where the argument is missing.
fn missing(choice: &Choice, name: &str) -> String {
    match choice.kind {
        Kind::Flag => format!("add the argument `{name}: bool`"),
        Kind::Optional => format!(
            "add the argument `{name}: Option<…>`, whose value is `${name}` in the fragment, \
             or `{name}: bool`"
        ),
        Kind::Variants => {
            let variants: Vec<String> = choice
                .cases
                .iter()
                .filter_map(|case| Some(case.variant.as_ref()?.to_string()))
                .collect();
            let ty = camel(name);
            format!(
                "add the argument `{name}: {ty}`, with `enum {ty} {{ {} }}`",
                variants.join(", ")
            )
        }
    }
}

/// What can be told from tokens; the rest is the compiler's.
fn check_type(choice: &Choice, ty: &Type, text: &Text, errors: &mut Errors) {
    let last = match ty {
        Type::Path(path) => path.path.segments.last().map(|it| it.ident.to_string()),
        _ => None,
    };
    let name = choice.name.unraw();
    match (choice.kind, last.as_deref()) {
        (Kind::Variants, Some("Option")) => errors.push(
            ty,
            format!(
                "one of the fragments of `{name}` always stands in the statement, so the choice \
                 can't be left open\n\
                 help: write the enum itself, and let the caller choose: \
                 `{name}.unwrap_or_default()`"
            ),
        ),
        (Kind::Variants, Some("bool")) => errors.push(
            ty,
            format!(
                "a `bool` has no names for its fragments\n\
                 help: write `{name}(true = \"…\", false = \"…\")`"
            ),
        ),
        (
            Kind::Variants,
            None | Some("str" | "String" | "i16" | "i32" | "i64" | "f64" | "Uuid" | "Vec"),
        ) => errors.push(
            ty,
            format!(
                "`{}` is no enum, and the fragments of `{name}` are the variants of one\n\
                 help: {}",
                spelled(ty),
                missing(choice, &name.to_string()).replace("add the argument", "write")
            ),
        ),
        (Kind::Optional, Some("Option")) => {
            let used = format!("${name}");
            let given = choice
                .cases
                .iter()
                .any(|case| case.fragment.contains(&used));
            if !given && !text.source.contains(&used) {
                errors.push(
                    ty,
                    format!(
                        "the value of `{name}` is not used\n\
                         help: write `${name}` into its fragment, or make it a `bool`"
                    ),
                );
            }
        }
        _ => {}
    }
}

fn referred(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => referred(&reference.elem),
        Type::Paren(inner) => referred(&inner.elem),
        Type::Group(inner) => referred(&inner.elem),
        other => other,
    }
}
