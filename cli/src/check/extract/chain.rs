//! Chains over a statement, such as `sqlx::query("…").bind(x).execute(&pool)`: read once, from their
//! outermost call, with what is bound and what runs them.

use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprMethodCall};

use super::super::facts::{Adds, Arm, Bind, Executor, Origin, Statement, Text};
use super::Extractor;

/// Methods that run what a chain made, with what runs it as their argument.
pub(super) const RUNS: [&str; 8] = [
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
pub(crate) const CLIENT: [&str; 20] = [
    "batch_execute",
    "begin_with",
    "copy_in_raw",
    "copy_out_raw",
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
/// Methods that ask something of a text, or put it into another.
const QUESTIONS: [&str; 24] = [
    "about",
    "bind",
    "contains",
    "context",
    "description",
    "ends_with",
    "eq",
    "expect",
    "find",
    "help",
    "insert_str",
    "instructions",
    "long_about",
    "push",
    "push_bind",
    "push_str",
    "replace",
    "split",
    "starts_with",
    "strip_prefix",
    "trim_start_matches",
    "with_context",
    "with_description",
    "with_instructions",
];
/// A `QueryBuilder` that a name holds.
#[derive(Clone, Debug)]
pub(super) struct Builder {
    pub(super) statement: usize,
    /// How many arms of branches were around where it was made.
    pub(super) depth: usize,
    /// Of what `separated` gave: what stands between its pushes.
    pub(super) between: Option<Adds>,
    pub(super) built: bool,
}

/// A statement that a name holds.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) statement: usize,
    /// How many arms of branches were around where it began.
    pub(super) depth: usize,
    /// The arm in which a value was bound last that is not always bound: the numbers of those behind
    /// it are not known.
    pub(super) in_arm: Option<Arm>,
}

/// A value of which the number is not known.
fn unsure(bind: &mut Bind) {
    bind.names = vec!["a value behind one that is not always bound".to_owned()];
    bind.origin = Origin::Other;
    bind.flag = None;
}

impl Extractor {
    /// A chain over a statement: what is bound, and what runs it.
    pub(super) fn chain(&mut self, outermost: &ExprMethodCall) {
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
                    if path.iter().any(|name| name == "QueryBuilder") {
                        let builder = Builder {
                            statement: self.facts.statements.len() - 1,
                            depth: self.path.len(),
                            between: None,
                            built: false,
                        };
                        self.build(&builder, &pushes, executor);
                    }
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
                let bound = locals.and_then(|it| it.queries.get(&name)).cloned();
                let builder = locals.and_then(|it| it.builders.get(&name)).cloned();
                if let Some(builder) = builder {
                    self.build(&builder, &pushes, executor);
                } else if let Some(mut bound) = bound {
                    let arm = self.path.last().cloned();
                    let apart = self.path.len() > bound.depth;
                    let sure = match &bound.in_arm {
                        None => true,
                        known => *known == arm,
                    };
                    if apart && !binds.is_empty() {
                        bound.in_arm.clone_from(&arm);
                    }
                    if !sure {
                        binds.iter_mut().for_each(unsure);
                    }
                    let Some(statement) = self.facts.statements.get_mut(bound.statement) else {
                        return;
                    };
                    statement.binds.get_or_insert_default().extend(binds);
                    if executor == Executor::Pool {
                        statement.executor = executor;
                    }
                    if let Some(locals) = self.locals.last_mut() {
                        locals.queries.insert(name, bound);
                    }
                }
            }
            _ => {}
        }
    }

    /// A statement that is handed to a client, a pool or a transaction as text.
    pub(super) fn client(&mut self, call: &ExprMethodCall, name: &str) {
        if QUESTIONS.contains(&name) {
            return;
        }
        let sends = CLIENT.contains(&name);
        let (at, text, parameter) = match (self.statement_in(&call.args), sends) {
            (Some((at, text)), _) => (at, text, None),
            // A text that its caller gives.
            (None, true) => match call.args.first().map(|it| (self.parameter(it), it)) {
                Some((Some(parameter), first)) => {
                    (0, Text::Unknown(first.span().byte_range()), Some(parameter))
                }
                _ => return,
            },
            (None, false) => return,
        };
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
            handed: false,
            position: at,
            parameter,
        });
    }

    /// Whether a value is the pool itself.
    pub(super) fn executor(&self, expr: &Expr) -> Executor {
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
}

/// The expression that a chain starts from.
pub(super) fn base(expr: &Expr) -> &Expr {
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
pub(super) fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Reference(inner) => strip(&inner.expr),
        Expr::Paren(inner) => strip(&inner.expr),
        Expr::Group(inner) => strip(&inner.expr),
        Expr::Unary(inner) if matches!(inner.op, syn::UnOp::Deref(_)) => strip(&inner.expr),
        other => other,
    }
}
