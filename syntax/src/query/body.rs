//! The form around a body: proves every literal handed to sqlx and wraps the call in its proof.
//!
//! Invariant: what is not recognised here stays as it is and does not type-check, because a scope
//! is no executor of sqlx. Nested items are left alone: they have attributes of their own.

use std::sync::Arc;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, ExprLit, Item, Lit, LitStr, Path, Stmt, parse_quote};
use watertight_analysis::prepare::TenantBinding;

use super::attr::{Kind, QueryAttr};
use super::expand::{self, Constant};
use super::float;
use super::item::Function;
use super::judge::{Desk, Question, Text, about_parameter, judge_alone};
use super::provenance::{self, Carried};
use super::sqlx_macro::{self, MacroCall, MacroRows};
use super::text_value;
use crate::errors::Errors;
use crate::project::Project;

/// Functions of sqlx that take the statement as their first argument.
const FUNCTIONS: [&str; 6] = [
    "query",
    "query_as",
    "query_scalar",
    "query_with",
    "query_as_with",
    "query_scalar_with",
];

/// Functions of sqlx that send text which no proof can be about.
const UNPROVABLE: [&str; 3] = ["raw_sql", "query_statement", "query_statement_with"];

pub(super) fn expand(attr: &QueryAttr, mut function: Function, desk: &mut Desk<'_>) -> TokenStream {
    if attr.kind == Kind::System {
        desk.errors.push(
            &function.sig.ident,
            "a system query is declared: write the statement into the attribute and `;` \
             instead of the body",
        );
    } else if let Some(sql) = attr.sql.as_ref().or(attr.file.as_ref()) {
        desk.errors.push(
            sql,
            "this function has a statement and a body\n\
             help: for the statement in the attribute end the signature with `;`, \
             for statements in the body remove this one",
        );
    } else if let Some(choice) = attr.choices.first() {
        desk.errors.push(
            &choice.name,
            "fragments are for a statement in the attribute, and this function has a body\n\
             help: write `#[tenant_query(\"SELECT …\", …)]` and `;` instead of the body",
        );
    }
    let original = function.clone();
    if desk.errors.is_empty()
        && let Some(project) = desk.project(attr.catalog.as_ref(), function.sig.ident.span())
    {
        rewrite(attr, &mut function, &project, desk);
    }
    if desk.errors.is_empty() {
        let stamp = expand::stamp();
        let watched = expand::watched(&desk.read);
        let statements = function.body.iter().flat_map(|body| &body.stmts);
        return function.with_body(&quote!(#stamp #watched #(#statements)*));
    }
    expand::refused(attr, &original, &desk.errors)
}

fn rewrite(attr: &QueryAttr, function: &mut Function, project: &Arc<Project>, desk: &mut Desk<'_>) {
    let name = function.name();
    let Some(body) = &mut function.body else {
        return;
    };
    let mut rewriter = Rewriter {
        attr,
        name: &name,
        project,
        desk,
        generics: &function.sig.generics,
        found: 0,
        told: false,
        imported: Vec::new(),
    };
    rewriter.visit_block_mut(body);
    let Rewriter {
        found,
        told,
        imported,
        ..
    } = rewriter;
    if let Some(reason) = &attr.returns_tenant
        && !told
        && desk.errors.is_empty()
    {
        provenance::refuse_unused(reason, &mut desk.errors);
    }
    for name in imported {
        // The call is rewritten to an absolute path; this keeps the user's import in use.
        body.stmts
            .insert(0, parse_quote!(#[allow(unused_imports)] use #name as _;));
    }
    if found == 0 && desk.errors.is_empty() {
        desk.errors.push(
            &function.sig.ident,
            "there is no statement in this body to prove\n\
             help: write `sqlx::query_as(\"SELECT …\")` with the statement as a literal, \
             declare the function with `#[tenant_query(\"SELECT …\")]` and `;`, \
             or remove the attribute",
        );
    }
}

struct Rewriter<'a, 'f> {
    attr: &'a QueryAttr,
    name: &'a str,
    project: &'a Arc<Project>,
    desk: &'a mut Desk<'f>,
    generics: &'a syn::Generics,
    found: usize,
    /// Whether a statement tells the tenant, for the reason given.
    told: bool,
    imported: Vec<syn::Ident>,
}

impl VisitMut for Rewriter<'_, '_> {
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        // `sqlx::query!(…);` as a statement parses as a macro of unknown meaning.
        if let Stmt::Macro(call) = statement
            && sqlx_macro::kind(&call.mac.path).is_some()
        {
            let semi = call.semi_token;
            let call = syn::ExprMacro {
                attrs: call.attrs.clone(),
                mac: call.mac.clone(),
            };
            *statement = Stmt::Expr(Expr::Macro(call), semi);
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let replacement = match expression {
            Expr::Call(call) => self.call(call),
            Expr::Macro(call) => match sqlx_macro::kind(&call.mac.path) {
                Some(kind) => self.sqlx_macro(&call.mac.clone(), kind),
                None => None,
            },
            _ => None,
        };
        match replacement {
            Some(replacement) => *expression = replacement,
            None => visit_mut::visit_expr_mut(self, expression),
        }
    }

    fn visit_macro_mut(&mut self, call: &mut syn::Macro) {
        self.other_macro(call);
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        if let Some(segment) = path
            .segments
            .iter()
            .find(|segment| segment.ident == "QueryBuilder")
        {
            self.found += 1;
            self.desk.errors.push(
                segment,
                "`QueryBuilder` makes the text at run time, so nothing can be proved about it\n\
                 help: write one literal for each case; an optional filter is \
                 `($1::text IS NULL OR plan = $1)`",
            );
        }
        visit_mut::visit_path_mut(self, path);
    }
}

impl Rewriter<'_, '_> {
    /// `sqlx::query_as::<_, T>("…")`
    fn call(&mut self, call: &mut ExprCall) -> Option<Expr> {
        let Expr::Path(callee) = &*call.func else {
            return None;
        };
        let last = callee.path.segments.last()?;
        let function = last.ident.to_string();
        if UNPROVABLE.contains(&function.as_str()) {
            self.found += 1;
            self.desk.errors.push(
                &callee.path,
                format!(
                    "`{function}` sends text that is not proved\n\
                     help: write `sqlx::query(\"…\")` with one statement as a literal; \
                     migrations run through `watertight::migrate`"
                ),
            );
            return None;
        }
        if !FUNCTIONS.contains(&function.as_str()) {
            return None;
        }
        self.found += 1;
        let Some(literal) = call.args.first().and_then(literal) else {
            let place = call.args.first();
            refuse_text(place, &function, &mut self.desk.errors);
            return None;
        };
        let text = Text::literal(&literal);
        let checked = self.prove(&text, TenantBinding::LastParameter)?;
        if let Some(first) = call.args.first_mut() {
            let sql = &checked.sql;
            *first = parse_quote!(#sql);
        }
        if let (true, Some(columns @ (0 | 2..))) =
            (function.starts_with("query_scalar"), checked.columns)
        {
            let message = format!(
                "`{function}` reads one column, and the statement returns {columns}\n\
                 help: `query_as::<_, (…)>(\"…\")` reads them all, a type for each"
            );
            self.desk.errors.push_at(text.span, message);
        }
        if function.ends_with("_with") {
            if !checked.uncast.is_empty() {
                let message = float::unseen(&checked.uncast, &function);
                self.desk.errors.push_at(text.span, message);
            }
            if !checked.untexted.is_empty() {
                let message = text_value::unseen(&checked.untexted, &function);
                self.desk.errors.push_at(text.span, message);
            }
        }
        for argument in call.args.iter_mut().skip(1) {
            self.visit_expr_mut(argument);
        }
        let row = match function.as_str() {
            "query" | "query_with" => Rows::Unread,
            _ => match row_type(&callee.path) {
                Some(row) => Rows::Become(Box::new(row)),
                None => Rows::Unseen(Some(format!(
                    "write what a row becomes, so that it is seen whether that leaves: `{function}::<_, Row>(\"…\")`"
                ))),
            },
        };
        let leaving = self.leaving(&checked, &row);
        Some(self.wrap(&checked, &leaving, &quote!(#call)))
    }

    /// `sqlx::query_as!(T, "…", …)`
    fn sqlx_macro(&mut self, call: &syn::Macro, kind: sqlx_macro::Kind) -> Option<Expr> {
        self.found += 1;
        let mut parsed = MacroCall::parse(call, kind, &mut self.desk.errors)?;
        let text = if kind.in_file() {
            self.desk.file(&parsed.sql)?
        } else {
            Text::literal(&parsed.sql)
        };
        let checked = self.prove(&text, TenantBinding::Setting)?;
        parsed.sql = checked.sql.clone();
        float::refuse_overridden(&checked.uncast, &parsed, &mut self.desk.errors);
        text_value::refuse_overridden(&checked.untexted, &parsed, &mut self.desk.errors);
        for argument in &mut parsed.arguments {
            self.visit_expr_mut(argument);
        }
        self.imported.extend(parsed.imported.take());
        let row = match parsed.row() {
            MacroRows::Named(ty) => Rows::Become(Box::new(ty.clone())),
            MacroRows::Record => Rows::Unread,
            MacroRows::Value => Rows::Unseen(None),
        };
        let leaving = self.leaving(&checked, &row);
        Some(self.wrap(&checked, &leaving, &parsed.tokens()))
    }

    /// Proves a text.
    fn prove(&mut self, text: &Text, binding: TenantBinding) -> Option<Checked> {
        let (prepared, proof) = judge_alone(
            self.desk,
            self.project,
            text,
            binding,
            &Question::Tenant,
            (self.name, self.attr),
        );
        let prepared = prepared?;
        for parameter in &prepared.parameters {
            if let Some(name) = &parameter.name {
                let problem = about_parameter(
                    &text.source,
                    name,
                    format!("`${name}` has a name, and in a body values are bound by number"),
                    format!(
                        "write `${}` and bind it, or declare the function with the statement in \
                         the attribute, where `${name}` is its argument",
                        parameter.number
                    ),
                );
                text.refuse(&problem, &mut self.desk.errors);
            }
        }
        let proof = proof?;
        let sql = LitStr::new(&prepared.sql, text.span);
        let constant = Constant {
            krate: &self.attr.krate,
            sql: sql.clone(),
            catalog: self.project.catalog.id(),
            name: self.name,
            parameters: prepared.parameters.len(),
            tenant: prepared.tenant.is_some(),
            uncast: float::uncast(self.attr.kind, &proof),
            untexted: text_value::untexted(self.attr.kind, &proof),
            relations: &proof.relations,
        };
        Some(Checked {
            statement: constant.tokens(),
            sql,
            writes: proof.writes,
            carried: provenance::carried(text, &proof),
            columns: proof.columns.as_ref().map(Vec::len),
            uncast: float::uncast(self.attr.kind, &proof).to_vec(),
            untexted: text_value::untexted(self.attr.kind, &proof).to_vec(),
        })
    }

    /// What to compile in front of a statement whose rows tell the tenant.
    fn leaving(&mut self, checked: &Checked, row: &Rows) -> TokenStream {
        let Some(carried) = &checked.carried else {
            return TokenStream::new();
        };
        match row {
            // Its columns are read one by one, by name.
            Rows::Unread => return TokenStream::new(),
            _ if self.attr.returns_tenant.is_some() => self.told = true,
            Rows::Unseen(mend) => carried.refuse_unseen(mend.as_deref(), &mut self.desk.errors),
            Rows::Become(ty) if provenance::is_generic(ty, self.generics) => {
                let mend = "write the row's type in the place of the function's type parameter";
                carried.refuse_unseen(Some(mend), &mut self.desk.errors);
            }
            Rows::Become(ty) => return carried.refuse_leaving(&self.attr.krate, ty),
        }
        TokenStream::new()
    }

    fn wrap(&self, checked: &Checked, leaving: &TokenStream, call: &TokenStream) -> Expr {
        let krate = &self.attr.krate;
        let statement = &checked.statement;
        let statement = match leaving.is_empty() {
            true => quote!(#statement),
            false => quote!({ #leaving #statement }),
        };
        if checked.writes {
            parse_quote!(#krate::__private::Proved::write(#statement, #call))
        } else {
            parse_quote!(#krate::__private::Proved::read(#statement, #call))
        }
    }

    /// Any other macro: `vec![…]`, `format!(…)`. Its tokens are read as expressions if they
    /// mention a query; otherwise they are nothing to us.
    fn other_macro(&mut self, call: &mut syn::Macro) {
        if call
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "unproved")
        {
            // It proves its own statement.
            self.found += 1;
            return;
        }
        if !mentions_query(call.tokens.clone()) {
            return;
        }
        let list = call
            .parse_body_with(syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated);
        match list {
            Ok(mut list) => {
                for expression in &mut list {
                    self.visit_expr_mut(expression);
                }
                call.tokens = quote!(#list);
            }
            Err(_) => {
                self.found += 1;
                self.desk.errors.push(
                    &call.path,
                    "this macro takes a query that can't be seen from here\n\
                     help: make the query outside, `let query = sqlx::query(\"…\");`, \
                     and hand in its result",
                );
            }
        }
    }
}

/// What becomes of the rows of a statement.
enum Rows {
    /// They are read column by column.
    Unread,
    /// A type that is written out.
    Become(Box<syn::Type>),
    /// A type that is not; with how to write it, if there is a way.
    Unseen(Option<String>),
}

/// `Row` of `query_as::<_, Row>`.
fn row_type(path: &Path) -> Option<syn::Type> {
    let syn::PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    match types.nth(1)? {
        syn::Type::Infer(_) => None,
        ty => Some(ty.clone()),
    }
}

/// A text that was proved.
struct Checked {
    /// The constant of its proof.
    statement: TokenStream,
    /// The literal to send.
    sql: LitStr,
    writes: bool,
    /// Rows that tell the tenant.
    carried: Option<Carried>,
    /// How many columns a row has, if that is known.
    columns: Option<usize>,
    /// Parameters that take no float.
    uncast: Vec<u32>,
    /// Parameters that take no text.
    untexted: Vec<u32>,
}

/// The literal that an expression is, through parentheses and invisible groups.
fn literal(expression: &Expr) -> Option<LitStr> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        Expr::Group(inner) => literal(&inner.expr),
        Expr::Paren(inner) => literal(&inner.expr),
        _ => None,
    }
}

/// Something else than a literal where the statement is expected.
pub(super) fn refuse_text(given: Option<&Expr>, function: &str, errors: &mut Errors) {
    let reason = match given {
        Some(Expr::Macro(call)) => {
            let name = super::item::spelled(&call.mac.path);
            format!("`{name}!` makes this text where the proof can't see it")
        }
        _ => "the statement is not a literal, so nothing can be proved about it".to_owned(),
    };
    let message = format!(
        "{reason}\n\
         help: write the whole statement as one string literal, `{function}(\"SELECT …\")`, \
         with values as `$1`, `$2` and the tenant as `$tenant`; for a part that varies write one \
         literal for each case"
    );
    match given {
        Some(given) => errors.push(given, message),
        None => errors.push_at(Span::call_site(), message),
    }
}

/// Whether tokens hold a name of sqlx's family followed by what makes it a call.
fn mentions_query(tokens: TokenStream) -> bool {
    let mut after_name = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                if after_name || mentions_query(group.stream()) {
                    return true;
                }
                after_name = false;
            }
            TokenTree::Punct(punct) => {
                if after_name && matches!(punct.as_char(), '!' | ':') {
                    return true;
                }
                after_name = false;
            }
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                after_name = FUNCTIONS.contains(&name.as_str())
                    || UNPROVABLE.contains(&name.as_str())
                    || name.starts_with("query_")
                    || name == "QueryBuilder";
            }
            TokenTree::Literal(_) => after_name = false,
        }
    }
    false
}
