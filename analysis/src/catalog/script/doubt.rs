//! What a statement that perhaps ran says of what it touches: the pure half of `perhaps`, which changes
//! the catalog. What can't be told is taken as more than was touched, and as less than was made.

use crate::catalog::KeyKind;
use crate::catalog::model::Relation;
use crate::ddl::ir::{Action, ConstraintSpec, Ddl, Kind, Ref};

/// Whether a statement makes nothing, so that nothing of its name can be there already.
pub(super) fn raises_no_duplicate(ddl: &Ddl) -> bool {
    match ddl {
        Ddl::AlterTable { actions, .. } => actions.iter().all(|action| {
            matches!(
                action,
                Action::RowSecurity { .. }
                    | Action::Owner(_)
                    | Action::SetNotNull { .. }
                    | Action::DropColumn { .. }
                    | Action::DropConstraint { .. }
                    | Action::SetDefault { default: None, .. }
            )
        }),
        Ddl::Drop { .. } | Ddl::CommentOnTable { .. } | Ddl::Grants { .. } => true,
        _ => false,
    }
}

/// Keys that may have gone find no single row: they count as those of a part of the table.
pub(super) fn in_doubt(relation: &mut Relation, constraints: bool) {
    for key in &mut relation.keys {
        key.partial |= key.constraint == constraints;
    }
}

pub(super) fn name_of(constraint: &ConstraintSpec) -> Option<&str> {
    match constraint {
        ConstraintSpec::Key { name, .. }
        | ConstraintSpec::Foreign { name, .. }
        | ConstraintSpec::Check { name, .. } => name.as_deref(),
        _ => None,
    }
}

pub(super) fn has_constraint(relation: &Relation, name: &str) -> bool {
    relation.keys.iter().any(|key| key.name == name)
        || relation.foreign_keys.iter().any(|key| key.name == name)
        || relation.checks.iter().any(|check| check.name == name)
}

/// A primary key that may not be there says nothing about NULL: it is taken as a unique one.
pub(super) fn perhaps_constraint(constraint: ConstraintSpec) -> ConstraintSpec {
    match constraint {
        ConstraintSpec::Key {
            name,
            kind: KeyKind::Primary,
            columns,
            operators,
            partial,
            expressions,
            index,
        } => ConstraintSpec::Key {
            name,
            kind: KeyKind::Unique,
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
pub(super) fn touched(ddl: &Ddl) -> Option<Vec<Ref>> {
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
