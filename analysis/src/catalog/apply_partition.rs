//! Links tables to what they inherit from, and keeps what partitions have of their parents.
//!
//! Invariant: what the server copies into a partition (keys, checks, triggers) is read from the
//! parents as long as it is one, and written into it when it is detached.

use super::build::Builder;
use super::model::{Relation, RelationId, RelationKind};
use crate::ddl::ir::Ref;

impl Builder {
    /// Switches triggers on or off; no name is all of them.
    pub(super) fn switch_triggers(
        &mut self,
        id: RelationId,
        only: bool,
        name: Option<&str>,
        enabled: bool,
    ) {
        let named = |trigger: &str| name.is_none_or(|name| name == trigger);
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        // `ONLY` leaves the copies of a row's trigger in the partitions as they are.
        let beyond = only && relation.partitioned && !relation.children.is_empty();
        for trigger in relation.triggers.iter_mut().filter(|t| named(&t.name)) {
            trigger.enabled = enabled || (trigger.enabled && trigger.row && beyond);
        }
        if !enabled {
            return;
        }
        // A partition's copy of a trigger fires whether or not that of the parent does.
        for ancestor in self.partition_of(id) {
            if let Some(relation) = self.relation_mut(ancestor) {
                let rows = relation.triggers.iter_mut().filter(|trigger| trigger.row);
                for trigger in rows.filter(|trigger| named(&trigger.name)) {
                    trigger.enabled = true;
                }
            }
        }
    }

    /// The tables that this one is a partition of, through others as well.
    fn partition_of(&self, id: RelationId) -> Vec<RelationId> {
        let mut found = Vec::new();
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let Some(relation) = self.relation(id) else {
                continue;
            };
            // A foreign table with a parent may be a partition as well.
            if !matches!(
                relation.kind,
                RelationKind::Partition | RelationKind::ForeignTable
            ) {
                continue;
            }
            for parent in &relation.parents {
                if !found.contains(parent) {
                    found.push(*parent);
                    pending.push(*parent);
                }
            }
        }
        found
    }

    /// Makes a partition a table of its own, which keeps its copies of the parents' foreign keys,
    /// keys, indexes and checks; only the triggers go.
    pub(super) fn detach(&mut self, parent: RelationId, child: &Ref) {
        let Some(id) = self.target(child) else {
            self.missing("partition", child);
            return;
        };
        let ancestors: Vec<Relation> = self
            .partition_of(id)
            .into_iter()
            .filter_map(|id| self.relation(id).cloned())
            .collect();
        self.unlink(parent, id);
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        if relation.kind == RelationKind::Partition {
            relation.kind = RelationKind::Table;
        }
        for from in ancestors {
            for mut key in from.foreign_keys {
                let named = |own: &super::ForeignKey| own.name == key.name;
                // Where the name is taken, the server has chosen another one.
                if relation.foreign_keys.iter().any(named) {
                    key.name = String::new();
                }
                relation.foreign_keys.push(key);
            }
            relation.keys.extend(from.keys.into_iter().map(|key| {
                // The server has chosen names of its own for the copies.
                super::Key {
                    name: String::new(),
                    ..key
                }
            }));
            relation.index_expressions.extend(from.index_expressions);
            let known: Vec<String> = relation.checks.iter().map(|c| c.name.clone()).collect();
            let checks = from.checks.into_iter();
            relation
                .checks
                .extend(checks.filter(|check| !known.contains(&check.name)));
        }
    }

    pub(super) fn attach(&mut self, parent: RelationId, child: &Ref, partition: bool) {
        match self.target(child) {
            Some(child) => {
                self.link(parent, child);
                if partition
                    && let Some(child) = self.relation_mut(child)
                    && child.kind == RelationKind::Table
                {
                    child.kind = RelationKind::Partition;
                }
            }
            None => self.missing("partition", child),
        }
    }

    pub(super) fn link(&mut self, parent: RelationId, child: RelationId) {
        if let Some(relation) = self.relation_mut(parent)
            && !relation.children.contains(&child)
        {
            relation.children.push(child);
        }
        if let Some(relation) = self.relation_mut(child)
            && !relation.parents.contains(&parent)
        {
            relation.parents.push(parent);
        }
    }

    pub(super) fn unlink(&mut self, parent: RelationId, child: RelationId) {
        if let Some(relation) = self.relation_mut(parent) {
            relation.children.retain(|id| *id != child);
        }
        let Some(relation) = self.relation_mut(child) else {
            return;
        };
        relation.parents.retain(|id| *id != parent);
        // A column that comes from another parent as well still goes when it goes there.
        let others = relation.parents.clone();
        let inherited: Vec<String> = others
            .iter()
            .filter_map(|id| self.relation(*id))
            .flat_map(|parent| parent.columns.iter().map(|column| column.name.clone()))
            .collect();
        if let Some(relation) = self.relation_mut(child) {
            for column in &mut relation.columns {
                column.local |= !inherited.contains(&column.name);
            }
        }
    }
}
