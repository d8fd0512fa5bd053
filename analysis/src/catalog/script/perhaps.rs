//! Statements that may or may not run, and statements on a table that is not known.
//!
//! Invariant: the model is at least as strict as every outcome. What makes a database stricter is
//! left out unless it certainly happens; what loosens it, or adds work to a write, is applied; and
//! an object for which neither will do becomes unknown.

use super::value::{FOREIGN, HOLE};
use crate::catalog::build::Builder;
use crate::catalog::model::RelationId;
use crate::ddl::ir::{Action, ConstraintSpec, Ddl, Kind, PolicyStatement, Ref, Step};

impl Builder {
    /// Whether what a statement creates is there already, so that it fails.
    pub(super) fn is_there(&self, ddl: &Ddl) -> bool {
        let on = |table: &Ref| self.find(table).and_then(|id| self.relation(id));
        match ddl {
            Ddl::CreateTable(table) => !table.if_not_exists && self.is_created(&table.name),
            Ddl::CreateTableAs(table) => !table.if_not_exists && self.is_created(&table.name),
            Ddl::CreateView(view) => !view.replace && self.is_created(&view.name),
            Ddl::CreateSequence { name } => self.is_created(name),
            Ddl::CreateSchema { name, .. } => self.catalog.schemas.contains(name),
            Ddl::CreateType { name, .. } => {
                let schema = self.schema_for(name);
                self.catalog
                    .types
                    .iter()
                    .any(|ty| ty.schema == schema && ty.name == name.name)
            }
            Ddl::CreatePolicy(policy) => on(&policy.table)
                .is_some_and(|table| table.policies.iter().any(|p| p.name == policy.name)),
            Ddl::CreateTrigger(trigger) => {
                !trigger.replace
                    && on(&trigger.table)
                        .is_some_and(|table| table.triggers.iter().any(|t| t.name == trigger.name))
            }
            Ddl::AlterTable {
                target, actions, ..
            } => on(target).is_some_and(|table| {
                actions.iter().any(|action| match action {
                    Action::AddColumn {
                        column,
                        if_not_exists: false,
                    } => table.column(&column.name).is_some(),
                    Action::AddConstraint(constraint) => {
                        name_of(constraint).is_some_and(|name| has_constraint(table, name))
                    }
                    _ => false,
                })
            }),
            _ => false,
        }
    }

    fn is_created(&self, name: &Ref) -> bool {
        self.lookup(&self.schema_for(name), &name.name).is_some()
    }

    /// Applies a statement that may or may not run.
    pub(super) fn perhaps(&mut self, ddl: Ddl) -> Result<(), String> {
        match ddl {
            // What these add only counts where a name could be hidden by it, or a role gains.
            Ddl::Harmless
            | Ddl::Role { .. }
            | Ddl::CreateSchema { .. }
            | Ddl::CreateType { .. }
            | Ddl::CreateSequence { .. }
            | Ddl::CreateCollation { .. }
            | Ddl::CreateIndex(_)
            | Ddl::GrantRoles { grant: true, .. } => {
                self.apply(ddl);
                Ok(())
            }
            // Taken away or not: membership only ever adds policies.
            Ddl::GrantRoles { grant: false, .. } => Ok(()),
            Ddl::CreatePolicy(policy) => {
                match self.target(&policy.table) {
                    Some(id) => self.perhaps_policy(id, *policy),
                    None => self.missing("table", &policy.table),
                }
                Ok(())
            }
            Ddl::AlterTable {
                target,
                missing_ok,
                only,
                actions,
            } => {
                match self.target(&target) {
                    Some(id) => self.perhaps_altered(id, only, actions)?,
                    None if missing_ok => {}
                    None => self.missing("table", &target),
                }
                Ok(())
            }
            Ddl::CreateFunction(function) => {
                let (name, schema) = (function.name.name.clone(), function.name.schema.clone());
                self.create_function(*function);
                for function in &mut self.catalog.functions {
                    if function.name == name && schema.iter().all(|s| *s == function.schema) {
                        function.unknown.get_or_insert_with(|| {
                            "a DO block or a function creates it, perhaps".to_owned()
                        });
                    }
                }
                Ok(())
            }
            Ddl::CommentOnTable { table, text } => {
                let directive = |text: &Option<String>| {
                    text.as_ref()
                        .is_some_and(|text| text.trim_start().starts_with('@'))
                };
                if let Some(id) = self.target(&table) {
                    let now = self.relation(id).is_some_and(|r| directive(&r.comment));
                    if directive(&text) || now {
                        self.unknown(id, PERHAPS);
                    }
                }
                Ok(())
            }
            other => self.perhaps_touched(other),
        }
    }

    fn perhaps_touched(&mut self, ddl: Ddl) -> Result<(), String> {
        let tables = touched(&ddl).ok_or("a change that may or may not happen")?;
        let creates = matches!(ddl, Ddl::CreateTable(_) | Ddl::CreateView(_));
        for table in &tables {
            match self.target(table) {
                Some(id) => self.unknown(id, PERHAPS),
                None if creates => {}
                None => self.missing("table", table),
            }
        }
        // A trigger, rule or table that may be there is there.
        let kept = matches!(ddl, Ddl::CreateTrigger(_) | Ddl::CreateRule(_));
        if creates || kept {
            self.apply(ddl);
        }
        if creates {
            for table in &tables {
                if let Some(id) = self.target(table) {
                    self.unknown(id, "a DO block or a function creates it, perhaps");
                }
            }
        }
        Ok(())
    }

    /// A permissive policy that may be there only adds rows, so it counts; a restrictive one does
    /// not, but what it evaluates may run.
    fn perhaps_policy(&mut self, id: RelationId, policy: PolicyStatement) {
        let there = self.relation(id).is_some_and(|relation| {
            relation
                .policies
                .iter()
                .any(|existing| existing.name == policy.name && policy.name != HOLE)
        });
        if there {
            return;
        }
        if !policy.permissive {
            self.unknown(id, PERHAPS);
            return;
        }
        let mut policy = policy;
        if policy.name == HOLE {
            // Several policies whose names are not known stand side by side.
            let count = self
                .relation(id)
                .map_or(0, |relation| relation.policies.len());
            policy.name = format!("{HOLE}{count}");
        }
        let schema = self.relation(id).map(|relation| relation.schema.clone());
        let name = self.relation(id).map(|relation| relation.name.clone());
        policy.table = Ref {
            schema,
            name: name.unwrap_or_default(),
        };
        self.create_policy(policy);
    }

    /// `ALTER TABLE` that may or may not run.
    fn perhaps_altered(
        &mut self,
        id: RelationId,
        only: bool,
        actions: Vec<Action>,
    ) -> Result<(), String> {
        for action in actions {
            match action {
                Action::Harmless => {}
                Action::RowSecurity { enabled, forced }
                    if enabled != Some(false) && forced != Some(false) => {}
                // A key that may be there: its actions and checks run.
                Action::AddConstraint(constraint) => {
                    let there = name_of(&constraint).is_some_and(|name| {
                        self.relation(id)
                            .is_some_and(|relation| has_constraint(relation, name))
                    });
                    if !there {
                        let added = Action::AddConstraint(perhaps_constraint(constraint));
                        self.alter(id, only, vec![added]);
                    }
                }
                Action::DropConstraint { name } => {
                    let unique = self
                        .relation(id)
                        .is_some_and(|relation| relation.keys.iter().any(|key| key.name == name));
                    if unique {
                        self.unknown(id, PERHAPS);
                    }
                }
                Action::AddColumn { column, .. } if self.has_column(id, &column.name) => {}
                Action::Attach(ref child)
                | Action::Detach(ref child)
                | Action::Inherit(ref child)
                | Action::NoInherit(ref child) => {
                    let other = self.target(child);
                    for id in [Some(id), other].into_iter().flatten() {
                        self.unknown(id, PERHAPS);
                    }
                    if matches!(action, Action::Attach(_) | Action::Inherit(_)) {
                        self.alter(id, only, vec![action]);
                    }
                }
                // A foreign key in a column definition is followed all the same.
                other => {
                    if let Action::AddColumn { .. } = other {
                        self.alter(id, only, vec![other]);
                    }
                    self.unknown(id, PERHAPS);
                }
            }
        }
        Ok(())
    }

    fn has_column(&self, id: RelationId, name: &str) -> bool {
        self.relation(id)
            .is_some_and(|relation| relation.column(name).is_some())
    }

    /// Applies a statement in whose text a name or a literal is not known: any table may be meant.
    pub(super) fn with_holes(&mut self, step: Step) -> Result<(), String> {
        let table = match &step.ddl {
            Ddl::Harmless => return Ok(()),
            Ddl::CreatePolicy(policy) => policy.table.clone(),
            Ddl::AlterTable {
                target, actions, ..
            } if actions.iter().all(|action| {
                matches!(
                    action,
                    Action::Harmless | Action::RowSecurity { .. } | Action::Owner(_)
                )
            }) =>
            {
                target.clone()
            }
            Ddl::Drop {
                kind: Kind::Policy | Kind::Trigger,
                objects,
                ..
            } => match objects.as_slice() {
                [object] => object.table.clone().unwrap_or(object.name.clone()),
                _ => return Err("computed SQL text".to_owned()),
            },
            _ => return Err("computed SQL text".to_owned()),
        };
        // A table that no migration creates is none of ours.
        if table.name == FOREIGN || table.schema.as_deref() == Some(FOREIGN) {
            return Ok(());
        }
        let known = |part: &str| part != HOLE;
        let meant: Vec<RelationId> = self
            .catalog
            .relations()
            .filter(|relation| relation.is_table())
            .filter(|relation| !known(&table.name) || relation.name == table.name)
            .filter(|relation| {
                table
                    .schema
                    .as_ref()
                    .is_none_or(|schema| !known(schema) || relation.schema == *schema)
            })
            .map(|relation| relation.id)
            .collect();
        match step.ddl {
            Ddl::CreatePolicy(policy) => {
                for id in meant {
                    self.perhaps_policy(id, (*policy).clone());
                }
            }
            Ddl::AlterTable { actions, .. } => {
                let loosens = actions.iter().any(|action| match action {
                    Action::RowSecurity { enabled, forced } => {
                        *enabled == Some(false) || *forced == Some(false)
                    }
                    Action::Owner(_) => self.catalog.config.relax_force,
                    _ => false,
                });
                for id in meant {
                    if loosens {
                        self.unknown(id, PERHAPS);
                    }
                }
            }
            _ => {
                for id in meant {
                    self.unknown(id, PERHAPS);
                }
            }
        }
        Ok(())
    }
}

const PERHAPS: &str = "a DO block or a function changes it, perhaps";

fn name_of(constraint: &ConstraintSpec) -> Option<&str> {
    match constraint {
        ConstraintSpec::Key { name, .. }
        | ConstraintSpec::Foreign { name, .. }
        | ConstraintSpec::Check { name, .. } => name.as_deref(),
        _ => None,
    }
}

fn has_constraint(relation: &crate::catalog::Relation, name: &str) -> bool {
    relation.keys.iter().any(|key| key.name == name)
        || relation.foreign_keys.iter().any(|key| key.name == name)
        || relation.checks.iter().any(|check| check.name == name)
}

/// A primary key that may not be there says nothing about NULL: it is taken as a unique one.
fn perhaps_constraint(constraint: ConstraintSpec) -> ConstraintSpec {
    match constraint {
        ConstraintSpec::Key {
            name,
            kind: crate::catalog::KeyKind::Primary,
            columns,
            operators,
            partial,
            expressions,
            index,
        } => ConstraintSpec::Key {
            name,
            kind: crate::catalog::KeyKind::Unique,
            columns,
            operators,
            partial,
            expressions,
            index,
        },
        ConstraintSpec::NotNull { .. } => ConstraintSpec::Attribute,
        other => other,
    }
}

/// The tables that a statement changes; nothing where it may be more than tables.
fn touched(ddl: &Ddl) -> Option<Vec<Ref>> {
    Some(match ddl {
        Ddl::CreateTable(table) => vec![table.name.clone()],
        Ddl::CreateView(view) => vec![view.name.clone()],
        Ddl::AlterPolicy(policy) => vec![policy.table.clone()],
        Ddl::RenameColumn { table, .. } | Ddl::RenameConstraint { table, .. } => {
            vec![table.clone()]
        }
        Ddl::CreateTrigger(trigger) => vec![trigger.table.clone()],
        Ddl::CreateRule(rule) => vec![rule.table.clone()],
        Ddl::Drop {
            kind: Kind::Policy | Kind::Trigger | Kind::Rule,
            objects,
            cascade: false,
            ..
        } => objects
            .iter()
            .map(|object| object.table.clone())
            .collect::<Option<Vec<_>>>()?,
        _ => return None,
    })
}
