//! Lowers `CREATE TABLE`, `ALTER TABLE`, constraints and indexes.

use rupg_sql::nodes::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, Constraint, CreateStmt,
    DropBehavior, IndexElem, IndexStmt, List, Node, ObjectType, OnCommitAction,
};

use super::bridge::Lowering;
use super::ir::{
    Action, ColumnSpec, ConstraintSpec, CreateIndex, CreateTable, Ddl, DefaultSpec, Element,
};
use super::nodes;
use crate::catalog::{Deferral, KeyKind, ReferentialAction};
use crate::ir;

pub(super) fn create(stmt: &CreateStmt, foreign: bool, lowering: &Lowering<'_>) -> Option<Ddl> {
    let relation = stmt.relation.as_deref()?;
    let mut elements = Vec::new();
    for node in stmt.tableElts.iter().chain(&stmt.constraints) {
        elements.push(match node.as_ref()? {
            Node::ColumnDef(column) => Element::Column(column_spec(column, lowering)?),
            Node::Constraint(constraint) => {
                Element::Constraint(constraint_spec(constraint, None, lowering)?)
            }
            Node::TableLikeClause(like) => {
                // CREATE_TABLE_LIKE_… bits of parsenodes.h.
                let has = |bit: u32| like.options & (1 << bit) != 0;
                Element::Like {
                    source: nodes::relation(like.relation.as_deref())?,
                    constraints: has(2),
                    defaults: has(3),
                    generated: has(4),
                    identity: has(5),
                    indexes: has(6),
                }
            }
            _ => return None,
        });
    }
    // The key of a partitioned table is computed for every row that is written, as a condition of the
    // table and of its partitions is, so it is kept as one.
    for node in stmt.partspec.iter().flat_map(|spec| &spec.partParams) {
        let Some(Node::PartitionElem(element)) = node else {
            return None;
        };
        let expr = match &element.expr {
            _ if !element.opclass.is_empty() => Err("an operator class".to_owned()),
            Some(expr) => lowering.expr(expr),
            None => continue,
        };
        elements.push(Element::Constraint(ConstraintSpec::Check {
            name: Some("PARTITION BY".to_owned()),
            expr,
        }));
    }
    let inherits = stmt
        .inhRelations
        .iter()
        .map(|node| match node {
            Some(Node::RangeVar(range)) => Some(nodes::range_reference(range)),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Ddl::CreateTable(Box::new(CreateTable {
        name: nodes::range_reference(relation),
        temporary: relation.relpersistence == b't',
        foreign,
        if_not_exists: stmt.if_not_exists,
        elements,
        inherits,
        partition_of: stmt.partbound.is_some(),
        partitioned: stmt.partspec.is_some(),
        of_type: stmt.ofTypename.is_some(),
        drop_on_commit: stmt.oncommit == OnCommitAction::ONCOMMIT_DROP,
    })))
}

pub(super) fn column_spec(column: &ColumnDef, lowering: &Lowering<'_>) -> Option<ColumnSpec> {
    let name = column.colname.as_deref()?.to_owned();
    let mut spec = ColumnSpec {
        name: name.clone(),
        ty: match column.typeName.as_deref() {
            Some(ty) => Some(nodes::type_name(ty)?),
            None => None,
        },
        not_null: column.is_not_null,
        default: DefaultSpec::None,
        collation: column.collClause.as_deref().and_then(|clause| {
            Some(ir::Name {
                parts: nodes::strings(&clause.collname)?,
                span: 0..0,
            })
        }),
        constraints: Vec::new(),
    };
    if let Some(default) = &column.raw_default {
        spec.default = DefaultSpec::Expr(lowering.expr(default));
    }
    for node in &column.constraints {
        let constraint = match node.as_ref()? {
            Node::Constraint(constraint) => constraint,
            Node::CollateClause(clause) => {
                spec.collation = Some(ir::Name {
                    parts: nodes::strings(&clause.collname)?,
                    span: 0..0,
                });
                continue;
            }
            _ => return None,
        };
        match constraint.contype {
            ConstrType::CONSTR_NOTNULL => spec.not_null = true,
            ConstrType::CONSTR_DEFAULT => {
                spec.default = DefaultSpec::Expr(lowering.expr(constraint.raw_expr.as_ref()?));
            }
            ConstrType::CONSTR_GENERATED => {
                spec.default = DefaultSpec::Generated(lowering.expr(constraint.raw_expr.as_ref()?));
            }
            ConstrType::CONSTR_IDENTITY => {
                spec.default = DefaultSpec::Sequence;
                spec.not_null = true;
            }
            ConstrType::CONSTR_PRIMARY => {
                spec.not_null = true;
                spec.constraints
                    .push(constraint_spec(constraint, Some(&name), lowering)?);
            }
            _ => spec
                .constraints
                .push(constraint_spec(constraint, Some(&name), lowering)?),
        }
    }
    // serial types are a sequence and an integer.
    if let Some(ty) = &mut spec.ty
        && ty.name.parts.len() == 1
    {
        let integer = match ty.name.parts.first().map(String::as_str) {
            Some("bigserial" | "serial8") => "int8",
            Some("serial" | "serial4") => "int4",
            Some("smallserial" | "serial2") => "int2",
            _ => "",
        };
        if !integer.is_empty() {
            ty.name.parts = vec!["pg_catalog".to_owned(), integer.to_owned()];
            spec.default = DefaultSpec::Sequence;
            spec.not_null = true;
        }
    }
    Some(spec)
}

/// A constraint; `column` is the column that it is written at.
pub(super) fn constraint_spec(
    constraint: &Constraint,
    column: Option<&str>,
    lowering: &Lowering<'_>,
) -> Option<ConstraintSpec> {
    let name = constraint.conname.as_deref().map(str::to_owned);
    let columns = |list: &List| -> Option<Vec<String>> {
        let listed = nodes::strings(list)?;
        Some(if listed.is_empty() {
            column.map(str::to_owned).into_iter().collect()
        } else {
            listed
        })
    };
    Some(match constraint.contype {
        ConstrType::CONSTR_PRIMARY | ConstrType::CONSTR_UNIQUE => ConstraintSpec::Key {
            name,
            kind: if constraint.contype == ConstrType::CONSTR_PRIMARY {
                KeyKind::Primary
            } else {
                KeyKind::Unique
            },
            columns: columns(&constraint.keys)?.into_iter().map(Some).collect(),
            operators: Vec::new(),
            partial: false,
            expressions: Vec::new(),
            index: constraint.indexname.as_deref().map(str::to_owned),
        },
        ConstrType::CONSTR_EXCLUSION => exclusion(constraint, name, lowering)?,
        ConstrType::CONSTR_FOREIGN => ConstraintSpec::Foreign {
            name,
            columns: columns(&constraint.fk_attrs)?,
            target: nodes::relation(constraint.pktable.as_deref())?,
            target_columns: nodes::strings(&constraint.pk_attrs)?,
            on_update: action(constraint.fk_upd_action),
            on_delete: action(constraint.fk_del_action),
            set_columns: nodes::strings(&constraint.fk_del_set_cols)?,
            deferral: match (constraint.deferrable, constraint.initdeferred) {
                (_, true) => Deferral::Deferred,
                (true, false) => Deferral::Immediate,
                (false, false) => Deferral::None,
            },
        },
        ConstrType::CONSTR_CHECK => ConstraintSpec::Check {
            name,
            expr: lowering.expr(constraint.raw_expr.as_ref()?),
        },
        ConstrType::CONSTR_NOTNULL => ConstraintSpec::NotNull {
            columns: columns(&constraint.keys)?,
        },
        ConstrType::CONSTR_NULL
        | ConstrType::CONSTR_ATTR_DEFERRABLE
        | ConstrType::CONSTR_ATTR_NOT_DEFERRABLE
        | ConstrType::CONSTR_ATTR_DEFERRED
        | ConstrType::CONSTR_ATTR_IMMEDIATE
        | ConstrType::CONSTR_ATTR_ENFORCED
        | ConstrType::CONSTR_ATTR_NOT_ENFORCED => ConstraintSpec::Attribute,
        _ => return None,
    })
}

fn exclusion(
    constraint: &Constraint,
    name: Option<String>,
    lowering: &Lowering<'_>,
) -> Option<ConstraintSpec> {
    let (mut columns, mut operators, mut expressions) = (Vec::new(), Vec::new(), Vec::new());
    for node in &constraint.exclusions {
        let Some(Node::List(pair)) = node else {
            return None;
        };
        let [Some(Node::IndexElem(element)), Some(Node::List(operator))] = pair.as_slice() else {
            return None;
        };
        index_element(element, &mut columns, &mut expressions, lowering);
        operators.push(nodes::strings(operator)?.pop()?);
    }
    if let Some(filter) = &constraint.where_clause {
        expressions.push(lowering.expr(filter));
    }
    Some(ConstraintSpec::Key {
        name,
        kind: KeyKind::Exclusion,
        columns,
        operators,
        partial: constraint.where_clause.is_some(),
        expressions,
        index: None,
    })
}

fn index_element(
    element: &IndexElem,
    columns: &mut Vec<Option<String>>,
    expressions: &mut Vec<Result<ir::Expr, String>>,
    lowering: &Lowering<'_>,
) {
    // With a collation or an operator class of its own an element compares the column otherwise than
    // `=` does, as an expression would.
    let plain = element.collation.is_empty() && element.opclass.is_empty();
    let name = element.name.as_deref().filter(|_| plain);
    columns.push(name.map(str::to_owned));
    if let Some(expr) = &element.expr {
        expressions.push(lowering.expr(expr));
    }
}

fn action(letter: u8) -> ReferentialAction {
    match letter {
        b'r' => ReferentialAction::Restrict,
        b'c' => ReferentialAction::Cascade,
        b'n' => ReferentialAction::SetNull,
        b'd' => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

pub(super) fn index(stmt: &IndexStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    let (mut columns, mut expressions) = (Vec::new(), Vec::new());
    let mut classes = false;
    for node in &stmt.indexParams {
        let Some(Node::IndexElem(element)) = node else {
            return None;
        };
        classes |= !element.opclass.is_empty();
        index_element(element, &mut columns, &mut expressions, lowering);
    }
    if let Some(filter) = &stmt.whereClause {
        expressions.push(lowering.expr(filter));
    }
    Some(Ddl::CreateIndex(Box::new(CreateIndex {
        name: stmt.idxname.as_deref().map(str::to_owned),
        table: nodes::relation(stmt.relation.as_deref())?,
        unique: stmt.unique,
        classes,
        columns,
        expressions,
        partial: stmt.whereClause.is_some(),
        if_not_exists: stmt.if_not_exists,
    })))
}

pub(super) fn alter(stmt: &AlterTableStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    // Indexes, sequences and types have columns and options, but nothing that is modelled here.
    if matches!(
        stmt.objtype,
        ObjectType::OBJECT_INDEX | ObjectType::OBJECT_SEQUENCE
    ) {
        return Some(Ddl::Harmless);
    }
    if stmt.objtype == ObjectType::OBJECT_TYPE {
        return Some(Ddl::Unknown {
            what: "ALTER TYPE of a composite type".to_owned(),
        });
    }
    let relation = stmt.relation.as_deref()?;
    let actions = stmt
        .cmds
        .iter()
        .map(|node| match node {
            Some(Node::AlterTableCmd(cmd)) => alter_action(cmd, lowering)
                .unwrap_or_else(|| Action::Unknown(format!("{:?}", cmd.subtype))),
            _ => Action::Unknown("an action that the parser did not name".to_owned()),
        })
        .collect();
    Some(Ddl::AlterTable {
        target: nodes::range_reference(relation),
        missing_ok: stmt.missing_ok,
        only: !relation.inh,
        actions,
    })
}

fn alter_action(cmd: &AlterTableCmd, lowering: &Lowering<'_>) -> Option<Action> {
    use AlterTableType as At;
    let name = || cmd.name.as_deref().map(str::to_owned);
    let cascade = cmd.behavior == DropBehavior::DROP_CASCADE;
    let rls = |enabled, forced| Some(Action::RowSecurity { enabled, forced });
    match cmd.subtype {
        At::AT_AddColumn => {
            let Some(Node::ColumnDef(column)) = &cmd.def else {
                return None;
            };
            Some(Action::AddColumn {
                column: column_spec(column, lowering)?,
                if_not_exists: cmd.missing_ok,
            })
        }
        At::AT_DropColumn => Some(Action::DropColumn {
            name: name()?,
            cascade,
        }),
        At::AT_ColumnDefault => Some(Action::SetDefault {
            column: name()?,
            default: cmd.def.as_ref().map(|node| lowering.expr(node)),
        }),
        At::AT_SetExpression => Some(Action::SetExpression {
            column: name()?,
            expr: lowering.expr(cmd.def.as_ref()?),
        }),
        At::AT_DropExpression => Some(Action::DropExpression { column: name()? }),
        At::AT_SetNotNull => Some(Action::SetNotNull {
            column: name()?,
            value: true,
        }),
        At::AT_DropNotNull => Some(Action::SetNotNull {
            column: name()?,
            value: false,
        }),
        At::AT_AlterColumnType => {
            let Some(Node::ColumnDef(column)) = &cmd.def else {
                return None;
            };
            Some(Action::SetType {
                column: name()?,
                ty: nodes::type_name(column.typeName.as_deref()?)?,
                collation: column.collClause.as_deref().and_then(|clause| {
                    Some(ir::Name {
                        parts: nodes::strings(&clause.collname)?,
                        span: 0..0,
                    })
                }),
                using: column.raw_default.as_ref().map(|expr| lowering.expr(expr)),
            })
        }
        At::AT_AddIdentity => Some(Action::AddIdentity { column: name()? }),
        At::AT_DropIdentity => Some(Action::DropIdentity { column: name()? }),
        At::AT_AddConstraint => {
            let Some(Node::Constraint(constraint)) = &cmd.def else {
                return None;
            };
            constraint_spec(constraint, None, lowering).map(Action::AddConstraint)
        }
        At::AT_DropConstraint => Some(Action::DropConstraint { name: name()? }),
        At::AT_EnableRowSecurity => rls(Some(true), None),
        At::AT_DisableRowSecurity => rls(Some(false), None),
        At::AT_ForceRowSecurity => rls(None, Some(true)),
        At::AT_NoForceRowSecurity => rls(None, Some(false)),
        At::AT_AttachPartition | At::AT_DetachPartition | At::AT_DetachPartitionFinalize => {
            let Some(Node::PartitionCmd(partition)) = &cmd.def else {
                return None;
            };
            let partition = nodes::relation(partition.name.as_deref())?;
            Some(if cmd.subtype == At::AT_AttachPartition {
                Action::Attach(partition)
            } else {
                Action::Detach(partition)
            })
        }
        At::AT_AddInherit | At::AT_DropInherit => {
            let Some(Node::RangeVar(parent)) = &cmd.def else {
                return None;
            };
            let parent = nodes::range_reference(parent);
            Some(if cmd.subtype == At::AT_AddInherit {
                Action::Inherit(parent)
            } else {
                Action::NoInherit(parent)
            })
        }
        At::AT_ChangeOwner => Some(Action::Owner(nodes::role(cmd.newowner.as_deref()?))),
        At::AT_SetRelOptions | At::AT_ResetRelOptions => {
            let Some(Node::List(list)) = &cmd.def else {
                return None;
            };
            let invoker = nodes::options(list)
                .filter(|option| option.defname.as_deref() == Some("security_invoker"))
                .last();
            Some(match invoker {
                Some(_) if cmd.subtype == At::AT_ResetRelOptions => Action::SecurityInvoker(None),
                Some(option) => Action::SecurityInvoker(Some(
                    nodes::boolean(option).ok_or_else(|| "its value is no Boolean".to_owned()),
                )),
                None => Action::Harmless,
            })
        }
        At::AT_EnableTrig | At::AT_EnableAlwaysTrig | At::AT_EnableReplicaTrig => {
            Some(Action::Trigger {
                name: Some(name()?),
                enabled: true,
            })
        }
        At::AT_DisableTrig => Some(Action::Trigger {
            name: Some(name()?),
            enabled: false,
        }),
        At::AT_EnableTrigAll | At::AT_EnableTrigUser => Some(Action::Trigger {
            name: None,
            enabled: true,
        }),
        At::AT_DisableTrigAll | At::AT_DisableTrigUser => Some(Action::Trigger {
            name: None,
            enabled: false,
        }),
        At::AT_EnableRule | At::AT_EnableAlwaysRule | At::AT_EnableReplicaRule => {
            Some(Action::Rule {
                name: name()?,
                enabled: true,
            })
        }
        At::AT_DisableRule => Some(Action::Rule {
            name: name()?,
            enabled: false,
        }),
        At::AT_ValidateConstraint => Some(Action::Validate),
        // Storage, statistics and identity options.
        At::AT_SetStatistics
        | At::AT_SetOptions
        | At::AT_ResetOptions
        | At::AT_SetStorage
        | At::AT_SetCompression
        | At::AT_AlterConstraint
        | At::AT_ClusterOn
        | At::AT_DropCluster
        | At::AT_SetLogged
        | At::AT_SetUnLogged
        | At::AT_DropOids
        | At::AT_SetAccessMethod
        | At::AT_SetTableSpace
        | At::AT_ReplicaIdentity
        | At::AT_SetIdentity
        | At::AT_DropOf => Some(Action::Harmless),
        _ => None,
    }
}
