//! Calls, operators and types: PostgreSQL's own by list, functions of the migrations by their body.

use super::state::{
    Argument, Context, Env, FunctionResult, Info, Level, Prover, RteId, RteKind, Visible,
};
use super::walk;
use crate::catalog::{Body, Function, FunctionKind, TypeKind, Volatility, type_text};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::{self, Ty};
use crate::functions::{Builtin, Errors, Verdict, builtin, operators};
use crate::ir::{Call, ExprKind, FunctionItem, Literal, Name, Span, Statement, TypeName};
use crate::policy::builtin::of_an_extension;

/// How deep views and functions are followed.
pub(super) const DEPTH: usize = 32;

impl<'a> Prover<'a> {
    /// Refuses an operator that is not PostgreSQL's own, or that a migration shadows for operands
    /// of these types.
    pub(super) fn check_operator(&mut self, name: &Name, operands: &[&Info]) {
        let (own, operator) = match name.parts.as_slice() {
            [operator] => (false, operator),
            [schema, operator] if schema == "pg_catalog" => (true, operator),
            [schema, operator]
                if matches!(schema.as_str(), "public" | "extensions")
                    && self.extension_operator(operator, operands) =>
            {
                (false, operator)
            }
            _ => {
                self.problem(
                    Diagnostic::error(
                        Code::UNKNOWN_OPERATOR,
                        format!(
                            "the operator `{}` is not PostgreSQL's own",
                            name.parts.join(".")
                        ),
                    )
                    .at(name.span.clone()),
                );
                return;
            }
        };
        let extension = !own && self.extension_operator(operator, operands);
        if !operators::is_builtin(operator) && !extension {
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_OPERATOR,
                    format!("the operator `{operator}` is not PostgreSQL's own, so what it computes is not known"),
                )
                .at(name.span.clone())
                .help("use an operator of PostgreSQL's own, cast its operands where it is one of pgvector or pg_trgm, as in `$q::vector`, or call its function and allow that in `watertight.toml`: [[functions]] name = \"…\", reason = \"…\""),
            );
        } else if !own && (self.shadowed(operator) || self.could_choose(operator, operands)) {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!("a migration defines an operator `{operator}`, which PostgreSQL could choose instead of its own"),
                )
                .at(name.span.clone())
                .help(format!("write `OPERATOR(pg_catalog.{operator})`")),
            );
        }
    }

    /// Whether an operator is one of a well-known extension, and not of a migration.
    fn extension_operator(&self, operator: &str, operands: &[&Info]) -> bool {
        let [one, other] = operands else {
            return false;
        };
        operators::of_an_extension(operator, one.operand(), other.operand()).is_some()
            && self.catalog.shadowing_operators(operator).next().is_none()
    }

    /// The implicit `=` of `IN`, `USING` and their kin.
    pub(super) fn check_equality(&mut self, operands: &[&Info], span: &Span) {
        if self.equality_shadowed || self.could_choose("=", operands) {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    "a migration defines an operator `=`, which PostgreSQL could choose instead of its own",
                )
                .at(span.clone()),
            );
        }
    }

    /// Refuses operators of the migrations that a form such as `BETWEEN` calls without naming them.
    pub(super) fn check_hidden(&mut self, operators: &[&str], span: &Span) {
        let shadowed = |name: &&&str| self.catalog.shadowing_operators(name).next().is_some();
        if let Some(name) = operators.iter().find(shadowed) {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!(
                        "a migration defines an operator `{name}`, which PostgreSQL could choose instead of its own"
                    ),
                )
                .at(span.clone()),
            );
        }
    }

    /// Whether an operator of the migrations over their own types could be meant: one of the
    /// operands is not known to be of a type of PostgreSQL's own.
    fn could_choose(&self, operator: &str, operands: &[&Info]) -> bool {
        let defined = self.catalog.shadowing_operators(operator).next().is_some();
        let own = |info: &Info| {
            info.open && operands.len() > 1
                || info
                    .ty
                    .as_ref()
                    .is_some_and(|ty| !ty.domain && types::is_own(&ty.name))
        };
        defined
            && !(operands.iter().all(|info| own(info)) && operands.iter().any(|info| !info.open))
    }

    /// Whether a migration defines an operator of this name that values of PostgreSQL's own types
    /// could reach.
    pub(super) fn shadowed(&self, operator: &str) -> bool {
        self.catalog.unknown_names().is_some()
            || self.catalog.shadowing_operators(operator).any(|defined| {
                let own = |ty: &Option<TypeName>| {
                    ty.as_ref().is_some_and(|ty| {
                        Ty::of(ty).is_some()
                            || ty.name.parts.last().is_some_and(|n| n.starts_with("any"))
                    })
                };
                own(&defined.left) || own(&defined.right)
            })
    }

    /// A type as the prover needs it: PostgreSQL's own, an enum, a domain over one, or a type of a
    /// well-known extension.
    pub(super) fn type_of(&self, ty: &TypeName) -> Option<Ty> {
        self.type_within(ty, 0)
    }

    fn type_within(&self, ty: &TypeName, depth: usize) -> Option<Ty> {
        if let Some(own) = Ty::of(ty) {
            return Some(own);
        }
        let (schema, name) = match ty.name.parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return None,
        };
        let array = ty.dimensions > 0;
        match self
            .catalog
            .type_definition(schema, name)
            .map(|ty| &ty.kind)
        {
            Some(TypeKind::Enum) => Some(Ty {
                array,
                ..Ty::plain("enum")
            }),
            // A domain over a domain ends at a type that is none; one that does not is none at all.
            Some(TypeKind::Domain { base, .. }) if depth < DEPTH => self
                .type_within(base, depth + 1)
                .filter(|_| !array)
                .map(|base| Ty {
                    domain: true,
                    ..base
                }),
            Some(_) => None,
            None => types::of_an_extension(name).then(|| Ty {
                array,
                ..Ty::plain(name)
            }),
        }
    }

    /// Refuses a cast that a migration defines: it runs a function, which is not read here.
    pub(super) fn check_cast(&mut self, ty: &TypeName) {
        let target = ty.name.parts.last();
        let defined = self
            .catalog
            .casts()
            .iter()
            .any(|cast| cast.target.name.parts.last() == target);
        if defined {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!(
                        "a migration defines a cast to `{}`, and what it runs is not read",
                        type_text(ty)
                    ),
                )
                .at(ty.name.span.clone())
                .help("call the function of the cast by its name: then its body is read"),
            );
        }
    }

    /// Functions that make JSON look for a cast to JSON of every value that they meet.
    fn check_json_casts(&mut self, name: &str, call: &Call) {
        let makes_json = ["to_json", "json_", "jsonb_", "row_to_json", "array_to_json"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let defined = self.catalog.casts().iter().any(|cast| {
            let target = cast.target.name.parts.last();
            target.is_some_and(|target| matches!(target.as_str(), "json" | "jsonb"))
        });
        if makes_json && defined {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!("a migration defines a cast to JSON, which `{name}` runs on values of its type"),
                )
                .at(call.name.span.clone())
                .help("select the columns, and make the JSON in the program"),
            );
        }
    }

    /// `jsonb_populate_record(base, …)` makes a value of the type of its first argument.
    fn check_populated(&mut self, name: &str, call: &Call) {
        let typed = call
            .args
            .first()
            .is_some_and(|arg| matches!(arg.kind, ExprKind::Cast { .. }));
        if name.contains("_populate_record") && !typed && self.has_checked_domain() {
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_TYPE,
                    format!("what making a row by `{name}` runs is not known: a migration defines a domain with a check"),
                )
                .at(call.name.span.clone())
                .help(format!("name the type: {name}(NULL::type, …)")),
            );
        }
    }

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

    /// What the function itself is.
    fn called(&mut self, call: &'a Call, operands: &[Info], span: &Span, info: &mut Info) {
        let (schema, name) = match call.name.parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => (Some(""), ""),
        };
        if self.configured(schema, name) {
            info.window = call.over.is_some();
            info.raises(span, format!("the function `{name}`"));
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
            }
            None if !defined.is_empty() => {
                let silent = match defined.as_slice() {
                    [function] if !info.exposed.is_empty() => self.never_raises(function, operands),
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

    fn configured(&self, schema: Option<&str>, name: &str) -> bool {
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

    /// `current_setting('app.…')`: a setting with the prefix of the tenant's, which statements of a
    /// scope may read.
    fn own_setting(&self, call: &Call) -> bool {
        let prefix = |name: &str| name.split('.').next().map(str::to_ascii_lowercase);
        matches!(call.args.first().map(|arg| &arg.kind),
            Some(ExprKind::Literal(Literal::String(name)))
                if name.contains('.') && prefix(name) == prefix(&self.catalog.config().tenant.setting))
    }

    fn builtin(
        &mut self,
        own: &Builtin,
        call: &Call,
        operands: &[Info],
        name: &str,
        span: &Span,
        info: &mut Info,
    ) {
        match own.verdict {
            Verdict::Refused("sequence") if name == "nextval" && self.context.default_value => {}
            Verdict::Refused(reason) => {
                self.problem(
                    Diagnostic::error(
                        Code::REFUSED_FUNCTION,
                        format!("`{name}` {}", Builtin::refusal(reason)),
                    )
                    .at(call.name.span.clone()),
                );
            }
            Verdict::Allowed(errors) => {
                self.check_json_casts(name, call);
                self.check_populated(name, call);
                let never = match errors {
                    Errors::May => never_on_types(name, call, operands),
                    Errors::Never => true,
                    Errors::NeverWith(count) => call.args.len() == count,
                    Errors::NeverWithLiterals(positions) => {
                        call.args.iter().enumerate().all(|(position, arg)| {
                            !Errors::wants_literal(positions, position)
                                || super::operator::literal_only(arg)
                        })
                    }
                };
                // Many functions of text fail under a collation that calls different texts equal,
                // and `OVERLAPS` with the length of a span adds it.
                let never = never
                    && !operands.iter().any(|operand| operand.loose)
                    && !(name == "overlaps" && operands.iter().any(is_interval));
                if !never {
                    info.raises(span, format!("the function `{name}`"));
                }
            }
        }
        if call.over.is_some() {
            info.window = true;
        } else if own.aggregate {
            info.aggregate = true;
        }
        // A number of rows tells nothing of what is in them.
        let plain = |operand: &Info| {
            let row = operand.ty.as_ref().is_some_and(|ty| ty.name == "record");
            self.of_table(operand) || (row && !call.distinct)
        };
        if name == "count" && call.filter.is_none() && operands.iter().all(plain) {
            info.from_tenant = false;
        }
        info.ty = result_type(own.result).or_else(|| result_of(name, operands));
    }

    /// A function of the migrations: its body is read like a statement of its own.
    fn function(&mut self, function: &'a Function, call: &Call, span: &Span, info: &mut Info) {
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
            Some(FunctionResult::Done(exposed))
                if !function.security_definer && !self.context.definer =>
            {
                info.exposed.extend(exposed);
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
        };
        self.functions
            .insert(signature.clone(), FunctionResult::Reading);
        let before = self.rtes.len();
        self.within(context, |this| {
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
            for statement in statements {
                match statement {
                    Statement::Query(query) => {
                        let guard = super::state::Guard::from([]);
                        this.query(query, None, &guard, None);
                    }
                    _ => {
                        this.write(statement, None, &super::state::Guard::from([]), None);
                    }
                }
            }
        });
        let exposed = self.exposed_by(function, before);
        info.exposed.extend(&exposed);
        self.functions
            .insert(signature, FunctionResult::Done(exposed));
    }

    /// Whether the body of a function is one expression over its arguments that raises no error,
    /// whatever they are: it is walked with the arguments as values of a row.
    fn never_raises(&mut self, function: &'a Function, operands: &[Info]) -> bool {
        let Body::Sql { statements, .. } = &function.body else {
            return false;
        };
        let [Statement::Query(query)] = statements.as_slice() else {
            return false;
        };
        let Some(expr) = super::expr::bare(query) else {
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
        info.leak.is_none() && info.ty == returned
    }

    /// The entries of a body, read since `before`, that conditions outside may be evaluated on:
    /// PostgreSQL puts the body of such a function in the place of its call in FROM.
    fn exposed_by(&self, function: &Function, before: RteId) -> Vec<RteId> {
        let replaced = function.returns_set && function.volatility != Volatility::Volatile;
        let bare = |rte: &RteId| {
            self.rtes.get(*rte).is_some_and(
                |rte| matches!(&rte.kind, RteKind::Base(base) if !base.protected && !base.global),
            )
        };
        if !replaced || function.security_definer || !function.settings.is_empty() {
            return Vec::new();
        }
        (before..self.rtes.len()).filter(bare).collect()
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

    /// Works within another context, without the common table expressions around it.
    pub(super) fn within<T>(&mut self, context: Context, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.context, context.into());
        let with = std::mem::take(&mut self.with);
        let watch = std::mem::take(&mut self.watch);
        let result = work(self);
        self.watch = watch;
        self.with = with;
        self.context = outer;
        result
    }

    /// The columns of a function in `FROM`, and whether it is a scalar; `None` when they can't be
    /// told.
    pub(super) fn function_columns(
        &mut self,
        item: &'a FunctionItem,
        alias: Option<&str>,
        operands: &[Info],
        base: &Info,
    ) -> Option<(Vec<Visible>, bool)> {
        let visible = |name: &str, ty: Option<Ty>| Visible {
            name: name.into(),
            info: Info { ty, ..base.clone() }.into(),
        };
        if !item.columns.is_empty() {
            let columns = item.columns.iter();
            return Some((
                columns
                    .map(|column| visible(&column.name, Ty::of(&column.ty)))
                    .collect(),
                false,
            ));
        }
        let ExprKind::Call(call) = &item.expr.kind else {
            return None;
        };
        let name = call.name.parts.last()?;
        let scalar_name = alias.unwrap_or(name);
        let schema = (call.name.parts.len() > 1)
            .then(|| call.name.parts.first())
            .flatten();
        let defined = if schema.is_some_and(|schema| schema == "pg_catalog") {
            Vec::new()
        } else {
            self.catalog.functions(schema.map(String::as_str), name)
        };
        match (defined.as_slice(), builtin(name)) {
            ([], Some(own)) => {
                // An array of rows becomes the columns of the row.
                if name == "unnest" {
                    let plain = operands
                        .iter()
                        .all(|operand| operand.ty.as_ref().is_some_and(|ty| ty.array));
                    if !plain || operands.is_empty() {
                        return None;
                    }
                    let element =
                        |operand: &Info| operand.ty.as_ref().map(|ty| Ty::plain(&ty.name));
                    return Some(match operands {
                        [only] => (vec![visible(scalar_name, element(only))], true),
                        many => (
                            many.iter()
                                .map(|one| visible("unnest", element(one)))
                                .collect(),
                            false,
                        ),
                    });
                }
                match (own.columns, own.result) {
                    ("", "anyelement") if name.contains("_populate_record") => {
                        self.populated(call, &visible)
                    }
                    ("?", _) | ("", "record" | "anyelement" | "anyarray" | "anycompatible") => None,
                    ("", result) => {
                        let ty = result_type(result).or_else(|| result_of(name, operands));
                        Some((vec![visible(scalar_name, ty)], true))
                    }
                    (columns, result) => {
                        let names: Vec<&str> = columns.split(',').collect();
                        let scalar = names.len() == 1;
                        let ty = if scalar { result_type(result) } else { None };
                        Some((
                            names.iter().map(|name| visible(name, ty.clone())).collect(),
                            scalar,
                        ))
                    }
                }
            }
            ([function], None) => self.defined_columns(function, scalar_name, &visible),
            _ => None,
        }
    }

    /// `jsonb_populate_recordset(NULL::type, …)`: the columns of the type.
    fn populated(
        &self,
        call: &Call,
        visible: &dyn Fn(&str, Option<Ty>) -> Visible,
    ) -> Option<(Vec<Visible>, bool)> {
        let ExprKind::Cast { ty, .. } = &call.args.first()?.kind else {
            return None;
        };
        let (schema, name) = match ty.name.parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => return None,
        };
        let of = |ty: Option<&TypeName>| ty.and_then(|ty| self.type_of(ty));
        let columns = match self
            .catalog
            .type_definition(schema, name)
            .map(|ty| &ty.kind)
        {
            Some(TypeKind::Composite(fields)) => fields
                .iter()
                .map(|(name, ty)| visible(name, of(Some(ty))))
                .collect(),
            Some(_) => return None,
            None => self
                .catalog
                .relation(schema, name)
                .found()?
                .columns
                .iter()
                .map(|column| visible(&column.name, of(column.ty.as_ref())))
                .collect(),
        };
        Some((columns, false))
    }

    fn defined_columns(
        &self,
        function: &Function,
        scalar_name: &str,
        visible: &dyn Fn(&str, Option<Ty>) -> Visible,
    ) -> Option<(Vec<Visible>, bool)> {
        use crate::catalog::ArgumentMode;
        let outs: Vec<_> = function
            .arguments
            .iter()
            .filter(|argument| {
                matches!(
                    argument.mode,
                    ArgumentMode::Out | ArgumentMode::InOut | ArgumentMode::Table
                )
            })
            .collect();
        if !outs.is_empty() {
            let columns = outs
                .iter()
                .map(|argument| Some(visible(argument.name.as_deref()?, Ty::of(&argument.ty))))
                .collect::<Option<Vec<_>>>()?;
            return Some((columns, outs.len() == 1));
        }
        let returns = function.returns.as_ref()?;
        if let Some(ty) = Ty::of(returns) {
            if ty.name == "record" {
                return None;
            }
            return Some((vec![visible(scalar_name, Some(ty))], true));
        }
        let (schema, name) = match returns.name.parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => return None,
        };
        let relation = self.catalog.relation(schema, name).found()?;
        let columns = relation.columns.iter();
        Some((
            columns
                .map(|column| {
                    let ty = column.ty.as_ref().and_then(|ty| self.type_of(ty));
                    visible(&column.name, ty)
                })
                .collect(),
            false,
        ))
    }
}

/// Functions that raise errors on some types only.
fn never_on_types(name: &str, call: &Call, operands: &[Info]) -> bool {
    let first = operands.first().and_then(|operand| operand.ty.as_ref());
    match name {
        // Sums of integers are wider than what they sum, and those of numerics have no end.
        "sum" | "avg" => first.is_some_and(|ty| {
            !ty.array && matches!(&*ty.name, "int2" | "int4" | "int8" | "numeric")
        }),
        "date_trunc" => {
            // Larger units lead before the first day that there is.
            let unit = call.args.first().and_then(|unit| match &unit.kind {
                ExprKind::Literal(Literal::String(unit)) => Some(unit.to_ascii_lowercase()),
                _ => None,
            });
            let short = unit.is_some_and(|unit| {
                matches!(
                    unit.as_str(),
                    "microseconds" | "milliseconds" | "second" | "minute" | "hour" | "day"
                )
            });
            let moment = operands.get(1).and_then(|operand| operand.ty.as_ref());
            short && moment.is_some_and(|ty| matches!(&*ty.name, "timestamp" | "timestamptz"))
        }
        "jsonb_agg" => first.is_some_and(|ty| ty.name != "json" && ty.name != "record"),
        "array_agg" => first.is_some_and(|ty| !ty.array),
        "bit_and" | "bit_or" | "bit_xor" => {
            first.is_some_and(|ty| matches!(&*ty.name, "int2" | "int4" | "int8"))
        }
        "to_char" => {
            first.is_some_and(|ty| {
                !ty.array && matches!(&*ty.name, "date" | "timestamp" | "timestamptz")
            }) && call.args.get(1).is_some_and(super::operator::literal_only)
        }
        // Universal time shifts nothing.
        "timezone" => call.args.first().is_some_and(|zone| {
            matches!(&zone.kind, ExprKind::Literal(Literal::String(zone))
                if matches!(zone.to_ascii_lowercase().as_str(), "utc" | "gmt"))
        }),
        _ => false,
    }
}

fn is_interval(operand: &Info) -> bool {
    operand.ty.as_ref().is_some_and(|ty| ty.name == "interval")
}

/// The result type of functions whose overloads differ, by the type of an argument.
fn result_of(name: &str, operands: &[Info]) -> Option<Ty> {
    let of = |position: usize| operands.get(position)?.ty.clone();
    let number = |result: &dyn Fn(&str) -> &str| {
        let ty = of(0).filter(|ty| !ty.array)?;
        let numeric = matches!(
            &*ty.name,
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8"
        );
        numeric.then(|| Ty::plain(result(&ty.name)))
    };
    match name {
        "lower" | "upper" => match operands.first() {
            Some(operand) if operand.open => Some(Ty::plain("text")),
            _ => of(0).filter(Ty::is_text).map(|_| Ty::plain("text")),
        },
        "max" | "min" | "first_value" | "last_value" | "lag" | "lead" | "nth_value" | "mode" => {
            of(0)
        }
        "substring" | "substr" | "btrim" | "ltrim" | "rtrim" | "overlay" | "reverse" => {
            of(0).filter(|ty| ty.is_text() || ty.name == "bytea")
        }
        "avg" => number(&|name| match name {
            "float4" | "float8" => "float8",
            _ => "numeric",
        }),
        "sum" => number(&|name| match name {
            "int2" | "int4" => "int8",
            "int8" => "numeric",
            own => own,
        }),
        "abs" => number(&|own| own),
        "round" | "trunc" | "ceil" | "ceiling" | "floor" => number(&|name| match name {
            "numeric" => "numeric",
            _ => "float8",
        }),
        "array_append" | "array_cat" | "array_remove" | "array_replace" | "trim_array" => {
            of(0).filter(|ty| ty.array)
        }
        "array_prepend" => of(1).filter(|ty| ty.array),
        "generate_series" => of(0).map(|ty| match &*ty.name {
            "date" => Ty::plain("timestamptz"),
            _ => ty,
        }),
        "unnest" => of(0)
            .filter(|ty| ty.array)
            .map(|ty| Ty { array: false, ..ty }),
        "array_agg" => of(0)
            .filter(|ty| !ty.array)
            .map(|ty| Ty { array: true, ..ty }),
        "date_trunc" => of(1).filter(|ty| ty.name != "date"),
        "timezone" => of(1).and_then(|ty| match &*ty.name {
            "timestamptz" => Some(Ty::plain("timestamp")),
            "timestamp" => Some(Ty::plain("timestamptz")),
            _ => None,
        }),
        _ => None,
    }
}

/// A type as the generated list spells it.
fn result_type(name: &str) -> Option<Ty> {
    let (name, array) = match name.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let name = match name {
        "" | "anyelement" | "anyarray" | "anycompatible" | "anycompatiblearray" | "record" => {
            return None;
        }
        "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "double precision" => "float8",
        "real" => "float4",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        other => other,
    };
    Some(Ty {
        array,
        ..Ty::plain(name)
    })
}
