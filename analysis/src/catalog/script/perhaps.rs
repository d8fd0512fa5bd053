//! Statements that may or may not run, and statements on a table that is not known.
//!
//! Invariant: the model is at least as strict as every outcome. What makes a database stricter is
//! left out unless it certainly happens; what loosens it, or adds work to a write, is applied; and
//! an object for which neither will do becomes unknown.

use super::doubt::{has_constraint, in_doubt, name_of, perhaps_constraint, touched};
use super::value::{FOREIGN, HOLE};
use crate::catalog::build::Builder;
use crate::catalog::model::{Relation, RelationId};
use crate::catalog::{KeyKind, TypeDefinition};
use crate::ddl::ir::{Action, ConstraintSpec, Ddl, Kind, PolicyStatement, Ref, Step};

impl Builder {
    /// Whether what a statement creates is there already, so that it fails; nothing where the model
    /// can't tell.
    pub(super) fn is_there(&self, ddl: &Ddl) -> Option<bool> {
        let on = |table: &Ref| self.find(table).and_then(|id| self.relation(id));
        match ddl {
            Ddl::CreateTable(table) if table.if_not_exists => Some(false),
            Ddl::CreateTableAs(table) if table.if_not_exists => Some(false),
            Ddl::CreateView(view) if view.replace => Some(false),
            Ddl::CreateTable(table) => self.is_created(&table.name),
            Ddl::CreateTableAs(table) => self.is_created(&table.name),
            Ddl::CreateView(view) => self.is_created(&view.name),
            Ddl::CreateSequence { name } => self.is_created(name),
            Ddl::CreateSchema { name, .. } => {
                let there = self.catalog.schemas.contains(name);
                (there && !self.is_perhaps(&mark("schema", name))).then_some(true)
            }
            Ddl::CreateType { name, .. } => {
                let schema = self.schema_for(name);
                let types = &mut self.catalog.types.iter();
                if self.is_perhaps(&mark("type", &format!("{schema}.{}", name.name))) {
                    return None;
                }
                match types.any(|ty| ty.schema == schema && ty.name == name.name) {
                    true => Some(true),
                    false => self.is_created(name),
                }
            }
            Ddl::CreateFunction(function) => {
                let there = self.catalog.functions.iter();
                let there = there
                    .filter(|other| other.name == function.name.name)
                    .count()
                    > 0;
                (!there || function.replace).then_some(false)
            }
            Ddl::CreatePolicy(policy) => {
                let table = on(&policy.table)?;
                let there = table.policies.iter().any(|p| p.name == policy.name);
                self.certain(there, &mark_of("policy", table.id, &policy.name))
            }
            Ddl::CreateTrigger(trigger) if trigger.replace => Some(false),
            Ddl::CreateTrigger(trigger) => {
                let table = on(&trigger.table)?;
                let there = table.triggers.iter().any(|t| t.name == trigger.name);
                self.certain(there, &mark_of("trigger", table.id, &trigger.name))
            }
            Ddl::AlterTable {
                target, actions, ..
            } => {
                let table = on(target)?;
                let mut there = Some(false);
                for action in actions {
                    match self.action_is_there(table, action) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => there = None,
                    }
                }
                there
            }
            // What they need may be missing, which is no error that these handlers wait for.
            Ddl::Drop { .. } | Ddl::CommentOnTable { .. } | Ddl::AlterPolicy(_) => Some(false),
            _ => None,
        }
    }

    fn action_is_there(&self, table: &Relation, action: &Action) -> Option<bool> {
        match action {
            Action::AddColumn {
                if_not_exists: true,
                ..
            } => Some(false),
            // A table of which nothing is known may have the column or not.
            Action::AddColumn { column, .. } => match table.column(&column.name) {
                Some(_) => table.unknown.is_none().then_some(true),
                None => table.unknown.is_none().then_some(false),
            },
            Action::AddConstraint(constraint) => match (name_of(constraint), constraint) {
                (Some(name), _) => {
                    let there = has_constraint(table, name);
                    self.certain(there, &mark_of("constraint", table.id, name))
                }
                (
                    None,
                    ConstraintSpec::Key {
                        kind: KeyKind::Primary,
                        ..
                    },
                ) => Some(table.keys.iter().any(|key| key.kind == KeyKind::Primary)),
                _ => Some(false),
            },
            Action::Harmless
            | Action::RowSecurity { .. }
            | Action::Owner(_)
            | Action::SetDefault { .. }
            | Action::SetNotNull { .. }
            | Action::DropColumn { .. }
            | Action::DropConstraint { .. } => Some(false),
            _ => None,
        }
    }

    fn is_created(&self, name: &Ref) -> Option<bool> {
        match self.lookup(&self.schema_for(name), &name.name) {
            None => Some(false),
            Some(id) => self.certain(true, &mark("relation", &id.0.to_string())),
        }
    }

    fn certain(&self, there: bool, mark: &str) -> Option<bool> {
        (!self.is_perhaps(mark)).then_some(there)
    }

    /// Whether this is something that may or may not be there.
    pub(super) fn is_perhaps(&self, mark: &str) -> bool {
        self.perhaps.contains(mark)
    }

    /// Applies a statement that may or may not run.
    pub(super) fn perhaps(&mut self, ddl: Ddl) -> Result<(), String> {
        match ddl {
            // What these add only counts where a name could be hidden by it, or a role gains.
            Ddl::CreateSchema {
                ref name,
                ref elements,
                ..
            } if elements.is_empty() => {
                if !self.catalog.schemas.contains(name) {
                    self.perhaps.insert(mark("schema", name));
                }
                self.apply(ddl);
                Ok(())
            }
            Ddl::CreateType { ref name, .. } => {
                let (schema, name) = (self.schema_for(name), name.name.clone());
                let there = self.is_there(&ddl);
                if there != Some(true) {
                    self.perhaps
                        .insert(mark("type", &format!("{schema}.{name}")));
                    // Another that may be there as well stands beside it.
                    let named = |ty: &&TypeDefinition| ty.schema == schema && ty.name == name;
                    let others: Vec<_> = self.catalog.types.iter().filter(named).cloned().collect();
                    self.apply(ddl);
                    self.catalog.types.extend(others);
                }
                Ok(())
            }
            // What it takes away may stay.
            Ddl::Role {
                name,
                superuser,
                bypassrls,
                member_of,
                members,
            } => {
                self.apply(Ddl::Role {
                    name,
                    superuser: superuser.filter(|given| *given),
                    bypassrls: bypassrls.filter(|given| *given),
                    member_of,
                    members,
                });
                Ok(())
            }
            Ddl::CreateSequence { ref name } => {
                let new = (self.is_there(&ddl) == Some(false)).then(|| name.clone());
                self.apply(ddl);
                if let Some(id) = new.and_then(|name| self.find(&name)) {
                    self.perhaps.insert(mark("relation", &id.0.to_string()));
                }
                Ok(())
            }
            Ddl::Harmless
            | Ddl::Extension { .. }
            | Ddl::Grants { .. }
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
                        self.perhaps_unknown(id);
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
        let trigger = match &ddl {
            Ddl::CreateTrigger(trigger) => Some(trigger.name.clone()),
            _ => None,
        };
        for table in &tables {
            match self.target(table) {
                Some(id) => {
                    self.perhaps_unknown(id);
                    if let Some(name) = &trigger {
                        self.perhaps.insert(mark_of("trigger", id, name));
                    }
                }
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
                    self.perhaps.insert(mark("relation", &id.0.to_string()));
                }
            }
        }
        Ok(())
    }

    /// Each constraint of a table may have gone: what it adds to a write stays, and no question is
    /// answered by it.
    fn constraints_in_doubt(&mut self, id: RelationId) {
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        in_doubt(relation, true);
        let keys = relation.keys.iter().map(|key| &key.name);
        let foreign = relation.foreign_keys.iter().map(|key| &key.name);
        let checks = relation.checks.iter().map(|check| &check.name);
        let names: Vec<String> = keys.chain(foreign).chain(checks).cloned().collect();
        let marks = names.iter().map(|name| mark_of("constraint", id, name));
        self.perhaps.extend(marks);
    }

    /// What a script may or may not do to a table makes it unknown.
    fn perhaps_unknown(&mut self, id: RelationId) {
        let (statement, why) = &self.script;
        let mut reason = "a DO block or a function changes it, perhaps".to_owned();
        if !statement.is_empty() {
            reason = format!("{reason}, by `{statement}`");
        }
        if !why.is_empty() {
            reason = format!("{reason}: {why}");
        }
        self.unknown(id, &reason);
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
        let doubtful = self.is_perhaps(&mark_of("policy", id, &policy.name));
        // One that is certainly there makes this one fail.
        if there && !doubtful {
            return;
        }
        if !policy.permissive {
            self.perhaps_unknown(id);
            return;
        }
        let mut policy = policy;
        self.perhaps.insert(mark_of("policy", id, &policy.name));
        if policy.name == HOLE || there {
            // Several policies whose names are not known, or of which one is there, stand side by
            // side.
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
                    if enabled != Some(false) && forced != Some(false) =>
                {
                    self.perhaps.insert(mark("switches", &id.0.to_string()));
                }
                // A key that may be there: its actions and checks run.
                Action::AddConstraint(constraint) => {
                    let there = name_of(&constraint).is_some_and(|name| {
                        self.relation(id)
                            .is_some_and(|relation| has_constraint(relation, name))
                    });
                    let name = name_of(&constraint).map(str::to_owned);
                    let doubtful = name
                        .as_ref()
                        .is_some_and(|name| self.is_perhaps(&mark_of("constraint", id, name)));
                    if !there || doubtful {
                        self.perhaps
                            .extend(name.map(|name| mark_of("constraint", id, &name)));
                        let added = Action::AddConstraint(perhaps_constraint(constraint));
                        self.alter(id, only, vec![added]);
                    }
                }
                Action::DropConstraint { name } => {
                    let unique = self
                        .relation(id)
                        .is_some_and(|relation| relation.keys.iter().any(|key| key.name == name));
                    if unique {
                        self.perhaps_unknown(id);
                    }
                    self.perhaps.insert(mark_of("constraint", id, &name));
                }
                Action::AddColumn { column, .. } if self.has_column(id, &column.name) => {}
                Action::Attach(ref child)
                | Action::Detach(ref child)
                | Action::Inherit(ref child)
                | Action::NoInherit(ref child) => {
                    let other = self.target(child);
                    for id in [Some(id), other].into_iter().flatten() {
                        self.perhaps_unknown(id);
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
                    self.perhaps_unknown(id);
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
            Ddl::Harmless | Ddl::Grants { .. } => return Ok(()),
            // No protection hangs on an index.
            Ddl::Drop {
                kind: Kind::Index, ..
            } => {
                for relation in self.relations_mut() {
                    in_doubt(relation, false);
                }
                return Ok(());
            }
            Ddl::CreatePolicy(policy) => policy.table.clone(),
            Ddl::AlterTable {
                target, actions, ..
            } if actions.iter().all(|action| {
                matches!(
                    action,
                    Action::Harmless
                        | Action::RowSecurity { .. }
                        | Action::Owner(_)
                        | Action::DropConstraint { .. }
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
                let drops = |action: &Action| matches!(action, Action::DropConstraint { .. });
                if actions.iter().any(drops) {
                    for id in &meant {
                        self.constraints_in_doubt(*id);
                    }
                }
                if actions.iter().all(drops) {
                    return Ok(());
                }
                let loosens = actions.iter().any(|action| match action {
                    Action::RowSecurity { enabled, forced } => {
                        *enabled == Some(false) || *forced == Some(false)
                    }
                    Action::Owner(_) => self.catalog.config.relax_force,
                    _ => false,
                });
                for id in meant {
                    self.perhaps.insert(mark("switches", &id.0.to_string()));
                    if loosens {
                        self.perhaps_unknown(id);
                    }
                }
            }
            _ => {
                for id in meant {
                    self.perhaps_unknown(id);
                }
            }
        }
        Ok(())
    }
}

/// The key of something that may or may not be there.
pub(super) fn mark(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

/// The same for something of a table.
pub(super) fn mark_of(kind: &str, id: RelationId, name: &str) -> String {
    format!("{kind} {} {name}", id.0)
}
