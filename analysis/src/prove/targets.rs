//! Select lists, and what names their columns again: `GROUP BY`, `DISTINCT` and `ORDER BY`.
//!
//! Invariant: what a `SELECT` sorts or groups by counts as computed early, whether it is written out
//! or named by its alias or its number.

use std::rc::Rc;

use super::resolve::error;
use super::state::{BlockId, Env, Guard, Info, Namespace, OutColumn, OutputId, Prover, Visible};
use super::walk;
use crate::diagnostic::Code;
use crate::ir::{Expr, ExprKind, Literal, OrderBy, Select, Target};

/// How many columns PostgreSQL takes in a select list (`MaxTupleAttributeNumber`).
const COLUMNS: usize = 1_664;

impl<'a> Prover<'a> {
    /// Collects a select list; `None` when its columns can't be told, or are more than PostgreSQL
    /// takes: queries over `*` of each other double them at each level.
    pub(super) fn targets(&mut self, targets: &'a [Target], env: &Env) -> Option<Vec<OutColumn>> {
        let columns = self.collect_targets(targets, env);
        if let (Some(columns), Some(first)) = (&columns, targets.first())
            && columns.len() > COLUMNS
        {
            self.problem(*error(
                Code::TOO_LARGE,
                format!(
                    "the select list has more than {COLUMNS} columns, which PostgreSQL refuses"
                ),
                &first.span,
            ));
            return None;
        }
        columns
    }

    fn collect_targets(&mut self, targets: &'a [Target], env: &Env) -> Option<Vec<OutColumn>> {
        let mut columns = Some(Vec::with_capacity(targets.len()));
        for target in targets {
            let star = match &target.expr.kind {
                ExprKind::Star(parts) if parts.is_empty() => {
                    let all = self.star(env.scope);
                    if all.as_ref().is_some_and(Vec::is_empty) {
                        self.problem(*error(
                            Code::INVALID,
                            "`*` without an item in `FROM`",
                            &target.span,
                        ));
                    }
                    Some(all.map(Into::into))
                }
                ExprKind::Star(parts) => match self.table_star(parts, &target.span, env.scope) {
                    Ok(all) => Some(all),
                    Err(problem) => {
                        self.problem(*problem);
                        Some(None)
                    }
                },
                _ => None,
            };
            match star {
                Some(Some(all)) => {
                    let all: Rc<[Visible]> = all;
                    if let Some(columns) = &mut columns
                        && columns.len() <= COLUMNS
                    {
                        columns.extend(all.iter().map(|visible| OutColumn {
                            name: Some(visible.name.to_string()),
                            info: Info::clone(&visible.info),
                            span: Some(target.span.clone()),
                            star: true,
                        }));
                    }
                }
                Some(None) => columns = None,
                None => {
                    let info = self.expr(&target.expr, env);
                    // `(row).*` becomes as many columns as the row has.
                    if walk::expands(&target.expr) {
                        columns = None;
                    }
                    if let Some(columns) = &mut columns {
                        columns.push(OutColumn {
                            name: target
                                .alias
                                .clone()
                                .or_else(|| walk::column_name(&target.expr)),
                            info,
                            span: Some(target.span.clone()),
                            star: false,
                        });
                    }
                }
            }
        }
        columns
    }

    /// `GROUP BY 1`, `ORDER BY alias`: numbers and aliases of the select list are already read.
    pub(super) fn group_item(&mut self, expr: &'a Expr, targets: &[Target], env: &Env) {
        if names_output(expr, targets) && !self.is_column(expr, env) {
            return;
        }
        let info = self.expr(expr, env);
        self.sorted_early(&info);
    }

    /// Whether a plain name is a column of `FROM`, without a word about it if it is not.
    fn is_column(&self, expr: &Expr, env: &Env) -> bool {
        match &expr.kind {
            ExprKind::Column(parts) => {
                parts.len() > 1
                    || self.scopes.get(env.scope).is_some_and(|scope| {
                        scope
                            .namespace
                            .columns
                            .iter()
                            .any(|column| Some(&*column.name) == parts.first().map(String::as_str))
                    })
            }
            _ => false,
        }
    }

    /// A bare name in `ORDER BY` and `DISTINCT ON` is that of a column of the output, if one has it,
    /// and of a column of `FROM` only then. Tells whether it is the former.
    pub(super) fn sorted_by_output(&mut self, expr: &Expr, columns: Option<&[OutColumn]>) -> bool {
        let (ExprKind::Column(parts), Some(columns)) = (&expr.kind, columns) else {
            return false;
        };
        let [name] = parts.as_slice() else {
            return false;
        };
        let mut found = columns
            .iter()
            .filter(|column| column.name.as_ref() == Some(name));
        let Some(first) = found.next() else {
            return false;
        };
        let differs = |other: &OutColumn| match (first.info.node, other.info.node) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        if found.clone().any(differs) {
            self.problem(*error(
                Code::AMBIGUOUS_COLUMN,
                format!("several columns of the output are called `{name}`"),
                &expr.span,
            ));
        }
        self.sorted_early(&first.info);
        for other in found {
            self.sorted_early(&other.info);
        }
        true
    }

    pub(super) fn order_by(
        &mut self,
        items: &'a [OrderBy],
        select: &'a Select,
        output: OutputId,
        env: &Env,
    ) {
        let columns = self
            .outputs
            .get(output)
            .and_then(|output| output.columns.clone());
        for item in items {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
            // An alias of the select list wins over a column of the same name.
            if !self.sorted_by_output(&item.expr, columns.as_deref())
                && !names_output(&item.expr, &select.targets)
            {
                let info = self.expr(&item.expr, env);
                self.sorted_early(&info);
            }
        }
    }

    /// A number of rows, which may not be negative.
    pub(super) fn count(&mut self, expr: &'a Expr, env: &Env) -> Info {
        let mut info = self.expr(expr, env);
        if !matches!(expr.kind, ExprKind::Literal(_)) {
            info.raises(&expr.span, "a number of rows that may be negative");
        }
        self.note_leak(&info, env.block);
        info
    }

    /// `ORDER BY` of a set operation or `VALUES` sees the names of the output alone.
    pub(super) fn order_by_output(
        &mut self,
        items: &'a [OrderBy],
        output: OutputId,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) {
        if items.is_empty() {
            return;
        }
        let namespace = match self.visible(output) {
            Some(columns) => Namespace {
                columns: columns.to_vec(),
                ..Namespace::default()
            },
            None => Namespace {
                opaque: true,
                ..Namespace::default()
            },
        };
        let block = self.block(parent, guard);
        let scope = self.push_scope(namespace, outer);
        let env = self.env(block, scope, false);
        for item in items {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
            self.expr(&item.expr, &env);
        }
    }
}

/// Whether an item of `ORDER BY` or `GROUP BY` is a number or an alias of the select list.
pub(super) fn names_output(expr: &Expr, targets: &[Target]) -> bool {
    match &expr.kind {
        ExprKind::Literal(Literal::Number(_)) => true,
        ExprKind::Column(parts) => match parts.as_slice() {
            [name] => targets
                .iter()
                .any(|target| target.alias.as_ref() == Some(name)),
            _ => false,
        },
        _ => false,
    }
}
