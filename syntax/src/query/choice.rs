//! Bounded choices: `sort(name = "name", newest = "created_at DESC")` and
//! `optional(status = "AND status = $status")`.
//!
//! Parses the entries and writes every statement that they make. Invariant: each of those is a
//! text by itself, judged as a whole; their number is bounded before any is judged.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Ident, LitBool, LitStr, MetaList, Token};
use watertight_analysis::template::Template;

use super::judge::Text;
use crate::errors::Errors;

/// How many statements one function may stand for.
pub(super) const MOST: usize = 64;

/// One argument that chooses among fragments.
#[derive(Debug)]
pub(super) struct Choice {
    /// The name of the placeholder and of the argument.
    pub(super) name: Ident,
    pub(super) kind: Kind,
    pub(super) cases: Vec<Case>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The argument is an enum, and each case a variant.
    Variants,
    /// The argument is a `bool`.
    Flag,
    /// The argument is an `Option` or a `bool`; the cases are absent and given, in this order.
    Optional,
}

/// One fragment.
#[derive(Debug)]
pub(super) struct Case {
    /// As written: `newest`, `true`, or for an optional fragment `absent` and `given`.
    pub(super) key: String,
    /// The variant's name, where there is one.
    pub(super) variant: Option<Ident>,
    pub(super) fragment: String,
    span: Span,
}

/// `key = "fragment"`
struct Entry {
    key: Key,
    fragment: LitStr,
}

enum Key {
    Name(Ident),
    Flag(LitBool),
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = if input.peek(LitBool) {
            Key::Flag(input.parse()?)
        } else {
            Key::Name(input.call(Ident::parse_any)?)
        };
        input.parse::<Token![=]>()?;
        let fragment: LitStr = input.parse().map_err(|error| {
            syn::Error::new(
                error.span(),
                "a fragment is a string literal: `newest = \"created_at DESC\"`",
            )
        })?;
        Ok(Self { key, fragment })
    }
}

fn entries(list: &MetaList, errors: &mut Errors) -> Vec<Entry> {
    let parsed = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(list.tokens.clone());
    let entries: Vec<Entry> = errors
        .absorb(parsed)
        .map(|list| list.into_iter().collect())
        .unwrap_or_default();
    for entry in &entries {
        // Braces that are no placeholder are told with the whole statement.
        if let Ok(template) = Template::parse(&entry.fragment.value())
            && let Some(found) = template.placeholders().first()
        {
            errors.push(
                &entry.fragment,
                format!(
                    "a fragment holds no placeholders, and this one holds `{{{0}}}`\n\
                     help: write `{{{0}}}` into the statement, where it can be combined",
                    found.name
                ),
            );
        }
    }
    entries
}

/// `sort(name = "…", newest = "…")`, whose name is the placeholder's.
pub(super) fn named(list: &MetaList, errors: &mut Errors) -> Option<Choice> {
    let name = list.path.get_ident()?.clone();
    let before = errors.len();
    let entries = entries(list, errors);
    if entries.is_empty() && errors.len() == before {
        errors.push(
            list,
            format!(
                "`{name}` has no fragments to choose from\n\
                 help: write `{name}(first = \"…\", second = \"…\")`, each the name of a variant"
            ),
        );
    }
    let flag = entries
        .iter()
        .any(|entry| matches!(entry.key, Key::Flag(_)));
    let mut cases: Vec<Case> = Vec::new();
    for Entry { key, fragment } in entries {
        let (key, span, variant) = match key {
            Key::Name(key) if flag => {
                errors.push(
                    &key,
                    format!("`{key}` beside `true` and `false`: a `bool` has no other value"),
                );
                continue;
            }
            Key::Name(key) => {
                let text = key.unraw().to_string();
                let variant = Ident::new(&camel(&text), key.span());
                (text, key.span(), Some(variant))
            }
            Key::Flag(flag) => (flag.value.to_string(), flag.span, None),
        };
        let same =
            |known: &Case| known.key == key || (variant.is_some() && known.variant == variant);
        if cases.iter().any(same) {
            errors.push_at(span, format!("`{key}` is there twice"));
            continue;
        }
        cases.push(Case {
            key,
            variant,
            fragment: fragment.value(),
            span: fragment.span(),
        });
    }
    if flag {
        cases.sort_by(|a, b| a.key.cmp(&b.key));
        if let [case] = cases.as_slice() {
            let missing = if case.key == "true" { "false" } else { "true" };
            errors.push(
                list,
                format!(
                    "`{name}` says what `{}` stands for, and not what `{missing}` does\n\
                     help: write `{missing} = \"…\"` as well; the fragment may be empty",
                    case.key
                ),
            );
        }
    }
    let kind = if flag { Kind::Flag } else { Kind::Variants };
    (!cases.is_empty()).then_some(Choice { name, kind, cases })
}

/// `optional(status = "AND status = $status", …)`: one choice for each entry.
pub(super) fn optional(list: &MetaList, errors: &mut Errors) -> Vec<Choice> {
    let mut choices = Vec::new();
    for Entry { key, fragment } in entries(list, errors) {
        let name = match key {
            Key::Name(name) => name,
            Key::Flag(flag) => {
                errors.push(
                    &flag,
                    "an optional fragment has the name of its argument: \
                     `optional(status = \"AND status = $status\")`",
                );
                continue;
            }
        };
        let case = |key: &str, fragment: String, span| Case {
            key: key.to_owned(),
            variant: None,
            fragment,
            span,
        };
        choices.push(Choice {
            cases: vec![
                case("absent", String::new(), name.span()),
                case("given", fragment.value(), fragment.span()),
            ],
            name,
            kind: Kind::Optional,
        });
    }
    choices
}

/// `newest_first` to `NewestFirst`; what is in that form already stays.
pub(super) fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string());
            first.into_iter().chain([letters.as_str().to_owned()])
        })
        .collect()
}

/// One case of each choice, by position.
pub(super) type Combination = Vec<usize>;

/// Every combination, the last choice turning fastest.
pub(super) fn combinations(choices: &[Choice]) -> Vec<Combination> {
    let mut all: Vec<Combination> = vec![Vec::new()];
    for choice in choices {
        all = all
            .iter()
            .flat_map(|prefix| {
                (0..choice.cases.len()).map(move |case| {
                    let mut longer = prefix.clone();
                    longer.push(case);
                    longer
                })
            })
            .collect();
    }
    all
}

/// The statement of a combination. Placeholders without a choice, refused before, become nothing.
pub(super) fn fill(
    template: &Template,
    text: &Text,
    choices: &[Choice],
    combination: &Combination,
) -> Text {
    let case_of = |name: &str| {
        let index = choices
            .iter()
            .position(|choice| choice.name.unraw() == name)?;
        choices.get(index)?.cases.get(*combination.get(index)?)
    };
    let expanded =
        template.expand(|placeholder| case_of(&placeholder.name).map_or("", |it| &it.fragment));
    let fragments = template
        .placeholders()
        .iter()
        .zip(&expanded.fragments)
        .filter_map(|(placeholder, place)| Some((place.clone(), case_of(&placeholder.name)?.span)))
        .collect();
    Text {
        source: expanded.text,
        span: text.span,
        file: text.file.clone(),
        fragments,
    }
}

/// What the members of a group have in common: "with `sort` = `newest`"; absent if the group is
/// everything.
pub(super) fn describe(choices: &[Choice], group: &[&Combination]) -> Option<String> {
    let total: usize = choices.iter().map(|choice| choice.cases.len()).product();
    let (first, rest) = group.split_first()?;
    if group.len() == total {
        return None;
    }
    let mut parts = Vec::new();
    let mut spanned = 1;
    for (index, choice) in choices.iter().enumerate() {
        let mut seen: Vec<usize> = group
            .iter()
            .filter_map(|it| it.get(index).copied())
            .collect();
        seen.sort_unstable();
        seen.dedup();
        spanned *= seen.len();
        if seen.len() < choice.cases.len() {
            let keys: Vec<&str> = seen.iter().filter_map(|case| key(choice, *case)).collect();
            parts.push(part(choice, &keys));
        }
    }
    if spanned == group.len() {
        return Some(parts.join(" and "));
    }
    // No rectangle: one of them stands for all.
    Some(format!(
        "{} and {} more combinations",
        name(choices, first),
        rest.len()
    ))
}

/// A combination in full: "`sort` = `newest` and `status` given".
pub(super) fn name(choices: &[Choice], combination: &Combination) -> String {
    let parts: Vec<String> = choices
        .iter()
        .zip(combination)
        .filter_map(|(choice, case)| Some(part(choice, &[key(choice, *case)?])))
        .collect();
    parts.join(" and ")
}

fn key(choice: &Choice, case: usize) -> Option<&str> {
    choice.cases.get(case).map(|case| case.key.as_str())
}

fn part(choice: &Choice, keys: &[&str]) -> String {
    let name = choice.name.unraw();
    match choice.kind {
        Kind::Optional => format!("`{name}` {}", keys.join(" or ")),
        _ => format!("`{name}` = `{}`", keys.join("` or `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_named_as_rust_names_them() {
        assert_eq!(camel("newest"), "Newest");
        assert_eq!(camel("newest_first"), "NewestFirst");
        assert_eq!(camel("NewestFirst"), "NewestFirst");
        assert_eq!(camel("by_2"), "By2");
    }

    fn choices() -> Vec<Choice> {
        let mut errors = Errors::default();
        let list = syn::parse_quote!(sort(name = "name", newest = "created_at DESC", id = "id"));
        let mut choices: Vec<Choice> = named(&list, &mut errors).into_iter().collect();
        choices.extend(optional(
            &syn::parse_quote!(optional(status = "AND status = $status")),
            &mut errors,
        ));
        assert!(errors.is_empty());
        choices
    }

    #[test]
    fn groups_are_described_by_what_they_share() {
        let choices = choices();
        let all = combinations(&choices);
        assert_eq!(all.len(), 6);
        let group = |keep: &dyn Fn(&Combination) -> bool| {
            let group: Vec<&Combination> = all.iter().filter(|it| keep(it)).collect();
            describe(&choices, &group)
        };
        assert_eq!(group(&|_| true), None);
        assert_eq!(group(&|it| it[0] == 1).unwrap(), "`sort` = `newest`");
        assert_eq!(group(&|it| it[0] != 1).unwrap(), "`sort` = `name` or `id`");
        assert_eq!(
            group(&|it| it[0] == 1 && it[1] == 1).unwrap(),
            "`sort` = `newest` and `status` given"
        );
        assert_eq!(
            group(&|it| it[0] == 1 || it[1] == 1).unwrap(),
            "`sort` = `name` and `status` given and 3 more combinations"
        );
    }
}
