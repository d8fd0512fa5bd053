//! What one source file holds, as flat data: no syntax trees, so that files are read in parallel.
//!
//! Places are byte ranges of the file's text. Invariant: nothing is judged here; what was not
//! understood is among `unseen`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

/// What is said of a macro that makes no statements but those that our own macros judge.
pub(crate) const OURS_BY_MACRO: &str =
    "a macro of one's own makes statements of watertight, which are proved where it is called";

/// A byte range of a file.
pub(crate) type Span = Range<usize>;

/// One source file.
#[derive(Debug, Default)]
pub(crate) struct FileFacts {
    pub(crate) path: PathBuf,
    /// The path below the root of the workspace.
    pub(crate) shown: String,
    pub(crate) text: String,
    /// The position of its package.
    pub(crate) package: usize,
    /// The target and the modules that lead to it.
    pub(crate) module: Vec<String>,
    /// Whether only tests and benchmarks are built of it.
    pub(crate) test: bool,
    /// Whether it is of an example, which is not what is shipped.
    pub(crate) example: bool,
    /// Parts that are built for tests only.
    pub(crate) tests: Vec<Span>,
    pub(crate) imports: Vec<Import>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) constants: Vec<Constant>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) schemas: Vec<Schema>,
    pub(crate) functions: Vec<Function>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) pools: Vec<PoolUse>,
    pub(crate) messages: Vec<Message>,
    pub(crate) database_texts: Vec<Told>,
    /// `impl From<A> for B`, with whether what is made tells of what it is made of.
    pub(crate) conversions: Vec<Conversion>,
    /// Names of our hidden module.
    pub(crate) hidden: Vec<Span>,
    pub(crate) unseen: Vec<(String, Span)>,
    pub(crate) exceptions: Vec<Exception>,
    /// What our own macros judged.
    pub(crate) judged: Vec<Judged>,
    /// Folders that `sqlx::migrate!` names.
    pub(crate) migrators: Vec<String>,
    /// What may be a record of a call.
    pub(crate) records: Vec<Record>,
    /// Where arguments are read by hand.
    pub(crate) readings: Vec<Reading>,
    /// Functions that answer calls of tools by hand.
    pub(crate) handlers: Vec<Span>,
    /// Whether a tool or its schema is put together by hand.
    pub(crate) makes_tools: bool,
    /// Files of JSON that are included.
    pub(crate) included: Vec<(String, Span)>,
    /// Macros of one's own that send what they are given.
    pub(crate) senders: Vec<String>,
    /// Whether it speaks to a database that is no PostgreSQL.
    pub(crate) foreign: bool,
}

/// A call that is named like an audit record, or a line of a log that says so.
#[derive(Debug)]
pub(crate) struct Record {
    /// What is called.
    pub(crate) what: String,
    pub(crate) log: bool,
    pub(crate) span: Span,
    pub(crate) test: bool,
}

/// A name, or a type, under which a caller's arguments are read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) of: Read,
    /// The tool, where the code tells.
    pub(crate) tool: Option<String>,
    pub(crate) origin: Origin,
    pub(crate) function: Option<usize>,
    pub(crate) span: Span,
    pub(crate) test: bool,
}

#[derive(Debug)]
pub(crate) enum Read {
    /// `arguments["name"]`
    Key(String),
    /// `from_value::<Type>(arguments)`
    Type(TypeName),
}

/// `use path as name`
#[derive(Clone, Debug)]
pub(crate) struct Import {
    /// The inline modules around it.
    pub(crate) within: Vec<String>,
    /// The name that it brings; `*` for a glob.
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
}

/// A struct or an enum.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: String,
    /// Its type parameters.
    pub(crate) generics: Vec<String>,
    /// Whether it is read from what others send, and describes itself.
    pub(crate) described: bool,
    pub(crate) test: bool,
    /// The inline modules around it.
    pub(crate) within: Vec<String>,
    pub(crate) fields: Vec<Field>,
    /// Whether its only field is what is read.
    pub(crate) transparent: bool,
    /// The tags of an enum, which are properties.
    pub(crate) tags: Vec<(String, Span)>,
}

/// A field, or the name of a variant where that is a property.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// Under every name that serde and schemars give it; none where it has no name.
    pub(crate) names: Vec<String>,
    pub(crate) span: Span,
    pub(crate) ty: Option<TypeName>,
    pub(crate) flattened: bool,
    /// Why it is no tenant's, where `#[tool(not_tenant = "…")]` says so.
    pub(crate) excused: bool,
    /// Why it is open, where `#[tool(open = "…")]` says so.
    pub(crate) open: bool,
}

/// A type as it is written, as far as names go.
#[derive(Clone, Debug)]
pub(crate) struct TypeName {
    /// The path without its arguments.
    pub(crate) path: Vec<String>,
    pub(crate) arguments: Vec<TypeName>,
    pub(crate) span: Span,
}

/// `const NAME: &str = "…"`
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) text: Text,
}

/// A function that clients call.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) span: Span,
    /// Whether watertight's macro makes it, which checks its boundary as well.
    pub(crate) ours: bool,
    pub(crate) arguments: Vec<Field>,
    /// The type that holds all arguments.
    pub(crate) parameters: Vec<TypeName>,
    /// Whether it is known to be one.
    pub(crate) sure: bool,
    pub(crate) test: bool,
}

/// A schema that is written by hand.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) value: serde_json::Value,
    pub(crate) span: Span,
    /// Where its names stand.
    pub(crate) names: Vec<(String, Span)>,
    pub(crate) test: bool,
}

/// A function.
#[derive(Debug, Default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) tool: bool,
    pub(crate) test: bool,
    /// Whether another package can call it: `pub`, or of a trait.
    pub(crate) open: bool,
    /// Whether it takes `self`.
    pub(crate) receiver: bool,
    pub(crate) calls: Vec<Call>,
    /// Whether what it makes tells of what it is given.
    pub(crate) tells: bool,
    /// Names of types and variants in it.
    pub(crate) mentions: BTreeSet<String>,
}

/// A call within a function.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// `value.name(…)`
    pub(crate) method: bool,
    pub(crate) arguments: Vec<Origin>,
    /// Whether an error of it may leave the function as it is.
    pub(crate) passes: bool,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An argument of a tool.
    Caller,
    /// A parameter of the function, by its position.
    Parameter(usize),
    /// Anything else.
    Other,
}

/// A text that may be SQL.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Literal(Literal),
    /// One of several.
    Several(Vec<Text>),
    /// Made at run time: the parts that are written out, and the first name in each gap.
    Made {
        parts: Vec<String>,
        gaps: Vec<Vec<String>>,
        span: Span,
    },
    /// Put together step by step: each way through the function is a text.
    Built {
        steps: Vec<Step>,
        span: Span,
    },
    /// A constant, by its path.
    Constant {
        path: Vec<String>,
        span: Span,
    },
    /// A file, relative to the package or to the source.
    File {
        path: String,
        beside: bool,
        span: Span,
    },
    Unknown(Span),
}

/// A piece of a text, and the arms of branches in which it is added.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) when: Vec<Arm>,
    pub(crate) adds: Adds,
}

#[derive(Clone, Debug)]
pub(crate) enum Adds {
    Text(Text),
    /// A parameter, with the next number.
    Bind(Bind),
    /// The number of a parameter, after a `$`.
    Number,
    /// What stands before all but the first push of a list.
    Between {
        of: usize,
        text: Text,
    },
    /// Something that is not seen.
    Gap,
}

/// An arm of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) branch: usize,
    pub(crate) arm: usize,
    /// How many arms of the branch go on behind it.
    pub(crate) of: usize,
    /// Whether it is a loop's or a closure's, which runs any number of times.
    pub(crate) repeats: bool,
}

impl Text {
    pub(crate) fn span(&self) -> Span {
        match self {
            Text::Literal(literal) => literal.span.clone(),
            Text::Several(list) => list.first().map_or(0..0, Text::span),
            Text::Made { span, .. }
            | Text::Built { span, .. }
            | Text::Constant { span, .. }
            | Text::File { span, .. }
            | Text::Unknown(span) => span.clone(),
        }
    }
}

/// A literal: its value, and where each part of the value stands in the source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Literal {
    pub(crate) value: String,
    pub(crate) span: Span,
    /// Offsets of the value and of the source from which on both go alike.
    pub(crate) map: Vec<(usize, usize)>,
}

impl Literal {
    /// The place in the source of a place in the value.
    pub(crate) fn place(&self, span: &Span) -> Span {
        let at = |offset: usize| {
            let known = self.map.iter().rev().find(|(value, _)| *value <= offset);
            known.map(|(value, source)| source + (offset - value))
        };
        let end = span.end.max(span.start + 1) - 1;
        match (at(span.start), at(end)) {
            (Some(start), Some(end)) if start <= end => start..end + 1,
            _ => self.span.clone(),
        }
    }
}

/// A statement in the source.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What takes it, resolved within the file.
    pub(crate) callee: Vec<String>,
    /// Whether it is handed to a method of something, such as a client.
    pub(crate) method: bool,
    pub(crate) text: Text,
    pub(crate) span: Span,
    /// What is bound, in order; absent where that can't be seen.
    pub(crate) binds: Option<Vec<Bind>>,
    pub(crate) executor: Executor,
    /// The position of its function.
    pub(crate) function: Option<usize>,
    /// Whether one of our macros judges it.
    pub(crate) ours: bool,
    pub(crate) test: bool,
    /// Whether it stands in a hook of the pool.
    pub(crate) hook: Option<Hook>,
    /// Whether it is given to a task of its own, which always ends.
    pub(crate) spawned: bool,
    /// Whether a macro of one's own is handed it.
    pub(crate) handed: bool,
    /// Which argument of the callee the text is.
    pub(crate) position: usize,
    /// The parameter of the function that the text is, where it is one.
    pub(crate) parameter: Option<usize>,
}

/// A value that is bound.
#[derive(Clone, Debug)]
pub(crate) struct Bind {
    /// The names in it.
    pub(crate) names: Vec<String>,
    /// Its value, where it is written out.
    pub(crate) flag: Option<bool>,
    pub(crate) origin: Origin,
    pub(crate) span: Span,
}

/// What runs a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    /// The pool itself: any connection.
    Pool,
    /// Something else, or it can't be seen.
    Other,
}

/// A hook of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    AfterConnect,
    BeforeAcquire,
    AfterRelease,
}

/// How a pool is used.
#[derive(Debug)]
pub(crate) struct PoolUse {
    pub(crate) what: PoolUseKind,
    pub(crate) callee: Vec<String>,
    pub(crate) span: Span,
    pub(crate) test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolUseKind {
    /// A pool or a connection is opened.
    Opened,
    /// `begin()` in a timeout or a `select!`.
    Dropped,
    /// A hook is given.
    Hooked(Hook),
}

/// A text that names the tenant, in an error.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) span: Span,
    /// The names of what is shown, the outermost last.
    pub(crate) names: Vec<String>,
    /// The type whose message it is; else it is made in `function`.
    pub(crate) error: Option<String>,
    pub(crate) function: Option<usize>,
    pub(crate) test: bool,
}

/// Where the text of a database's own error becomes that of an answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) span: Span,
    /// The type whose message it is, or the function that makes it; else it is made here.
    pub(crate) error: Option<String>,
    pub(crate) by: Option<String>,
    pub(crate) function: Option<usize>,
    pub(crate) test: bool,
}

/// `impl From<A> for B`
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) tells: bool,
}

/// An exception from a rule.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) rule: String,
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) span: Span,
    pub(crate) test: bool,
}

/// What a macro of ours said of a statement, or why it refuses.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) function: String,
    pub(crate) span: Span,
    pub(crate) verdict: Verdict,
    /// Whether a `*` brings the tenant column along, in rows that no client is given.
    pub(crate) carries: bool,
    pub(crate) test: bool,
}

#[derive(Debug)]
pub(crate) enum Verdict {
    Proved(&'static str),
    Refused(String),
}
