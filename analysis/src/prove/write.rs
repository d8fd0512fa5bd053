//! Data changes: what is written, for whom, and what the statement returns of it.

use super::check::{Check, Purpose};
use super::from::{Place, split};
use super::resolve::error;
use super::state::{
    BlockId, Env, Fact, Guard, Info, Mode, Namespace, Node, OutputId, OutputSource, Prover, Rte,
    RteId, RteKind, Table, Visible,
};
use crate::catalog::{Class, Command, Lookup, Relation, RelationKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{
    Assignment, ConflictTarget, Delete, Expr, ExprKind, Insert, Merge, MergeAction, MergeMatch,
    OnConflict, QueryBody, RelationRef, Statement, Target, Update, With,
};

impl<'a> Prover<'a> {
    /// Collects a statement; its output, if it returns rows.
    pub(super) fn write(
        &mut self,
        statement: &'a Statement,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        if !matches!(statement, Statement::Query(_)) {
            self.writes = true;
        }
        match statement {
            Statement::Query(query) => Some(self.query(query, parent, guard, outer)),
            Statement::Insert(insert) => self.insert(insert, parent, guard, outer),
            Statement::Update(update) => self.update(update, parent, guard, outer),
            Statement::Delete(delete) => self.delete(delete, parent, guard, outer),
            Statement::Merge(merge) => self.merge_statement(merge, parent, guard, outer),
        }
    }

    fn with_level(
        &mut self,
        with: Option<&'a With>,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> usize {
        let levels = self.with.len();
        if let Some(with) = with {
            self.with_clause(with, parent, guard, outer);
        }
        levels
    }

    /// The table that a statement writes; views and what is no table are refused. The name of a
    /// common table expression never stands for a target.
    fn target(&mut self, reference: &'a RelationRef) -> Option<&'a Relation> {
        let span = &reference.name.span;
        self.classify(span);
        let (schema, name) = split(reference);
        let relation = match self.catalog.relation(schema, name) {
            Lookup::Found(relation) => relation,
            Lookup::System => {
                self.problem(*error(
                    Code::METADATA,
                    format!(
                        "`{}` is a catalog of the server",
                        reference.name.parts.join(".")
                    ),
                    span,
                ));
                return None;
            }
            Lookup::Missing => {
                let diagnostic = self.unknown_relation(reference);
                self.problem(diagnostic);
                return None;
            }
        };
        self.relations.insert(relation.qualified(), ());
        if !relation.is_table() {
            let (code, what) = match relation.kind {
                RelationKind::View => (
                    Code::VIEW_WRITE,
                    "a view, which writes with its owner's rights",
                ),
                _ => (Code::INVALID, "no table"),
            };
            self.problem(
                Diagnostic::error(code, format!("`{}` is {what}", relation.display()))
                    .at(span.clone())
                    .help("write the table itself"),
            );
            return None;
        }
        Some(relation)
    }

    fn target_table(
        &self,
        reference: &RelationRef,
        relation: &Relation,
        rte: RteId,
        columns: &[Visible],
    ) -> Table {
        Table {
            name: reference
                .alias
                .as_ref()
                .map_or_else(|| relation.name.clone(), |alias| alias.name.clone()),
            schema: reference.alias.is_none().then(|| relation.schema.clone()),
            columns: Some(columns.to_vec().into()),
            scalar: false,
            rte: Some(rte),
        }
    }

    /// An entry for a row that is the tenant's: one just written, or proposed.
    fn own_row(
        &mut self,
        relation: &'a Relation,
        name: &str,
        place: &Place,
        tenant: bool,
    ) -> (RteId, Vec<Visible>) {
        let rte = self.push_rte(
            place,
            Rte {
                name: name.to_owned(),
                columns: Vec::new(),
                guard: place.guard.clone(),
                kind: RteKind::Other,
            },
        );
        let mut columns = self.base_columns(rte, relation);
        for column in &mut columns {
            column.info.exposed.clear();
        }
        if tenant && let Some(index) = relation.tenant_column {
            let fact = Fact {
                a: Node::Tenant,
                b: Node::Column(rte, index),
                guard: place.guard.clone(),
                text: format!("the new row of `{}` is the tenant's", relation.display()),
            };
            self.push_fact(place.block, fact);
        }
        (rte, columns)
    }

    fn returning(&mut self, returning: &'a [Target], env: &Env) -> Option<OutputId> {
        if returning.is_empty() {
            return None;
        }
        let columns = self.targets(returning, env);
        Some(self.push_output(
            columns,
            OutputSource::Block {
                block: env.block,
                from_rows: true,
            },
        ))
    }

    fn insert(
        &mut self,
        insert: &'a Insert,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let levels = self.with_level(insert.with.as_ref(), parent, guard, outer);
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
            }
            self.insert_columns(relation, insert, source);
            self.evaluated_on_write(relation, &insert.target.name.span);
            let block = self.block(parent, guard);
            let place = Place {
                block,
                guard: self.block_guard(block),
                outer,
            };
            let tenant = !matches!(self.mode, Mode::System(_));
            let name = insert
                .target
                .alias
                .as_ref()
                .map_or(relation.name.as_str(), |alias| &alias.name);
            if let Some(conflict) = &insert.on_conflict {
                self.on_conflict(relation, insert, conflict, parent, guard, outer);
            }
            let (rte, columns) = self.own_row(relation, name, &place, tenant);
            let namespace = Namespace {
                tables: vec![self.target_table(&insert.target, relation, rte, &columns)],
                columns,
                opaque: false,
            };
            let scope = self.push_scope(namespace, outer);
            let env = self.env(block, scope, false);
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
        let position = if insert.columns.is_empty() {
            // Without a list the values are for the columns in order.
            Some(tenant)
        } else {
            let name = relation.tenant().map(|column| column.name.as_str());
            insert
                .columns
                .iter()
                .position(|column| Some(column.name.as_str()) == name)
        };
        let width =
            source.and_then(|(output, _)| Some(self.outputs.get(output)?.columns.as_ref()?.len()));
        let given = match (position, &source) {
            (Some(position), Some(_)) => match width {
                Some(width) => position < width,
                // What the columns are can't be told: given, and not the tenant.
                None => true,
            },
            _ => false,
        };
        if let (true, Some(position), Some((output, query))) = (given, position, source) {
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
            self.note_insert_parameters(query, output, position);
            self.checks.push(Check::InsertTenant {
                output,
                index: position,
                relation,
                span: place,
                context: self.context.clone(),
            });
        } else if !self.tenant_default(relation) {
            let column = relation.tenant().map_or("", |column| &column.name);
            self.problem(
                Diagnostic::error(
                    Code::FOREIGN_WRITE,
                    format!(
                        "the new row of `{}` gives no `{column}`, and the default of the column is not the tenant",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .help(format!("give `{column}` the value `$tenant`")),
            );
        }
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

    fn note_insert_parameters(
        &mut self,
        query: &'a crate::ir::Query,
        output: OutputId,
        position: usize,
    ) {
        let mut note = |expr: &Expr| {
            let mut expr = expr;
            while let ExprKind::Cast { expr: inner, .. } = &expr.kind {
                expr = inner;
            }
            if let ExprKind::Parameter(number) = expr.kind
                && self.prepared.tenant != Some(number)
            {
                self.insert_parameters.push((output, position, number));
            }
        };
        match &query.body {
            QueryBody::Values(rows) => {
                for value in rows.iter().filter_map(|row| row.get(position)) {
                    note(value);
                }
            }
            QueryBody::Select(select) => {
                if let Some(target) = select.targets.get(position) {
                    note(&target.expr);
                }
            }
            QueryBody::SetOperation { left, right, .. } => {
                self.note_insert_parameters(left, output, position);
                self.note_insert_parameters(right, output, position);
            }
        }
    }

    fn on_conflict(
        &mut self,
        relation: &'a Relation,
        insert: &'a Insert,
        conflict: &'a OnConflict,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) {
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
        };
        let tenant = !matches!(self.mode, Mode::System(_));
        let class = match &conflict.update {
            Some(_) => self.class(relation, Command::Update),
            None => self.class(relation, Command::Insert),
        };
        let holds_tenant = self.conflict_key_holds_tenant(relation, conflict);
        // The row that is there: the tenant's where the key holds the tenant.
        let name = insert
            .target
            .alias
            .as_ref()
            .map_or(relation.name.as_str(), |alias| &alias.name);
        let existing = self.push_rte(
            &place,
            Rte {
                name: name.to_owned(),
                columns: Vec::new(),
                guard: place.guard.clone(),
                kind: RteKind::Base(super::state::Base {
                    relation,
                    protected: class == Class::Protected,
                    global: false,
                }),
            },
        );
        let mut columns = self.base_columns(existing, relation);
        let (excluded, excluded_columns) = self.own_row(relation, "excluded", &place, tenant);
        if holds_tenant {
            for column in &mut columns {
                column.info.exposed.clear();
            }
            if let Some(index) = relation.tenant_column {
                let fact = Fact {
                    a: Node::Column(existing, index),
                    b: Node::Column(excluded, index),
                    guard: place.guard.clone(),
                    text: "the conflicting key holds the tenant column".to_owned(),
                };
                self.push_fact(block, fact);
            }
        }
        let target_only = Namespace {
            tables: vec![self.target_table(&insert.target, relation, existing, &columns)],
            columns: columns.clone(),
            opaque: false,
        };
        let scope = self.push_scope(target_only.clone(), outer);
        let key_env = self.env(block, scope, false);
        match &conflict.target {
            Some(ConflictTarget::Columns { elements, filter }) => {
                for element in elements.iter().chain(filter) {
                    self.expr(element, &key_env);
                }
            }
            Some(ConflictTarget::Constraint(name))
                if !relation.keys.iter().any(|key| key.name == *name) =>
            {
                self.problem(*error(
                    Code::INVALID,
                    format!(
                        "`{}` has no key `{name}` that the migrations tell of",
                        relation.display()
                    ),
                    &conflict.span,
                ));
            }
            Some(ConflictTarget::Constraint(_)) => {}
            None if conflict.update.is_some() => {
                self.problem(*error(
                    Code::INVALID,
                    "`ON CONFLICT DO UPDATE` needs a key",
                    &conflict.span,
                ));
            }
            None => {}
        }
        let Some(update) = &conflict.update else {
            return;
        };
        // Unqualified names are the row's that is there; `excluded` has to be named.
        let mut both = target_only;
        both.tables.push(Table {
            name: "excluded".to_owned(),
            schema: None,
            columns: Some(excluded_columns.into()),
            scalar: false,
            rte: Some(excluded),
        });
        let scope = self.push_scope(both, outer);
        let env = self.env(block, scope, false);
        if let Some(filter) = &update.filter {
            self.condition(
                filter,
                &Env {
                    condition: true,
                    ..env.clone()
                },
                "WHERE of DO UPDATE",
            );
        }
        self.judge(
            relation,
            &class,
            &insert.target.name.span,
            existing,
            block,
            Purpose::Upsert,
        );
        let assigned =
            self.assignments(relation, &update.assignments, &class, &env, Some(excluded));
        self.updated(relation, &assigned, &insert.target.name.span);
    }

    /// Whether the key that a conflict is about holds the tenant column, so that a conflicting row
    /// has the tenant of the new one.
    fn conflict_key_holds_tenant(&self, relation: &Relation, conflict: &OnConflict) -> bool {
        let Some(tenant) = relation.tenant().map(|column| &column.name) else {
            return false;
        };
        match &conflict.target {
            Some(ConflictTarget::Columns { elements, .. }) => elements.iter().any(
                |element| matches!(&element.kind, ExprKind::Column(parts) if parts == std::slice::from_ref(tenant)),
            ),
            Some(ConflictTarget::Constraint(name)) => relation.keys.iter().any(|key| {
                // An exclusion constraint conflicts by other operators than `=`.
                key.name == *name
                    && key.kind != crate::catalog::KeyKind::Exclusion
                    && key.columns.iter().any(|column| column.as_ref() == Some(tenant))
            }),
            None => false,
        }
    }

    /// Walks assignments; the names of the columns that are set.
    pub(super) fn assignments(
        &mut self,
        relation: &'a Relation,
        assignments: &'a [Assignment],
        class: &Class,
        env: &Env,
        excluded: Option<RteId>,
    ) -> Vec<String> {
        let tenant = relation.tenant_column;
        // Row-level security checks the new row; a system query has no tenant.
        let guarded = *class == Class::Protected || !self.tenant_mode();
        let mut assigned = Vec::new();
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
                self.expr(&assignment.value, env);
                for column in &assignment.columns {
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
        let _ = tenant;
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
        assigned: &mut Vec<String>,
    ) {
        assigned.push(column.name.clone());
        for subscript in &column.subscripts {
            self.expr(subscript, env);
        }
        let Some((index, _)) = relation.column(&column.name) else {
            let diagnostic = self.missing_column(relation, &column.name, &column.span);
            self.problem(diagnostic);
            return;
        };
        let is_default = value.is_some_and(|value| matches!(value.kind, ExprKind::Default));
        let info = match value {
            Some(value) if !is_default => self.expr(value, env),
            _ => Info::constant(),
        };
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

    fn update(
        &mut self,
        update: &'a Update,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let levels = self.with_level(update.with.as_ref(), parent, guard, outer);
        let relation = self.target(&update.target);
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
        };
        let mut namespace = self.changed(relation, &update.target, &place, Command::Update);
        let from = self.items(&update.from, &place);
        self.merge(&mut namespace, from, &update.target.name.span);
        let scope = self.push_scope(namespace, outer);
        let env = self.env(block, scope, false);
        if let Some(filter) = &update.filter {
            self.condition(
                filter,
                &Env {
                    condition: true,
                    ..env.clone()
                },
                "WHERE",
            );
        }
        if let Some(relation) = relation {
            let class = self.class(relation, Command::Update);
            let assigned = self.assignments(relation, &update.assignments, &class, &env, None);
            self.updated(relation, &assigned, &update.target.name.span);
            self.evaluated_on_write(relation, &update.target.name.span);
        }
        self.note_insertion(&place, update.filter.as_ref());
        let output = self.returning(&update.returning, &env);
        self.with.truncate(levels);
        output
    }

    fn delete(
        &mut self,
        delete: &'a Delete,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let levels = self.with_level(delete.with.as_ref(), parent, guard, outer);
        let relation = self.target(&delete.target);
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
        };
        let mut namespace = self.changed(relation, &delete.target, &place, Command::Delete);
        let using = self.items(&delete.using, &place);
        self.merge(&mut namespace, using, &delete.target.name.span);
        let scope = self.push_scope(namespace, outer);
        let env = self.env(block, scope, false);
        if let Some(filter) = &delete.filter {
            self.condition(
                filter,
                &Env {
                    condition: true,
                    ..env.clone()
                },
                "WHERE",
            );
        }
        if let Some(relation) = relation {
            self.deleted(relation, &delete.target.name.span);
        }
        self.note_insertion(&place, delete.filter.as_ref());
        let output = self.returning(&delete.returning, &env);
        self.with.truncate(levels);
        output
    }

    /// The target of an UPDATE or DELETE as an item of the statement.
    fn changed(
        &mut self,
        relation: Option<&'a Relation>,
        reference: &'a RelationRef,
        place: &Place,
        command: Command,
    ) -> Namespace {
        let Some(relation) = relation else {
            return Namespace {
                opaque: true,
                ..Namespace::default()
            };
        };
        let rte = self.base(relation, reference, place, command, Purpose::Change);
        let columns = self.base_columns(rte, relation);
        Namespace {
            tables: vec![self.target_table(reference, relation, rte, &columns)],
            columns,
            opaque: false,
        }
    }

    fn merge_statement(
        &mut self,
        merge: &'a Merge,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let levels = self.with_level(merge.with.as_ref(), parent, guard, outer);
        let relation = self.target(&merge.target);
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
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
        let protected = weakest == Class::Protected;
        // The target is on the nullable side: a row of the source without a match is kept.
        let matched_guard = self.guard_with_new(&place.guard);
        let matched = Place {
            guard: matched_guard.clone(),
            ..place.clone()
        };
        let name = merge
            .target
            .alias
            .as_ref()
            .map_or_else(|| relation.name.clone(), |alias| alias.name.clone());
        let rte = self.push_rte(
            &matched,
            Rte {
                name,
                columns: Vec::new(),
                guard: matched_guard.clone(),
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
        };
        self.condition(&merge.on, &on, "ON");
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
            };
            if let Some(condition) = &branch.condition {
                let info = self.expr(
                    condition,
                    &Env {
                        condition: true,
                        ..env.clone()
                    },
                );
                self.leaks(&info);
            }
            match &branch.action {
                MergeAction::Nothing => {}
                MergeAction::Delete => self.deleted(relation, span),
                MergeAction::Update(assignments) => {
                    let class = self.class(relation, Command::Update);
                    let assigned = self.assignments(relation, assignments, &class, &env, None);
                    self.updated(relation, &assigned, span);
                    self.evaluated_on_write(relation, span);
                }
                MergeAction::Insert { columns, values } => {
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
                    self.problem(*error(
                        Code::FOREIGN_WRITE,
                        format!(
                            "a new row of `{}` could be another tenant's: its tenant is not `$tenant`",
                            relation.display()
                        ),
                        &value.span,
                    ));
                }
            }
        }
        if !given && !guarded && !self.tenant_default(relation) {
            self.problem(*error(
                Code::FOREIGN_WRITE,
                format!("a new row of `{}` gives no tenant", relation.display()),
                span,
            ));
        }
        self.defaults(relation, &assigned, span);
        self.evaluated_on_write(relation, span);
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
