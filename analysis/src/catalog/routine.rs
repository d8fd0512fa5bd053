//! What the catalog knows of functions, operators, types and collations that migrations define.
//!
//! Only what migrations define is here; built-ins are the prover's lists.

use crate::ir;

/// A function, procedure, aggregate or window function that a migration defines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: FunctionKind,
    /// Its arguments, `OUT` and `TABLE` ones included.
    pub arguments: Vec<Argument>,
    /// Its result; absent for procedures and where only `OUT` arguments say it.
    pub returns: Option<ir::TypeName>,
    /// `RETURNS TABLE` or `SETOF`.
    pub returns_set: bool,
    /// The language, folded; `sql` for SQL-standard bodies.
    pub language: String,
    /// `SECURITY DEFINER`
    pub security_definer: bool,
    /// `IMMUTABLE`, `STABLE`, `VOLATILE`.
    pub volatility: Volatility,
    /// `STRICT`
    pub strict: bool,
    /// `LEAKPROOF`: PostgreSQL runs it in front of policies.
    pub leakproof: bool,
    /// The body.
    pub body: Body,
    /// `SELECT` of what a body in PL/pgSQL returns, where it does nothing else and has no arguments.
    pub(crate) returned: Option<Vec<ir::Statement>>,
    /// `SET` clauses: the setting, folded, and its value where that is a constant.
    pub settings: Vec<(String, Option<String>)>,
    /// Why nothing is known about it any more.
    pub unknown: Option<String>,
    /// The migration that wrote it last.
    pub written_in: String,
}

impl Function {
    /// `schema.name(types of the input arguments)`.
    pub fn signature(&self) -> String {
        let types: Vec<String> = self
            .inputs()
            .map(|argument| super::type_text(&argument.ty))
            .collect();
        format!(
            "{}.{}({})",
            super::quote(&self.schema),
            super::quote(&self.name),
            types.join(", ")
        )
    }

    /// The input arguments.
    pub fn inputs(&self) -> impl Iterator<Item = &Argument> {
        self.arguments
            .iter()
            .filter(|argument| argument.mode.is_input())
    }
}

/// What kind of routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate.
    Aggregate,
}

/// An argument.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Argument {
    /// Its name.
    pub name: Option<String>,
    /// Its type.
    pub ty: ir::TypeName,
    /// Its mode.
    pub mode: ArgumentMode,
    /// Whether it has a default.
    pub has_default: bool,
    /// The default, as far as it is understood.
    pub default: Option<ir::Expr>,
}

/// The mode of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentMode {
    /// `IN`
    In,
    /// `OUT`
    Out,
    /// `INOUT`
    InOut,
    /// `VARIADIC`
    Variadic,
    /// A column of `RETURNS TABLE`.
    Table,
}

impl ArgumentMode {
    /// Whether a call gives a value for it.
    pub fn is_input(self) -> bool {
        matches!(
            self,
            ArgumentMode::In | ArgumentMode::InOut | ArgumentMode::Variadic
        )
    }
}

/// How a function's result may vary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Volatility {
    /// `IMMUTABLE`
    Immutable,
    /// `STABLE`
    Stable,
    /// `VOLATILE`
    #[default]
    Volatile,
}

/// The body of a function.
#[derive(Clone, Debug)]
pub enum Body {
    /// The statements of an SQL function. Those of a string are bound at each call, with the
    /// search path of the caller; those of a SQL-standard body when it is created.
    Sql {
        /// The statements in order.
        statements: Vec<ir::Statement>,
        /// Whether it is a string.
        string: bool,
        /// The text of the string, to which the spans belong; empty for standard bodies.
        text: String,
    },
    /// Everything else, also an SQL body that is not understood: its text, and why.
    Opaque {
        /// The text of the body.
        text: String,
        /// Why it is not read.
        why: String,
    },
}

/// An operator that a migration defines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operator {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The type of the left operand, absent for a prefix operator.
    pub left: Option<ir::TypeName>,
    /// The type of the right operand.
    pub right: Option<ir::TypeName>,
}

/// A type, domain, enum, range or composite that a migration defines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TypeDefinition {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TypeKind,
    /// The migration that defines it.
    pub written_in: String,
}

/// What kind of type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TypeKind {
    /// `CREATE DOMAIN name AS base`, with its checks; `None` for one that is not understood.
    Domain {
        /// The type below.
        base: ir::TypeName,
        /// Its checks and default.
        expressions: Vec<Option<ir::Expr>>,
    },
    /// `CREATE TYPE name AS ENUM`.
    Enum,
    /// `CREATE TYPE name AS (…)`.
    Composite(Vec<(String, ir::TypeName)>),
    /// `CREATE TYPE name AS RANGE`; its multirange bears a name of its own.
    Range,
    /// A base type, or one that is only declared.
    Base,
}

/// A collation that a migration defines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether equality is equality of bytes, as far as the migrations tell.
    pub deterministic: bool,
}

/// A cast that a migration defines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cast {
    /// From.
    pub source: ir::TypeName,
    /// To.
    pub target: ir::TypeName,
    /// Whether it is applied without being written (`AS IMPLICIT` or `AS ASSIGNMENT`).
    pub implicit: bool,
}
