//! Functions of the migrations: their bodies are read like statements of their own.
//!
//! Invariant: a function whose body or defaults can't be read whole, or that sets anything but a
//! search path of the same names, is refused; so is one that calls itself or nests too deeply.

use super::state::{
    Argument, Context, FunctionResult, FunctionRows, Info, Leak, Prover, RteId, RteKind,
};
use super::walk;
use crate::catalog::{Body, Function, FunctionKind, Volatility};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::Ty;
use crate::ir::{Call, Span, Statement, TypeName};

/// How deep views and functions are followed.
pub(super) const DEPTH: usize = 32;

impl<'a> Prover<'a> {
    /// A function of the migrations: its body is read like a statement of its own.
    pub(super) fn function(
        &mut self,
        function: &'a Function,
        call: &Call,
        span: &Span,
        info: &mut Info,
    ) {
        let signature = function.signature();
        // Whatever it returns may stem from a tenant column.
        info.from_tenant = true;
        let refuse = |this: &mut Self, why: String| {
            this.problem(
                Diagnostic::error(
                    Code::FUNCTION_BODY,
                    format!("the function `{signature}` can't be proved: {why}"),
                )
                .at(call.name.span.clone())
                .note(format!("it is defined in {}", function.written_in))
                .help("read the tables in the statement itself, or allow the function with a reason in `watertight.toml`"),
            );
        };
        if let Some(why) = &function.unknown {
            return refuse(self, why.clone());
        }
        if let Some(why) = crate::policy::computed_once(self.catalog, function) {
            return refuse(self, why);
        }
        if function.kind != FunctionKind::Function {
            return refuse(self, "it is an aggregate or a procedure".to_owned());
        }
        if let Some((name, _)) = function
            .settings
            .iter()
            .find(|(name, value)| name != "search_path" || !self.same_path(value.as_deref()))
        {
            return refuse(self, format!("it sets `{name}`"));
        }
        let statements = match &function.body {
            Body::Sql { statements, .. } => statements,
            Body::Opaque { why, .. } => {
                return refuse(self, format!("its body is not read ({why})"));
            }
        };
        match self.functions.get(&signature) {
            Some(FunctionResult::Reading) => {
                return refuse(self, "it calls itself".to_owned());
            }
            // Read before with other rights counts as read again below.
            Some(FunctionResult::Done(exposed, rows))
                if !function.security_definer && !self.context.definer =>
            {
                info.exposed.extend(exposed);
                self.rows.clone_from(rows);
                return;
            }
            _ => {}
        }
        if self.context.depth >= DEPTH {
            return refuse(self, "functions and views nest too deeply".to_owned());
        }
        for argument in &function.arguments {
            self.check_type(&argument.ty);
            if argument.has_default && argument.default.is_none() {
                return refuse(
                    self,
                    "the default of an argument is not understood".to_owned(),
                );
            }
        }
        if let Some(returns) = &function.returns {
            self.check_type(returns);
        }
        let arguments: Vec<Argument> = function
            .inputs()
            .map(|argument| Argument {
                name: argument.name.clone(),
                value: Info {
                    ty: self.type_of(&argument.ty),
                    folds: false,
                    ..Info::constant()
                },
            })
            .collect();
        let context = Context {
            origin: Some(
                self.context
                    .origin
                    .clone()
                    .unwrap_or_else(|| (span.clone(), format!("the function `{signature}`"))),
            ),
            definer: self.context.definer || function.security_definer,
            depth: self.context.depth + 1,
            arguments: Some(arguments.into()),
            default_value: false,
            policy: self.context.policy,
        };
        self.functions
            .insert(signature.clone(), FunctionResult::Reading);
        let before = self.rtes.len();
        let output = self.within(context, |this| {
            // A call that leaves an argument out evaluates its default.
            let block = this.block(None, &super::state::Guard::from([]));
            let scope = this.push_scope(super::state::Namespace::default(), None);
            let env = this.env(block, scope, false);
            for default in function
                .arguments
                .iter()
                .flat_map(|argument| &argument.default)
            {
                this.expr(default, &env);
            }
            let mut output = None;
            for statement in statements {
                output = this.write(statement, None, &super::state::Guard::from([]), None);
            }
            output
        });
        let exposed = self.exposed_by(function, before);
        info.exposed.extend(&exposed);
        let columns = output.and_then(|output| self.outputs.get(output)?.columns.as_ref());
        // In the place of the call the select list becomes part of the conditions on it.
        let replaced = self.is_put_in_place(function);
        let columns = columns.into_iter().flatten();
        let leak = columns.clone().find_map(|column| column.info.leak.clone());
        let rows = FunctionRows {
            leak: leak.filter(|_| replaced).map(|leak| Leak {
                span: span.clone(),
                ..leak
            }),
            read: function.returns_set
                && (!replaced || columns.clone().all(|column| column.info.reads)),
        };
        self.rows.clone_from(&rows);
        self.functions
            .insert(signature, FunctionResult::Done(exposed, rows));
    }

    /// Whether the body of a function is one expression over its arguments that raises no error,
    /// whatever they are: it is walked with the arguments as values of a row.
    pub(super) fn never_raises(&mut self, function: &'a Function, operands: &[Info]) -> bool {
        let Body::Sql { statements, .. } = &function.body else {
            return false;
        };
        let [Statement::Query(query)] = statements.as_slice() else {
            return false;
        };
        let Some(expr) = super::subquery::bare(query) else {
            return false;
        };
        let plain = |ty: &TypeName| Ty::of(ty).is_some();
        let same_result = function.returns.as_ref().is_some_and(plain) && !function.returns_set;
        if !same_result || walk::has_subquery(expr) || walk::calls_defined(expr, self.catalog) {
            return false;
        }
        // A value of another type than the argument's is cast first.
        let cast = function.inputs().zip(operands).any(|(argument, operand)| {
            !operand.open && operand.ty.as_ref() != Ty::of(&argument.ty).as_ref()
        });
        if cast || function.inputs().count() < operands.len() {
            return false;
        }
        // An entry that is none of the statement's.
        let row = RteId::MAX;
        let arguments: Vec<Argument> = function
            .inputs()
            .map(|argument| Argument {
                name: argument.name.clone(),
                value: Info {
                    ty: self.type_of(&argument.ty),
                    exposed: vec![row],
                    reads: true,
                    ..Info::default()
                },
            })
            .collect();
        let context = Context {
            arguments: Some(arguments.into()),
            depth: self.context.depth + 1,
            ..Context::clone(&self.context)
        };
        let problems = self.problems.len();
        let info = self.within(context, |this| {
            let block = this.block(None, &super::state::Guard::from([]));
            let scope = this.push_scope(super::state::Namespace::default(), None);
            let env = this.env(block, scope, false);
            this.expr(expr, &env)
        });
        self.problems.truncate(problems);
        let returned = function.returns.as_ref().and_then(Ty::of);
        // A policy's part that reads no row is computed when one asks for it.
        let fails = self.context.policy && info.fails.is_some();
        info.leak.is_none() && !fails && info.ty == returned
    }

    /// The entries of a body, read since `before`, that conditions outside may be evaluated on.
    fn exposed_by(&self, function: &Function, before: RteId) -> Vec<RteId> {
        let bare = |rte: &RteId| {
            self.rtes.get(*rte).is_some_and(
                |rte| matches!(&rte.kind, RteKind::Base(base) if !base.protected && !base.global),
            )
        };
        if !self.is_put_in_place(function) {
            return Vec::new();
        }
        (before..self.rtes.len()).filter(bare).collect()
    }

    /// Whether PostgreSQL puts the body of a function in the place of its call in `FROM`.
    fn is_put_in_place(&self, function: &Function) -> bool {
        function.returns_set
            && function.volatility != Volatility::Volatile
            && !function.security_definer
            && function.settings.is_empty()
    }

    /// Whether a function's `SET search_path` finds the same names as the session's.
    fn same_path(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return false;
        };
        let path: Vec<&str> = value
            .split(',')
            .map(|part| part.trim().trim_matches(['"', '\'']))
            .filter(|part| !part.is_empty() && !matches!(*part, "pg_catalog" | "pg_temp"))
            .collect();
        // A call in the body would be looked up elsewhere.
        let functions = self
            .catalog
            .all_functions()
            .iter()
            .all(|function| function.schema == "public");
        let same = self
            .catalog
            .search_path()
            .iter()
            .any(|part| part == "public")
            || functions;
        path.iter().all(|part| *part == "public")
            && same
            && self.catalog.relations().all(|relation| {
                relation.schema == "public"
                    || !self.catalog.search_path().contains(&relation.schema)
            })
    }

    /// Works within another context, without the common table expressions around it, unseen by the
    /// sub-queries being read.
    pub(super) fn within<T>(&mut self, context: Context, work: impl FnOnce(&mut Self) -> T) -> T {
        let watch = std::mem::take(&mut self.watch);
        let result = self.inside(context, work);
        self.watch = watch;
        result
    }

    /// The same for what becomes part of the query that names it.
    pub(super) fn inside<T>(&mut self, context: Context, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.context, context.into());
        let with = std::mem::take(&mut self.with);
        let result = work(self);
        self.with = with;
        self.context = outer;
        result
    }
}
