//! What errors tell: texts that are made of names, where an error is made of them.
//!
//! Invariant: what only a log gets is no message.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{Attribute, Expr, ExprMethodCall, Fields, Pat, Token};

use super::super::facts::{Message, Span};
use super::Extractor;
use super::attributes::{last, metas};
use super::sql::literal_text;
use super::text::{names_in, split_format};

/// Constructors of errors, by the last segment.
const MAKES: [&str; 12] = [
    "Err",
    "internal_error",
    "invalid_params",
    "invalid_request",
    "invalid_argument",
    "method_not_found",
    "parse_error",
    "resource_not_found",
    "structured_error",
    "anyhow",
    "msg",
    "error",
];
/// Types whose constructors make errors.
const ERROR_TYPES: [&str; 5] = [
    "ErrorData",
    "McpError",
    "RmcpError",
    "ToolError",
    "CallToolResult",
];

/// Whether a call makes an error.
pub(super) fn makes_error(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    let ty = path
        .iter()
        .rev()
        .nth(1)
        .map(String::as_str)
        .unwrap_or_default();
    match last {
        "success" | "structured" | "from" => false,
        "error" => ty == "CallToolResult",
        last if MAKES.contains(&last) => true,
        _ => ERROR_TYPES.contains(&ty) && ty != "CallToolResult" || ty.ends_with("Error"),
    }
}

/// Whether what a method is given becomes an error.
pub(super) fn method_makes_error(name: &str) -> bool {
    matches!(
        name,
        "map_err"
            | "ok_or"
            | "ok_or_else"
            | "context"
            | "with_context"
            | "wrap_err"
            | "wrap_err_with"
    )
}

/// Whether a macro makes an error.
pub(super) fn macro_makes_error(name: &str) -> bool {
    matches!(name, "anyhow" | "bail" | "ensure" | "eyre")
}

/// Whether a macro writes to a log or a terminal.
pub(super) fn logs(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    let root = path.first().map(String::as_str).unwrap_or_default();
    matches!(root, "tracing" | "log" | "slog")
        || matches!(
            last,
            "trace"
                | "debug"
                | "info"
                | "warn"
                | "error"
                | "event"
                | "span"
                | "info_span"
                | "debug_span"
                | "error_span"
                | "warn_span"
                | "println"
                | "eprintln"
                | "print"
                | "eprint"
                | "dbg"
        )
}

/// Whether what a chain's receiver fails with goes no further.
pub(super) fn keeps_error(call: &ExprMethodCall) -> bool {
    let name = call.method.to_string();
    match name.as_str() {
        "ok" | "unwrap_or" | "unwrap_or_default" | "unwrap_or_else" | "is_ok" | "is_err" => true,
        "map_err" => match call.args.first() {
            Some(Expr::Closure(closure)) => {
                let names: Vec<String> = closure.inputs.iter().flat_map(super::names_of).collect();
                !tells(&closure.body, &names)
            }
            // A function by its name may do anything.
            _ => false,
        },
        _ => false,
    }
}

/// Whether an expression uses one of the names outside of a log.
fn tells(body: &Expr, names: &[String]) -> bool {
    struct Uses<'a> {
        names: &'a [String],
        found: bool,
    }
    impl<'ast> Visit<'ast> for Uses<'_> {
        fn visit_ident(&mut self, ident: &'ast syn::Ident) {
            self.found |= self.names.iter().any(|name| ident == name);
        }
        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            let path: Vec<String> = call
                .path
                .segments
                .iter()
                .map(|it| it.ident.to_string())
                .collect();
            if !logs(&path) {
                self.found |= names_tokens(&call.tokens, self.names);
            }
        }
    }
    let mut uses = Uses {
        names,
        found: false,
    };
    uses.visit_expr(body);
    uses.found
}

/// Whether tokens name one of the names, in a format string too.
fn names_tokens(tokens: &TokenStream, names: &[String]) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => names_tokens(&group.stream(), names),
        TokenTree::Ident(ident) => names.iter().any(|name| ident == name),
        TokenTree::Literal(lit) => {
            let text = lit.to_string();
            text.starts_with('"')
                && split_format(&text)
                    .1
                    .iter()
                    .any(|hole| names.contains(hole))
        }
        TokenTree::Punct(_) => false,
    })
}

/// Whether every `Err(…)` arm of a match keeps what it is given to itself.
pub(super) fn match_keeps(item: &syn::ExprMatch) -> bool {
    let arms: Vec<_> = item
        .arms
        .iter()
        .filter(|arm| arm.pat.to_token_stream().to_string().starts_with("Err"))
        .collect();
    !arms.is_empty()
        && arms.iter().all(|arm| {
            let names = match &arm.pat {
                Pat::TupleStruct(pat) => pat.elems.iter().flat_map(super::names_of).collect(),
                other => super::names_of(other),
            };
            !tells(&arm.body, &names)
        })
}

/// Whether `impl From<A> for B` tells of A in B.
pub(super) fn conversion_tells(item: &syn::ItemImpl) -> bool {
    item.items.iter().any(|item| match item {
        syn::ImplItem::Fn(function) => {
            let names: Vec<String> = function
                .sig
                .inputs
                .iter()
                .flat_map(|input| match input {
                    syn::FnArg::Typed(argument) => super::names_of(&argument.pat),
                    syn::FnArg::Receiver(_) => Vec::new(),
                })
                .collect();
            // Which variant it is may decide the answer; what it holds may not be told.
            struct_tells(&function.block, &names)
        }
        _ => false,
    })
}

/// As `tells`, for a body: matching on a name is no telling, using what a pattern took out is.
fn struct_tells(block: &syn::Block, names: &[String]) -> bool {
    struct Uses {
        names: Vec<String>,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Uses {
        fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
            for arm in &item.arms {
                self.names.extend(super::names_of(&arm.pat));
                self.visit_expr(&arm.body);
            }
        }
        fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
            if let Some(ident) = path.path.get_ident() {
                self.found |= self.names.iter().any(|name| ident == name);
            }
        }
        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            let path: Vec<String> = call
                .path
                .segments
                .iter()
                .map(|it| it.ident.to_string())
                .collect();
            if !logs(&path) {
                self.found |= names_tokens(&call.tokens, &self.names);
            }
        }
    }
    let mut uses = Uses {
        names: names.to_vec(),
        found: false,
    };
    uses.visit_block(block);
    uses.found
}

impl Extractor {
    /// A macro that formats, or makes JSON, within an error.
    pub(super) fn message(&mut self, call: &syn::Macro, name: &str) {
        let makes = macro_makes_error(name);
        let shown = self.shown_of.clone();
        let in_error = self.error > 0 || makes;
        let formats = matches!(name, "format" | "formatdoc" | "panic") || makes;
        let writes = matches!(name, "write" | "writeln") && shown.is_some();
        if name == "json" && self.error > 0 {
            for (span, name) in identifiers(&call.tokens) {
                self.tell(span, vec![name], None);
            }
            return;
        }
        if !(formats && in_error || writes) {
            return;
        }
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(list) = list.parse2(call.tokens.clone()) else {
            return;
        };
        let Some(at) = list.iter().position(|it| literal_text(it).is_some()) else {
            return;
        };
        let Some(template) = list.iter().nth(at).and_then(literal_text) else {
            return;
        };
        let error = shown.filter(|_| writes);
        for hole in split_format(&template.value()).1 {
            let plain = !hole.is_empty() && hole.parse::<usize>().is_err();
            if plain {
                self.tell(template.span().byte_range(), vec![hole], error.clone());
            }
        }
        for argument in list.iter().skip(at + 1) {
            let value = match argument {
                Expr::Assign(assign) => &assign.right,
                other => other,
            };
            self.tell(value.span().byte_range(), names_in(value), error.clone());
        }
    }

    fn tell(&mut self, span: Span, names: Vec<String>, error: Option<String>) {
        self.facts.messages.push(Message {
            span,
            names,
            error,
            function: self.function,
            test: self.test,
        });
    }

    /// `#[error("…")]` of thiserror.
    pub(super) fn type_message(&mut self, attrs: &[Attribute], name: &str, fields: &Fields) {
        for meta in metas(attrs) {
            let syn::Meta::List(list) = &meta else {
                continue;
            };
            if last(&list.path).as_deref() != Some("error") {
                continue;
            }
            let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
            let Ok(arguments) = parser.parse2(list.tokens.clone()) else {
                continue;
            };
            let Some(template) = arguments.first().and_then(literal_text) else {
                continue;
            };
            let span = template.span().byte_range();
            for hole in split_format(&template.value()).1 {
                let names = match hole.parse::<usize>() {
                    // The type of the field says what it is.
                    Ok(index) => fields
                        .iter()
                        .nth(index)
                        .and_then(|field| super::last_of(&field.ty))
                        .into_iter()
                        .collect(),
                    Err(_) => vec![hole.trim_start_matches('.').to_owned()],
                };
                self.tell(span.clone(), names, Some(name.to_owned()));
            }
            for argument in arguments.iter().skip(1) {
                let names = names_in(argument);
                self.tell(span.clone(), names, Some(name.to_owned()));
            }
        }
    }
}

/// The names in tokens, with their places.
fn identifiers(tokens: &TokenStream) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    for token in tokens.clone() {
        match token {
            TokenTree::Group(group) => found.extend(identifiers(&group.stream())),
            TokenTree::Ident(ident) => found.push((ident.span().byte_range(), ident.to_string())),
            _ => {}
        }
    }
    found
}
