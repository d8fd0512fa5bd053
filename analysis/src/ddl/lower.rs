//! One raw statement to one step: modelled, harmless by list, or unknown.

use rupg_sql::nodes::{
    CreateTableAsStmt, DoStmt, GrantTargetType, IntoClause, Node, ObjectType, OnCommitAction,
    TransactionStmtKind, ViewStmt,
};

use super::bridge::Lowering;
use super::ir::{
    CreateTableAs, CreateView, Ddl, Kind, Maybe, NewType, Object, PolicyStatement, Ref, Step,
};
use super::{nodes, object, routine, setting, table};
use crate::catalog::Command;
use crate::ir::{Query, QueryBody, Span, Statement};

pub(super) fn statement(node: &Node, span: &Span, lowering: &Lowering<'_>) -> Ddl {
    lower(node, span, lowering).unwrap_or_else(|| Ddl::Unknown {
        what: describe(span, lowering),
    })
}

/// The first words of a statement.
fn describe(span: &Span, lowering: &Lowering<'_>) -> String {
    let text = lowering.text().get(span.clone()).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    let line = words.join(" ");
    line.chars().take(80).collect()
}

fn lower(node: &Node, span: &Span, lowering: &Lowering<'_>) -> Option<Ddl> {
    match node {
        // tables and views
        Node::CreateStmt(stmt) => table::create(stmt, false, lowering),
        Node::CreateForeignTableStmt(stmt) => table::create(&stmt.base, true, lowering),
        Node::AlterTableStmt(stmt) => table::alter(stmt, lowering),
        Node::IndexStmt(stmt) => table::index(stmt, lowering),
        Node::CreateTableAsStmt(stmt) => table_as(stmt, lowering),
        Node::ViewStmt(stmt) => view(stmt, lowering),
        Node::CreateSeqStmt(stmt) => Some(Ddl::CreateSequence {
            name: nodes::relation(stmt.sequence.as_deref())?,
        }),
        Node::CreateSchemaStmt(stmt) => {
            let role = stmt.authrole.as_deref().map(nodes::role);
            let given = stmt.schemaname.as_deref().map(str::to_owned);
            let name = given.or(role.clone())?;
            let elements = stmt
                .schemaElts
                .iter()
                .flatten()
                .map(|node| Step {
                    span: span.clone(),
                    ddl: statement(node, span, lowering),
                })
                .collect();
            Some(Ddl::CreateSchema {
                name,
                owner: role,
                elements,
            })
        }
        // policies
        Node::CreatePolicyStmt(stmt) => Some(Ddl::CreatePolicy(Box::new(PolicyStatement {
            name: stmt.policy_name.as_deref()?.to_owned(),
            table: nodes::relation(stmt.table.as_deref())?,
            permissive: stmt.permissive,
            command: match stmt.cmd_name.as_deref()? {
                "all" => None,
                "select" => Some(Command::Select),
                "insert" => Some(Command::Insert),
                "update" => Some(Command::Update),
                "delete" => Some(Command::Delete),
                _ => return None,
            },
            roles: nodes::roles(&stmt.roles),
            using: stmt.qual.as_ref().map(|node| lowering.expr(node)),
            check: stmt.with_check.as_ref().map(|node| lowering.expr(node)),
        }))),
        Node::AlterPolicyStmt(stmt) => Some(Ddl::AlterPolicy(Box::new(PolicyStatement {
            name: stmt.policy_name.as_deref()?.to_owned(),
            table: nodes::relation(stmt.table.as_deref())?,
            permissive: true,
            command: None,
            roles: nodes::roles(&stmt.roles),
            using: stmt.qual.as_ref().map(|node| lowering.expr(node)),
            check: stmt.with_check.as_ref().map(|node| lowering.expr(node)),
        }))),
        // objects
        Node::DropStmt(stmt) => object::drop(stmt),
        Node::RenameStmt(stmt) => object::rename(stmt),
        Node::AlterObjectSchemaStmt(stmt) => object::set_schema(stmt),
        Node::AlterOwnerStmt(stmt) => object::owner(stmt),
        Node::CommentStmt(stmt) => object::comment(stmt),
        // functions and what could shadow a built-in
        Node::CreateFunctionStmt(stmt) => routine::function(stmt, lowering),
        Node::AlterFunctionStmt(stmt) => routine::alter_function(stmt),
        Node::DefineStmt(stmt) => routine::define(stmt),
        Node::CreateDomainStmt(stmt) => routine::domain(stmt, lowering),
        Node::AlterDomainStmt(stmt) => routine::alter_domain(stmt, lowering),
        Node::CompositeTypeStmt(stmt) => routine::composite(stmt),
        Node::CreateEnumStmt(stmt) => {
            new_type(nodes::list_reference(&stmt.typeName)?, NewType::Enum)
        }
        Node::CreateRangeStmt(stmt) => {
            // Functions and operator classes of its own run with every value.
            let plain = nodes::options(&stmt.params).all(|option| {
                matches!(
                    option.defname.as_deref(),
                    Some("subtype" | "multirange_type_name" | "collation")
                )
            });
            let kind = if plain { NewType::Range } else { NewType::Base };
            new_type(nodes::list_reference(&stmt.typeName)?, kind)
        }
        Node::CreateCastStmt(stmt) => routine::cast(stmt),
        Node::CreateTrigStmt(stmt) => routine::trigger(stmt, lowering),
        Node::RuleStmt(stmt) => routine::rule(stmt),
        // roles and settings
        Node::GrantRoleStmt(stmt) => Some(setting::grant_role(stmt)),
        Node::CreateRoleStmt(stmt) => setting::create_role(stmt),
        Node::AlterRoleStmt(stmt) => setting::alter_role(stmt),
        Node::AlterRoleSetStmt(stmt) => setting::role_setting(stmt),
        Node::AlterDatabaseSetStmt(stmt) => setting::database_setting(stmt),
        Node::VariableSetStmt(stmt) => Some(setting::set(stmt)),
        Node::ReassignOwnedStmt(stmt) => Some(Ddl::Reassign {
            owner: nodes::role(stmt.newrole.as_deref()?),
        }),
        Node::DropRoleStmt(stmt) => Some(Ddl::Drop {
            kind: Kind::Role,
            objects: nodes::roles(&stmt.roles)
                .into_iter()
                .map(|name| Object {
                    name: Ref { schema: None, name },
                    table: None,
                    arguments: None,
                })
                .collect(),
            cascade: false,
            missing_ok: stmt.missing_ok,
        }),
        // data
        Node::SelectStmt(stmt) if stmt.intoClause.is_some() => {
            let mut plain = stmt.clone();
            let into = plain.intoClause.take()?;
            create_as(&into, lowering.query(&plain), false, false)
        }
        Node::SelectStmt(_) => Some(data(node, span, lowering)),
        Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            Some(data(node, span, lowering))
        }
        // Data from a file or the client; with a program or a query it could run anything.
        Node::CopyStmt(stmt) if !stmt.is_program && stmt.whereClause.is_none() => {
            Some(Ddl::Evaluates {
                relations: vec![nodes::relation(stmt.relation.as_deref())?],
            })
        }
        Node::RefreshMatViewStmt(stmt) => Some(Ddl::Evaluates {
            relations: vec![nodes::relation(stmt.relation.as_deref())?],
        }),
        Node::TruncateStmt(stmt) => Some(Ddl::Evaluates {
            relations: stmt
                .relations
                .iter()
                .map(|node| match node {
                    Some(Node::RangeVar(range)) => Some(nodes::range_reference(range)),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?,
        }),
        // transactions
        Node::TransactionStmt(stmt) => match stmt.kind {
            TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START => {
                Some(Ddl::Begin)
            }
            TransactionStmtKind::TRANS_STMT_COMMIT => Some(Ddl::Commit),
            TransactionStmtKind::TRANS_STMT_ROLLBACK => Some(Ddl::Rollback),
            TransactionStmtKind::TRANS_STMT_SAVEPOINT | TransactionStmtKind::TRANS_STMT_RELEASE => {
                Some(Ddl::Harmless)
            }
            _ => None,
        },
        Node::ReindexStmt(_) | Node::VacuumStmt(_) | Node::RepackStmt(_) => Some(Ddl::Reindex),
        // As if it were run, which `ANALYZE` does, and planning may do in part.
        Node::ExplainStmt(stmt) => match stmt.query.as_ref()? {
            Node::SelectStmt(select) if select.intoClause.is_some() => None,
            query @ (Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_)) => Some(Ddl::Data {
                statement: lowering.statement(query, span),
            }),
            _ => None,
        },
        // The body of the procedure is read as that of a function which a query calls: COMMIT and
        // its kin are refused there.
        Node::CallStmt(stmt) => {
            let call = lowering.expr(&Node::FuncCall(stmt.funccall.clone()?));
            let query = |call| {
                Statement::Query(Box::new(Query {
                    with: None,
                    body: QueryBody::Values(vec![vec![call]]),
                    order_by: Vec::new(),
                    limit: None,
                    with_ties: false,
                    offset: None,
                    locking: Vec::new(),
                    span: span.clone(),
                }))
            };
            Some(Ddl::Data {
                statement: call.map(query),
            })
        }
        Node::CreateEventTrigStmt(stmt) => Some(Ddl::EventTrigger {
            function: nodes::strings(&stmt.funcname)?.pop()?,
        }),
        // What a new version brings is trusted as what the extension brought.
        Node::AlterExtensionStmt(stmt) => Some(Ddl::Extension {
            name: stmt.extname.as_deref().unwrap_or_default().to_owned(),
        }),
        Node::DoStmt(stmt) => Some(do_block(stmt)),
        Node::CreateExtensionStmt(stmt) => Some(Ddl::Extension {
            name: stmt.extname.as_deref().unwrap_or_default().to_owned(),
        }),
        // Privileges decide who may use an object, and the analysis assumes all of them.
        Node::GrantStmt(stmt)
            if matches!(
                stmt.targtype,
                GrantTargetType::ACL_TARGET_OBJECT
                    | GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA
                    | GrantTargetType::ACL_TARGET_DEFAULTS
            ) =>
        {
            Some(Ddl::Grants {
                roles: nodes::roles(&stmt.grantees),
            })
        }
        _ => harmless(node).then_some(Ddl::Harmless),
    }
}

/// Statements that change nothing that the catalog models: data, storage, statistics, privileges
/// on objects, replication, text search and foreign servers.
fn harmless(node: &Node) -> bool {
    matches!(
        node,
        Node::AlterDefaultPrivilegesStmt(_)
            | Node::AlterCollationStmt(_)
            | Node::AlterDatabaseStmt(_)
            | Node::AlterDatabaseRefreshCollStmt(_)
            | Node::AlterEnumStmt(_)
            | Node::AlterEventTrigStmt(_)
            | Node::AlterFdwStmt(_)
            | Node::AlterForeignServerStmt(_)
            | Node::AlterObjectDependsStmt(_)
            | Node::AlterPublicationStmt(_)
            | Node::AlterSeqStmt(_)
            | Node::AlterStatsStmt(_)
            | Node::AlterSubscriptionStmt(_)
            | Node::AlterTSConfigurationStmt(_)
            | Node::AlterTSDictionaryStmt(_)
            | Node::AlterTableSpaceOptionsStmt(_)
            | Node::AlterUserMappingStmt(_)
            | Node::CheckPointStmt(_)
            | Node::ConstraintsSetStmt(_)
            | Node::CreateAmStmt(_)
            | Node::CreateConversionStmt(_)
            | Node::CreateFdwStmt(_)
            | Node::CreateForeignServerStmt(_)
            | Node::CreateOpFamilyStmt(_)
            | Node::CreatePLangStmt(_)
            | Node::CreatePublicationStmt(_)
            | Node::CreateStatsStmt(_)
            | Node::CreateSubscriptionStmt(_)
            | Node::CreateTableSpaceStmt(_)
            | Node::CreateUserMappingStmt(_)
            | Node::DeallocateStmt(_)
            | Node::ListenStmt(_)
            | Node::LockStmt(_)
            | Node::NotifyStmt(_)
            | Node::SecLabelStmt(_)
            | Node::UnlistenStmt(_)
            | Node::VariableShowStmt(_)
            | Node::DropTableSpaceStmt(_)
            | Node::DropUserMappingStmt(_)
            | Node::DropSubscriptionStmt(_)
    )
}

fn new_type(name: Ref, kind: NewType) -> Option<Ddl> {
    Some(Ddl::CreateType {
        name,
        kind,
        collation: None,
    })
}

fn data(node: &Node, span: &Span, lowering: &Lowering<'_>) -> Ddl {
    let statement = lowering.statement(node, span);
    if let Ok(statement) = &statement
        && let Some(setting) = setting::set_config(statement)
    {
        return setting;
    }
    Ddl::Data { statement }
}

fn table_as(stmt: &CreateTableAsStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    let query = lowering.query_node(stmt.query.as_ref());
    let materialized = stmt.objtype == ObjectType::OBJECT_MATVIEW;
    create_as(
        stmt.into.as_deref()?,
        query,
        stmt.if_not_exists,
        materialized,
    )
}

fn create_as(
    into: &IntoClause,
    query: Maybe<Query>,
    if_not_exists: bool,
    materialized: bool,
) -> Option<Ddl> {
    let relation = into.rel.as_deref()?;
    Some(Ddl::CreateTableAs(Box::new(CreateTableAs {
        name: nodes::range_reference(relation),
        temporary: relation.relpersistence == b't',
        columns: nodes::strings(&into.colNames)?,
        query,
        if_not_exists,
        materialized,
        drop_on_commit: into.onCommit == OnCommitAction::ONCOMMIT_DROP,
    })))
}

fn view(stmt: &ViewStmt, lowering: &Lowering<'_>) -> Option<Ddl> {
    let relation = stmt.view.as_deref()?;
    let security_invoker = nodes::options(&stmt.options)
        .filter(|option| option.defname.as_deref() == Some("security_invoker"))
        .last()
        .map_or(Ok(false), |option| {
            nodes::boolean(option).ok_or_else(|| "`security_invoker` is no Boolean".to_owned())
        });
    Some(Ddl::CreateView(Box::new(CreateView {
        name: nodes::range_reference(relation),
        temporary: relation.relpersistence == b't',
        columns: nodes::strings(&stmt.aliases)?,
        query: lowering.query_node(stmt.query.as_ref()),
        replace: stmt.replace,
        security_invoker,
    })))
}

fn do_block(stmt: &DoStmt) -> Ddl {
    let (mut language, mut body) = ("plpgsql".to_owned(), String::new());
    for option in nodes::options(&stmt.args) {
        let value = option
            .arg
            .as_ref()
            .and_then(nodes::constant)
            .unwrap_or_default();
        match option.defname.as_deref() {
            Some("language") => language = value.to_lowercase(),
            Some("as") => body = value,
            _ => {}
        }
    }
    Ddl::Do { language, body }
}
