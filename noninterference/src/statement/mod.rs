//! Random statements over a schema, weighted to the awkward.
//!
//! Invariant: the text is deterministic on the server: no random numbers, no clock, and no order or
//! choice of rows that the text does not fix; so a difference between two runs is a difference
//! between their rows.

mod builtin;
mod expression;
mod from;
mod items;
mod merge;
mod pin;
mod query;
mod subquery;
mod write;

use crate::choice::Choices;
use crate::schema::{Schema, Source, Ty};

/// A parameter of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub ty: Ty,
}

/// A statement, and what is needed to run it.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: String,
    pub parameters: Vec<Parameter>,
    /// How the mere existence of another tenant's key may show in it.
    pub keys: Keys,
    /// Written to be safe: sound predicates everywhere, on tables that are declared.
    pub intended: bool,
    /// The decisions behind it.
    pub choices: Vec<u32>,
}

/// How the existence of another tenant's key shows, where a key lacks the tenant: the declared
/// channel beside the error of a plain INSERT. What the key's row holds must never show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// ON CONFLICT DO NOTHING, or DO UPDATE where the existing row is the tenant's: a row fewer.
    pub skipped: bool,
    /// ON CONFLICT DO UPDATE of a row that row-level security hides: an error of its own.
    pub hidden: bool,
    /// A row fewer as well, if the proof says that the WHERE of DO UPDATE keeps to the tenant's row.
    pub guarded: bool,
}

impl Statement {
    /// What the derivation adds to what the writer knew.
    pub fn learn(&mut self, reasons: &str) {
        self.keys.skipped |= self.keys.guarded && reasons.contains("(WHERE of DO UPDATE)");
    }
}

/// A range variable.
#[derive(Clone, Debug)]
struct Rel {
    alias: String,
    columns: Vec<(String, Ty)>,
    /// The column to equate with the tenant, if it is up to the statement.
    tenant: Option<String>,
    /// The writer believes that nothing needs to be written for it.
    guarded: bool,
    /// And is right about it.
    sound: bool,
    /// At most one row of a tenant has an id.
    unique: bool,
}

/// A common table expression in scope.
type Common = Source;

struct Writer<'s> {
    schema: &'s Schema,
    c: Choices,
    /// Range variables in scope, block by block, the innermost last.
    scopes: Vec<Vec<Rel>>,
    common: Vec<Common>,
    parameters: Vec<Parameter>,
    aliases: usize,
    /// How often a range variable gets its predicate, in percent.
    care: u32,
    /// How often an expression may be one that fails on some rows.
    risk: u32,
    keys: Keys,
    intended: bool,
    /// Several rows of the other tables may match one row of the target.
    several: bool,
    /// Whether a column may be written without its range variable.
    bare: bool,
    /// What follows the parentheses of the common table expression that is being written.
    suffix: String,
}

/// Writes one statement.
pub fn generate(schema: &Schema, choices: Choices) -> Statement {
    let mut writer = Writer {
        schema,
        c: choices,
        scopes: Vec::new(),
        common: Vec::new(),
        parameters: Vec::new(),
        aliases: 0,
        care: 0,
        risk: 0,
        keys: Keys::default(),
        intended: true,
        several: false,
        bare: true,
        suffix: String::new(),
    };
    let sql = writer.statement();
    Statement {
        sql,
        parameters: writer.parameters,
        keys: writer.keys,
        intended: writer.intended,
        choices: writer.c.into_taken(),
    }
}

impl Writer<'_> {
    fn statement(&mut self) -> String {
        self.care = [100, 96, 88, 60, 0][self.c.pick(&[45, 20, 15, 15, 5])];
        self.risk = [0, 4, 14][self.c.pick(&[60, 28, 12])];
        let depth = self.c.pick(&[20, 40, 30, 10]);
        match self.c.pick(&[58, 13, 11, 8, 5, 5]) {
            0 => self.top_query(depth),
            1 => self.with(depth, |w, d| w.insert(d, true)),
            2 => self.with(depth, |w, d| w.update(d, true)),
            3 => self.with(depth, |w, d| w.delete(d, true)),
            4 => self.with(depth, Self::merge),
            _ => self.data_modifying(depth),
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    /// The name of a caller's parameter of this type; some look like the tenant's.
    fn parameter(&mut self, ty: Ty) -> String {
        let names: &[&str] = match ty {
            Ty::Int => &["n", "m", "id"],
            Ty::Text => &["q", "status", "name"],
            Ty::Bool => &["yes"],
            Ty::Json => &["doc"],
            Ty::Time => &["since"],
            Ty::Ints => &["ids"],
            Ty::Tenant => &["org", "tenant_id", "TENANT", "tenants", "tenant1"],
        };
        let name = self.c.one(names).to_owned();
        if !self.parameters.iter().any(|p| p.name == name) {
            self.parameters.push(Parameter {
                name: name.clone(),
                ty,
            });
        }
        format!("${name}")
    }

    fn sql_type(&self, ty: Ty) -> &'static str {
        match ty {
            Ty::Int => "integer",
            Ty::Text => "text",
            Ty::Bool => "boolean",
            Ty::Json => "jsonb",
            Ty::Time => "timestamp",
            Ty::Ints => "integer[]",
            Ty::Tenant => self.schema.kind.value(),
        }
    }

    fn type_of(&mut self) -> Ty {
        let of = [Ty::Int, Ty::Text, Ty::Tenant, Ty::Bool, Ty::Json, Ty::Time];
        of[self.c.pick(&[38, 33, 12, 8, 5, 4])]
    }
}
