//! Calls: which function is meant, its arguments and its window.
//!
//! Invariant: a name that is on no list of ours, defined by no migration and not allowed by the
//! configuration is refused.

use super::collation::Collation;
use super::policies::is_expression;
use super::state::{Env, Info, Level, Prover};
use super::walk;
use crate::catalog::Function;
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::Ty;
use crate::functions::{Verdict, builtin};
use crate::ir::{Call, ExprKind, Literal, Span, Window};
use crate::policy::builtin::of_an_extension;

impl<'a> Prover<'a> {
    pub(super) fn call(&mut self, call: &'a Call, span: &Span, env: &Env) -> Info {
        self.aggregates.borrow_mut().push(Level {
            scope: env.scope,
            own: false,
            outer: false,
        });
        let aggregate = call.over.is_none() && walk::is_aggregate(call, self.catalog);
        // The arguments of an aggregate are computed for the rows that met the conditions.
        let rows = env.rows.filter(|_| aggregate).map(|block| Env {
            block,
            rows: None,
            ..env.clone()
        });
        let (operands, mut info) = self.arguments(call, rows.as_ref().unwrap_or(env));
        let level = self.aggregates.borrow_mut().pop();
        if aggregate && level.is_some_and(|level| level.outer && !level.own) {
            self.outer_aggregate(&call.name.span);
        }
        if let Some(over) = &call.over {
            let operand = self.window(over, env);
            info.absorb(&operand);
        }
        info.constant = false;
        info.folds &= self.is_immutable_call(call, &operands);
        self.called(call, &operands, span, &mut info);
        info
    }

    /// An aggregate over columns of a query around is computed there, and makes that query one
    /// which gives a row where nothing meets its conditions.
    pub(super) fn outer_aggregate(&mut self, span: &Span) {
        self.problem(
            Diagnostic::error(
                Code::NOT_UNDERSTOOD,
                "an aggregate over columns of the query around it is computed there, which is not understood yet",
            )
            .at(span.clone())
            .help("write the aggregate in the query that its columns belong to"),
        );
    }

    fn arguments(&mut self, call: &'a Call, env: &Env) -> (Vec<Info>, Info) {
        let operands: Vec<Info> = call.args.iter().map(|arg| self.expr(arg, env)).collect();
        let mut info = self.over(&operands.iter().collect::<Vec<_>>());
        for item in &call.order_by {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
            let operand = self.expr(&item.expr, env);
            info.absorb(&operand);
        }
        if let Some(filter) = &call.filter {
            let operand = self.expr(filter, env);
            info.absorb(&operand);
        }
        (operands, info)
    }

    /// Walks a window. Which rows are taken together and in what order tells nothing of the tenant:
    /// all of them are one tenant's.
    pub(super) fn window(&mut self, window: &'a Window, env: &Env) -> Info {
        let mut info = Info::constant();
        let mut computed = false;
        for expr in window
            .partition_by
            .iter()
            .chain(window.order_by.iter().map(|item| &item.expr))
        {
            let inner = self.expr(expr, env);
            self.sorted_early(&inner);
            computed |= inner.from_tenant && !self.of_table(&inner);
            info.absorb(&inner);
        }
        for expr in &window.frame {
            let inner = self.count(expr, env);
            info.absorb(&inner);
        }
        for item in &window.order_by {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
        }
        // The order of the tenant's own rows by a column that is the same in all of them tells
        // nothing; beside a caller's value it does.
        info.from_tenant = computed;
        info.collation = Collation::Own;
        info
    }

    /// What the function itself is.
    fn called(&mut self, call: &'a Call, operands: &[Info], span: &Span, info: &mut Info) {
        let (schema, name) = match call.name.parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => (Some(""), ""),
        };
        if self.configured(schema, name) {
            info.window = call.over.is_some();
            // In a policy the configuration answers for what it may tell as well.
            if !self.context.policy {
                info.raises(span, format!("the function `{name}`"));
            }
            return;
        }
        let own = match schema {
            None | Some("pg_catalog") => builtin(name),
            Some(_) => None,
        };
        let defined = if schema == Some("pg_catalog") {
            Vec::new()
        } else {
            self.catalog.functions(schema, name)
        };
        if defined.is_empty()
            && schema.is_none()
            && let Some(why) = self.catalog.unknown_names()
        {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!(
                        "a function `{name}` may have been defined by what can't be read: {why}"
                    ),
                )
                .at(call.name.span.clone())
                .help(format!("write `pg_catalog.{name}`")),
            );
        }
        for function in &defined {
            self.function(function, call, span, info);
            if function.leakproof && info.reads && !self.never_raises(function, operands) {
                self.leakproof(function, &call.name.span);
            }
        }
        if let [function] = defined.as_slice()
            && own.is_none()
        {
            info.ty = function.returns.as_ref().and_then(|ty| self.type_of(ty));
        }
        match own {
            Some(own) => self.builtin(own, call, operands, name, span, info),
            None if name == "current_setting" && self.own_setting(call) => {
                info.from_tenant = true;
                info.ty = Some(Ty::plain("text"));
                let missing_ok = matches!(
                    call.args.get(1).map(|arg| &arg.kind),
                    Some(ExprKind::Literal(Literal::Bool(true)))
                );
                // A scope always sets the tenant's own.
                let always_set = self.context.policy && self.is_tenants_setting(call);
                if !missing_ok && !always_set {
                    info.raises(span, "a setting that may be missing");
                }
            }
            None if !defined.is_empty() => {
                let silent = match defined.as_slice() {
                    // Its body is judged with the policy.
                    functions
                        if self.context.policy && !functions.iter().all(|it| is_expression(it)) =>
                    {
                        true
                    }
                    [function] if self.context.policy || !info.exposed.is_empty() => {
                        self.never_raises(function, operands)
                    }
                    _ => false,
                };
                if !silent {
                    info.raises(span, format!("the function `{name}`"));
                }
            }
            None if of_an_extension(name)
                && matches!(schema, None | Some("public" | "extensions")) =>
            {
                let trigrams = matches!(
                    name,
                    "similarity" | "word_similarity" | "strict_word_similarity"
                );
                info.ty = match name {
                    name if name.starts_with("uuid_") => Some(Ty::plain("uuid")),
                    "unaccent" => Some(Ty::plain("text")),
                    _ => trigrams.then(|| Ty::plain("float4")),
                };
                // Trigrams are counted of any text.
                if !trigrams {
                    info.raises(span, format!("the function `{name}`"));
                }
            }
            None => {
                let shown = call.name.parts.join(".");
                self.problem(
                    Diagnostic::error(
                        Code::UNKNOWN_FUNCTION,
                        format!("the function `{shown}` is not on the list of those that stay within the scope"),
                    )
                    .at(call.name.span.clone())
                    .help(format!(
                        "if it reads and writes nothing but its arguments, allow it in `watertight.toml`: [[functions]] name = \"{name}\", reason = \"…\""
                    )),
                );
            }
        }
    }

    /// A function that a migration calls leakproof runs on rows of every tenant.
    fn leakproof(&mut self, function: &Function, span: &Span) {
        self.problem(
            Diagnostic::error(
                Code::FUNCTION_BODY,
                format!(
                    "PostgreSQL runs `{}` in front of policies, as a migration calls it `LEAKPROOF`, and its error would tell of another tenant's row",
                    function.signature()
                ),
            )
            .at(span.clone())
            .note(format!("it is defined in {}", function.written_in))
            .help(format!("in a migration: ALTER FUNCTION {} NOT LEAKPROOF", function.signature())),
        );
    }

    pub(super) fn configured(&self, schema: Option<&str>, name: &str) -> bool {
        // A name on the list of refused ones stays refused.
        if matches!(schema, None | Some("pg_catalog"))
            && builtin(name).is_some_and(|own| matches!(own.verdict, Verdict::Refused(_)))
        {
            return false;
        }
        let qualified = schema.map(|schema| format!("{schema}.{name}"));
        self.catalog.config().functions.iter().any(|allowed| {
            Some(&allowed.name) == qualified.as_ref() || (schema.is_none() && allowed.name == name)
        })
    }

    /// `current_setting` of the setting that holds the tenant.
    pub(super) fn is_tenants_setting(&self, call: &Call) -> bool {
        let setting = &self.catalog.config().tenant.setting;
        self.own_setting(call)
            && matches!(call.args.first().map(|arg| &arg.kind),
                Some(ExprKind::Literal(Literal::String(name))) if name.eq_ignore_ascii_case(setting))
    }

    /// `current_setting('app.…')`: a setting with the prefix of the tenant's, which statements of a
    /// scope may read.
    pub(super) fn own_setting(&self, call: &Call) -> bool {
        let prefix = |name: &str| name.split('.').next().map(str::to_ascii_lowercase);
        matches!(call.args.first().map(|arg| &arg.kind),
            Some(ExprKind::Literal(Literal::String(name)))
                if name.contains('.') && prefix(name) == prefix(&self.catalog.config().tenant.setting))
    }
}
