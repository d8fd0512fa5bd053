//! Data changes: what is written, for whom, and what the statement returns of it.

use super::check::Purpose;
use super::from::{Place, split};
use super::references::References;
use super::resolve::error;
use super::state::{
    BlockId, Env, Fact, FactKind, Guard, Namespace, Node, OutputId, OutputSource, Prover, Rte,
    RteId, RteKind, Table, Visible,
};
use crate::catalog::{Command, Lookup, Relation, RelationKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Delete, RelationRef, Statement, Target, Update, With};

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

    pub(super) fn with_level(
        &mut self,
        with: Option<&'a With>,
        named: References<'a>,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> usize {
        let levels = self.with.len();
        if let Some(with) = with {
            self.with_clause(with, named, parent, guard, outer);
        }
        levels
    }

    /// The table that a statement writes; views and what is no table are refused. The name of a
    /// common table expression never stands for a target.
    pub(super) fn target(&mut self, reference: &'a RelationRef) -> Option<&'a Relation> {
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

    pub(super) fn target_table(
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
            made: 0..0,
        }
    }

    /// An entry for a row that is the tenant's: one just written, or proposed. `of_tenant` are the
    /// columns that the statement gives values computed of the tenant.
    pub(super) fn own_row(
        &mut self,
        relation: &'a Relation,
        name: &str,
        place: &Place,
        tenant: bool,
        of_tenant: &[usize],
    ) -> (RteId, Vec<Visible>) {
        let rte = self.push_rte(
            place,
            Rte {
                name: name.to_owned(),
                columns: Vec::new(),
                guard: place.guard.clone(),
                in_view: false,
                kind: RteKind::Other,
            },
        );
        let mut columns = self.base_columns(rte, relation);
        for (index, column) in columns.iter_mut().enumerate() {
            let info = std::rc::Rc::make_mut(&mut column.info);
            info.exposed.clear();
            info.from_tenant |= of_tenant.contains(&index);
        }
        if tenant && let Some(index) = relation.tenant_column {
            let fact = Fact {
                a: Node::Tenant,
                b: Node::Column(rte, index),
                guard: place.guard.clone(),
                kind: FactKind::Filter,
                text: format!("the new row of `{}` is the tenant's", relation.display()),
            };
            self.push_fact(place.block, fact);
        }
        (rte, columns)
    }

    pub(super) fn returning(&mut self, returning: &'a [Target], env: &Env) -> Option<OutputId> {
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

    fn update(
        &mut self,
        update: &'a Update,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let levels = self.with_level(
            update.with.as_ref(),
            References::default(),
            parent,
            guard,
            outer,
        );
        let relation = self.target(&update.target);
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
            grouping: false,
        };
        let mut namespace = self.changed(relation, &update.target, &place, Command::Update);
        let from = self.items(&update.from, &place);
        self.merge(&mut namespace, from.clone(), &update.target.name.span);
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
        let mut of_tenant = Vec::new();
        if let Some(relation) = relation {
            let class = self.class(relation, Command::Update);
            let assigned = self.assignments(relation, &update.assignments, &class, &env, None);
            of_tenant = assigned.of_tenant;
            self.updated(relation, &assigned.columns, &update.target.name.span);
            self.evaluated_on_write(relation, &update.target.name.span);
        }
        let rtes = self.block_rtes(block);
        self.note_insertion(rtes, update.filter.as_ref());
        // RETURNING sees the row as it is afterwards: what the WHERE says of the old row's columns
        // does not hold for what SET, a trigger or a generated column put in their place.
        let after = match relation {
            Some(relation) if !update.returning.is_empty() => {
                let name = update
                    .target
                    .alias
                    .as_ref()
                    .map_or(relation.name.as_str(), |alias| &alias.name);
                let tenant = self.tenant_mode();
                let (rte, columns) = self.own_row(relation, name, &place, tenant, &of_tenant);
                Namespace {
                    tables: vec![self.target_table(&update.target, relation, rte, &columns)],
                    columns,
                    opaque: false,
                }
            }
            _ => Namespace {
                opaque: true,
                ..Namespace::default()
            },
        };
        let mut seen = after;
        seen.tables.extend(from.tables);
        seen.columns.extend(from.columns);
        seen.opaque |= from.opaque;
        let scope = self.push_scope(seen, outer);
        let env = self.env(block, scope, false);
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
        let levels = self.with_level(
            delete.with.as_ref(),
            References::default(),
            parent,
            guard,
            outer,
        );
        let relation = self.target(&delete.target);
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
            grouping: false,
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
        let rtes = self.block_rtes(block);
        self.note_insertion(rtes, delete.filter.as_ref());
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
}
