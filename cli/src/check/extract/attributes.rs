//! Attributes: entries of `#[serde(…)]` and its kin, and whether an item is for tests.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, LitStr, Meta, Token};

/// The attributes, and those that `cfg_attr` adds.
pub(super) fn metas(attrs: &[Attribute]) -> Vec<Meta> {
    let mut found = Vec::new();
    for attr in attrs {
        match &attr.meta {
            Meta::List(list) if list.path.is_ident("cfg_attr") => {
                found.extend(entries_in(list.tokens.clone()).into_iter().skip(1));
            }
            meta => found.push(meta.clone()),
        }
    }
    found
}

fn entries_in(tokens: TokenStream) -> Vec<Meta> {
    let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
    parser
        .parse2(tokens)
        .map(|list| list.into_iter().collect())
        .unwrap_or_default()
}

/// The entries of every attribute of this name.
pub(super) fn entries(attrs: &[Attribute], name: &str) -> Vec<Meta> {
    metas(attrs)
        .into_iter()
        .filter_map(|meta| match meta {
            Meta::List(list) if last(&list.path).as_deref() == Some(name) => {
                Some(entries_in(list.tokens))
            }
            _ => None,
        })
        .flatten()
        .collect()
}

/// The value of a literal, where it is a text.
pub(super) fn string_of(literal: proc_macro2::Literal) -> Option<String> {
    let token = proc_macro2::TokenTree::Literal(literal);
    let text: LitStr = syn::parse2(token.into()).ok()?;
    Some(text.value())
}

/// The last segment of a path.
pub(super) fn last(path: &syn::Path) -> Option<String> {
    Some(path.segments.last()?.ident.to_string())
}

/// The text of `key = "text"`.
pub(super) fn string(meta: &Meta) -> Option<LitStr> {
    let Meta::NameValue(pair) = meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The name in `rename = "…"` or `rename(deserialize = "…")`.
pub(super) fn for_input(meta: &Meta) -> Option<LitStr> {
    match meta {
        Meta::List(list) => entries_in(list.tokens.clone())
            .iter()
            .find(|entry| entry.path().is_ident("deserialize"))
            .and_then(string),
        meta => string(meta),
    }
}

/// Whether one of these attributes is there, by the last segment of its path.
pub(super) fn has(attrs: &[Attribute], names: &[&str]) -> bool {
    metas(attrs)
        .iter()
        .any(|meta| last(meta.path()).is_some_and(|last| names.contains(&last.as_str())))
}

/// Whether an item is built for tests and benchmarks only.
pub(super) fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_token_stream().to_string();
            let words: Vec<&str> = condition
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .collect();
            words.contains(&"test") && !words.contains(&"not")
        }
        meta => last(meta.path())
            .is_some_and(|last| matches!(last.as_str(), "test" | "bench" | "rstest" | "test_case")),
    })
}
