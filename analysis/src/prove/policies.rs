//! What the policies of a table compute beside the tenant's condition.
//!
//! PostgreSQL evaluates the conditions of all policies on every row that a scan meets, the cheaper ones
//! first. Invariant: a table counts as protected in a statement only if none of them can fail on a row
//! of another tenant.

use super::state::{
    Argument, Context, Env, Guard, Info, Leak, Namespace, Prover, RteId, Table, Visible,
};
use super::subquery::bare;
use super::walk::{children, has_subquery};
use crate::catalog::{Body, Command, Function, PolicyExpr, Relation};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Expr, ExprKind, Literal, Span, Statement, SubqueryKind};
use crate::policy::may_apply;

impl<'a> Prover<'a> {
    /// Refuses a table whose policies can fail on foreign rows.
    pub(super) fn check_policies(&mut self, relation: &'a Relation, span: &Span) {
        if !relation.rls.enabled || !self.policies_read.insert(relation.id) {
            return;
        }
        for policy in &relation.policies {
            let PolicyExpr::Expr(expr) = &policy.using else {
                continue;
            };
            if policy.command == Some(Command::Insert) || !may_apply(self.catalog, policy) {
                continue;
            }
            if let Some(leak) = self.fails_on_rows(relation, expr) {
                self.problem(
                    Diagnostic::error(
                        Code::UNPROTECTED,
                        format!(
                            "the policy `{}` of `{}` is computed on rows of every tenant, and {} in it can fail there: the error tells of them",
                            policy.name,
                            relation.display(),
                            leak.what
                        ),
                    )
                    .at(span.clone())
                    .note(format!("it is written in {}", policy.written_in))
                    .help("write the policy with comparisons that can't fail, as in `doc ->> 'open' = 'true'` for `(doc ->> 'open')::boolean`, or keep what it computes in a column of its own")
                    .help("a setting is read as `current_setting('app.level', true)`, and with a type as `nullif(current_setting('app.level', true), '')::int`: then it is NULL where nobody set it"),
                );
            }
        }
    }

    /// What can fail where a policy's condition is computed on rows of a table.
    fn fails_on_rows(&mut self, relation: &'a Relation, expr: &'a Expr) -> Option<Leak> {
        match &expr.kind {
            ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Not(_) => children(expr)
                .into_iter()
                .find_map(|part| self.fails_on_rows(relation, part)),
            _ if self.setting(expr).is_some() => None,
            _ if has_subquery(expr) => self
                .fails_on_demand_in(expr)
                .or_else(|| self.fails_below(relation, expr)),
            // What it runs is judged with the policy, or the configuration answers for it.
            _ if self.calls_unread(expr) => None,
            _ => self.fails_on_row(relation, expr),
        }
    }

    /// Whether an expression calls a function that is allowed by the configuration, or whose body is
    /// not a single expression.
    fn calls_unread(&self, expr: &Expr) -> bool {
        let here = match &expr.kind {
            ExprKind::Call(call) => {
                let (schema, name) = match call.name.parts.as_slice() {
                    [name] => (None, name.as_str()),
                    [schema, name] => (Some(schema.as_str()), name.as_str()),
                    _ => return true,
                };
                let bodies = self.catalog.functions(schema, name);
                self.configured(schema, name)
                    || bodies.iter().any(|function| !is_expression(function))
            }
            _ => false,
        };
        here || children(expr)
            .into_iter()
            .any(|part| self.calls_unread(part))
    }

    /// A scalar sub-query that may give several rows; what it reads is judged with the policy.
    fn fails_on_demand_in(&self, expr: &Expr) -> Option<Leak> {
        if self.setting(expr).is_some() {
            return None;
        }
        if let ExprKind::Subquery {
            kind: SubqueryKind::Scalar | SubqueryKind::RowCompare { .. },
            query,
        } = &expr.kind
            && !self.gives_one(query)
        {
            return Some(Leak {
                span: expr.span.clone(),
                what: "a sub-query that may return several rows".to_owned(),
            });
        }
        children(expr)
            .into_iter()
            .find_map(|part| self.fails_on_demand_in(part))
    }

    /// What can fail in the sub-queries of a part: PostgreSQL runs one when the first row asks for it,
    /// and lets a comparison that tells nothing, as an index does, pass in front of the policy. So the
    /// error tells that there is a row of another tenant, even where it stems from a setting.
    fn fails_below(&self, relation: &'a Relation, expr: &'a Expr) -> Option<Leak> {
        // By itself: nothing that is read for it belongs to the statement.
        let mut apart = Self::new(self.catalog, self.prepared, self.mode, self.tokens.clone());
        apart.equality_shadowed = self.equality_shadowed;
        apart.policies_read.clone_from(&self.policies_read);
        apart.fails_on_row(relation, expr)
    }

    /// Whether an expression reads a setting of the application so that it is NULL where it is not
    /// set: then a cast of it fails only if the application itself has set something else.
    pub(super) fn is_guarded_setting(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::NullIf(read, empty) => {
                matches!(&empty.kind, ExprKind::Literal(Literal::String(text)) if text.is_empty())
                    && matches!(&read.kind, ExprKind::Call(call) if self.own_setting(call)
                        && matches!(call.args.get(1).map(|arg| &arg.kind),
                            Some(ExprKind::Literal(Literal::Bool(true)))))
            }
            ExprKind::Call(call) => self.is_tenants_setting(call),
            ExprKind::Subquery {
                kind: SubqueryKind::Scalar,
                query,
            } => bare(query).is_some_and(|expr| self.is_guarded_setting(expr)),
            _ => false,
        }
    }

    /// Walks a condition over the columns of a table, and forgets all of it but
    /// what can fail.
    fn fails_on_row(&mut self, relation: &'a Relation, expr: &'a Expr) -> Option<Leak> {
        // An entry that is none of the statement's.
        let row = RteId::MAX;
        let columns: Vec<Visible> = self
            .base_columns(row, relation)
            .into_iter()
            .map(|mut column| {
                let info = std::rc::Rc::make_mut(&mut column.info);
                info.node = None;
                info.exposed = vec![row];
                column
            })
            .collect();
        let namespace = Namespace {
            tables: vec![Table {
                name: relation.name.clone(),
                schema: Some(relation.schema.clone()),
                columns: Some(columns.clone().into()),
                scalar: false,
                rte: None,
                made: 0..0,
            }],
            columns,
            opaque: false,
        };
        let context = Context {
            origin: Some((expr.span.clone(), String::new())),
            depth: self.context.depth + 1,
            policy: true,
            arguments: None::<std::rc::Rc<[Argument]>>,
            ..Context::clone(&self.context)
        };
        let known = (self.problems.len(), self.checks.len(), self.blocks.len());
        let occurrences = self.occurrences.len();
        let kept = (
            self.functions.clone(),
            self.relations.clone(),
            self.weakest,
            self.writes,
            self.stopped,
        );
        let leak = self.within(context, |this| {
            let block = this.block(None, &Guard::from([]));
            let scope = this.push_scope(namespace, None);
            let env = Env {
                condition: true,
                ..this.env(block, scope, false)
            };
            let info: Info = this.expr(expr, &env);
            info.leak.or_else(|| this.late_part(expr).cloned())
        });
        let leak = leak.or_else(|| self.problems.iter().skip(known.0).find_map(told));
        self.problems.truncate(known.0);
        self.checks.truncate(known.1);
        for block in self.blocks.iter_mut().skip(known.2) {
            block.risk = None;
        }
        self.occurrences.truncate(occurrences);
        (
            self.functions,
            self.relations,
            self.weakest,
            self.writes,
            self.stopped,
        ) = kept;
        leak
    }
}

/// What a problem of a sub-query says can fail.
fn told(problem: &Diagnostic) -> Option<Leak> {
    let message = problem
        .message
        .strip_prefix("in : ")
        .unwrap_or(&problem.message);
    let (what, _) = message.split_once(" could ")?;
    (problem.code == Code::LEAKY_ERROR).then(|| Leak {
        span: problem.span.clone().unwrap_or_default(),
        what: what.to_owned(),
    })
}

/// Whether the body of a function is `SELECT expr`, without a sub-query.
pub(super) fn is_expression(function: &Function) -> bool {
    match &function.body {
        Body::Sql { statements, .. } => match statements.as_slice() {
            [Statement::Query(query)] => bare(query).is_some_and(|expr| !has_subquery(expr)),
            _ => false,
        },
        Body::Opaque { .. } => false,
    }
}
