//! Changes tables: columns, constraints, row-level security, inheritance, policies.
//!
//! Invariant: a change that a stored expression depends on is carried into that expression, or the
//! expression is no longer understood.

use super::apply_policy::policy_mentions_column;
use super::bind;
use super::build::Builder;
use super::model::{ColumnDefault, PolicyExpr, Relation, RelationId, RelationKind};
use super::walk::{self, Mentions, Visitor, mentions, query_mentions, statement_mentions};
use crate::ddl::ir::{Action, ColumnSpec, Maybe, Ref};
use crate::ir::{Expr, ExprKind};
use std::collections::HashSet;

impl Builder {
    pub(super) fn alter_table(
        &mut self,
        target: &Ref,
        missing_ok: bool,
        only: bool,
        actions: Vec<Action>,
    ) {
        let Some(id) = self.target_if(target, missing_ok) else {
            if !missing_ok {
                self.missing("table", target);
            }
            return;
        };
        self.alter(id, only, actions);
    }

    /// Changes a table by its identity.
    pub(super) fn alter(&mut self, id: RelationId, only: bool, actions: Vec<Action>) {
        // Columns are added and defaults set in the order of the actions; PostgreSQL's passes only
        // move constraints to the end, which changes nothing here.
        let mut rewrites = false;
        let mut found = Vec::new();
        for action in actions {
            rewrites |= matches!(
                action,
                Action::AddColumn { .. }
                    | Action::SetType { .. }
                    | Action::SetExpression { .. }
                    | Action::AddConstraint(_)
                    | Action::Validate
                    | Action::Attach(_)
            );
            if let Action::SetType {
                using: Some(using), ..
            } = &action
            {
                match using {
                    Ok(using) => found.push(mentions(using)),
                    Err(why) => self.unreadable(&format!("USING of a column's type: {why}")),
                }
            }
            self.action(id, only, action);
        }
        // Rows that are rewritten or checked again evaluate what the table stores.
        if rewrites {
            found.extend(self.stored(id));
            self.evaluates_found(&found);
        }
    }

    fn action(&mut self, id: RelationId, only: bool, action: Action) {
        match action {
            Action::Harmless | Action::Validate => {}
            Action::Unknown(what) => self.unknown(
                id,
                &format!("it is changed in a way that is not understood ({what})"),
            ),
            Action::AddColumn {
                column,
                if_not_exists,
            } => {
                self.add_column(id, column, if_not_exists, only);
            }
            Action::DropColumn { name, cascade } => {
                self.drop_column(id, &name, cascade, only);
            }
            Action::SetDefault { column, default } => {
                let default = match default {
                    None => ColumnDefault::None,
                    Some(default) => self
                        .bound(default)
                        .map_or(ColumnDefault::Opaque, ColumnDefault::Expr),
                };
                self.each_child(id, only, &mut |relation| {
                    set_default(relation, &column, &default)
                });
            }
            Action::SetExpression { column, expr } => {
                let value = self
                    .bound(expr)
                    .map_or(ColumnDefault::Opaque, ColumnDefault::Generated);
                self.each_child(id, only, &mut |relation| {
                    set_default(relation, &column, &value)
                });
            }
            Action::DropExpression { column } | Action::DropIdentity { column } => {
                self.each_child(id, only, &mut |relation| {
                    set_default(relation, &column, &ColumnDefault::None)
                });
            }
            Action::AddIdentity { column } => {
                self.each_child(id, only, &mut |relation| {
                    set_default(relation, &column, &ColumnDefault::Sequence)
                });
            }
            Action::SetNotNull { column, value } => self.each_child(id, only, &mut |relation| {
                if let Some(column) = relation.columns.iter_mut().find(|c| c.name == column) {
                    column.not_null = value;
                }
            }),
            Action::SetType {
                column,
                ty,
                collation,
                using: _,
            } => self.each_child(id, only, &mut |relation| {
                if let Some(column) = relation.columns.iter_mut().find(|c| c.name == column) {
                    column.ty = Some(ty.clone());
                    column.collation.clone_from(&collation);
                }
            }),
            Action::AddConstraint(constraint) => self.add_constraint(id, constraint),
            Action::DropConstraint { name } => {
                if let Some(relation) = self.relation_mut(id) {
                    relation.keys.retain(|key| key.name != name);
                    relation.foreign_keys.retain(|key| key.name != name);
                    relation.checks.retain(|check| check.name != name);
                }
            }
            Action::RowSecurity { enabled, forced } => {
                if let Some(relation) = self.relation_mut(id) {
                    relation.rls.enabled = enabled.unwrap_or(relation.rls.enabled);
                    relation.rls.forced = forced.unwrap_or(relation.rls.forced);
                }
            }
            Action::Attach(child) => self.attach(id, &child, true),
            Action::Inherit(parent) => {
                if let Some(parent) = self.target(&parent) {
                    self.link(parent, id);
                } else {
                    self.unknown(id, &format!("its parent `{}` is not known", parent.name));
                }
            }
            Action::Detach(child) => self.detach(id, &child),
            Action::NoInherit(parent) => {
                if let Some(parent) = self.target(&parent) {
                    self.unlink(parent, id);
                }
            }
            Action::Owner(owner) => {
                if let Some(relation) = self.relation_mut(id) {
                    relation.owner = Some(owner);
                }
            }
            Action::SecurityInvoker(value) => {
                let value = value.unwrap_or(Ok(false));
                if let Some(view) = self
                    .relation_mut(id)
                    .and_then(|relation| relation.view.as_mut())
                {
                    view.security_invoker = value.unwrap_or(false);
                }
            }
            Action::Trigger { name, enabled } => {
                self.switch_triggers(id, only, name.as_deref(), enabled);
            }
            Action::Rule { name, enabled } => {
                if let Some(relation) = self.relation_mut(id) {
                    for rule in &mut relation.rules {
                        if rule.name == name {
                            rule.enabled = enabled;
                        }
                    }
                }
            }
        }
    }

    fn bound(&self, expr: Maybe<Expr>) -> Option<Expr> {
        let mut expr = expr.ok()?;
        bind::expr(&mut expr, self).is_ok().then_some(expr)
    }

    /// A relation and, unless `ONLY`, all that inherit from it.
    fn family(&self, id: RelationId, only: bool) -> Vec<RelationId> {
        let mut found = vec![id];
        let mut seen = HashSet::from([id]);
        let mut index = 0;
        while let Some(id) = found.get(index).copied().filter(|_| !only) {
            index += 1;
            let children = self.relation(id).map(|r| r.children.as_slice());
            for child in children.unwrap_or_default() {
                if seen.insert(*child) {
                    found.push(*child);
                }
            }
        }
        found
    }

    /// Applies a change to a relation and, unless `ONLY`, to all that inherit from it.
    pub(super) fn each_child(
        &mut self,
        id: RelationId,
        only: bool,
        change: &mut dyn FnMut(&mut Relation),
    ) {
        for id in self.family(id, only) {
            if let Some(relation) = self.relation_mut(id) {
                change(relation);
            }
        }
    }

    fn add_column(&mut self, id: RelationId, spec: ColumnSpec, if_not_exists: bool, only: bool) {
        let constraints = spec.constraints.clone();
        let exists = self
            .relation(id)
            .is_some_and(|relation| relation.column(&spec.name).is_some());
        if exists {
            if !if_not_exists {
                self.unknown(id, &format!("its column `{}` is added twice", spec.name));
            }
            return;
        }
        let column = self.column(spec);
        let mut added = self.family(id, only);
        added.retain(|id| {
            let relation = self.relation(*id);
            relation.is_some_and(|relation| relation.column(&column.name).is_none())
        });
        self.captures(&added, &column.name);
        let mut local = true;
        self.each_child(id, only, &mut |relation| {
            if relation.column(&column.name).is_none() {
                relation.columns.push(super::model::Column {
                    local,
                    ..column.clone()
                });
            }
            local = false;
        });
        for constraint in constraints {
            self.add_constraint(id, constraint);
        }
    }

    fn drop_column(&mut self, id: RelationId, name: &str, cascade: bool, only: bool) {
        let mut affected = vec![id];
        let mut index = 0;
        while let Some(id) = affected.get(index).copied() {
            index += 1;
            if only {
                continue;
            }
            let children = self
                .relation(id)
                .map(|r| r.children.clone())
                .unwrap_or_default();
            for child in children {
                let inherited = self.relation(child).is_some_and(|r| {
                    r.column(name)
                        .is_some_and(|(_, c)| !c.local || r.kind == RelationKind::Partition)
                });
                if inherited && !affected.contains(&child) {
                    affected.push(child);
                }
            }
        }
        for id in affected {
            self.drop_own_column(id, name, cascade);
        }
    }

    pub(super) fn drop_own_column(&mut self, id: RelationId, name: &str, cascade: bool) {
        let mut doubt = None;
        if let Some(relation) = self.relation_mut(id) {
            relation.columns.retain(|column| column.name != name);
            relation
                .keys
                .retain(|key| !key.columns.iter().flatten().any(|column| column == name));
            relation
                .indexes
                .retain(|index| !index.columns.iter().flatten().any(|column| column == name));
            relation
                .foreign_keys
                .retain(|key| !key.columns.iter().any(|column| column == name));
            relation.checks.retain(|check| {
                check
                    .expr
                    .as_ref()
                    .is_none_or(|expr| !mentions(expr).columns.iter().any(|c| c == name))
            });
            // With CASCADE the policies that depend on the column go; without it the server refuses.
            for policy in std::mem::take(&mut relation.policies) {
                match policy_mentions_column(&policy, name) {
                    Some(true) => {}
                    Some(false) => relation.policies.push(policy),
                    None => {
                        doubt = Some(format!(
                            "policy `{}` may depend on the dropped column `{name}`",
                            policy.name
                        ));
                        relation.policies.push(policy);
                    }
                }
            }
        }
        if let Some(doubt) = doubt {
            self.unknown(id, &doubt);
        }
        for other in self.relations_mut() {
            other.foreign_keys.retain(|key| {
                key.target != id || !key.target_columns.iter().any(|column| column == name)
            });
        }
        self.readers_of_column(&[id], name, Some(cascade));
    }

    /// Views, policies elsewhere and functions that read a column of `ids` which goes, with or
    /// without CASCADE, or gets another name.
    fn readers_of_column(&mut self, ids: &[RelationId], name: &str, dropped: Option<bool>) {
        let mut gone = Vec::new();
        let mut unclear = Vec::new();
        let keys = self.keys_of(ids);
        // The server keeps dependencies by column.
        let reads = |found: &Mentions, star: bool| {
            let by_place = found.by_place.iter().any(|key| keys.contains(key));
            let named = |column: &String| column == name || (star && column == "*");
            found.relations.iter().any(|key| keys.contains(key))
                && (found.merges
                    || (by_place && dropped.is_some())
                    || found.columns.iter().any(named))
        };
        for other in self.readers.iter().filter_map(|id| self.catalog.get(*id)) {
            if let Some(view) = &other.view
                && view.reads.iter().any(|id| ids.contains(id))
            {
                match &view.query {
                    Some(query) if !reads(&query_mentions(query), false) => {}
                    Some(_) if dropped == Some(true) => gone.push(other.id),
                    _ => unclear.push(other.id),
                }
            }
            let of_policy = |expr: &PolicyExpr| match expr {
                PolicyExpr::None => false,
                PolicyExpr::Opaque(_) => true,
                PolicyExpr::Expr(expr) => reads(&mentions(expr), true),
            };
            let mut policies = other.policies.iter();
            if !ids.contains(&other.id)
                && policies.any(|policy| of_policy(&policy.using) || of_policy(&policy.check))
            {
                unclear.push(other.id);
            }
        }
        let reason = format!("it reads the column `{name}`, which is dropped or renamed");
        for function in &mut self.catalog.functions {
            if let super::Body::Sql {
                statements,
                string: false,
                ..
            } = &function.body
                && statements
                    .iter()
                    .any(|statement| reads(&statement_mentions(statement), true))
            {
                function.unknown.get_or_insert_with(|| reason.clone());
            }
        }
        for view in gone {
            self.drop_relation(view, true);
        }
        for id in unclear {
            self.unknown(id, &reason);
        }
    }

    /// The qualified names of relations.
    fn keys_of(&self, ids: &[RelationId]) -> HashSet<Vec<String>> {
        ids.iter()
            .filter_map(|id| self.relation(*id))
            .map(|relation| vec![relation.schema.clone(), relation.name.clone()])
            .collect()
    }

    pub(super) fn rename_column(
        &mut self,
        table: &Ref,
        column: &str,
        new_name: &str,
        missing_ok: bool,
    ) {
        let Some(id) = self.target(table) else {
            if !missing_ok {
                self.missing("table", table);
            }
            return;
        };
        let ids = self.family(id, false);
        self.readers_of_column(&ids, column, None);
        self.captures(&ids, new_name);
        self.each_child(id, false, &mut |relation| {
            rename_in(relation, column, new_name)
        });
        for other in self.relations_mut() {
            for key in &mut other.foreign_keys {
                if ids.contains(&key.target) {
                    rename_strings(&mut key.target_columns, column, new_name);
                }
            }
        }
    }

    /// What was stored with an unqualified column of this name was bound to another table; read
    /// again, the name would mean the new column.
    pub(super) fn captures(&mut self, ids: &[RelationId], column: &str) {
        let keys = self.keys_of(ids);
        // `n.tenant_id` was a call where a function of that name takes the row.
        let called = self.catalog.ever.functions.contains(column);
        let captured = |found: &Mentions| {
            let named = |list: &[String]| list.iter().any(|name| name == column);
            found.relations.iter().any(|key| keys.contains(key))
                && (named(&found.bare) || (called && named(&found.fields)))
        };
        let mut unclear = Vec::new();
        for other in self.readers.iter().filter_map(|id| self.catalog.get(*id)) {
            let view = other.view.as_ref().and_then(|view| view.query.as_ref());
            let of_view = view.is_some_and(|query| captured(&query_mentions(query)));
            let of_policy = other.policies.iter().any(|policy| {
                [&policy.using, &policy.check]
                    .into_iter()
                    .any(|expr| match expr {
                        PolicyExpr::Expr(expr) => captured(&mentions(expr)),
                        _ => false,
                    })
            });
            if of_view || of_policy {
                unclear.push(other.id);
            }
        }
        let reason = format!("a column `{column}` was added to what it reads after it was written");
        for id in unclear {
            self.unknown(id, &reason);
        }
        for function in &mut self.catalog.functions {
            if let super::Body::Sql {
                statements,
                string: false,
                ..
            } = &function.body
                && statements.iter().any(|s| captured(&statement_mentions(s)))
            {
                function.unknown.get_or_insert_with(|| reason.clone());
            }
        }
    }
}

fn set_default(relation: &mut Relation, column: &str, default: &ColumnDefault) {
    if let Some(column) = relation.columns.iter_mut().find(|c| c.name == column) {
        column.default = default.clone();
    }
}

fn rename_strings(list: &mut [String], from: &str, to: &str) {
    for name in list.iter_mut().filter(|name| *name == from) {
        to.clone_into(name);
    }
}

fn rename_in(relation: &mut Relation, from: &str, to: &str) {
    for column in relation
        .columns
        .iter_mut()
        .filter(|column| column.name == from)
    {
        to.clone_into(&mut column.name);
    }
    let keys = relation.keys.iter_mut().map(|key| &mut key.columns);
    let indexes = relation.indexes.iter_mut().map(|index| &mut index.columns);
    for column in keys.chain(indexes).flatten().flatten() {
        if column == from {
            to.clone_into(column);
        }
    }
    for key in &mut relation.foreign_keys {
        rename_strings(&mut key.columns, from, to);
        rename_strings(&mut key.set_columns, from, to);
    }
    for column in &mut relation.columns {
        if let ColumnDefault::Expr(expr) | ColumnDefault::Generated(expr) = &mut column.default {
            rename_in_expr(expr, from, to);
        }
    }
    for expr in relation
        .checks
        .iter_mut()
        .filter_map(|check| check.expr.as_mut())
        .chain(relation.index_expressions.iter_mut().flatten())
    {
        rename_in_expr(expr, from, to);
    }
    for policy in &mut relation.policies {
        for slot in [&mut policy.using, &mut policy.check] {
            if let PolicyExpr::Expr(expr) = slot {
                let seen = mentions(expr);
                if seen.complex
                    && (seen.columns.iter().any(|c| c == from || c == to) || seen.merges)
                {
                    *slot = PolicyExpr::Opaque(format!(
                        "column `{from}` was renamed to `{to}` after it was written"
                    ));
                } else {
                    rename_in_expr(expr, from, to);
                }
            }
        }
    }
}

/// Renames a column in an expression without sub-queries.
fn rename_in_expr(expr: &mut Expr, from: &str, to: &str) {
    struct Rename<'a>(&'a str, &'a str);
    impl Visitor for Rename<'_> {
        fn expr(&mut self, expr: &mut Expr) {
            if let ExprKind::Column(parts) = &mut expr.kind
                && let Some(last) = parts.last_mut()
                && last == self.0
            {
                self.1.clone_into(last);
            }
        }
    }
    walk::expr(expr, &mut Rename(from, to));
}
