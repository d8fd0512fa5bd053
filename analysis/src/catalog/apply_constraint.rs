//! Adds constraints and indexes, under the names that PostgreSQL gives them.

use super::build::Builder;
use super::model::{Check, ForeignKey, Index, Key, KeyKind, Relation, RelationId};
use super::walk::mentions;
use crate::ddl::ir::{ConstraintSpec, CreateIndex};
use crate::ir;

impl Builder {
    pub(super) fn add_constraint(&mut self, id: RelationId, constraint: ConstraintSpec) {
        match constraint {
            ConstraintSpec::Key {
                name,
                kind,
                columns,
                operators,
                partial,
                expressions,
                index,
            } => {
                let bound: Vec<Option<ir::Expr>> =
                    expressions.into_iter().map(Result::ok).collect();
                let Some(relation) = self.relation(id) else {
                    return;
                };
                let name = name.or_else(|| index.clone()).or_else(|| {
                    let suffix = match kind {
                        KeyKind::Primary => "pkey",
                        KeyKind::Unique => "key",
                        KeyKind::Exclusion => "excl",
                    };
                    let listed: Vec<&str> = match kind {
                        KeyKind::Primary => Vec::new(),
                        _ => columns
                            .iter()
                            .map(|c| c.as_deref().unwrap_or("expr"))
                            .collect(),
                    };
                    default_name(relation, &listed, suffix)
                });
                let Some(relation) = self.relation_mut(id) else {
                    return;
                };
                if let Some(index) = index {
                    // `ADD CONSTRAINT … USING INDEX` renames the index.
                    if let Some(key) = relation.keys.iter_mut().find(|key| key.name == index) {
                        key.constraint = true;
                        key.kind = kind;
                        key.name = name.unwrap_or(index);
                    }
                    return;
                }
                if kind == KeyKind::Primary {
                    for column in columns.iter().flatten() {
                        if let Some(column) =
                            relation.columns.iter_mut().find(|c| c.name == *column)
                        {
                            column.not_null = true;
                        }
                    }
                }
                relation.index_expressions.extend(bound);
                relation.keys.push(Key {
                    name: name.unwrap_or_default(),
                    kind,
                    columns,
                    operators,
                    partial,
                    constraint: true,
                });
            }
            ConstraintSpec::Foreign {
                name,
                columns,
                target,
                target_columns,
                on_update,
                on_delete,
                set_columns,
                deferral,
            } => {
                // A table that no migration creates (such as `auth.users`) can't be written by a
                // proved statement, so what its keys do here never happens within a scope.
                let target_id = if self.is_ambiguous(&target) {
                    // Either of two tables: neither is known then.
                    self.target(&target)
                } else {
                    self.find(&target)
                };
                let Some(target_id) = target_id else {
                    return;
                };
                let target_columns = if target_columns.is_empty() {
                    self.relation(target_id)
                        .and_then(|target| {
                            target.keys.iter().find(|key| key.kind == KeyKind::Primary)
                        })
                        .map(|key| key.columns.iter().flatten().cloned().collect())
                        .unwrap_or_default()
                } else {
                    target_columns
                };
                let Some(relation) = self.relation(id) else {
                    return;
                };
                let listed: Vec<&str> = columns.iter().map(String::as_str).collect();
                let name = name
                    .or_else(|| default_name(relation, &listed, "fkey"))
                    .unwrap_or_default();
                let name = self.certain_name(id, name);
                if let Some(relation) = self.relation_mut(id) {
                    relation.foreign_keys.push(ForeignKey {
                        name,
                        columns,
                        target: target_id,
                        target_columns,
                        on_update,
                        on_delete,
                        set_columns,
                        deferral,
                    });
                }
            }
            ConstraintSpec::Check { name, expr } => {
                let Some(relation) = self.relation(id) else {
                    return;
                };
                let column = expr
                    .as_ref()
                    .ok()
                    .and_then(|expr| only_column(relation, expr));
                let listed: Vec<&str> = column.iter().map(String::as_str).collect();
                let name = name
                    .or_else(|| default_name(relation, &listed, "check"))
                    .unwrap_or_default();
                let name = self.certain_name(id, name);
                let check = Check {
                    name,
                    expr: expr.ok(),
                };
                // Children get it as well; one that is `NO INHERIT` does no harm there.
                self.each_child(id, false, &mut |relation| {
                    relation.checks.push(check.clone())
                });
            }
            ConstraintSpec::NotNull { columns } => {
                if let Some(relation) = self.relation_mut(id) {
                    for column in &mut relation.columns {
                        column.not_null |= columns.contains(&column.name);
                    }
                }
            }
            ConstraintSpec::Attribute => {}
        }
    }

    /// The name of a constraint, unless another table of the schema has it: the server may have
    /// chosen another one then, and no `DROP CONSTRAINT` may find this one by accident.
    fn certain_name(&mut self, id: RelationId, name: String) -> String {
        let Some(schema) = self.relation(id).map(|relation| relation.schema.clone()) else {
            return name;
        };
        let first = *self
            .constraint_names
            .entry((schema, name.clone()))
            .or_insert(id);
        if first == id { name } else { String::new() }
    }

    pub(super) fn create_index(&mut self, index: CreateIndex) {
        let Some(id) = self.target(&index.table) else {
            self.missing("table", &index.table);
            return;
        };
        let Some(relation) = self.relation(id) else {
            return;
        };
        let listed: Vec<&str> = index
            .columns
            .iter()
            .map(|c| c.as_deref().unwrap_or("expr"))
            .collect();
        let name = index
            .name
            .or_else(|| default_name(relation, &listed, "idx"))
            .unwrap_or_default();
        if index.if_not_exists && relation.keys.iter().any(|key| key.name == name) {
            return;
        }
        let bound: Vec<Option<ir::Expr>> = index.expressions.into_iter().map(Result::ok).collect();
        let found: Vec<_> = bound.iter().flatten().map(mentions).collect();
        self.evaluates_found(&found);
        // The functions of an operator class that a migration may have made run with every write.
        let classes = index.classes && self.catalog.ever.anything.is_some();
        if let Some(relation) = self.relation_mut(id) {
            relation.index_expressions.extend(classes.then_some(None));
            relation.index_expressions.extend(bound);
            if index.unique {
                relation.keys.push(Key {
                    name,
                    kind: KeyKind::Unique,
                    columns: index.columns,
                    operators: Vec::new(),
                    partial: index.partial,
                    constraint: false,
                });
            } else {
                relation.indexes.push(Index {
                    name,
                    columns: index.columns,
                    partial: index.partial,
                });
            }
        }
    }
}

/// The one column that a check is about: the server puts it into the name.
fn only_column(relation: &Relation, expr: &ir::Expr) -> Option<String> {
    let mut found: Vec<String> = mentions(expr).columns;
    found.retain(|name| relation.column(name).is_some());
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// The name that PostgreSQL chooses; nothing where it would shorten it, because then a later
/// `DROP CONSTRAINT` must not find it by accident.
fn default_name(relation: &Relation, columns: &[&str], suffix: &str) -> Option<String> {
    let mut base = relation.name.clone();
    for column in columns {
        base.push('_');
        base.push_str(column);
    }
    let taken = |name: &str| {
        relation.keys.iter().any(|key| key.name == name)
            || relation.foreign_keys.iter().any(|key| key.name == name)
            || relation.checks.iter().any(|check| check.name == name)
    };
    let mut name = format!("{base}_{suffix}");
    let mut number = 0;
    while taken(&name) {
        number += 1;
        name = format!("{base}_{suffix}{number}");
    }
    (name.len() <= 63).then_some(name)
}
