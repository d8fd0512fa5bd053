//! Statements and pools: calls that take a text, with what is bound and what runs them.
//!
//! A chain such as `sqlx::query("…").bind(x).execute(&pool)` is read once, from its outermost call.

use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit as _};
use syn::{Expr, ExprCall, ExprMethodCall, Lit, Pat, Token};

use super::super::facts::{
    Bind, Executor, Hook, Literal, Origin, PoolUse, PoolUseKind, Span, Statement, Text,
};
use super::super::literal::is_sql;
use super::text::{append, names_in};
use super::{Extractor, errors, names_of};

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
/// Methods that run what a chain made, with what runs it as their argument.
const RUNS: [&str; 8] = [
    "execute",
    "execute_many",
    "fetch",
    "fetch_all",
    "fetch_many",
    "fetch_one",
    "fetch_optional",
    "fetch_scalar",
];
/// Methods of clients, pools and transactions that take a statement as text.
const CLIENT: [&str; 18] = [
    "batch_execute",
    "begin_with",
    "execute",
    "execute_many",
    "execute_raw",
    "execute_unprepared",
    "fetch",
    "fetch_all",
    "fetch_many",
    "fetch_one",
    "fetch_optional",
    "prepare",
    "query",
    "query_one",
    "query_opt",
    "query_raw",
    "simple_query",
    "query_typed",
];
/// Methods that leave a value what it is, for the question of who gave it.
const CONVERTS: [&str; 22] = [
    "as_deref",
    "as_ref",
    "as_str",
    "borrow",
    "clone",
    "cloned",
    "copied",
    "expect",
    "into",
    "into_inner",
    "map_err",
    "ok_or",
    "ok_or_else",
    "parse",
    "to_owned",
    "to_string",
    "trim",
    "try_into",
    "unwrap",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
];

/// A `QueryBuilder` that a name holds.
#[derive(Clone, Debug)]
pub(super) struct Builder {
    statement: usize,
    branches: usize,
}

impl Extractor {
    /// Who gave a value.
    pub(super) fn origin(&self, expr: &Expr) -> Origin {
        match expr {
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => {
                    let name = name.unraw().to_string();
                    let known = self.locals.last().and_then(|it| it.origins.get(&name));
                    known.copied().unwrap_or(Origin::Other)
                }
                None => Origin::Other,
            },
            Expr::Field(field) => self.origin(&field.base),
            Expr::Reference(inner) => self.origin(&inner.expr),
            Expr::Paren(inner) => self.origin(&inner.expr),
            Expr::Group(inner) => self.origin(&inner.expr),
            Expr::Try(inner) => self.origin(&inner.expr),
            Expr::Unary(inner) => self.origin(&inner.expr),
            Expr::Cast(inner) => self.origin(&inner.expr),
            Expr::MethodCall(call) if CONVERTS.contains(&call.method.to_string().as_str()) => {
                self.origin(&call.receiver)
            }
            Expr::Call(call) => {
                let Expr::Path(callee) = &*call.func else {
                    return Origin::Other;
                };
                let last = callee.path.segments.last().map(|it| it.ident.to_string());
                let converts = [
                    "from",
                    "new",
                    "parse_str",
                    "try_from",
                    "from_str",
                    "Some",
                    "parse",
                    "TenantId",
                ];
                match (last, call.args.first()) {
                    (Some(last), Some(only))
                        if call.args.len() == 1 && converts.contains(&last.as_str()) =>
                    {
                        self.origin(only)
                    }
                    _ => Origin::Other,
                }
            }
            _ => Origin::Other,
        }
    }

    fn bind(&self, expr: &Expr) -> Bind {
        Bind {
            names: names_in(expr),
            origin: self.origin(expr),
            span: expr.span().byte_range(),
        }
    }

    /// What a `let` makes known of its names.
    pub(super) fn bind_local(&mut self, pat: &Pat, init: &Expr) {
        let names = names_of(pat);
        let origin = self.origin(init);
        let mutable = matches!(pat, Pat::Ident(it) if it.mutability.is_some());
        let text = match (self.text_of(init), mutable) {
            // What is pushed to it later is not seen.
            (Some(text), true) => match init {
                Expr::Lit(_) => Some(text),
                _ => Some(Text::Made {
                    parts: written(&text),
                    gaps: Vec::new(),
                    span: text.span(),
                }),
            },
            (text, _) => text,
        };
        let query = self.base_of(init).and_then(|start| {
            let found = self.facts.statements.iter();
            found.rev().position(|it| it.span.start == start)
        });
        let query = query.map(|back| self.facts.statements.len() - 1 - back);
        let builder = query
            .filter(|at| {
                self.facts.statements.get(*at).is_some_and(|statement| {
                    statement.callee.iter().any(|name| name == "QueryBuilder")
                })
            })
            .map(|statement| Builder {
                statement,
                branches: self.branches,
            });
        let is_pool = names_in(init)
            .iter()
            .any(|name| name == "PgPool" || name == "PgPoolOptions");
        let Some(locals) = self.locals() else {
            return;
        };
        for name in names {
            locals.origins.insert(name.clone(), origin);
            locals.texts.remove(&name);
            if let Some(text) = &text {
                locals.texts.insert(name.clone(), text.clone());
            }
            if is_pool {
                locals.pools.insert(name.clone());
            }
            match (&builder, query) {
                (Some(builder), _) => {
                    locals.builders.insert(name, builder.clone());
                }
                (None, Some(query)) => {
                    locals.queries.insert(name, query);
                }
                (None, None) => {}
            }
        }
    }

    /// Where the first call of a chain begins.
    fn base_of(&self, expr: &Expr) -> Option<usize> {
        match base(expr) {
            Expr::Call(call) => Some(call.span().byte_range().start),
            Expr::Macro(call) => Some(call.span().byte_range().start),
            _ => None,
        }
    }

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
            self.schema_type(&last, ty, call.span().byte_range());
        }
        self.called(last.clone(), &call.args);
        let error = errors::makes_error(&path);
        let spawns = last == "spawn";
        let times = matches!(last.as_str(), "timeout" | "timeout_at");
        self.error += usize::from(error);
        self.spawned += usize::from(spawns);
        self.droppable += usize::from(times);
        visit::visit_expr_call(self, call);
        self.error -= usize::from(error);
        self.spawned -= usize::from(spawns);
        self.droppable -= usize::from(times);
    }

    /// A statement, if the call may take one.
    fn register(
        &mut self,
        call: &ExprCall,
        path: &[String],
        binds: Option<Vec<Bind>>,
        executor: Executor,
    ) {
        let last = path.last().map(String::as_str).unwrap_or_default();
        let builder = path.iter().any(|name| name == "QueryBuilder")
            && matches!(last, "new" | "with_arguments");
        let text = match (TAKES_SQL.contains(&last) || builder, call.args.first()) {
            (true, first) => {
                let span = call.span().byte_range();
                let text = first.and_then(|it| self.text_of(it));
                text.unwrap_or(Text::Unknown(
                    first.map_or(span, |it| it.span().byte_range()),
                ))
            }
            (false, _) => {
                let literals = call.args.iter().filter_map(|it| self.text_of(it));
                let Some(text) = literals.into_iter().find(is_statement) else {
                    return;
                };
                // A name that is already a statement elsewhere, or a text that is only wrapped.
                if matches!(
                    last,
                    "AssertSqlSafe" | "from" | "new" | "Some" | "Ok" | "Err" | "Borrowed"
                ) {
                    return;
                }
                text
            }
        };
        self.push(Statement {
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
        });
    }

    fn push(&mut self, statement: Statement) {
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
        self.called(name.clone(), &call.args);
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

    /// A chain over a statement: what is bound, and what runs it.
    fn chain(&mut self, outermost: &ExprMethodCall) {
        let mut binds = Vec::new();
        let mut executor = Executor::Other;
        let mut pushes = Vec::new();
        let mut at = outermost;
        let first = loop {
            let name = at.method.to_string();
            match (name.as_str(), at.args.first()) {
                ("bind" | "push_bind", Some(value)) => {
                    binds.push(self.bind(value));
                    pushes.push(at);
                }
                (runs, Some(value)) if RUNS.contains(&runs) => executor = self.executor(value),
                _ => pushes.push(at),
            }
            match base_step(&at.receiver) {
                Expr::MethodCall(inner) => at = inner,
                other => break other,
            }
        };
        binds.reverse();
        pushes.reverse();
        match first {
            Expr::Call(call) => {
                let Expr::Path(callee) = &*call.func else {
                    return;
                };
                let path = self.resolve(&callee.path);
                if self.done.insert(call.span().byte_range().start) {
                    self.register(call, &path, Some(binds), executor);
                }
            }
            Expr::Macro(call) if self.done.insert(call.span().byte_range().start) => {
                self.query_macro(&call.mac, executor);
            }
            Expr::Path(path) => {
                let Some(name) = path.path.get_ident().map(|it| it.unraw().to_string()) else {
                    return;
                };
                // Inner calls of the same chain come by here again.
                if !self.done.insert(path.span().byte_range().start) {
                    return;
                }
                let locals = self.locals.last();
                let query = locals.and_then(|it| it.queries.get(&name)).copied();
                let builder = locals.and_then(|it| it.builders.get(&name)).cloned();
                if let Some(builder) = builder {
                    self.build(&builder, &pushes, executor);
                } else if let Some(statement) =
                    query.and_then(|query| self.facts.statements.get_mut(query))
                {
                    statement.binds.get_or_insert_default().extend(binds);
                    if executor == Executor::Pool {
                        statement.executor = executor;
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds what is pushed to a builder; what is pushed under a condition leaves the text unknown.
    fn build(&mut self, builder: &Builder, pushes: &[&ExprMethodCall], executor: Executor) {
        let conditional = self.branches > builder.branches;
        let mut added: Vec<(Option<Text>, Option<Bind>, bool)> = Vec::new();
        for push in pushes {
            let first = push.args.first();
            match push.method.to_string().as_str() {
                "push" => added.push((first.and_then(|it| self.text_of(it)), None, true)),
                "push_bind" => added.push((None, first.map(|it| self.bind(it)), true)),
                "push_values" | "push_tuples" | "separated" | "push_unseparated" => {
                    added.push((None, None, true));
                }
                _ => {}
            }
        }
        let Some(statement) = self.facts.statements.get_mut(builder.statement) else {
            return;
        };
        if executor == Executor::Pool {
            statement.executor = executor;
        }
        for (text, bind, _) in added {
            let text = match (text, bind) {
                (_, Some(bind)) if !conditional => {
                    let binds = statement.binds.get_or_insert_default();
                    binds.push(bind);
                    Some(Text::Literal(Literal {
                        value: format!("${}", binds.len()),
                        ..Literal::default()
                    }))
                }
                (Some(text), None) if !conditional => Some(text),
                _ => None,
            };
            statement.text = match (
                std::mem::replace(&mut statement.text, Text::Unknown(0..0)),
                text,
            ) {
                (Text::Literal(mut whole), Some(Text::Literal(part))) => {
                    append(&mut whole, &part);
                    Text::Literal(whole)
                }
                (Text::Literal(whole), _) => Text::Made {
                    span: whole.span.clone(),
                    parts: vec![whole.value, String::new()],
                    gaps: vec![Vec::new()],
                },
                (
                    Text::Made {
                        mut parts,
                        mut gaps,
                        span,
                    },
                    text,
                ) => {
                    match text {
                        Some(Text::Literal(part)) => {
                            if let Some(last) = parts.last_mut() {
                                last.push_str(&part.value);
                            }
                        }
                        _ => {
                            parts.push(String::new());
                            gaps.push(Vec::new());
                        }
                    }
                    Text::Made { parts, gaps, span }
                }
                (other, _) => other,
            };
        }
    }

    /// A statement that is handed to a client, a pool or a transaction as text.
    fn client(&mut self, call: &ExprMethodCall, name: &str) {
        let texts: Vec<(usize, Text)> = call
            .args
            .iter()
            .enumerate()
            .filter_map(|(at, it)| Some((at, self.text_of(it)?)))
            .collect();
        let Some((at, text)) = texts.into_iter().find(|(_, text)| is_statement(text)) else {
            return;
        };
        if !CLIENT.contains(&name) {
            return;
        }
        let binds = call
            .args
            .iter()
            .nth(at + 1)
            .and_then(|values| match strip(values) {
                Expr::Array(list) => Some(list.elems.iter().map(|it| self.bind(it)).collect()),
                _ => None,
            });
        self.push(Statement {
            callee: vec![name.to_owned()],
            method: true,
            text,
            span: call.method.span().byte_range(),
            binds,
            executor: self.executor(&call.receiver),
            function: self.function,
            ours: self.ours,
            test: self.test,
            hook: self.hook,
            spawned: self.spawned > 0,
        });
    }

    /// Whether a value is the pool itself.
    fn executor(&self, expr: &Expr) -> Executor {
        let named = |name: &str| {
            let lower = name.to_lowercase();
            let words: Vec<&str> = lower.split('_').collect();
            words.contains(&"pool") || lower == "pg" || lower == "pgpool"
        };
        let shared = matches!(expr, Expr::Reference(it) if it.mutability.is_none());
        let mutable = matches!(expr, Expr::Reference(it) if it.mutability.is_some());
        if mutable {
            return Executor::Other;
        }
        let name = match strip(expr) {
            Expr::Path(path) => {
                let Some(name) = path.path.get_ident().map(|it| it.unraw().to_string()) else {
                    return Executor::Other;
                };
                let known = self
                    .locals
                    .last()
                    .is_some_and(|it| it.pools.contains(&name));
                if known {
                    return Executor::Pool;
                }
                name
            }
            Expr::Field(field) => match &field.member {
                syn::Member::Named(name) => name.to_string(),
                // sqlx takes a shared reference of nothing but a pool.
                syn::Member::Unnamed(_) if shared => return Executor::Pool,
                syn::Member::Unnamed(_) => return Executor::Other,
            },
            Expr::MethodCall(call) => call.method.to_string(),
            _ => return Executor::Other,
        };
        match shared || named(&name) {
            true => Executor::Pool,
            false => Executor::Other,
        }
    }

    /// `sqlx::query_as!(Row, "…", a, b)`
    fn query_macro(&mut self, call: &syn::Macro, executor: Executor) -> bool {
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
                let logs = errors::logs(&path);
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

/// The expression that a chain starts from.
fn base(expr: &Expr) -> &Expr {
    match base_step(expr) {
        Expr::MethodCall(call) => base(&call.receiver),
        other => other,
    }
}

/// Without what stands around a call.
fn base_step(expr: &Expr) -> &Expr {
    match expr {
        Expr::Try(inner) => base_step(&inner.expr),
        Expr::Await(inner) => base_step(&inner.base),
        Expr::Paren(inner) => base_step(&inner.expr),
        Expr::Group(inner) => base_step(&inner.expr),
        Expr::Reference(inner) => base_step(&inner.expr),
        other => other,
    }
}

/// Without references.
fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Reference(inner) => strip(&inner.expr),
        Expr::Paren(inner) => strip(&inner.expr),
        Expr::Group(inner) => strip(&inner.expr),
        Expr::Unary(inner) if matches!(inner.op, syn::UnOp::Deref(_)) => strip(&inner.expr),
        other => other,
    }
}

/// Whether a text that is handed to something unknown is a statement.
fn is_statement(text: &Text) -> bool {
    match text {
        Text::Literal(literal) => is_sql(&literal.value),
        Text::Made { parts, .. } => is_sql(&parts.join("x")),
        Text::Several(list) => list.iter().any(is_statement),
        Text::File { path, .. } => path.ends_with(".sql"),
        Text::Constant { .. } | Text::Unknown(_) => false,
    }
}

fn written(text: &Text) -> Vec<String> {
    match text {
        Text::Literal(literal) => vec![literal.value.clone(), String::new()],
        Text::Made { parts, .. } => parts.clone(),
        _ => vec![String::new(), String::new()],
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
