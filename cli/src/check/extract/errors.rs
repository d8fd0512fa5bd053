//! What errors tell: texts that are made of names, where an error is made of them.
//!
//! Invariant: what only a log gets is no message.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{Attribute, Expr, ExprMethodCall, Fields, Pat, Token};

use super::super::facts::{Message, Span, Told};
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

/// Whether a function answers a caller with the texts that it is given.
pub(super) fn answers(last: &str) -> bool {
    MAKES.contains(&last) && !matches!(last, "Err" | "error")
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
        let formats = matches!(name, "format" | "formatdoc" | "format_args" | "panic") || makes;
        let writes = matches!(name, "write" | "writeln" | "format_args") && shown.is_some();
        if name == "json" && self.error > 0 {
            for (span, name) in identifiers(&call.tokens) {
                self.tell(span, vec![name], None);
            }
            return;
        }
        if !(formats && in_error || writes) {
            return;
        }
        let error = shown.filter(|_| writes);
        for (span, names) in self.holes(call) {
            let locals = self.locals.last();
            let held = names
                .iter()
                .find_map(|name| locals?.shown.get(name).cloned());
            for (span, names) in held.unwrap_or_default() {
                self.tell(span, names, error.clone());
            }
            self.tell(span, names, error.clone());
        }
    }

    /// What a macro that formats shows: places and names, each name once.
    fn holes(&self, call: &syn::Macro) -> Vec<(Span, Vec<String>)> {
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(list) = list.parse2(call.tokens.clone()) else {
            return Vec::new();
        };
        let Some(at) = list.iter().position(|it| literal_text(it).is_some()) else {
            return Vec::new();
        };
        let Some(template) = list.iter().nth(at).and_then(literal_text) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut given = Vec::new();
        for argument in list.iter().skip(at + 1) {
            let value = match argument {
                Expr::Assign(assign) => {
                    given.extend(names_in(&assign.left));
                    &assign.right
                }
                other => other,
            };
            found.push((value.span().byte_range(), names_in(value)));
        }
        for hole in split_format(&template.value()).1 {
            let plain = !hole.is_empty() && hole.parse::<usize>().is_err();
            if plain && !given.contains(&hole) {
                found.push((template.span().byte_range(), vec![hole]));
            }
        }
        found
    }

    /// What a text shows that a `let` makes.
    pub(super) fn shown_in(&self, init: &Expr) -> Vec<(Span, Vec<String>)> {
        match init {
            Expr::Macro(call) if call.mac.path.is_ident("format") => self.holes(&call.mac),
            Expr::MethodCall(call) => self.shown_in(&call.receiver),
            Expr::Reference(inner) => self.shown_in(&inner.expr),
            Expr::Call(call) => call.args.iter().flat_map(|it| self.shown_in(it)).collect(),
            _ => Vec::new(),
        }
    }

    /// A name in an error that holds a text.
    pub(super) fn told_by_name(&mut self, item: &syn::ExprPath) {
        if self.error == 0 {
            return;
        }
        let name = item.path.get_ident().map(|it| it.unraw().to_string());
        let locals = self.locals.last();
        let shown = name.and_then(|name| locals?.shown.get(&name).cloned());
        for (span, names) in shown.unwrap_or_default() {
            self.tell(span, names, None);
        }
    }

    /// `"no tenant ".to_string() + &tenant` in an error.
    pub(super) fn told_by_sum(&mut self, item: &syn::ExprBinary) {
        if self.error > 0
            && matches!(item.op, syn::BinOp::Add(_))
            && self.text_of(&item.left).is_some()
        {
            let right = &item.right;
            self.tell(right.span().byte_range(), names_in(right), None);
        }
    }

    /// `McpError::internal_error(tenant.to_string(), None)`
    pub(super) fn told_plainly(&mut self, arguments: &Punctuated<Expr, Token![,]>) {
        for argument in arguments {
            if is_value(argument) {
                self.tell(argument.span().byte_range(), names_in(argument), None);
            }
        }
    }

    /// `f.write_str(&self.tenant)` in a `Display`.
    pub(super) fn writes(&mut self, call: &ExprMethodCall, name: &str) {
        if matches!(name, "write_str" | "pad")
            && let (Some(error), Some(value)) = (self.shown_of.clone(), call.args.first())
        {
            self.tell(value.span().byte_range(), names_in(value), Some(error));
        }
    }

    /// `query(…).fetch_one(…).await.map_err(…)`, where what failed is told.
    pub(super) fn fails(&mut self, call: &ExprMethodCall, name: &str) {
        if name != "map_err" || !self.is_database(&call.receiver) {
            return;
        }
        let by = match call.args.first() {
            Some(Expr::Closure(closure)) => {
                let names: Vec<String> = closure.inputs.iter().flat_map(super::names_of).collect();
                if !tells(&closure.body, &names) || !in_text(&closure.body) {
                    return;
                }
                None
            }
            // Whether the function tells of it is seen where it stands.
            Some(Expr::Path(path)) => match path.path.segments.last() {
                Some(last) => Some(last.ident.to_string()),
                None => return,
            },
            _ => return,
        };
        self.facts.database_texts.push(Told {
            span: call.method.span().byte_range(),
            error: None,
            by,
            function: self.function,
            test: self.test,
        });
    }

    /// Whether an expression is answered by the database.
    fn is_database(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Await(inner) => self.is_database(&inner.base),
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                super::chain::RUNS.contains(&name.as_str())
                    || matches!(name.as_str(), "begin" | "commit" | "acquire")
            }
            _ => false,
        }
    }

    fn tell(&mut self, span: Span, names: Vec<String>, error: Option<String>) {
        // What a name is says as much as how it is called; what follows it are fields.
        let mut names = names;
        let locals = self.locals.last();
        let ty = names
            .first()
            .and_then(|name| locals?.types.get(name).cloned());
        if let Some(ty) = ty {
            names.insert(1, ty);
        }
        self.facts.messages.push(Message {
            span,
            names,
            error,
            function: self.function,
            test: self.test,
        });
    }

    /// `#[error("…: {0}")] Database(sqlx::Error)`
    fn type_tells(&mut self, list: &syn::MetaList, name: &str, fields: &Fields) {
        let written = list.tokens.to_string();
        let holds = fields.iter().any(|field| {
            let ty = field.ty.to_token_stream().to_string();
            ty.contains("sqlx") && ty.contains("Error")
        });
        let shows = written.contains('{') || written.contains("transparent");
        if holds && shows {
            self.facts.database_texts.push(Told {
                span: list.tokens.span().byte_range(),
                error: Some(name.to_owned()),
                by: None,
                function: None,
                test: self.test,
            });
        }
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
            self.type_tells(list, name, fields);
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

/// Whether a value is a name, a field of it, or the text of one.
fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => true,
        Expr::Field(field) => is_value(&field.base),
        Expr::Reference(inner) => is_value(&inner.expr),
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            let same = ["as_ref", "as_str", "clone", "into", "to_owned", "to_string"];
            same.contains(&name.as_str()) && is_value(&call.receiver)
        }
        _ => false,
    }
}

/// Whether a body makes a text.
fn in_text(body: &Expr) -> bool {
    let written = body.to_token_stream().to_string();
    ["to_string", "format !", "format!", "anyhow !"]
        .iter()
        .any(|it| written.contains(it))
}

/// Whether a function makes an answer of a text of what it is given.
pub(super) fn tells_of_its_arguments(signature: &syn::Signature, body: &syn::Block) -> bool {
    let answers = signature.output.to_token_stream().to_string();
    if !answers.contains("Error") && !answers.contains("String") {
        return false;
    }
    let names: Vec<String> = signature
        .inputs
        .iter()
        .flat_map(|input| match input {
            syn::FnArg::Typed(argument) => super::names_of(&argument.pat),
            syn::FnArg::Receiver(_) => Vec::new(),
        })
        .collect();
    struct_tells(body, &names)
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
