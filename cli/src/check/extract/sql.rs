//! Statements and pools: calls, methods and macros that take a text.

use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit as _};
use syn::{Expr, ExprCall, ExprMethodCall, Lit, Token};

use super::super::facts::{
    Adds, Bind, Executor, Hook, Origin, PoolUse, PoolUseKind, Span, Statement, Text,
};
use super::super::literal::is_sql;
use super::chain::strip;
use super::{Extractor, errors};

/// Functions and macros of sqlx that take a statement.
pub(crate) const TAKES_SQL: [&str; 26] = [
    "query",
    "query_as",
    "query_as_unchecked",
    "query_as_with",
    "query_file",
    "query_file_as",
    "query_file_as_unchecked",
    "query_file_scalar",
    "query_file_scalar_unchecked",
    "query_file_unchecked",
    "query_scalar",
    "query_scalar_unchecked",
    "query_scalar_with",
    "query_statement",
    "query_unchecked",
    "query_with",
    "raw_sql",
    "__query_with_result",
    "__query_as_with_result",
    "__query_scalar_with_result",
    "query_as_with_result",
    "query_scalar_with_result",
    "query_with_result",
    "query_statement_as",
    "query_statement_scalar",
    "query_statement_with",
];
/// Macros that do something else with a text.
const TEXTS: [&str; 22] = [
    "anyhow",
    "assert",
    "assert_eq",
    "assert_ne",
    "bail",
    "concat",
    "debug_assert",
    "ensure",
    "eyre",
    "format",
    "format_args",
    "json",
    "matches",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
    "indoc",
    "formatdoc",
];

impl Extractor {
    pub(super) fn call(&mut self, call: &ExprCall) {
        let start = call.span().byte_range().start;
        let Expr::Path(callee) = &*call.func else {
            visit::visit_expr_call(self, call);
            return;
        };
        let path = self.resolve(&callee.path);
        let last = path.last().cloned().unwrap_or_default();
        if self.done.insert(start) {
            self.register(call, &path, None, Executor::Other);
        }
        self.opened(&path, call.span().byte_range());
        if let syn::PathArguments::AngleBracketed(arguments) = &callee
            .path
            .segments
            .last()
            .map(|it| it.arguments.clone())
            .unwrap_or_default()
            && let Some(syn::GenericArgument::Type(ty)) = arguments.args.first()
        {
            let ty = super::shapes::type_name(self, ty);
            if let (Some(ty), Some(from)) = (&ty, call.args.first()) {
                self.reading_of(ty.clone(), from);
            }
            self.schema_type(&last, ty, call.span().byte_range());
        }
        self.called(last.clone(), false, &call.args);
        self.record(&path, call.span().byte_range(), false);
        let error = errors::makes_error(&path);
        let spawns = last == "spawn";
        let times = matches!(last.as_str(), "timeout" | "timeout_at");
        if errors::answers(&last) || last == "text" && self.error > 0 {
            self.told_plainly(&call.args);
        }
        self.error += usize::from(error);
        self.spawned += usize::from(spawns);
        self.droppable += usize::from(times);
        visit::visit_expr_call(self, call);
        self.error -= usize::from(error);
        self.spawned -= usize::from(spawns);
        self.droppable -= usize::from(times);
    }

    /// A statement, if the call may take one.
    pub(super) fn register(
        &mut self,
        call: &ExprCall,
        path: &[String],
        binds: Option<Vec<Bind>>,
        executor: Executor,
    ) {
        let last = path.last().map(String::as_str).unwrap_or_default();
        let builder = path.iter().any(|name| name == "QueryBuilder")
            && matches!(last, "new" | "with_arguments");
        let taken = TAKES_SQL.contains(&last) || builder;
        let (text, position) = match (taken, call.args.first()) {
            (true, first) => {
                let span = call.span().byte_range();
                let text = first.and_then(|it| self.text_of(it));
                let text = text.unwrap_or(Text::Unknown(
                    first.map_or(span, |it| it.span().byte_range()),
                ));
                (text, 0)
            }
            (false, _) => {
                let Some((at, text)) = self.statement_in(&call.args) else {
                    return;
                };
                // A name that is already a statement elsewhere, or a text that is only wrapped.
                if matches!(
                    last,
                    "AssertSqlSafe" | "from" | "new" | "Some" | "Ok" | "Err" | "Borrowed"
                ) {
                    return;
                }
                (text, at)
            }
        };
        let parameter = call.args.first().filter(|_| taken);
        self.push(Statement {
            position,
            parameter: parameter.and_then(|it| self.parameter(it)),
            callee: path.to_vec(),
            method: false,
            text,
            span: call.span().byte_range(),
            binds,
            executor,
            function: self.function,
            ours: self.ours,
            test: self.test,
            hook: self.hook,
            spawned: self.spawned > 0,
            handed: false,
        });
    }

    /// The first argument that is a statement, with its position.
    pub(super) fn statement_in(
        &self,
        arguments: &Punctuated<Expr, Token![,]>,
    ) -> Option<(usize, Text)> {
        let texts = arguments.iter().enumerate();
        let mut texts = texts.filter_map(|(at, it)| Some((at, self.text_of(it)?)));
        texts.find(|(_, text)| is_statement(text))
    }

    /// The parameter of the function that a text is.
    pub(super) fn parameter(&self, expr: &Expr) -> Option<usize> {
        let Expr::Path(path) = strip(expr) else {
            return match expr {
                Expr::MethodCall(call) => self.parameter(&call.receiver),
                Expr::Reference(inner) => self.parameter(&inner.expr),
                _ => None,
            };
        };
        let name = path.path.get_ident()?.unraw().to_string();
        let ty = self.locals.last()?.types.get(&name)?;
        match self.origin(expr) {
            Origin::Parameter(at) if matches!(ty.as_str(), "str" | "String") => Some(at),
            _ => None,
        }
    }

    /// A statement that a macro of one's own is handed.
    pub(super) fn handed(&mut self, call: &syn::Macro, list: &Punctuated<Expr, Token![,]>) {
        let path = self.resolve(&call.path);
        let last = path.last().cloned().unwrap_or_default();
        if super::errors::logs(&path) || TEXTS.contains(&last.as_str()) {
            return;
        }
        let found = self.statement_in(list);
        let (position, text) =
            found.unwrap_or_else(|| (0, Text::Unknown(call.span().byte_range())));
        self.push(Statement {
            callee: path,
            method: false,
            handed: true,
            text,
            span: call.span().byte_range(),
            binds: None,
            executor: Executor::Other,
            function: self.function,
            ours: self.ours,
            test: self.test,
            hook: self.hook,
            spawned: self.spawned > 0,
            position,
            parameter: None,
        });
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.facts.statements.push(statement);
    }

    fn opened(&mut self, path: &[String], span: Span) {
        let [.., ty, last] = path else {
            return;
        };
        let pool = [
            "PgPool",
            "Pool",
            "PgPoolOptions",
            "PoolOptions",
            "PgConnection",
            "PgListener",
            "AnyPool",
            "AnyConnection",
        ];
        let opens = last.starts_with("connect") || last == "new" && ty.ends_with("PoolOptions");
        let foreign = path.first().is_some_and(|it| it == "tokio_postgres") && last == "connect";
        if pool.contains(&ty.as_str()) && opens || foreign {
            self.facts.pools.push(PoolUse {
                what: PoolUseKind::Opened,
                callee: path.to_vec(),
                span,
                test: self.test,
            });
        }
    }

    pub(super) fn method(&mut self, call: &ExprMethodCall) {
        let name = call.method.to_string();
        self.chain(call);
        self.client(call, &name);
        if matches!(name.as_str(), "begin" | "begin_with" | "acquire")
            && self.droppable > 0
            && self.spawned == 0
            && name != "acquire"
            && self.executor(&call.receiver) == Executor::Pool
        {
            self.facts.pools.push(PoolUse {
                what: PoolUseKind::Dropped,
                callee: vec![name.clone()],
                span: call.method.span().byte_range(),
                test: self.test,
            });
        }
        let hook = match name.as_str() {
            "after_connect" => Some(Hook::AfterConnect),
            "before_acquire" => Some(Hook::BeforeAcquire),
            "after_release" => Some(Hook::AfterRelease),
            _ => None,
        };
        if let Some(hook) = hook {
            self.facts.pools.push(PoolUse {
                what: PoolUseKind::Hooked(hook),
                callee: vec![name.clone()],
                span: call.method.span().byte_range(),
                test: self.test,
            });
        }
        self.grows(call, &name);
        self.called(name.clone(), true, &call.args);
        self.fails(call, &name);
        self.writes(call, &name);
        self.reads(call);
        let mut path = super::text::names_in(&call.receiver);
        path.push(name.clone());
        self.record(&path, call.method.span().byte_range(), false);
        let keeps = errors::keeps_error(call);
        let error = errors::method_makes_error(&name);
        self.swallowed += usize::from(keeps);
        self.visit_expr(&call.receiver);
        self.swallowed -= usize::from(keeps);
        let outer = self.hook;
        self.hook = hook.or(outer);
        self.error += usize::from(error);
        for argument in &call.args {
            self.visit_expr(argument);
        }
        self.error -= usize::from(error);
        self.hook = outer;
        if let Some(turbofish) = &call.turbofish {
            self.visit_angle_bracketed_generic_arguments(turbofish);
        }
    }
    /// `sqlx::query_as!(Row, "…", a, b)`
    pub(super) fn query_macro(&mut self, call: &syn::Macro, executor: Executor) -> bool {
        let path = self.resolve(&call.path);
        let last = path.last().cloned().unwrap_or_default();
        if !TAKES_SQL.contains(&last.as_str()) {
            return false;
        }
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        let span = call.span().byte_range();
        let Ok(list) = list.parse2(call.tokens.clone()) else {
            self.unseen("a macro of sqlx in a form that is not understood", call);
            return true;
        };
        let at = list
            .iter()
            .position(|it| self.text_of(it).is_some() && !matches!(strip(it), Expr::Path(_)));
        let text = at.and_then(|at| self.text_of(list.iter().nth(at)?));
        let text = match (last.contains("_file"), text) {
            (true, Some(Text::Literal(path))) => Text::File {
                path: path.value,
                beside: false,
                span: path.span,
            },
            (_, Some(text)) => text,
            (_, None) => Text::Unknown(span.clone()),
        };
        let values: Vec<Bind> = list
            .iter()
            .skip(at.map_or(list.len(), |at| at + 1))
            .map(|it| self.bind(it))
            .collect();
        self.push(Statement {
            callee: path,
            method: false,
            text,
            span,
            binds: Some(values),
            executor,
            function: self.function,
            ours: self.ours,
            test: self.test,
            hook: self.hook,
            spawned: self.spawned > 0,
            handed: false,
            position: 0,
            parameter: None,
        });
        list.iter().for_each(|it| self.visit_expr(it));
        true
    }

    pub(super) fn macro_call(&mut self, call: &syn::Macro) {
        let path = self.resolve(&call.path);
        let last = path.last().cloned().unwrap_or_default();
        if !self.done.insert(call.span().byte_range().start) && TAKES_SQL.contains(&last.as_str()) {
            return;
        }
        if self.query_macro(call, Executor::Other) {
            return;
        }
        match last.as_str() {
            "include" => self.unseen("a file that is included", call),
            "include_str" => {
                if let Ok(path) = syn::parse2::<syn::LitStr>(call.tokens.clone())
                    && path.value().ends_with(".json")
                {
                    let span = call.span().byte_range();
                    self.facts.included.push((path.value(), span));
                }
            }
            "migrate" => {
                if let Ok(path) = syn::parse2::<syn::LitStr>(call.tokens.clone()) {
                    self.facts.migrators.push(path.value());
                } else if path.first().is_some_and(|it| it == "sqlx") {
                    self.facts.migrators.push("migrations".to_owned());
                }
            }
            "tenant_query" | "system_query" | "unproved" => {}
            "schema_for" => {
                let ty = syn::parse2::<syn::Type>(call.tokens.clone()).ok();
                let ty = ty.and_then(|ty| super::shapes::type_name(self, &ty));
                self.schema_type("schema_for", ty, call.span().byte_range());
            }
            _ => {
                if last == "json" || last == "object" {
                    self.json(&call.tokens);
                }
                self.message(call, &last);
                if last == "write" || last == "writeln" {
                    self.written_to(call, last == "writeln");
                }
                let logs = errors::logs(&path);
                let words = call.tokens.to_string();
                if logs && words.contains("audit") && words.contains("target") {
                    self.record(&path, call.span().byte_range(), true);
                }
                let error = errors::macro_makes_error(&last);
                let outer = self.error;
                if logs {
                    self.error = 0;
                }
                self.error += usize::from(error);
                self.tokens(call);
                self.error = outer;
            }
        }
    }
}

/// Whether a text that is handed to something unknown is a statement.
pub(super) fn is_statement(text: &Text) -> bool {
    match text {
        Text::Literal(literal) => is_sql(&literal.value),
        Text::Made { parts, .. } => is_sql(&parts.join("x")),
        Text::Several(list) => list.iter().any(is_statement),
        Text::Built { steps, .. } => {
            let texts = steps.iter().filter_map(|step| match &step.adds {
                Adds::Text(Text::Literal(literal)) => Some(literal.value.as_str()),
                Adds::Gap | Adds::Number => Some("x"),
                _ => None,
            });
            is_sql(&texts.collect::<String>())
        }
        Text::File { path, .. } => path.ends_with(".sql"),
        Text::Constant { .. } | Text::Unknown(_) => false,
    }
}

/// The literal, where an expression is one.
pub(super) fn literal_text(expr: &Expr) -> Option<&syn::LitStr> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
