//! The macros of sqlx: `query!`, `query_as!`, `query_scalar!`, their unchecked forms,
//! and those that read a file.
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
    /// `query_file!` and `query_file_scalar!`: the name of a file comes first.
    PlainFile,
    /// `query_file_as!`: a type, then the name of a file.
    TypedFile,
}

impl Kind {
    /// Whether the literal names a file.
    pub(super) fn in_file(self) -> bool {
        matches!(self, Self::PlainFile | Self::TypedFile)
    }
}

/// Judged by the last segment, so that imported names count as well.
pub(super) fn kind(path: &Path) -> Option<Kind> {
    let name = path.segments.last()?.ident.to_string();
    match name.as_str() {
        "query" | "query_unchecked" | "query_scalar" | "query_scalar_unchecked" => {
            Some(Kind::Plain)
        }
        "query_as" | "query_as_unchecked" => Some(Kind::Typed),
        "query_file"
        | "query_file_unchecked"
        | "query_file_scalar"
        | "query_file_scalar_unchecked" => Some(Kind::PlainFile),
        "query_file_as" | "query_file_as_unchecked" => Some(Kind::TypedFile),
        _ => None,
    }
}

/// What the rows of a macro become.
pub(super) enum MacroRows<'a> {
    /// `query_as!`: the type at its front.
    Named(&'a Type),
    /// `query!`: a struct without a name.
    Record,
    /// `query_scalar!`: the type of the column.
    Value,
}

/// A call with its statement, or the name of its file, as one literal.
pub(super) struct MacroCall {
    pub(super) name: Ident,
    record: Option<Type>,
    pub(super) sql: LitStr,
    pub(super) arguments: Vec<Expr>,
    /// The name, if the user imported the macro and our rewriting would leave the import unused.
    pub(super) imported: Option<Ident>,
}

impl MacroCall {
    pub(super) fn parse(call: &Macro, kind: Kind, errors: &mut Errors) -> Option<Self> {
        let name = call.path.segments.last()?.ident.clone();
        let parts = |input: ParseStream<'_>| {
            let record = match kind {
                Kind::Typed | Kind::TypedFile => {
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

    /// What its rows become.
    pub(super) fn row(&self) -> MacroRows<'_> {
        match &self.record {
            Some(ty) => MacroRows::Named(ty),
            None if self.name.to_string().contains("scalar") => MacroRows::Value,
            None => MacroRows::Record,
        }
    }

    /// The call with the proved text. What was read from a file is written as a literal: the file
    /// could change between our reading and sqlx's.
    pub(super) fn tokens(&self) -> TokenStream {
        let Self {
            name,
            record,
            sql,
            arguments,
            ..
        } = self;
        let record = record.as_ref().map(|record| quote!(#record,));
        let name = Ident::new(
            &name.to_string().replace("query_file", "query"),
            name.span(),
        );
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
