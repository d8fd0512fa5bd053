//! Parses the arguments of the query attributes and of `unproved!`.
//!
//! A malformed or unknown entry is recorded and the rest is still read.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Ident, LitStr, Meta, Path, Token, parse_quote};
use watertight_analysis::prove::Proof;

use super::choice::{self, Choice};
use super::judge::{Desk, Question, Text};
use super::provenance;
use crate::attributes;
use crate::errors::Errors;
use crate::spelling::meant;

/// Which attribute or macro is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `#[tenant_query]`
    Tenant,
    /// `#[system_query]`
    System,
    /// `unproved!`
    Unproved,
}

impl Kind {
    fn example(self) -> &'static str {
        match self {
            Self::Tenant => "#[tenant_query(\"SELECT …\")]",
            Self::System => {
                "#[system_query(\"SELECT …\", role = \"auth\", tables(api_keys), reason = \"…\")]"
            }
            Self::Unproved => "unproved!(\"SELECT …\", reason = \"…\")",
        }
    }
}

impl Kind {
    /// All keys but the names of choices.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Tenant => &["file", "returns_tenant", "catalog", "crate", "optional"],
            Self::System => &[
                "role", "tables", "reason", "file", "catalog", "crate", "optional",
            ],
            Self::Unproved => &["reason", "returns_tenant", "catalog", "crate"],
        }
    }

    /// The keys that the example does not show.
    fn further(self) -> &'static str {
        match self {
            Self::Tenant => {
                "`file = \"…\"`, `returns_tenant = \"…\"`, `catalog = \"…\"` or `crate = path`"
            }
            Self::System => "`file = \"…\"`, `catalog = \"…\"` or `crate = path`",
            Self::Unproved => "`returns_tenant = \"…\"`, `catalog = \"…\"` or `crate = path`",
        }
    }
}

/// The arguments of a query attribute.
#[derive(Debug)]
pub(super) struct QueryAttr {
    pub(super) kind: Kind,
    /// The statement; absent around a body.
    pub(super) sql: Option<LitStr>,
    /// `file = "…"`, instead of the statement.
    pub(super) file: Option<LitStr>,
    /// `sort(name = "…")` and `optional(status = "…")`
    pub(super) choices: Vec<Choice>,
    /// Whether some of them could not be read.
    pub(super) broken: bool,
    /// Whether something else stands where the statement belongs.
    pub(super) unread: bool,
    /// `crate = path`, by default `::watertight`.
    pub(super) krate: Path,
    /// `catalog = "…"`
    pub(super) catalog: Option<LitStr>,
    /// What only `#[system_query]` has.
    pub(super) system: Option<System>,
    /// `reason = "…"`
    pub(super) reason: Option<LitStr>,
    /// `returns_tenant = "…"`: why a client is told the tenant.
    pub(super) returns_tenant: Option<LitStr>,
    /// Every key that is written, well or not.
    keys: Vec<String>,
}

/// What confines a statement that runs before there is a tenant.
#[derive(Debug)]
pub(super) struct System {
    pub(super) role: LitStr,
    pub(super) tables: Vec<String>,
}

/// `"SQL", key = value, …`: the statement first, then entries.
struct Arguments {
    sql: Option<LitStr>,
    entries: TokenStream,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut sql = None;
        if input.peek(syn::Lit) {
            sql = Some(input.parse::<LitStr>()?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Self {
            sql,
            entries: input.parse()?,
        })
    }
}

impl QueryAttr {
    pub(super) fn parse(tokens: TokenStream, kind: Kind, errors: &mut Errors) -> Self {
        let mut attr = Self {
            kind,
            sql: None,
            file: None,
            choices: Vec::new(),
            broken: false,
            unread: false,
            krate: parse_quote!(::watertight),
            catalog: None,
            system: None,
            reason: None,
            returns_tenant: None,
            keys: Vec::new(),
        };
        // The last token that is written: what is missing would follow it.
        let tokens_end = tokens.clone().into_iter().last().map(|token| token.span());
        let Some(arguments) = errors.absorb(Parser::parse2(Arguments::parse, tokens)) else {
            return attr;
        };
        attr.sql = arguments.sql;
        let mut role = None;
        let mut tables = None;
        for entry in attributes::entries(arguments.entries, errors) {
            attr.keys.push(attributes::key(&entry));
            match (attributes::key(&entry).as_str(), kind) {
                ("crate", _) => {
                    if let Some(path) = attributes::path(&entry, errors) {
                        attr.krate = path;
                    }
                }
                ("catalog", _) => {
                    attr.catalog = attributes::text(&entry, "catalog = \"other.toml\"", errors);
                }
                ("reason", Kind::System | Kind::Unproved) => {
                    attr.reason =
                        attributes::reason(&entry, "reason = \"login: which organisation\"", errors);
                }
                ("returns_tenant", Kind::Tenant | Kind::Unproved) => {
                    let example = "returns_tenant = \"the profile shows the organisation\"";
                    attr.returns_tenant = attributes::reason(&entry, example, errors);
                }
                ("role", Kind::System) => {
                    role = attributes::text(&entry, "role = \"auth\"", errors);
                }
                ("tables", Kind::System) => tables = read_tables(&entry, errors),
                ("file", Kind::Tenant | Kind::System) => {
                    attr.file = attributes::text(&entry, "file = \"queries/list.sql\"", errors);
                }
                (key, Kind::Tenant | Kind::System) if matches!(&entry, Meta::List(_)) => {
                    attr.choice(key, &entry, errors);
                }
                (key, _) if attr.sql.is_none() && matches!(&entry, Meta::Path(_)) => {
                    attr.unread = true;
                    errors.push(
                        &entry,
                        format!(
                            "`{key}` is not a literal, so nothing can be proved about it\n\
                             help: write the statement itself: `{}`",
                            kind.example()
                        ),
                    );
                }
                (key, _) => errors.push(
                    entry.path(),
                    format!(
                        "unknown argument `{key}`{}\nhelp: write `{}`, with {} behind it where needed",
                        meant(key, None, kind.keys()),
                        kind.example(),
                        kind.further()
                    ),
                ),
            }
        }
        if let (Some(_), Some(file)) = (&attr.sql, &attr.file) {
            let message = "the statement is here and in a file: remove one of them";
            errors.push(file, message);
        }
        let place = attr.place(tokens_end);
        attr.require(role, tables, place, errors);
        attr
    }

    /// `optional(…)` or a choice by its own name.
    fn choice(&mut self, key: &str, entry: &Meta, errors: &mut Errors) {
        let Meta::List(list) = entry else { return };
        let before = errors.len();
        let found = match key {
            "optional" => choice::optional(list, errors),
            _ => choice::named(list, errors).into_iter().collect(),
        };
        for choice in found {
            if self.choices.iter().any(|known| known.name == choice.name) {
                errors.push(&choice.name, format!("`{}` is there twice", choice.name));
            } else {
                self.choices.push(choice);
            }
        }
        self.broken |= errors.len() > before;
    }

    /// The statement, from the attribute or from its file; `None` if there is none or it was
    /// refused.
    pub(super) fn text(&self, desk: &mut Desk<'_>) -> Option<Text> {
        match (&self.sql, &self.file) {
            (Some(sql), _) => Some(Text::literal(sql)),
            (None, Some(file)) => desk.file(file),
            (None, None) => None,
        }
    }

    /// What is asked about the statement; `None` if the arguments that say so are wrong.
    pub(super) fn question(&self) -> Option<Question> {
        let reason = || self.reason.as_ref().map(LitStr::value);
        match (self.kind, &self.system) {
            (Kind::Tenant, _) => Some(Question::Tenant),
            (Kind::Unproved, _) => Some(Question::Unproved { reason: reason()? }),
            (Kind::System, None) => None,
            (Kind::System, Some(system)) => Some(Question::System {
                role: system.role.value(),
                tables: system.tables.clone(),
                reason: reason()?,
            }),
        }
    }

    /// Why the rows of this statement may tell the tenant, if they do.
    pub(super) fn reason_to_tell(&self, text: &Text, proof: Option<&Proof>) -> Option<String> {
        let reason = self.returns_tenant.as_ref()?;
        provenance::carried(text, proof?).map(|_| reason.value())
    }

    /// Where something that is missing is told: at the statement, which lacks it, else behind
    /// everything that is written.
    fn place(&self, end: Option<Span>) -> Span {
        let statement = self.sql.as_ref().or(self.file.as_ref());
        statement
            .map(LitStr::span)
            .or(end)
            .unwrap_or_else(Span::call_site)
    }

    /// What must not be missing.
    fn require(
        &mut self,
        role: Option<LitStr>,
        tables: Option<Vec<String>>,
        place: Span,
        errors: &mut Errors,
    ) {
        let example = self.kind.example();
        // What is there and wrong has been told of.
        let given = |key: &str| self.keys.iter().any(|given| given == key);
        if self.kind == Kind::System {
            if let (Some(role), Some(tables)) = (&role, &tables) {
                self.system = Some(System {
                    role: role.clone(),
                    tables: tables.clone(),
                });
            }
            if role.is_none() && !given("role") {
                errors.push_at(
                    place,
                    format!(
                        "the role that this statement runs as is missing\n\
                         help: add `role = \"…\"`: `{example}`"
                    ),
                );
            }
            if tables.is_none() && !given("tables") {
                errors.push_at(
                    place,
                    format!(
                        "the tables that this statement may touch are missing\n\
                         help: add `tables(…)`: `{example}`"
                    ),
                );
            }
        }
        if self.kind != Kind::Tenant && self.reason.is_none() && !given("reason") {
            let why = match self.kind {
                Kind::Unproved => "why this statement may run without a proof is missing",
                _ => "why this statement needs no tenant is missing",
            };
            errors.push_at(
                place,
                format!("{why}\nhelp: add `reason = \"…\"`: `{example}`"),
            );
        }
        if self.kind == Kind::Unproved && self.sql.is_none() && !self.unread {
            errors.push_at(
                place,
                format!("the statement is a string literal: `{example}`"),
            );
        }
    }
}

/// `tables(api_keys, auth.memberships)`
fn read_tables(entry: &Meta, errors: &mut Errors) -> Option<Vec<String>> {
    let example = "tables(api_keys, memberships)";
    let Meta::List(list) = entry else {
        errors.push(entry, format!("`tables` takes a list: `{example}`"));
        return None;
    };
    let names = |input: ParseStream<'_>| {
        input.parse_terminated(
            |input| {
                if input.peek(LitStr) {
                    return Ok(input.parse::<LitStr>()?.value());
                }
                let mut name = input.parse::<Ident>()?.to_string();
                while input.parse::<Option<Token![.]>>()?.is_some() {
                    name = format!("{name}.{}", input.parse::<Ident>()?);
                }
                Ok(name)
            },
            Token![,],
        )
    };
    let names = errors.absorb(names.parse2(list.tokens.clone()))?;
    if names.is_empty() {
        errors.push(entry, format!("name at least one table: `{example}`"));
        return None;
    }
    Some(names.into_iter().collect())
}
