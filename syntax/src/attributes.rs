//! Reading of attribute arguments: `key`, `key = value` and `key(tokens)`, each with its span.
//! A malformed or unknown entry is recorded and the rest is still read.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Path, Token};
use watertight_analysis::words::reason_problem;

use crate::errors::Errors;

/// Splits the tokens between an attribute's parentheses into its entries. Where one is half typed,
/// each is read by itself, so that it does not take the others with it.
pub(crate) fn entries(tokens: TokenStream, errors: &mut Errors) -> Vec<Meta> {
    let all = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens.clone());
    if let Ok(all) = all {
        return all.into_iter().collect();
    }
    split(tokens)
        .into_iter()
        .filter_map(|entry| match syn::parse2(entry.clone()) {
            Ok(meta) => Some(meta),
            Err(error) => {
                errors.push(entry, format!("this is half written: {error}"));
                None
            }
        })
        .collect()
}

/// The tokens between the commas; what is in brackets is one token.
pub(crate) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut entries = vec![TokenStream::new()];
    for token in tokens {
        match (&token, entries.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' => {
                entries.push(TokenStream::new());
            }
            (_, Some(last)) => last.extend([token]),
            (_, None) => {}
        }
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// The entries of every attribute called `name`, such as all `#[serde(…)]` of a field.
pub(crate) fn entries_of(attrs: &[Attribute], name: &str, errors: &mut Errors) -> Vec<Meta> {
    let mut found = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        match &attr.meta {
            Meta::List(list) => found.extend(entries(list.tokens.clone(), errors)),
            _ => errors.push(attr, format!("write `#[{name}(…)]`")),
        }
    }
    found
}

/// The entry's key as written.
pub(crate) fn key(meta: &Meta) -> String {
    meta.path()
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect::<Vec<_>>()
        .join("::")
}

/// The value of `key = value` as it is written, for a message; nothing for another form.
pub(crate) fn shown_value(meta: &Meta) -> Option<String> {
    match meta {
        Meta::NameValue(pair) => Some(pair.value.to_token_stream().to_string()),
        _ => None,
    }
}

/// The value of `key = value`.
pub(crate) fn value<'a>(meta: &'a Meta, example: &str, errors: &mut Errors) -> Option<&'a Expr> {
    match meta {
        Meta::NameValue(pair) => Some(&pair.value),
        _ => {
            errors.push(meta, format!("`{}` needs a value: `{example}`", key(meta)));
            None
        }
    }
}

/// The value of `key = "text"`; an empty text is an error.
pub(crate) fn text(meta: &Meta, example: &str, errors: &mut Errors) -> Option<LitStr> {
    let value = value(meta, example, errors)?;
    let Some(text) = string(value) else {
        errors.push(
            value,
            format!("`{}` is a string literal: `{example}`", key(meta)),
        );
        return None;
    };
    if text.value().trim().is_empty() {
        errors.push(text, format!("`{}` must not be empty", key(meta)));
        return None;
    }
    Some(text.clone())
}

/// The reason of an exception. What is no reason is an error, and stands as one all the same: the
/// exception was meant, so nothing else is said about its place.
pub(crate) fn reason(meta: &Meta, example: &str, errors: &mut Errors) -> Option<LitStr> {
    let value = value(meta, example, errors)?;
    let Some(text) = string(value) else {
        errors.push(
            value,
            format!("`{}` is a string literal: `{example}`", key(meta)),
        );
        return None;
    };
    if let Some(problem) = reason_problem(&text.value()) {
        errors.push(
            text,
            format!(
                "the reason {problem}\n\
                 note: it is listed in reports, for people who did not write this code\n\
                 help: say what the value is or why it is needed: `{example}`"
            ),
        );
    }
    Some(text.clone())
}

/// `key` and `key = true` are true, `key = false` is false.
pub(crate) fn flag(meta: &Meta, errors: &mut Errors) -> Option<bool> {
    match meta {
        Meta::Path(_) => Some(true),
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Bool(flag),
                ..
            }) => Some(flag.value),
            other => {
                errors.push(other, format!("`{}` is `true` or `false`", key(meta)));
                None
            }
        },
        Meta::List(list) => {
            errors.push(list, format!("`{0}` takes no list: write `{0}`", key(meta)));
            None
        }
    }
}

/// A path, plain or inside a string literal: `crate = my::name` and `crate = "my::name"`.
pub(crate) fn path(meta: &Meta, errors: &mut Errors) -> Option<Path> {
    let example = format!("{} = path::to::watertight", key(meta));
    let value = value(meta, &example, errors)?;
    let parsed = match string(value) {
        Some(text) => text.parse_with(Path::parse_mod_style),
        None => Path::parse_mod_style.parse2(value.to_token_stream()),
    };
    errors.absorb(parsed)
}

/// The string literal that an expression is, through invisible groups.
pub(crate) fn string(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        Expr::Group(group) => string(&group.expr),
        _ => None,
    }
}

/// The text of the doc comments, one leading space of each line removed; `None` if there is none.
pub(crate) fn documentation(attrs: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attrs
        .iter()
        .filter(|attr| attr.path().is_ident("doc"))
        .filter_map(|attr| match &attr.meta {
            Meta::NameValue(pair) => string(&pair.value).map(LitStr::value),
            _ => None,
        })
        .flat_map(|text| text.split('\n').map(unindent).collect::<Vec<_>>())
        .collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn unindent(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
}

/// `#[cfg(…)]` of the user's item, which the items that we add beside it must share.
pub(crate) fn conditions(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .collect()
}
