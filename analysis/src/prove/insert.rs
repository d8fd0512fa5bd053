//! `INSERT`: every new row gives the tenant column a tenant term, or leaves it to a default that is
//! one.

use super::check::{Check, Purpose};
use super::from::Place;
use super::references::References;
use super::resolve::error;
use super::state::{BlockId, Guard, Mode, Namespace, OutputId, OutputSource, Prover};
use crate::catalog::{Class, ColumnDefault, Command, Relation, TriggerTiming};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Expr, ExprKind, Insert, QueryBody, RelationRef};

impl<'a> Prover<'a> {
    pub(super) fn insert(
        &mut self,
        insert: &'a Insert,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let mut named = References::default();
        if let Some(source) = insert.source.as_deref() {
            named.query(source);
        }
        let levels = self.with_level(insert.with.as_ref(), named, parent, guard, outer);
        let source = insert
            .source
            .as_deref()
            .map(|source| (self.query(source, parent, guard, outer), source));
        let relation = self.target(&insert.target);
        let output = relation.and_then(|relation| {
            let class = self.class(relation, Command::Insert);
            let scoped = self.judge_insert(relation, &class, &insert.target);
            if scoped {
                self.check_new_row(relation, insert, source);
            } else {
                self.check_left_out(relation, insert, source);
            }
            self.insert_columns(relation, insert, source);
            self.evaluated_on_write(relation, &insert.target.name.span);
            let block = self.block(parent, guard);
            let place = Place {
                block,
                guard: self.block_guard(block),
                outer,
                grouping: false,
            };
            let tenant = !matches!(self.mode, Mode::System(_));
            let name = insert
                .target
                .alias
                .as_ref()
                .map_or(relation.name.as_str(), |alias| &alias.name);
            let mut of_tenant =
                self.given_tenant(relation, insert, source.map(|(output, _)| output));
            if let Some(conflict) = &insert.on_conflict {
                let changed =
                    self.on_conflict(relation, insert, conflict, parent, guard, outer, &of_tenant);
                of_tenant.extend(changed);
            }
            let (rte, columns) = self.own_row(relation, name, &place, tenant, &of_tenant);
            let namespace = Namespace {
                tables: vec![self.target_table(&insert.target, relation, rte, &columns)],
                columns,
                opaque: false,
            };
            let scope = self.push_scope(namespace, outer);
            let env = super::state::Env {
                upsert: insert.on_conflict.is_some(),
                ..self.env(block, scope, false)
            };
            self.returning(&insert.returning, &env)
        });
        self.with.truncate(levels);
        output
    }

    /// Judges the target of an INSERT; tells whether every new row has to give the tenant.
    fn judge_insert(
        &mut self,
        relation: &'a Relation,
        class: &Class,
        reference: &RelationRef,
    ) -> bool {
        let span = &reference.name.span;
        if *class == Class::Scoped && matches!(self.mode, Mode::Tenant) {
            self.occurrence(
                relation,
                span,
                "pinned",
                vec![format!(
                    "every new row of `{}` gives the tenant",
                    relation.display()
                )],
            );
            self.weakest = super::Grade::Predicate;
            return true;
        }
        self.sets_off(relation, Command::Insert, span);
        // No entry is needed: there is no row yet whose tenant could be asked for.
        self.judge(relation, class, span, usize::MAX, 0, Purpose::Change);
        false
    }

    /// Every row gives the tenant column a tenant term, or leaves it to a default that is one.
    fn check_new_row(
        &mut self,
        relation: &'a Relation,
        insert: &'a Insert,
        source: Option<(OutputId, &'a crate::ir::Query)>,
    ) {
        let Some(tenant) = relation.tenant_column else {
            return;
        };
        let span = &insert.target.name.span;
        if insert.overriding_user
            && relation
                .tenant()
                .is_some_and(|column| matches!(column.default, ColumnDefault::Sequence))
        {
            self.problem(*error(
                Code::FOREIGN_WRITE,
                format!(
                    "`OVERRIDING USER VALUE` ignores the tenant that the new row of `{}` gives",
                    relation.display()
                ),
                span,
            ));
        }
        let position = self.given_at(relation, tenant, insert, source);
        if let (Some(position), Some((output, query))) = (position, source) {
            if insert
                .columns
                .get(position)
                .is_some_and(|column| column.partial)
            {
                self.problem(*error(
                    Code::FOREIGN_WRITE,
                    "only a part of the tenant column is given",
                    span,
                ));
            }
            let place = insert
                .columns
                .get(position)
                .map_or_else(|| span.clone(), |column| column.span.clone());
            self.default_values(relation, query, output, position, &place);
            self.note_given(query, output, position);
            self.checks.push(Check::InsertTenant {
                output,
                index: position,
                relation,
                span: place,
                context: self.context.clone(),
            });
        } else if !self.tenant_default(relation) {
            let column = relation.tenant().map_or("", |column| &column.name);
            let help = match self.with_tenant_column(insert, column) {
                Some(mended) => format!("write: {mended}"),
                None => format!("give `{column}` the value `$tenant`"),
            };
            self.problem(
                Diagnostic::error(
                    Code::FOREIGN_WRITE,
                    format!(
                        "the new row of `{}` gives no `{column}`, and the default of the column is not the tenant",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .help(help),
            );
        }
    }

    /// Which of the values is the tenant column's; `None` if the new row does not give it.
    fn given_at(
        &self,
        relation: &Relation,
        tenant: usize,
        insert: &Insert,
        source: Option<(OutputId, &crate::ir::Query)>,
    ) -> Option<usize> {
        let position = if insert.columns.is_empty() {
            // Without a list the values are for the columns in order.
            tenant
        } else {
            let name = &relation.tenant()?.name;
            let mut columns = insert.columns.iter();
            columns.position(|column| column.name == *name)?
        };
        let (output, _) = source?;
        let columns = self.outputs.get(output).and_then(|it| it.columns.as_ref());
        match columns {
            Some(columns) => (position < columns.len()).then_some(position),
            // What the columns are can't be told: given, and not the tenant.
            None => Some(position),
        }
    }

    /// A protected table whose tenant column has to be given and is not: PostgreSQL refuses every
    /// such row, so nobody is helped by a proof. Only where nothing could fill it in.
    fn check_left_out(
        &mut self,
        relation: &'a Relation,
        insert: &'a Insert,
        source: Option<(OutputId, &'a crate::ir::Query)>,
    ) {
        let (Some(index), Some(column)) = (relation.tenant_column, relation.tenant()) else {
            return;
        };
        let built_in = column.ty.as_ref().is_some_and(|ty| {
            let name = ty.name.parts.last().map(String::as_str);
            matches!(name, Some("uuid" | "int8" | "text"))
        });
        let filled_in = relation.triggers.iter().any(|trigger| {
            trigger.timing == TriggerTiming::Before && trigger.commands.contains(&Command::Insert)
        });
        let must_be_given = column.not_null
            && built_in
            && matches!(column.default, ColumnDefault::None)
            && !filled_in
            && relation.rules.is_empty()
            && relation.children.is_empty()
            && relation.unknown.is_none();
        if !must_be_given
            || !matches!(self.mode, Mode::Tenant)
            || self.given_at(relation, index, insert, source).is_some()
        {
            return;
        }
        let name = &column.name;
        let help = match self.with_tenant_column(insert, name) {
            Some(mended) => format!("write: {mended}"),
            None => format!("give `{name}` the value `$tenant`"),
        };
        // A default takes no sub-query.
        let tenant = self.catalog.config().tenant_expression();
        let term = tenant
            .strip_prefix("(SELECT ")
            .and_then(|it| it.strip_suffix(')'));
        self.problem(
            Diagnostic::error(
                Code::INVALID,
                format!(
                    "the new row of `{}` gives no `{name}`, which is NOT NULL and has no default",
                    relation.display()
                ),
            )
            .at(insert.target.name.span.clone())
            .help(help)
            .help(format!(
                "or give the column a default in a migration: ALTER TABLE {} ALTER COLUMN {name} SET DEFAULT {}",
                relation.display(),
                term.unwrap_or(&tenant)
            )),
        );
    }

    /// `DEFAULT` as the value of the tenant column counts as the tenant where the default is one.
    fn default_values(
        &mut self,
        relation: &Relation,
        query: &'a crate::ir::Query,
        output: OutputId,
        position: usize,
        span: &crate::ir::Span,
    ) {
        let QueryBody::Values(rows) = &query.body else {
            return;
        };
        let default = self.tenant_default(relation);
        let mut all = true;
        let mut any = false;
        for row in rows {
            let Some(value) = row.get(position) else {
                continue;
            };
            if matches!(value.kind, ExprKind::Default) {
                any = true;
                if !default {
                    self.problem(*error(
                        Code::FOREIGN_WRITE,
                        format!(
                            "the default of the tenant column of `{}` is not the tenant",
                            relation.display()
                        ),
                        span,
                    ));
                }
            } else {
                all &= self.is_tenant_value(value);
            }
        }
        if any
            && all
            && default
            && let Some(found) = self.outputs.get_mut(output)
            && let OutputSource::Values(pinned) = &mut found.source
            && let Some(pinned) = pinned.get_mut(position)
        {
            *pinned = true;
        }
    }

    /// Whether a value is the tenant by its form alone.
    pub(super) fn is_tenant_value(&self, expr: &Expr) -> bool {
        self.is_tenant_parameter(expr) || self.is_setting(expr)
    }

    /// The columns of an INSERT: they exist, and the defaults of the others compute.
    fn insert_columns(
        &mut self,
        relation: &'a Relation,
        insert: &'a Insert,
        source: Option<(OutputId, &'a crate::ir::Query)>,
    ) {
        for column in &insert.columns {
            if relation.column(&column.name).is_none() {
                let diagnostic = self.missing_column(relation, &column.name, &column.span);
                self.problem(diagnostic);
            }
            if !column.subscripts.is_empty() {
                self.problem(*error(
                    Code::NOT_UNDERSTOOD,
                    "an INSERT into an element of an array is not understood yet",
                    &column.span,
                ));
            }
        }
        let given: Vec<String> = if insert.columns.is_empty() {
            let width = source
                .and_then(|(output, _)| Some(self.outputs.get(output)?.columns.as_ref()?.len()))
                .unwrap_or(0);
            relation
                .columns
                .iter()
                .take(width)
                .map(|c| c.name.clone())
                .collect()
        } else {
            insert
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect()
        };
        self.defaults(relation, &given, &insert.target.name.span);
    }
}
