//! `MERGE`: the condition pins the target, and each branch writes the tenant's rows alone.

use super::check::{Check, Purpose};
use super::from::Place;
use super::references::References;
use super::resolve::error;
use super::state::{BlockId, Env, Guard, Info, Namespace, Node, OutputId, Prover, Rte, RteKind};
use crate::catalog::{Class, Command, Relation};
use crate::diagnostic::Code;
use crate::ir::{Expr, ExprKind, Merge, MergeAction, MergeMatch};

impl<'a> Prover<'a> {
    pub(super) fn merge_statement(
        &mut self,
        merge: &'a Merge,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let levels = self.with_level(
            merge.with.as_ref(),
            References::default(),
            parent,
            guard,
            outer,
        );
        let relation = self.target(&merge.target);
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
            grouping: false,
        };
        let source = self.item(&merge.source, &place, &Namespace::default());
        let output = relation.and_then(|relation| {
            self.merge_into(relation, merge, source, &place);
            if merge.returning.is_empty() {
                return None;
            }
            self.problem(*error(
                Code::NOT_UNDERSTOOD,
                "`RETURNING` of a MERGE, which PostgreSQL has since version 17, is not understood yet",
                &merge.target.name.span,
            ));
            None
        });
        self.with.truncate(levels);
        output
    }

    fn merge_into(
        &mut self,
        relation: &'a Relation,
        merge: &'a Merge,
        source: Namespace,
        place: &Place,
    ) {
        let span = &merge.target.name.span;
        // The target is matched row by row, so every class that is used has to be protected, or
        // the condition of the MERGE pins it.
        let mut commands = vec![Command::Select];
        for branch in &merge.branches {
            commands.push(match &branch.action {
                MergeAction::Nothing => Command::Select,
                MergeAction::Delete => Command::Delete,
                MergeAction::Update(_) => Command::Update,
                MergeAction::Insert { .. } => Command::Insert,
            });
        }
        commands.sort_unstable();
        commands.dedup();
        let classes: Vec<Class> = commands
            .iter()
            .map(|command| self.class(relation, *command))
            .collect();
        let weakest = classes
            .iter()
            .find(|class| !matches!(class, Class::Protected | Class::Scoped))
            .or_else(|| classes.iter().find(|class| **class == Class::Scoped))
            .or_else(|| classes.first())
            .cloned()
            .unwrap_or(Class::Scoped);
        let name = merge
            .target
            .alias
            .as_ref()
            .map_or_else(|| relation.name.clone(), |alias| alias.name.clone());
        // Row-level security filters the target only where a column of it is read; else every
        // tenant's rows are matched, and the policies of the write raise an error on them.
        let weakest = match weakest {
            Class::Protected if self.tenant_mode() && !reads(&merge.on, &name, relation) => {
                Class::Scoped
            }
            class => class,
        };
        let protected = weakest == Class::Protected;
        // A row of the source without a match is kept for `WHEN NOT MATCHED`: then the target is on
        // the nullable side. Where every branch is for matched rows, the ON filters both sides.
        let inner = merge
            .branches
            .iter()
            .all(|branch| branch.matched == MergeMatch::Matched);
        let matched_guard = if inner {
            place.guard.clone()
        } else {
            self.guard_with_new(&place.guard)
        };
        let matched = Place {
            guard: matched_guard.clone(),
            ..place.clone()
        };
        let rte = self.push_rte(
            &matched,
            Rte {
                name,
                columns: Vec::new(),
                guard: matched_guard.clone(),
                in_view: false,
                kind: RteKind::Base(super::state::Base {
                    relation,
                    protected,
                    global: false,
                }),
            },
        );
        let columns = self.base_columns(rte, relation);
        let mut namespace = Namespace {
            tables: vec![self.target_table(&merge.target, relation, rte, &columns)],
            columns,
            opaque: false,
        };
        let only_source = self.push_scope(source.clone(), place.outer);
        self.merge(&mut namespace, source, span);
        let scope = self.push_scope(namespace, place.outer);
        let on = Env {
            scope,
            block: place.block,
            guard: matched_guard.clone(),
            condition: true,
            rows: None,
            upsert: false,
        };
        self.condition(&merge.on, &on, "ON");
        self.note_insertion([rte], Some(&merge.on));
        self.judge(relation, &weakest, span, rte, place.block, Purpose::Merge);
        for branch in &merge.branches {
            if branch.matched == MergeMatch::NotMatchedBySource && !protected {
                self.problem(*error(
                    Code::MERGE,
                    format!(
                        "`WHEN NOT MATCHED BY SOURCE` reaches every row of `{}` that no row matches, other tenants' included",
                        relation.display()
                    ),
                    &branch.span,
                ));
            }
            let not_matched = branch.matched == MergeMatch::NotMatchedByTarget;
            let env = Env {
                scope: if not_matched { only_source } else { scope },
                block: place.block,
                guard: if not_matched {
                    place.guard.clone()
                } else {
                    matched_guard.clone()
                },
                condition: false,
                rows: None,
                upsert: false,
            };
            if let Some(condition) = &branch.condition {
                let info = self.expr(
                    condition,
                    &Env {
                        condition: true,
                        ..env.clone()
                    },
                );
                self.leaks(&info, env.block, None);
            }
            match &branch.action {
                MergeAction::Nothing => {}
                MergeAction::Delete => self.deleted(relation, span),
                MergeAction::Update(assignments) => {
                    let class = self.class(relation, Command::Update);
                    let assigned = self.assignments(relation, assignments, &class, &env, None);
                    self.updated(relation, &assigned.columns, span);
                    self.evaluated_on_write(relation, span);
                }
                MergeAction::Insert { columns, values } => {
                    self.sets_off(relation, Command::Insert, span);
                    self.merge_insert(relation, columns, values.as_deref(), &branch.span, &env);
                }
            }
        }
    }

    fn merge_insert(
        &mut self,
        relation: &'a Relation,
        columns: &'a [crate::ir::InsertColumn],
        values: Option<&'a [Expr]>,
        span: &crate::ir::Span,
        env: &Env,
    ) {
        let class = self.class(relation, Command::Insert);
        let guarded = class == Class::Protected || !self.tenant_mode();
        let mut given = false;
        let mut assigned = Vec::new();
        for column in columns {
            if relation.column(&column.name).is_none() {
                let diagnostic = self.missing_column(relation, &column.name, &column.span);
                self.problem(diagnostic);
            }
        }
        for (position, value) in values.into_iter().flatten().enumerate() {
            let index = match columns.get(position) {
                Some(column) => {
                    assigned.push(column.name.clone());
                    relation.column(&column.name).map(|(index, _)| index)
                }
                None if columns.is_empty() => {
                    assigned.extend(relation.columns.get(position).map(|c| c.name.clone()));
                    Some(position)
                }
                None => None,
            };
            let is_default = matches!(value.kind, ExprKind::Default);
            let info = if is_default {
                Info::constant()
            } else {
                self.expr(value, env)
            };
            if index.is_some() && index == relation.tenant_column {
                given = true;
                let fine = info.node == Some(Node::Tenant)
                    || (is_default && self.tenant_default(relation));
                if !fine && !guarded {
                    let otherwise = *error(
                        Code::FOREIGN_WRITE,
                        format!(
                            "a new row of `{}` could be another tenant's: its tenant is not `$tenant`",
                            relation.display()
                        ),
                        &value.span,
                    );
                    let otherwise = otherwise.help(match self.replaced(&value.span, "$tenant") {
                        Some(mended) => format!("write: {mended}"),
                        None => "give it the value `$tenant`".to_owned(),
                    });
                    match info.node {
                        // A column of the source, which the source's own conditions may pin.
                        Some(node) if self.fits_tenant(&info) => {
                            self.checks.push(Check::MergeTenant {
                                node,
                                block: env.block,
                                guard: env.guard.clone(),
                                otherwise: Box::new(otherwise),
                                context: self.context.clone(),
                            });
                        }
                        _ => self.problem(otherwise),
                    }
                }
            }
        }
        if !given && !guarded && !self.tenant_default(relation) {
            let column = relation.tenant().map_or("", |column| &column.name);
            let problem = *error(
                Code::FOREIGN_WRITE,
                format!("a new row of `{}` gives no tenant", relation.display()),
                span,
            );
            self.problem(problem.help(format!(
                "add the column `{column}` to the INSERT, with the value `$tenant`"
            )));
        }
        self.defaults(relation, &assigned, span);
        self.evaluated_on_write(relation, span);
    }
}

/// Whether an expression reads a column of the target itself, sub-queries not counted.
fn reads(expr: &Expr, target: &str, relation: &Relation) -> bool {
    match &expr.kind {
        ExprKind::Column(parts) => match parts.as_slice() {
            [column] => relation.column(column).is_some(),
            [.., table, column] => table == target && relation.column(column).is_some(),
            [] => false,
        },
        _ => super::walk::children(expr)
            .into_iter()
            .any(|part| reads(part, target, relation)),
    }
}
