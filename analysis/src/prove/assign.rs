//! `SET`: the tenant column is never assigned anything but the tenant.

use super::state::{Env, Info, Node, Prover, RteId};
use crate::catalog::{Class, Relation};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Assignment, Expr, ExprKind};

/// What a `SET` sets.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// The names of the columns.
    pub(super) columns: Vec<String>,
    /// The positions of those that get a value computed of the tenant.
    pub(super) of_tenant: Vec<usize>,
}

impl<'a> Prover<'a> {
    /// Walks assignments; the columns that are set.
    pub(super) fn assignments(
        &mut self,
        relation: &'a Relation,
        assignments: &'a [Assignment],
        class: &Class,
        env: &Env,
        excluded: Option<RteId>,
    ) -> Assigned {
        // Row-level security checks the new row; a system query has no tenant.
        let guarded = *class == Class::Protected || !self.tenant_mode();
        let mut assigned = Assigned::default();
        for assignment in assignments {
            let single = match assignment.columns.as_slice() {
                [_] => true,
                many => {
                    if let ExprKind::Row(values) = &assignment.value.kind {
                        if values.len() == many.len() {
                            for (column, value) in many.iter().zip(values) {
                                self.assign(
                                    relation,
                                    column,
                                    Some(value),
                                    guarded,
                                    env,
                                    excluded,
                                    &mut assigned,
                                );
                            }
                        } else {
                            self.invalid(
                                "a SET with another number of values",
                                &assignment.value.span,
                            );
                        }
                        continue;
                    }
                    false
                }
            };
            if single {
                for column in &assignment.columns {
                    self.assign(
                        relation,
                        column,
                        Some(&assignment.value),
                        guarded,
                        env,
                        excluded,
                        &mut assigned,
                    );
                }
            } else {
                let row = self.expr(&assignment.value, env);
                for column in &assignment.columns {
                    if row.from_tenant {
                        let index = relation.column(&column.name).map(|(index, _)| index);
                        assigned.of_tenant.extend(index);
                    }
                    self.assign(
                        relation,
                        column,
                        None,
                        guarded,
                        env,
                        excluded,
                        &mut assigned,
                    );
                }
            }
        }
        assigned
    }

    #[allow(clippy::too_many_arguments)] // The place of one value, from a loop.
    fn assign(
        &mut self,
        relation: &'a Relation,
        column: &'a crate::ir::InsertColumn,
        value: Option<&'a Expr>,
        guarded: bool,
        env: &Env,
        excluded: Option<RteId>,
        assigned: &mut Assigned,
    ) {
        assigned.columns.push(column.name.clone());
        for subscript in &column.subscripts {
            self.expr(subscript, env);
        }
        let Some((index, _)) = relation.column(&column.name) else {
            let diagnostic = self.missing_column(relation, &column.name, &column.span);
            self.problem(diagnostic);
            return;
        };
        let is_default = value.is_some_and(|value| matches!(value.kind, ExprKind::Default));
        if is_default {
            self.default_of(relation, index, &column.span);
        }
        let info = match value {
            Some(value) if !is_default => self.expr(value, env),
            _ => Info::constant(),
        };
        if info.from_tenant {
            assigned.of_tenant.push(index);
        }
        if relation.tenant_column != Some(index) || guarded {
            return;
        }
        let from_excluded = excluded.is_some_and(|rte| info.node == Some(Node::Column(rte, index)));
        let fine = !column.partial
            && (info.node == Some(Node::Tenant)
                || from_excluded
                || (is_default && self.tenant_default(relation)));
        if !fine {
            let name = match value.map(|value| &value.kind) {
                Some(ExprKind::Parameter(number)) => {
                    format!(
                        "`{}`, which comes from the caller",
                        self.prepared.parameter_text(*number)
                    )
                }
                _ => "something other than the tenant".to_owned(),
            };
            self.problem(
                Diagnostic::error(
                    Code::TENANT_ASSIGNED,
                    format!(
                        "the tenant of rows of `{}` is set to {name}",
                        relation.display()
                    ),
                )
                .at(column.span.clone())
                .help(format!("leave `{}` out of the `SET`", column.name)),
            );
        }
    }
}
