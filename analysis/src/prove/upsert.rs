//! `ON CONFLICT`: the row that is there is the tenant's because the key holds the tenant, or because
//! the `WHERE` of the update pins it.

use super::check::Purpose;
use super::from::Place;
use super::resolve::error;
use super::state::{
    BlockId, Env, Fact, FactKind, Guard, Mode, Namespace, Node, Prover, Rte, RteKind, Table,
};
use crate::catalog::{Class, Command, Key, Relation};
use crate::diagnostic::Code;
use crate::ir::{ConflictTarget, ExprKind, Insert, OnConflict};

impl<'a> Prover<'a> {
    /// Collects an `ON CONFLICT`. `of_tenant` are the columns that the INSERT gives values computed
    /// of the tenant; the result are those that the update does.
    #[allow(clippy::too_many_arguments)] // A clause of an INSERT and where that stands.
    pub(super) fn on_conflict(
        &mut self,
        relation: &'a Relation,
        insert: &'a Insert,
        conflict: &'a OnConflict,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
        of_tenant: &[usize],
    ) -> Vec<usize> {
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
            grouping: false,
        };
        let tenant = !matches!(self.mode, Mode::System(_));
        let holds_tenant = self.conflict_key_holds_tenant(relation, conflict);
        let class = match &conflict.update {
            Some(update) => match self.class(relation, Command::Update) {
                // PostgreSQL before 15.20 evaluates the WHERE on a row that row-level security
                // hides: only a condition that pins the row tells nothing about another's.
                Class::Protected if !holds_tenant && update.filter.is_some() && tenant => {
                    Class::Scoped
                }
                class => class,
            },
            None => self.class(relation, Command::Insert),
        };
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
                in_view: false,
                kind: RteKind::Base(super::state::Base {
                    relation,
                    protected: class == Class::Protected,
                    global: false,
                }),
            },
        );
        let mut columns = self.base_columns(existing, relation);
        let (excluded, excluded_columns) =
            self.own_row(relation, "excluded", &place, tenant, of_tenant);
        if holds_tenant {
            for column in &mut columns {
                std::rc::Rc::make_mut(&mut column.info).exposed.clear();
            }
            if let Some(index) = relation.tenant_column {
                let fact = Fact {
                    a: Node::Column(existing, index),
                    b: Node::Column(excluded, index),
                    guard: place.guard.clone(),
                    kind: FactKind::Filter,
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
            return Vec::new();
        };
        // Unqualified names are the row's that is there; `excluded` has to be named.
        let mut both = target_only;
        both.tables.push(Table {
            name: "excluded".to_owned(),
            schema: None,
            columns: Some(excluded_columns.into()),
            scalar: false,
            rte: Some(excluded),
            made: 0..0,
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
        self.updated(relation, &assigned.columns, &insert.target.name.span);
        assigned.of_tenant
    }

    /// Whether the key that a conflict is about holds the tenant column, so that a conflicting row
    /// has the tenant of the new one.
    fn conflict_key_holds_tenant(&self, relation: &Relation, conflict: &OnConflict) -> bool {
        let Some(tenant) = relation.tenant().map(|column| &column.name) else {
            return false;
        };
        match &conflict.target {
            Some(ConflictTarget::Columns { elements, .. }) => {
                let names: Vec<&String> = elements
                    .iter()
                    .filter_map(|element| match &element.kind {
                        ExprKind::Column(parts) => parts.first().filter(|_| parts.len() == 1),
                        _ => None,
                    })
                    .collect();
                // PostgreSQL takes any unique index over these columns, also one with a collation
                // or an operator class under which another tenant's value is the same. Such an
                // element counts as an expression in the catalog.
                let doubtful = |key: &Key| {
                    key.columns.len() <= elements.len()
                        && key.columns.contains(&None)
                        && !key.columns.contains(&Some(tenant.clone()))
                        && key
                            .columns
                            .iter()
                            .flatten()
                            .all(|name| names.contains(&name))
                };
                names.contains(&tenant) && !relation.keys.iter().any(doubtful)
            }
            Some(ConflictTarget::Constraint(name)) => relation.keys.iter().any(|key| {
                // An exclusion constraint conflicts by other operators than `=`.
                key.name == *name
                    && key.kind != crate::catalog::KeyKind::Exclusion
                    && key
                        .columns
                        .iter()
                        .any(|column| column.as_ref() == Some(tenant))
            }),
            None => false,
        }
    }
}
