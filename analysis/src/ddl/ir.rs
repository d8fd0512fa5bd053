//! The intermediate form of a migration's statements: what the catalog is built from.
//!
//! `lower` makes it from the raw tree with an exhaustive intention: a statement is modelled, or on
//! the list of harmless ones, or `Unknown`, and `Unknown` may touch everything.

use std::ops::Range;

use crate::catalog::{
    Argument, Command, Deferral, FunctionKind, KeyKind, ReferentialAction, TriggerTiming,
    Volatility,
};
use crate::ir;

/// Something that was lowered, or why it could not be.
pub(crate) type Maybe<T> = Result<T, String>;

/// The name of an object, possibly qualified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ref {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// One statement of a migration.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) span: Range<usize>,
    pub(crate) ddl: Ddl,
}

/// What a statement does to the catalog.
#[derive(Debug)]
pub(crate) enum Ddl {
    /// Known to change nothing that is modelled.
    Harmless,
    CreateTable(Box<CreateTable>),
    CreateTableAs(Box<CreateTableAs>),
    CreateView(Box<CreateView>),
    AlterTable {
        target: Ref,
        missing_ok: bool,
        only: bool,
        actions: Vec<Action>,
    },
    CreatePolicy(Box<PolicyStatement>),
    AlterPolicy(Box<PolicyStatement>),
    Drop {
        kind: Kind,
        objects: Vec<Object>,
        cascade: bool,
        missing_ok: bool,
    },
    Rename {
        kind: Kind,
        object: Object,
        new_name: String,
        missing_ok: bool,
    },
    RenameColumn {
        table: Ref,
        column: String,
        new_name: String,
        missing_ok: bool,
    },
    RenameConstraint {
        table: Ref,
        name: String,
        new_name: String,
    },
    SetSchema {
        kind: Kind,
        object: Object,
        schema: String,
        missing_ok: bool,
    },
    Owner {
        kind: Kind,
        object: Object,
        owner: String,
    },
    CommentOnTable {
        table: Ref,
        text: Option<String>,
    },
    CreateFunction(Box<CreateFunction>),
    AlterFunction {
        object: Object,
        changes: FunctionChanges,
    },
    CreateOperator {
        name: Ref,
        left: Option<ir::TypeName>,
        right: Option<ir::TypeName>,
        function: Option<String>,
    },
    CreateType {
        name: Ref,
        kind: NewType,
        collation: Option<Ref>,
    },
    AlterDomain {
        name: Ref,
        check: Option<Maybe<ir::Expr>>,
    },
    CreateCollation {
        name: Ref,
        deterministic: bool,
    },
    CreateCast {
        source: ir::TypeName,
        target: ir::TypeName,
        implicit: bool,
        function: Option<String>,
    },
    CreateTrigger(Box<CreateTrigger>),
    CreateRule(Box<CreateRule>),
    CreateIndex(Box<CreateIndex>),
    CreateSequence {
        name: Ref,
    },
    CreateSchema {
        name: String,
        /// `AUTHORIZATION`: the owner of the elements.
        owner: Option<String>,
        elements: Vec<Step>,
    },
    GrantRoles {
        roles: Vec<String>,
        members: Vec<String>,
        grant: bool,
    },
    /// `CREATE ROLE`, `ALTER ROLE`: what it says of `BYPASSRLS` and `SUPERUSER`.
    Role {
        name: String,
        superuser: Option<bool>,
        bypassrls: Option<bool>,
        member_of: Vec<String>,
        members: Vec<String>,
    },
    /// `SET search_path`, `set_config('search_path', …)`; `None` is the default.
    SearchPath {
        path: Option<Vec<String>>,
        local: bool,
    },
    /// `SET ROLE`, `SET SESSION AUTHORIZATION`; `None` goes back.
    SetRole {
        role: Option<String>,
    },
    /// `REASSIGN OWNED`.
    Reassign {
        owner: String,
    },
    /// `ALTER ROLE … SET search_path`, `ALTER DATABASE … SET search_path`.
    RolePath {
        role: Option<String>,
        /// The database of `ALTER DATABASE` and of `IN DATABASE`.
        database: Option<String>,
        path: Option<Vec<String>>,
    },
    /// A query or data change: it may call functions that change the catalog.
    Data {
        statement: Maybe<ir::Statement>,
    },
    /// `COPY FROM`, `TRUNCATE`, `REFRESH`: triggers, defaults, checks and definitions run.
    Evaluates {
        relations: Vec<Ref>,
    },
    /// Privileges on objects: only who is named counts.
    Grants {
        roles: Vec<String>,
    },
    /// `CREATE EVENT TRIGGER`: the last part of its function's name.
    EventTrigger {
        function: String,
    },
    /// `CREATE EXTENSION`.
    Extension {
        name: String,
    },
    /// `REINDEX`, `VACUUM`, `ANALYZE`: the expressions of indexes run.
    Reindex,
    Begin,
    Commit,
    Rollback,
    Do {
        language: String,
        body: String,
    },
    /// Nobody knows what it touches.
    Unknown {
        what: String,
    },
}

/// The kind of an object that is dropped, renamed or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Relation,
    Schema,
    Function,
    Operator,
    Type,
    Collation,
    Cast,
    Policy,
    Trigger,
    Rule,
    Index,
    Role,
    Extension,
    /// Nothing depends on it that is modelled.
    Other,
}

/// An object by name.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) name: Ref,
    /// The table of a policy, trigger or rule.
    pub(crate) table: Option<Ref>,
    /// The argument types of a function; absent when not given.
    pub(crate) arguments: Option<Vec<ir::TypeName>>,
}

/// `CREATE TABLE`.
#[derive(Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: Ref,
    pub(crate) temporary: bool,
    pub(crate) foreign: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) elements: Vec<Element>,
    pub(crate) inherits: Vec<Ref>,
    pub(crate) partition_of: bool,
    /// `PARTITION BY`.
    pub(crate) partitioned: bool,
    /// `OF type`.
    pub(crate) of_type: bool,
    pub(crate) drop_on_commit: bool,
}

/// An element of a `CREATE TABLE`.
#[derive(Debug)]
pub(crate) enum Element {
    Column(ColumnSpec),
    Constraint(ConstraintSpec),
    Like {
        source: Ref,
        defaults: bool,
        generated: bool,
        identity: bool,
        indexes: bool,
        constraints: bool,
    },
}

/// A column as defined.
#[derive(Clone, Debug)]
pub(crate) struct ColumnSpec {
    pub(crate) name: String,
    pub(crate) ty: Option<ir::TypeName>,
    pub(crate) not_null: bool,
    pub(crate) default: DefaultSpec,
    pub(crate) collation: Option<ir::Name>,
    pub(crate) constraints: Vec<ConstraintSpec>,
}

/// The default of a column.
#[derive(Clone, Debug)]
pub(crate) enum DefaultSpec {
    None,
    Expr(Maybe<ir::Expr>),
    Generated(Maybe<ir::Expr>),
    Sequence,
}

/// A constraint.
#[derive(Clone, Debug)]
pub(crate) enum ConstraintSpec {
    Key {
        name: Option<String>,
        kind: KeyKind,
        columns: Vec<Option<String>>,
        operators: Vec<String>,
        partial: bool,
        expressions: Vec<Maybe<ir::Expr>>,
        /// `USING INDEX`.
        index: Option<String>,
    },
    Foreign {
        name: Option<String>,
        columns: Vec<String>,
        target: Ref,
        target_columns: Vec<String>,
        on_update: ReferentialAction,
        on_delete: ReferentialAction,
        /// The columns of `ON DELETE SET NULL (…)`; empty for all.
        set_columns: Vec<String>,
        deferral: Deferral,
    },
    Check {
        name: Option<String>,
        expr: Maybe<ir::Expr>,
    },
    NotNull {
        columns: Vec<String>,
    },
    /// Deferrability and other attributes without effect here.
    Attribute,
}

/// `CREATE TABLE AS`, `SELECT INTO`, `CREATE MATERIALIZED VIEW`.
#[derive(Debug)]
pub(crate) struct CreateTableAs {
    pub(crate) name: Ref,
    pub(crate) temporary: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) query: Maybe<ir::Query>,
    pub(crate) if_not_exists: bool,
    pub(crate) materialized: bool,
    pub(crate) drop_on_commit: bool,
}

/// `CREATE VIEW`.
#[derive(Debug)]
pub(crate) struct CreateView {
    pub(crate) name: Ref,
    pub(crate) temporary: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) query: Maybe<ir::Query>,
    pub(crate) replace: bool,
    pub(crate) security_invoker: Maybe<bool>,
}

/// An action of `ALTER TABLE` and its kin.
#[derive(Debug)]
pub(crate) enum Action {
    AddColumn {
        column: ColumnSpec,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        cascade: bool,
    },
    SetDefault {
        column: String,
        default: Option<Maybe<ir::Expr>>,
    },
    SetExpression {
        column: String,
        expr: Maybe<ir::Expr>,
    },
    DropExpression {
        column: String,
    },
    SetNotNull {
        column: String,
        value: bool,
    },
    SetType {
        column: String,
        ty: ir::TypeName,
        collation: Option<ir::Name>,
        using: Option<Maybe<ir::Expr>>,
    },
    AddIdentity {
        column: String,
    },
    DropIdentity {
        column: String,
    },
    AddConstraint(ConstraintSpec),
    DropConstraint {
        name: String,
    },
    RowSecurity {
        enabled: Option<bool>,
        forced: Option<bool>,
    },
    Attach(Ref),
    Detach(Ref),
    Inherit(Ref),
    NoInherit(Ref),
    Owner(String),
    /// `SET (security_invoker = …)`; `None` is RESET.
    SecurityInvoker(Option<Maybe<bool>>),
    /// Enabling and disabling of triggers and rules: the name, absent for all.
    Trigger {
        name: Option<String>,
        enabled: bool,
    },
    Rule {
        name: String,
        enabled: bool,
    },
    Harmless,
    /// `VALIDATE CONSTRAINT`: its expression runs.
    Validate,
    Unknown(String),
}

/// `CREATE POLICY`, `ALTER POLICY`.
#[derive(Clone, Debug)]
pub(crate) struct PolicyStatement {
    pub(crate) name: String,
    pub(crate) table: Ref,
    pub(crate) permissive: bool,
    pub(crate) command: Option<Command>,
    /// Empty in `ALTER POLICY` that leaves them.
    pub(crate) roles: Vec<String>,
    pub(crate) using: Option<Maybe<ir::Expr>>,
    pub(crate) check: Option<Maybe<ir::Expr>>,
}

/// `CREATE FUNCTION`, `CREATE PROCEDURE`, `CREATE AGGREGATE`.
#[derive(Debug)]
pub(crate) struct CreateFunction {
    pub(crate) name: Ref,
    pub(crate) kind: FunctionKind,
    pub(crate) replace: bool,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Option<ir::TypeName>,
    pub(crate) returns_set: bool,
    pub(crate) language: String,
    pub(crate) changes: FunctionChanges,
    pub(crate) body: BodySpec,
}

/// The body of a function as written.
#[derive(Debug)]
pub(crate) enum BodySpec {
    /// `AS '…'`; the statements of an SQL one, as far as they are understood.
    Text {
        text: String,
        sql: Option<Maybe<Vec<ir::Statement>>>,
    },
    /// `RETURN …`, `BEGIN ATOMIC …`.
    Standard(Maybe<Vec<ir::Statement>>),
    /// A symbol of a library, or none.
    Native(String),
}

/// Attributes of a function that can be changed later.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionChanges {
    pub(crate) security_definer: Option<bool>,
    pub(crate) volatility: Option<Volatility>,
    pub(crate) strict: Option<bool>,
    pub(crate) leakproof: Option<bool>,
    /// Settings; `None` as value is one that is not a constant.
    pub(crate) set: Vec<(String, Option<String>)>,
    pub(crate) reset: Vec<String>,
    pub(crate) reset_all: bool,
    pub(crate) unknown: bool,
}

/// `CREATE TYPE`, `CREATE DOMAIN`.
#[derive(Debug)]
pub(crate) enum NewType {
    Domain {
        base: ir::TypeName,
        expressions: Vec<Option<ir::Expr>>,
    },
    Enum,
    Composite(Vec<(String, ir::TypeName)>),
    Range,
    Base,
}

/// `CREATE TRIGGER`.
#[derive(Debug)]
pub(crate) struct CreateTrigger {
    pub(crate) name: String,
    pub(crate) replace: bool,
    pub(crate) table: Ref,
    pub(crate) timing: TriggerTiming,
    pub(crate) commands: Vec<Command>,
    pub(crate) row: bool,
    pub(crate) function: ir::Name,
    /// `WHEN (…)`.
    pub(crate) condition: Option<Maybe<ir::Expr>>,
}

/// `CREATE RULE`.
#[derive(Debug)]
pub(crate) struct CreateRule {
    pub(crate) name: String,
    pub(crate) table: Ref,
    pub(crate) command: Command,
    pub(crate) instead: bool,
    pub(crate) nothing: bool,
    pub(crate) replace: bool,
}

/// `CREATE INDEX`.
#[derive(Debug)]
pub(crate) struct CreateIndex {
    pub(crate) name: Option<String>,
    pub(crate) table: Ref,
    pub(crate) unique: bool,
    /// Whether an element names an operator class.
    pub(crate) classes: bool,
    pub(crate) columns: Vec<Option<String>>,
    pub(crate) expressions: Vec<Maybe<ir::Expr>>,
    pub(crate) partial: bool,
    pub(crate) if_not_exists: bool,
}
