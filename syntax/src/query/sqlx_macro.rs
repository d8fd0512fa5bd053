//! The macros of sqlx: `query!`, `query_as!`, `query_scalar!` and their unchecked forms.
//!
//! Reads their arguments and writes them back under the absolute path `::sqlx`, so that a macro of
//! the same name in the user's crate can't send another text than the one that was proved.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitStr, Macro, Path, Token, Type};

use super::body::refuse_text;
use crate::errors::Errors;

/// Which macro of sqlx a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `query!` and `query_scalar!`: the statement comes first.
    Plain,
    /// `query_as!`: a type comes first.
    Typed,
    /// `query_file!` and its family: the statement is in a file.
    File,
}

/// Judged by the last segment, so that imported names count as well.
pub(super) fn kind(path: &Path) -> Option<Kind> {
    let name = path.segments.last()?.ident.to_string();
    match name.as_str() {
        "query" | "query_unchecked" | "query_scalar" | "query_scalar_unchecked" => {
            Some(Kind::Plain)
        }
        "query_as" | "query_as_unchecked" => Some(Kind::Typed),
        name if name.starts_with("query_file") => Some(Kind::File),
        _ => None,
    }
}

/// A call with its statement as one literal.
pub(super) struct MacroCall {
    name: Ident,
    record: Option<Type>,
    pub(super) sql: LitStr,
    pub(super) arguments: Vec<Expr>,
    /// The name, if the user imported the macro and our rewriting would leave the import unused.
    pub(super) imported: Option<Ident>,
}

impl MacroCall {
    pub(super) fn parse(call: &Macro, kind: Kind, errors: &mut Errors) -> Option<Self> {
        let name = call.path.segments.last()?.ident.clone();
        if kind == Kind::File {
            errors.push(
                &call.path,
                format!(
                    "`{name}!` reads its statement from a file, which is not proved\n\
                     help: write the statement as a literal, `query_as!(T, \"SELECT …\")`"
                ),
            );
            return None;
        }
        let parts = |input: ParseStream<'_>| {
            let record = match kind {
                Kind::Typed => {
                    let record = input.parse()?;
                    input.parse::<Token![,]>()?;
                    Some(record)
                }
                _ => None,
            };
            let statement: Expr = input.parse()?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
            let arguments = Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
            Ok((record, statement, arguments))
        };
        let (record, statement, arguments) = errors.absorb(parts.parse2(call.tokens.clone()))?;
        let Some(sql) = joined(&statement) else {
            refuse_text(Some(&statement), &format!("{name}!"), errors);
            return None;
        };
        let imported = call.path.get_ident().cloned();
        Some(Self {
            name,
            record,
            sql,
            arguments: arguments.into_iter().collect(),
            imported,
        })
    }

    pub(super) fn tokens(&self) -> TokenStream {
        let Self {
            name,
            record,
            sql,
            arguments,
            ..
        } = self;
        let record = record.as_ref().map(|record| quote!(#record,));
        quote!(::sqlx::#name!(#record #sql #(, #arguments)*))
    }
}

/// One literal, or several joined by `+`, which sqlx accepts.
fn joined(expression: &Expr) -> Option<LitStr> {
    let parts = Punctuated::<LitStr, Token![+]>::parse_separated_nonempty
        .parse2(flattened(expression.to_token_stream()))
        .ok()?;
    let text: String = parts.iter().map(LitStr::value).collect();
    Some(LitStr::new(&text, parts.first()?.span()))
}

/// The tokens without the invisible groups that `macro_rules` leaves.
fn flattened(tokens: TokenStream) -> TokenStream {
    use proc_macro2::{Delimiter, TokenTree};
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                flattened(group.stream())
            }
            other => other.into(),
        })
        .collect()
}
