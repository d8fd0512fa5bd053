//! Lowers `DROP`, `RENAME`, `SET SCHEMA`, `OWNER TO` and `COMMENT`.

use rupg_sql::nodes::{
    AlterObjectSchemaStmt, AlterOwnerStmt, CommentStmt, DropBehavior, DropStmt, List, Node,
    ObjectType, RenameStmt,
};

use super::ir::{Ddl, Kind, Object, Ref};
use super::nodes;

/// What an object type is here; nothing for kinds whose loss is not understood.
fn kind(object: ObjectType) -> Option<Kind> {
    use ObjectType as Ot;
    Some(match object {
        Ot::OBJECT_TABLE
        | Ot::OBJECT_VIEW
        | Ot::OBJECT_MATVIEW
        | Ot::OBJECT_FOREIGN_TABLE
        | Ot::OBJECT_SEQUENCE => Kind::Relation,
        Ot::OBJECT_SCHEMA => Kind::Schema,
        Ot::OBJECT_FUNCTION | Ot::OBJECT_PROCEDURE | Ot::OBJECT_ROUTINE | Ot::OBJECT_AGGREGATE => {
            Kind::Function
        }
        Ot::OBJECT_OPERATOR => Kind::Operator,
        Ot::OBJECT_TYPE | Ot::OBJECT_DOMAIN => Kind::Type,
        Ot::OBJECT_COLLATION => Kind::Collation,
        Ot::OBJECT_CAST => Kind::Cast,
        Ot::OBJECT_POLICY => Kind::Policy,
        Ot::OBJECT_TRIGGER => Kind::Trigger,
        Ot::OBJECT_RULE => Kind::Rule,
        Ot::OBJECT_INDEX => Kind::Index,
        Ot::OBJECT_ROLE => Kind::Role,
        Ot::OBJECT_EXTENSION => Kind::Extension,
        Ot::OBJECT_PUBLICATION
        | Ot::OBJECT_SUBSCRIPTION
        | Ot::OBJECT_STATISTIC_EXT
        | Ot::OBJECT_TSCONFIGURATION
        | Ot::OBJECT_TSDICTIONARY
        | Ot::OBJECT_TSPARSER
        | Ot::OBJECT_TSTEMPLATE
        | Ot::OBJECT_TABLESPACE
        | Ot::OBJECT_DATABASE
        | Ot::OBJECT_CONVERSION
        | Ot::OBJECT_FDW
        | Ot::OBJECT_FOREIGN_SERVER
        | Ot::OBJECT_USER_MAPPING
        | Ot::OBJECT_EVENT_TRIGGER
        | Ot::OBJECT_OPCLASS
        | Ot::OBJECT_OPFAMILY
        | Ot::OBJECT_DOMCONSTRAINT
        | Ot::OBJECT_LARGEOBJECT => Kind::Other,
        _ => return None,
    })
}

pub(super) fn drop(stmt: &DropStmt) -> Option<Ddl> {
    let kind = kind(stmt.removeType)?;
    let objects = stmt
        .objects
        .iter()
        .map(|node| dropped(kind, node.as_ref()?))
        .collect::<Option<Vec<_>>>()?;
    let cascade = stmt.behavior == DropBehavior::DROP_CASCADE;
    if kind == Kind::Other && cascade {
        return None;
    }
    Some(Ddl::Drop {
        kind,
        objects,
        cascade,
        missing_ok: stmt.missing_ok,
    })
}

fn dropped(kind: Kind, node: &Node) -> Option<Object> {
    match (kind, node) {
        (Kind::Policy | Kind::Trigger | Kind::Rule, Node::List(list)) => on_table(list),
        (Kind::Cast, Node::List(list)) => {
            let types = list
                .iter()
                .map(|node| match node {
                    Some(Node::TypeName(ty)) => nodes::type_name(ty),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?;
            Some(Object {
                name: nothing(),
                table: None,
                arguments: Some(types),
            })
        }
        (Kind::Other, _) => Some(Object {
            name: nothing(),
            table: None,
            arguments: None,
        }),
        (_, node) => object(node),
    }
}

/// `[schema, table, name]`: the name is the last part.
fn on_table(list: &List) -> Option<Object> {
    let mut parts = nodes::strings(list)?;
    let name = parts.pop()?;
    Some(Object {
        name: Ref { schema: None, name },
        table: Some(nodes::reference(&parts)?),
        arguments: None,
    })
}

fn object(node: &Node) -> Option<Object> {
    let arguments = match node {
        Node::ObjectWithArgs(object) => nodes::argument_types(object),
        _ => None,
    };
    Some(Object {
        name: nodes::node_reference(node)?,
        table: None,
        arguments,
    })
}

fn nothing() -> Ref {
    Ref {
        schema: None,
        name: String::new(),
    }
}

pub(super) fn rename(stmt: &RenameStmt) -> Option<Ddl> {
    use ObjectType as Ot;
    let new_name = stmt.newname.as_deref()?.to_owned();
    let subname = || stmt.subname.as_deref().map(str::to_owned);
    let relation = || nodes::relation(stmt.relation.as_deref());
    let missing_ok = stmt.missing_ok;
    if matches!(stmt.renameType, Ot::OBJECT_COLUMN) {
        return Some(Ddl::RenameColumn {
            table: relation()?,
            column: subname()?,
            new_name,
            missing_ok,
        });
    }
    if matches!(stmt.renameType, Ot::OBJECT_TABCONSTRAINT) {
        return Some(Ddl::RenameConstraint {
            table: relation()?,
            name: subname()?,
            new_name,
        });
    }
    if matches!(stmt.renameType, Ot::OBJECT_DOMCONSTRAINT) {
        return Some(Ddl::Harmless);
    }
    let kind = kind(stmt.renameType)?;
    let object = match kind {
        Kind::Policy | Kind::Trigger | Kind::Rule => Object {
            name: Ref {
                schema: None,
                name: subname()?,
            },
            table: Some(relation()?),
            arguments: None,
        },
        Kind::Relation | Kind::Index => Object {
            name: relation()?,
            table: None,
            arguments: None,
        },
        Kind::Schema | Kind::Role => Object {
            name: Ref {
                schema: None,
                name: subname()?,
            },
            table: None,
            arguments: None,
        },
        Kind::Other => return Some(Ddl::Harmless),
        _ => object(stmt.object.as_ref()?)?,
    };
    Some(Ddl::Rename {
        kind,
        object,
        new_name,
        missing_ok,
    })
}

pub(super) fn set_schema(stmt: &AlterObjectSchemaStmt) -> Option<Ddl> {
    let kind = kind(stmt.objectType)?;
    let object = match (nodes::relation(stmt.relation.as_deref()), &stmt.object) {
        (Some(name), _) => Object {
            name,
            table: None,
            arguments: None,
        },
        (None, Some(node)) => object(node)?,
        (None, None) => return None,
    };
    Some(Ddl::SetSchema {
        kind,
        object,
        schema: stmt.newschema.as_deref()?.to_owned(),
        missing_ok: stmt.missing_ok,
    })
}

pub(super) fn owner(stmt: &AlterOwnerStmt) -> Option<Ddl> {
    let kind = kind(stmt.objectType)?;
    let object = match (nodes::relation(stmt.relation.as_deref()), &stmt.object) {
        (Some(name), _) => Object {
            name,
            table: None,
            arguments: None,
        },
        (None, Some(node)) => object(node).unwrap_or(Object {
            name: nothing(),
            table: None,
            arguments: None,
        }),
        (None, None) => return None,
    };
    Some(Ddl::Owner {
        kind,
        object,
        owner: nodes::role(stmt.newowner.as_deref()?),
    })
}

pub(super) fn comment(stmt: &CommentStmt) -> Option<Ddl> {
    if stmt.objtype != ObjectType::OBJECT_TABLE {
        return Some(Ddl::Harmless);
    }
    Some(Ddl::CommentOnTable {
        table: nodes::node_reference(stmt.object.as_ref()?)?,
        text: stmt.comment.as_deref().map(str::to_owned),
    })
}
