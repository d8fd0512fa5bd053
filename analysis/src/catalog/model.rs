//! What the catalog knows of relations: the data model that the prover and the command line read.
//!
//! Names are as PostgreSQL folds them. Expressions are in the intermediate form with the names of
//! the relations they read already qualified, as PostgreSQL binds them when they are stored.

use crate::ir;

/// Names a relation of one catalog, through renames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationId(pub(crate) usize);

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelationKind {
    /// An ordinary or partitioned table.
    Table,
    /// A partition of another table.
    Partition,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
    /// A sequence; reading it is never confined to a tenant.
    Sequence,
}

/// A relation at the end of the migrations.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Relation {
    /// Its identity within this catalog.
    pub id: RelationId,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns in order; for views the output columns, as far as they are known.
    pub columns: Vec<Column>,
    /// The position of the usable tenant column: the one that the configuration names or that a
    /// `@tenant` directive names, provided that equality on its type is exact.
    pub tenant_column: Option<usize>,
    /// Primary keys, unique constraints and indexes, exclusion constraints.
    pub keys: Vec<Key>,
    /// Indexes that are no keys.
    pub indexes: Vec<Index>,
    /// Foreign keys of this table.
    pub foreign_keys: Vec<ForeignKey>,
    /// Tables whose foreign keys refer to this one: the table and the position of its key.
    pub referenced_by: Vec<(RelationId, usize)>,
    /// The switches of row-level security.
    pub rls: RowSecurity,
    /// Its policies in the order of creation.
    pub policies: Vec<Policy>,
    /// The definition of a view or a materialised view.
    pub view: Option<ViewDefinition>,
    /// Its triggers.
    pub triggers: Vec<Trigger>,
    /// Its rewrite rules.
    pub rules: Vec<Rule>,
    /// `CHECK` constraints; `None` is one whose expression is not understood.
    pub checks: Vec<Check>,
    /// Expressions of indexes and their predicates, which are evaluated on every write.
    pub index_expressions: Vec<Option<ir::Expr>>,
    /// Whether it is partitioned: its rows live in its partitions.
    pub partitioned: bool,
    /// Tables it inherits from or is a partition of.
    pub parents: Vec<RelationId>,
    /// Tables that inherit from it or are partitions of it.
    pub children: Vec<RelationId>,
    /// What its comment declares.
    pub directive: Option<Directive>,
    /// The comment itself; directives are read from the last one.
    pub(crate) comment: Option<String>,
    /// The owner, where a migration states it.
    pub owner: Option<String>,
    /// Columns that triggers before a write fill with something computed of the tenant.
    pub(crate) told_by_triggers: Vec<String>,
    /// Why nothing is known about it any more, and what to write instead. Never protected.
    pub unknown: Option<Unknown>,
    /// The migration that created it.
    pub created_in: String,
}

impl Relation {
    /// `schema.name`, quoted where SQL needs it.
    pub fn qualified(&self) -> String {
        format!(
            "{}.{}",
            super::quote(&self.schema),
            super::quote(&self.name)
        )
    }

    /// The name as a statement would write it: without the schema when that is `public`.
    pub fn display(&self) -> String {
        if self.schema == "public" {
            super::quote(&self.name)
        } else {
            self.qualified()
        }
    }

    /// A column by its name, with its position.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.name == name)
    }

    /// The usable tenant column.
    pub fn tenant(&self) -> Option<&Column> {
        self.columns.get(self.tenant_column?)
    }

    /// Its comment, directives included.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Whether an index or a key of the whole table begins with this column.
    pub fn is_indexed_by(&self, column: &str) -> bool {
        let leads = |columns: &[Option<String>], partial: bool| {
            !partial && columns.first().and_then(Option::as_deref) == Some(column)
        };
        // What an exclusion constraint has is not always an index that finds by equality.
        let keys = self
            .keys
            .iter()
            .filter(|key| key.kind != KeyKind::Exclusion);
        keys.map(|key| (&key.columns, key.partial))
            .chain(
                self.indexes
                    .iter()
                    .map(|index| (&index.columns, index.partial)),
            )
            .any(|(columns, partial)| leads(columns, partial))
    }

    /// Whether it is declared `@global`.
    pub fn is_global(&self) -> bool {
        matches!(self.directive, Some(Directive::Global { .. }))
    }

    /// Whether rows live in it, as opposed to a view.
    pub fn is_table(&self) -> bool {
        matches!(
            self.kind,
            RelationKind::Table | RelationKind::Partition | RelationKind::ForeignTable
        )
    }
}

/// Why nothing is known about something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown {
    /// The cause and its place, as a clause.
    pub reason: String,
    /// What to write instead.
    pub help: String,
}

/// A column.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type; absent for a view's column whose type is not computed.
    pub ty: Option<ir::TypeName>,
    /// Whether it is `NOT NULL`.
    pub not_null: bool,
    /// Its default.
    pub default: ColumnDefault,
    /// `COLLATE`.
    pub collation: Option<ir::Name>,
    /// Whether the table itself defines it, as opposed to a parent.
    pub(crate) local: bool,
}

/// Where the value of a column comes from when none is given.
#[derive(Clone, Debug)]
pub enum ColumnDefault {
    /// NULL.
    None,
    /// `DEFAULT expr`.
    Expr(ir::Expr),
    /// `GENERATED ALWAYS AS (expr)`.
    Generated(ir::Expr),
    /// `GENERATED … AS IDENTITY`, `serial`.
    Sequence,
    /// An expression that is not understood.
    Opaque,
}

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `PRIMARY KEY`
    Primary,
    /// `UNIQUE`
    Unique,
    /// `EXCLUDE`
    Exclusion,
}

/// A key: what no two rows of the table share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Key {
    /// The name of the constraint or index, given or as PostgreSQL would choose it.
    pub name: String,
    /// Its kind.
    pub kind: KeyKind,
    /// Its columns; `None` for an expression.
    pub columns: Vec<Option<String>>,
    /// The operators of an exclusion constraint, by column.
    pub operators: Vec<String>,
    /// Whether it has a predicate (`WHERE`).
    pub partial: bool,
    /// Whether it is a constraint, as opposed to a unique index alone.
    pub constraint: bool,
}

/// An index that is no key: it only makes reading faster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Index {
    /// Its name, given or as PostgreSQL would choose it.
    pub name: String,
    /// Its columns; `None` for an expression.
    pub columns: Vec<Option<String>>,
    /// Whether it has a predicate (`WHERE`).
    pub partial: bool,
}

/// What happens to referring rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferentialAction {
    /// `NO ACTION`
    NoAction,
    /// `RESTRICT`
    Restrict,
    /// `CASCADE`
    Cascade,
    /// `SET NULL`
    SetNull,
    /// `SET DEFAULT`
    SetDefault,
}

/// When a foreign key is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Deferral {
    /// At the end of each statement, always.
    #[default]
    None,
    /// `DEFERRABLE`: at the end of each statement, unless a transaction says otherwise.
    Immediate,
    /// `DEFERRABLE INITIALLY DEFERRED`: at the end of the transaction.
    Deferred,
}

/// A foreign key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ForeignKey {
    /// The name of the constraint.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub target: RelationId,
    /// The columns referred to, in the same order.
    pub target_columns: Vec<String>,
    /// `ON UPDATE`.
    pub on_update: ReferentialAction,
    /// `ON DELETE`.
    pub on_delete: ReferentialAction,
    /// The columns that `ON DELETE SET NULL (…)` and `SET DEFAULT (…)` name; empty where they set
    /// all of the key.
    pub set_columns: Vec<String>,
    /// When it is checked, as far as it is said of the table and not of a column.
    pub deferral: Deferral,
}

/// A `CHECK` constraint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Its condition; `None` when it is not understood.
    pub expr: Option<ir::Expr>,
}

/// The switches of row-level security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSecurity {
    /// `ENABLE ROW LEVEL SECURITY`
    pub enabled: bool,
    /// `FORCE ROW LEVEL SECURITY`
    pub forced: bool,
}

/// What a statement does to a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Reads.
    Select,
    /// Adds rows.
    Insert,
    /// Changes rows.
    Update,
    /// Removes rows.
    Delete,
}

impl Command {
    /// All four.
    pub const ALL: [Command; 4] = [
        Command::Select,
        Command::Insert,
        Command::Update,
        Command::Delete,
    ];

    /// The keyword.
    pub fn sql(self) -> &'static str {
        match self {
            Command::Select => "SELECT",
            Command::Insert => "INSERT",
            Command::Update => "UPDATE",
            Command::Delete => "DELETE",
        }
    }
}

/// A policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Permissive ones are OR-ed, restrictive ones AND-ed.
    pub permissive: bool,
    /// The command it is for; `None` is `ALL`.
    pub command: Option<Command>,
    /// The roles it is for; `public` is every role.
    pub roles: Vec<String>,
    /// `USING`.
    pub using: PolicyExpr,
    /// `WITH CHECK`.
    pub check: PolicyExpr,
    /// The migration that wrote it last.
    pub written_in: String,
}

/// An expression of a policy.
#[derive(Clone, Debug)]
pub enum PolicyExpr {
    /// Not given.
    None,
    /// Given and understood as text; what it implies is judged in `policy`.
    Expr(ir::Expr),
    /// Given, but what it means can't be told: why.
    Opaque(String),
}

/// The definition of a view.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ViewDefinition {
    /// Its query, with the names of relations qualified; `None` when it is not understood.
    pub query: Option<ir::Query>,
    /// Whether it reads with the rights of the caller.
    pub security_invoker: bool,
    /// The relations it reads directly.
    pub reads: Vec<RelationId>,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TriggerTiming {
    /// `BEFORE`
    Before,
    /// `AFTER`
    After,
    /// `INSTEAD OF`
    InsteadOf,
}

/// A trigger.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub timing: TriggerTiming,
    /// The commands it runs for. `TRUNCATE` is left out: no statement of a scope truncates.
    pub commands: Vec<Command>,
    /// `FOR EACH ROW`.
    pub row: bool,
    /// The function it calls.
    pub function: ir::Name,
    /// `WHEN (…)`, which runs with every write; the inner `None` is one that is not understood.
    pub condition: Option<Option<ir::Expr>>,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// A rewrite rule other than a view's own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The command it rewrites.
    pub command: Command,
    /// `INSTEAD`.
    pub instead: bool,
    /// `DO NOTHING`.
    pub nothing: bool,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// What the comment of a table declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `@global reason`: shared by all tenants, read only.
    Global {
        /// Why it is shared.
        reason: String,
    },
    /// `@tenant column`: another tenant column.
    Tenant {
        /// The column.
        column: String,
    },
}

/// How a relation is confined to the tenant, for one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// Row-level security confines the command to the session's tenant without any predicate.
    Protected,
    /// There is a tenant column, and a statement must give the tenant itself.
    Scoped,
    /// Row-level security lets nothing through.
    Denied,
    /// Declared global: read only.
    Global,
    /// None of these.
    Unprotected {
        /// A short word for the cause, such as `undeclared` or `definer-view`.
        reason: String,
    },
    /// The migrations do not tell. Never protected.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Class {
    /// The short word that reports use.
    pub fn word(&self) -> &'static str {
        match self {
            Class::Protected => "protected",
            Class::Scoped => "scoped",
            Class::Denied => "denied",
            Class::Global => "global",
            Class::Unprotected { .. } => "unprotected",
            Class::Unknown { .. } => "unknown",
        }
    }

    /// Why it is not more than it is.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Class::Unprotected { reason } | Class::Unknown { reason } => Some(reason),
            _ => None,
        }
    }
}
