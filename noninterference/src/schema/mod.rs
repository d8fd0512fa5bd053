//! Random schemas of a shared database, as the text of migrations and as a model to write
//! statements over.
//!
//! Invariant: the model is only used to write statements and rows; what is safe is decided by the
//! prover, which reads the text, and by the server.

mod blocks;
mod history;
mod policies;
mod routines;
mod rows;
mod tables;

pub use rows::{State, rows};

use crate::choice::Choices;

/// The types that columns and expressions have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    Int,
    Text,
    Bool,
    Json,
    Tenant,
    /// `timestamp`: others have infinity and the end of time.
    Time,
    /// `integer[]`, of parameters alone.
    Ints,
}

/// The type of tenants' identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Uuid,
    Bigint,
    Text,
    /// `varchar` columns, while everything else about the tenant is text.
    Varchar,
    /// Columns of the extension's type that ignores case.
    Citext,
    /// Columns of a domain over uuid.
    Domain,
}

impl Kind {
    /// The type of the columns.
    pub fn sql(self) -> &'static str {
        match self {
            Kind::Varchar => "varchar",
            Kind::Citext => "citext",
            Kind::Domain => "tenant_ref",
            kind => kind.value(),
        }
    }

    /// The type of the setting's value, and of everything else about the tenant.
    pub fn value(self) -> &'static str {
        match self {
            Kind::Uuid | Kind::Domain => "uuid",
            Kind::Bigint => "bigint",
            Kind::Text | Kind::Varchar | Kind::Citext => "text",
        }
    }

    /// The identifiers of the session's tenant, of two others, and of one that does not exist.
    pub fn ids(self) -> [&'static str; 4] {
        match self {
            // They agree in their first letter, as the texts and the numbers' last digit in binary do.
            Kind::Uuid | Kind::Domain => [
                "a1111111-1111-4111-8111-111111111111",
                "ab222222-2222-4222-8222-222222222222",
                "a0333333-3333-4333-8333-333333333333",
                "99999999-9999-4999-8999-999999999999",
            ],
            Kind::Bigint => ["5", "7", "3", "99"],
            Kind::Text | Kind::Varchar | Kind::Citext => ["acme", "ACME", "aaron", "nobody"],
        }
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    pub not_null: bool,
    /// Has a default or is generated, so INSERT may leave it out.
    pub default: Option<String>,
    pub generated: bool,
}

/// Whose rows a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Each row belongs to the tenant in this column.
    Tenant(String),
    /// Everybody's, declared.
    Global,
    /// Nobody's: no tenant column and no declaration.
    Nobody,
}

/// A foreign key to an earlier table (or the table itself).
#[derive(Clone, Debug)]
pub struct Reference {
    pub column: String,
    pub table: usize,
    /// Whether the tenant is part of it.
    pub composite: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub schema: &'static str,
    pub columns: Vec<Column>,
    pub owner: Owner,
    pub keys: Vec<Vec<String>>,
    pub references: Vec<Reference>,
    /// Partition or inheritance child of.
    pub parent: Option<usize>,
    /// The list column of a partitioned table, and for a partition the value that it takes.
    pub partition: Option<(String, Option<String>)>,
    /// The writer's guess that policies protect it: only used to leave predicates out more often.
    pub guarded: bool,
    /// The policies written for it are sound.
    pub sound: bool,
    /// The analysis is told whose rows it holds: by the column's usual name or by a directive.
    pub declared: bool,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The name with its schema.
    pub fn path(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The name, with its schema where that is not in the path.
    pub fn named(&self) -> String {
        match self.schema {
            "public" => self.name.clone(),
            _ => self.path(),
        }
    }

    pub fn tenant(&self) -> Option<&str> {
        match &self.owner {
            Owner::Tenant(column) => Some(column),
            _ => None,
        }
    }
}

/// A view, or a function that returns rows.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it is written in FROM; `%` stands for an integer argument.
    pub name: String,
    pub columns: Vec<(String, Ty)>,
}

impl Source {
    /// As something to write to.
    pub fn as_table(&self) -> Table {
        let column = |(name, ty): &(String, Ty)| Column {
            name: name.clone(),
            ty: *ty,
            not_null: false,
            default: None,
            generated: false,
        };
        let tenant = self
            .columns
            .iter()
            .find(|(n, ty)| n == "tenant_id" && *ty == Ty::Tenant);
        Table {
            name: self.name.clone(),
            schema: "public",
            columns: self.columns.iter().map(column).collect(),
            owner: tenant.map_or(Owner::Nobody, |(name, _)| Owner::Tenant(name.clone())),
            keys: Vec::new(),
            references: Vec::new(),
            parent: None,
            partition: None,
            guarded: false,
            sound: false,
            declared: true,
        }
    }
}

/// A function that returns one value.
#[derive(Clone, Debug)]
pub struct Scalar {
    pub name: String,
    pub arguments: Vec<Ty>,
    pub returns: Ty,
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    pub kind: Kind,
    pub tables: Vec<Table>,
    pub views: Vec<Source>,
    pub set_functions: Vec<Source>,
    pub scalars: Vec<Scalar>,
    /// Spellings of the tenant term that the schema adds, such as `current_tenant()`.
    pub terms: Vec<String>,
    /// Objects and their definitions, in the order of creation.
    pub ddl: Vec<(String, String)>,
    /// Materialised views, which must be refreshed once there are rows.
    pub refresh: Vec<String>,
    /// Whether the owner of everything bypasses row-level security.
    pub bypass: bool,
    /// A collation for tenant columns that takes `acme` and `ACME` for equal.
    pub collation: bool,
}

impl Schema {
    /// Makes one.
    pub fn generate(choices: &mut Choices) -> Self {
        let kind = [
            Kind::Uuid,
            Kind::Bigint,
            Kind::Text,
            Kind::Varchar,
            Kind::Domain,
            Kind::Citext,
        ][choices.pick(&[54, 18, 14, 5, 5, 4])];
        let mut schema = Self {
            kind,
            tables: Vec::new(),
            views: Vec::new(),
            set_functions: Vec::new(),
            scalars: Vec::new(),
            terms: Vec::new(),
            ddl: Vec::new(),
            refresh: Vec::new(),
            bypass: choices.chance(50),
            collation: false,
        };
        if kind == Kind::Text && choices.chance(20) {
            schema.collation = true;
            schema.add("nocase", "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
        }
        match kind {
            Kind::Citext => schema.add("citext", "CREATE EXTENSION IF NOT EXISTS citext"),
            Kind::Domain => {
                let check = choices.one(&["", " NOT NULL", " CHECK (VALUE IS NOT NULL)"]);
                schema.add(
                    "tenant_ref",
                    format!("CREATE DOMAIN tenant_ref AS uuid{check}"),
                );
            }
            _ => {}
        }
        tables::generate(&mut schema, choices);
        routines::functions(&mut schema, choices);
        policies::generate(&mut schema, choices);
        routines::rows_and_views(&mut schema, choices);
        routines::triggers(&mut schema, choices);
        history::weave(&mut schema, choices);
        blocks::wrap(&mut schema, choices);
        schema
    }

    /// The migrations: name and text.
    pub fn migrations(&self) -> Vec<(String, String)> {
        let half = self.ddl.len() / 2;
        let text = |part: &[(String, String)]| {
            part.iter()
                .map(|(_, sql)| format!("{sql};\n"))
                .collect::<String>()
        };
        vec![
            ("0001_first.sql".to_owned(), text(&self.ddl[..half])),
            ("0002_second.sql".to_owned(), text(&self.ddl[half..])),
        ]
    }

    pub(crate) fn add(&mut self, object: &str, sql: impl Into<String>) {
        self.ddl.push((object.to_owned(), sql.into()));
    }

    /// The setting as a value of the tenant's type, in one of the spellings that mean just that.
    pub fn term(&self, choices: &mut Choices, setting: &str) -> String {
        let cast = match self.kind.value() {
            "text" => String::new(),
            value => format!("::{value}"),
        };
        match choices.pick(&[40, 20, 10, 20, 10]) {
            0 => format!("current_setting('{setting}'){cast}"),
            1 => format!("nullif(current_setting('{setting}', true), ''){cast}"),
            2 => format!("(SELECT current_setting('{setting}'){cast})"),
            3 => format!("(SELECT nullif(current_setting('{setting}', true), ''){cast})"),
            _ => match self.kind.value() {
                "text" => format!("current_setting('{setting}', true)"),
                value => format!("CAST(NULLIF(current_setting('{setting}'), '') AS {value})"),
            },
        }
    }
}
