//! The data that the stages of a proof share: range-table entries, facts, scopes, blocks.
//!
//! Everything is flat and refers by index. Collecting fills it; pinning and checking only read it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::collation::Collation;
use crate::catalog::{Catalog, Relation, RelationId};
use crate::diagnostic::Diagnostic;
use crate::functions::operators::{Operand, never_raises};
use crate::functions::types::Ty;
use crate::ir::{Expr, Query, Span};
use crate::prepare::Prepared;

/// The index of a range-table entry.
pub(super) type RteId = usize;
/// The index of a block.
pub(super) type BlockId = usize;
/// The index of a query's output.
pub(super) type OutputId = usize;

/// The conditions under which a row of an entry takes part: the outer joins on whose nullable side
/// it is, those around its block included. Sorted.
pub(super) type Guard = Rc<[u32]>;

/// A value that pinning follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Node {
    /// The session tenant.
    Tenant,
    /// A column of an entry.
    Column(RteId, usize),
}

/// Two values are equal, in every combination of rows that the guard admits.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) a: Node,
    pub(super) b: Node,
    pub(super) guard: Guard,
    pub(super) kind: FactKind,
    /// How a derivation shows it.
    pub(super) text: String,
}

/// What stands behind a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FactKind {
    /// A strict equality that is a conjunct of its own: where it names one entry only, it filters
    /// the rows of that entry before they meet others.
    Filter,
    /// The same of texts or other types of the values: it filters the rows, but PostgreSQL derives
    /// no equality of other columns from it.
    Converted,
    /// A strict equality that a larger condition implies; it holds where that one is evaluated.
    Implied,
    /// One value by two names, which may be NULL: the merged column of a full join.
    Same,
}

/// A comparison of values with the rows of a sub-query: `(a, b) IN (SELECT …)`, `a = (SELECT …)`.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) left: Vec<Option<Node>>,
    pub(super) output: OutputId,
    pub(super) guard: Guard,
    pub(super) text: String,
}

/// `EXISTS (SELECT …)`: where it is true, some row of the sub-query meets its conditions, and what
/// they say of values from around it holds.
#[derive(Clone, Debug)]
pub(super) struct Existence {
    /// The block of the sub-query, whose rows are its own.
    pub(super) block: BlockId,
    /// The entries of the sub-query.
    pub(super) inner: std::ops::Range<RteId>,
    pub(super) guard: Guard,
    pub(super) text: String,
}

/// An item that rows come from.
#[derive(Clone, Debug)]
pub(super) struct Rte<'a> {
    /// How the statement calls it.
    pub(super) name: String,
    pub(super) columns: Vec<RteColumn>,
    pub(super) guard: Guard,
    /// Whether it is read inside of a view, which may be a barrier for what is not leakproof.
    pub(super) in_view: bool,
    pub(super) kind: RteKind<'a>,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub(super) enum RteKind<'a> {
    /// A table.
    Base(Base<'a>),
    /// A sub-query, a view or a reference to a common table expression.
    Derived(OutputId),
    /// A function, `VALUES`, or the row proposed to an upsert.
    Other,
}

/// An occurrence of a table.
#[derive(Clone, Debug)]
pub(super) struct Base<'a> {
    pub(super) relation: &'a Relation,
    /// Whether row-level security confines it, as its reader's rights are.
    pub(super) protected: bool,
    /// Whether it is declared global.
    pub(super) global: bool,
}

/// A column of an entry.
#[derive(Clone, Debug)]
pub(super) struct RteColumn {
    pub(super) name: String,
}

/// What the statement says about a value: the result of walking an expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Info {
    /// The value that pinning follows, when the expression is one.
    pub(super) node: Option<Node>,
    /// The value whose canonical text this is. The text form of a uuid or an integer is unique, so
    /// two of them are equal only if the values are the same.
    pub(super) text_of: Option<Node>,
    /// Whether the node was cast to another integer type on the way.
    pub(super) converted: bool,
    /// Its type, as far as it is known.
    pub(super) ty: Option<Ty>,
    /// Whether it is a parameter, a string or NULL, which takes its type from what it meets.
    pub(super) open: bool,
    /// Whether texts of it may be equal that are not the same: a collation of the migrations.
    pub(super) loose: bool,
    /// The collation that it brings.
    pub(super) collation: Collation,
    /// Whether it is a parameter, which the program may have sent with a type of its own.
    pub(super) parameter: bool,
    /// The most digits in front of the point of a number of a declared length, or of one that the
    /// statement says.
    pub(super) digits: Option<u32>,
    /// The values of a row.
    pub(super) parts: Vec<Info>,
    /// Whether it is computed from a tenant column or the tenant.
    pub(super) from_tenant: bool,
    /// The entries without row-level security whose rows it is computed from, where a condition on
    /// it could be evaluated on their other rows.
    pub(super) exposed: Vec<RteId>,
    /// A part that can raise an error on such a row.
    pub(super) leak: Option<Leak>,
    /// A part that can raise an error on some operands, whatever they are computed from.
    pub(super) fails: Option<Leak>,
    /// Whether a column of a row is in it that PostgreSQL can't replace by a constant: it is computed
    /// where the row is read.
    pub(super) reads: bool,
    /// Whether it is made of literals and parameters by immutable operations alone: planning computes
    /// it, before any row is read.
    pub(super) folds: bool,
    /// Whether an aggregate is in it.
    pub(super) aggregate: bool,
    /// Whether a window function is in it.
    pub(super) window: bool,
    /// Whether it reads anything of a row at all, or a sub-query.
    pub(super) constant: bool,
}

/// A part of an expression that can raise an error.
#[derive(Clone, Debug)]
pub(super) struct Leak {
    pub(super) span: Span,
    pub(super) what: String,
}

impl Info {
    /// What a value without any row is.
    pub(super) fn constant() -> Info {
        Info {
            constant: true,
            folds: true,
            ..Info::default()
        }
    }

    /// Takes over what `other`, an operand, depends on.
    pub(super) fn absorb(&mut self, other: &Info) {
        self.from_tenant |= other.from_tenant;
        self.loose |= other.loose;
        self.collation.join(&other.collation);
        self.reads |= other.reads;
        self.folds &= other.folds;
        if self.fails.is_none() {
            self.fails.clone_from(&other.fails);
        }
        self.aggregate |= other.aggregate;
        self.window |= other.window;
        self.constant &= other.constant;
        if self.exposed.is_empty() {
            // Each arm of a long UNION takes over those of all arms before it.
            self.exposed.clone_from(&other.exposed);
        } else {
            for rte in &other.exposed {
                if !self.exposed.contains(rte) {
                    self.exposed.push(*rte);
                }
            }
        }
        if self.leak.is_none() {
            self.leak.clone_from(&other.leak);
        }
    }

    /// What is known of its type.
    pub(super) fn operand(&self) -> Operand<'_> {
        match &self.ty {
            Some(ty) => Operand::Known(ty),
            None if self.open => Operand::Open,
            None if self.constant => Operand::Constant,
            None => Operand::Unknown,
        }
    }

    /// What is known of its type where other values are cast to it, if need be.
    pub(super) fn given(&self) -> Operand<'_> {
        match self.operand() {
            Operand::Open if self.parameter => Operand::Parameter,
            operand => operand,
        }
    }

    /// Whether comparing it with `other` by this operator never raises an error, for rows value by
    /// value.
    pub(super) fn compares(&self, operator: &str, other: &Info) -> bool {
        if !self.parts.is_empty() && self.parts.len() == other.parts.len() {
            let mut pairs = self.parts.iter().zip(&other.parts);
            return pairs.all(|(a, b)| a.compares(operator, b));
        }
        // A number that is one for all rows is cast to a float before any row is read.
        let float = |info: &Info| {
            info.ty
                .as_ref()
                .is_some_and(|ty| ty.name.starts_with("float"))
        };
        let number =
            |info: &Info| info.constant && info.ty.as_ref().is_some_and(|ty| ty.name == "numeric");
        if (float(self) && number(other)) || (number(self) && float(other)) {
            return true;
        }
        never_raises(operator, self.operand(), other.operand())
    }

    /// Notes that the expression at `span` raises an error on some operands.
    pub(super) fn raises(&mut self, span: &Span, what: impl Into<String>) {
        let leak = Leak {
            span: span.clone(),
            what: what.into(),
        };
        if self.leak.is_none() && !self.exposed.is_empty() {
            self.leak = Some(leak.clone());
        }
        self.fails.get_or_insert(leak);
    }
}

/// A name of a column in a scope.
#[derive(Clone, Debug)]
pub(super) struct Visible {
    pub(super) name: Rc<str>,
    /// Shared: every join and sub-query has a scope of its own over the same columns.
    pub(super) info: Rc<Info>,
}

/// A table-like name in a scope.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// The schema of a base relation that is not renamed, for `schema.table.column`.
    pub(super) schema: Option<String>,
    /// The columns; `None` when they can't be told.
    pub(super) columns: Option<Rc<[Visible]>>,
    /// Whether the name alone stands for a scalar (a function in `FROM`).
    pub(super) scalar: bool,
    /// The entry behind it, if there is one.
    pub(super) rte: Option<RteId>,
    /// The entries that were made as it was read: those of a sub-query or a view.
    pub(super) made: std::ops::Range<RteId>,
}

/// What an item of `FROM` makes visible.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespace {
    pub(super) tables: Vec<Table>,
    /// The unqualified columns in order; `None` inside when some can't be told.
    pub(super) columns: Vec<Visible>,
    /// Whether a table has columns that can't be told.
    pub(super) opaque: bool,
}

/// A scope for names of columns.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) namespace: Namespace,
    pub(super) parent: Option<usize>,
}

/// A query level.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) parent: Option<BlockId>,
    /// How many levels are around it.
    pub(super) level: usize,
    /// Whether a condition of it compares a value computed of the tenant with something else.
    pub(super) probes: bool,
    /// How many items its `FROM` has so far.
    pub(super) items: usize,
    pub(super) guard: Guard,
    pub(super) facts: Vec<Fact>,
    pub(super) memberships: Vec<Membership>,
    pub(super) existences: Vec<Existence>,
    pub(super) rtes: Vec<RteId>,
    /// Whether it may be evaluated before the conditions around it: in a condition, or in `FROM`.
    pub(super) early: bool,
    /// A part that can raise an error on a row without row-level security.
    pub(super) leak: Option<(Leak, Vec<RteId>)>,
    /// A part that can raise an error on any row, or without one, and is computed while the rows of
    /// this level are found.
    pub(super) risk: Option<(Leak, Rc<Context>)>,
}

/// A column of a query's output.
#[derive(Clone, Debug)]
pub(super) struct OutColumn {
    pub(super) name: Option<String>,
    pub(super) info: Info,
    /// Its expression in the select list, or the `*` that stands for it.
    pub(super) span: Option<Span>,
    pub(super) star: bool,
}

/// The output of a query.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// The columns; `None` when they can't be told.
    pub(super) columns: Option<Vec<OutColumn>>,
    pub(super) source: OutputSource,
    /// The columns that hold the tenant in every row, found by iteration.
    pub(super) pinned: Vec<bool>,
    /// Whether a limit or an offset keeps conditions of its reader out.
    pub(super) limited: bool,
    /// A part of the query that can raise an error while it runs.
    pub(super) fails: Option<Leak>,
}

/// Where the rows of an output come from.
#[derive(Clone, Debug)]
pub(super) enum OutputSource {
    /// A `SELECT` or the `RETURNING` of a data change: rows of a block.
    Block {
        block: BlockId,
        /// Whether every row stems from a row that satisfies the conditions of the block.
        from_rows: bool,
    },
    /// `VALUES`: pinned where every row gives the tenant.
    Values(Vec<bool>),
    /// `UNION`: pinned where both arms are.
    Both(OutputId, OutputId),
    /// `EXCEPT`, `INTERSECT`: pinned where the left arm is.
    Left(OutputId),
    /// A recursive query: its first arm, its recursive arm, and the entries that stand for it.
    Recursive(OutputId, OutputId),
}

/// The target and the rights under which a piece of text is read.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// Inside of a view or function: the place of its mention in the statement, and what it is.
    pub(super) origin: Option<(Span, String)>,
    /// Whether it reads with an owner's rights, who may bypass row-level security.
    pub(super) definer: bool,
    /// How deep views and functions nest.
    pub(super) depth: usize,
    /// The names of a function's arguments, when its body is read.
    pub(super) arguments: Option<Rc<[Argument]>>,
    /// Whether `nextval` is allowed, as in a column's default.
    pub(super) default_value: bool,
    /// Whether it is what a policy computes: functions that it runs are judged with the policy.
    pub(super) policy: bool,
}

/// An argument of a function whose body is read.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: Info,
}

/// The state of a proof.
pub(super) struct Prover<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) prepared: &'a Prepared,
    pub(super) mode: Mode<'a>,
    pub(super) rtes: Vec<Rte<'a>>,
    pub(super) blocks: Vec<Block>,
    pub(super) scopes: Vec<Scope>,
    pub(super) outputs: Vec<Output>,
    pub(super) with: Vec<Vec<CteEntry>>,
    pub(super) context: Rc<Context>,
    pub(super) next_guard: u32,
    /// What is checked once everything is collected.
    pub(super) checks: Vec<super::check::Check<'a>>,
    /// Where relations were classified, by the first byte of their names.
    pub(super) classified: HashSet<usize>,
    pub(super) relations: BTreeMap<String, ()>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) writes: bool,
    /// SQL functions whose bodies were read or are being read.
    pub(super) functions: HashMap<String, FunctionResult>,
    pub(super) occurrences: Vec<super::Occurrence>,
    pub(super) weakest: super::Grade,
    pub(super) joins: usize,
    /// Whether an implicit user-defined `=` could be chosen, which disables facts.
    pub(super) equality_shadowed: bool,
    /// The tokens of the text that is sent.
    pub(super) tokens: crate::lower::tokens::Tokens,
    /// The sub-queries of expressions that are being read.
    pub(super) watch: Vec<super::leaky::Watch>,
    /// Whether the statement is too large, so that nothing more of it is read.
    pub(super) stopped: bool,
    /// The caller's parameters that stand somewhere without a cast.
    pub(super) uncast: std::collections::BTreeSet<u32>,
    /// The caller's parameters with a cast that a text makes fail late.
    pub(super) texts: super::late::Texts,
    /// The aggregates whose arguments are being read.
    pub(super) aggregates: RefCell<Vec<Level>>,
    /// Whether what is read now may be evaluated before the conditions around it.
    pub(super) early: bool,
    /// Expressions of conditions by their place in memory: those that read a column, and whether what
    /// they are compared with is computed by the planner; and those that read none and can fail when a
    /// row asks for them.
    pub(super) reading: HashMap<*const Expr, bool>,
    pub(super) late: HashMap<*const Expr, Leak>,
    /// The `EXISTS` that is the conjunct being read.
    pub(super) top_exists: Option<*const Query>,
    /// What the rows of the function are that was read last.
    pub(super) rows: FunctionRows,
    /// The sub-queries of expressions as they were read last, by the place of the query in memory:
    /// the body of a view or a function is read once for each mention.
    pub(super) sub_queries: HashMap<*const Query, SubQuery>,
    /// Comparisons of tenant columns that pin nothing, for messages.
    pub(super) misses: Vec<super::explain::Miss>,
    /// Where a condition on an entry would go, for messages.
    pub(super) insertions: Vec<(RteId, super::explain::Insertion)>,
    /// Where tables are written, for messages.
    pub(super) references: Vec<super::mend::Written>,
    /// The tables whose policies were looked at for what they can fail on.
    pub(super) policies_read: HashSet<RelationId>,
    /// The entries whose rows are refused for want of a condition.
    pub(super) refused: Vec<RteId>,
    /// Values that the source of an INSERT gives for a tenant column, for messages.
    pub(super) given: Vec<super::mend::Given>,
}

/// Where the arguments of an aggregate come from: PostgreSQL computes it at the level of the
/// innermost of them, which can be a query around the one that it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// The scope that the aggregate stands in.
    pub(super) scope: usize,
    /// Whether it reads a column of that scope.
    pub(super) own: bool,
    /// Whether it reads a column of a scope around.
    pub(super) outer: bool,
}

/// A sub-query of an expression that was read.
#[derive(Clone, Debug)]
pub(super) struct SubQuery {
    pub(super) output: OutputId,
    /// The entries that it made.
    pub(super) inner: std::ops::Range<RteId>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode<'a> {
    /// A tenant's statement.
    Tenant,
    /// `unproved!`.
    Unproved,
    /// A system query over these tables.
    System(&'a [String]),
}

/// The result of reading a function's body.
#[derive(Clone, Debug)]
pub(super) enum FunctionResult {
    /// It is being read: a recursion.
    Reading,
    /// It was read; these entries of its body have no row-level security, and conditions outside
    /// may be evaluated on their rows.
    Done(Vec<RteId>, FunctionRows),
}

/// What a function of the migrations gives to `FROM`.
#[derive(Clone, Debug, Default)]
pub(super) struct FunctionRows {
    /// What its select list can fail on, if PostgreSQL puts the body in the place of the call.
    pub(super) leak: Option<Leak>,
    /// Whether its columns are read of rows, and none becomes a constant.
    pub(super) read: bool,
}

/// A common table expression in scope.
#[derive(Clone, Debug)]
pub(super) struct CteEntry {
    pub(super) name: String,
    pub(super) state: CteState,
}

/// How far a common table expression is read.
#[derive(Clone, Debug)]
pub(super) enum CteState {
    /// Its output; `fenced` when no condition of a reader reaches into it.
    Ready {
        output: OutputId,
        columns: Option<Rc<[Visible]>>,
        fenced: bool,
    },
    /// It stands later in the same `WITH RECURSIVE`.
    Later,
    /// It has no output (a data change without `RETURNING`).
    Empty,
}

/// Where an expression stands and what it sees.
#[derive(Clone, Debug)]
pub(super) struct Env {
    pub(super) scope: usize,
    pub(super) block: BlockId,
    /// The guard of a sub-query in this place.
    pub(super) guard: Guard,
    /// Whether the expression is a condition that the planner may move.
    pub(super) condition: bool,
    /// Where the query gives a row even if nothing meets its conditions: the block whose rows, which
    /// do meet them, the arguments of its aggregates are computed for.
    pub(super) rows: Option<BlockId>,
    /// Whether it is the `RETURNING` of an upsert.
    pub(super) upsert: bool,
}
