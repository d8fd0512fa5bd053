//! What is wrong with a policy's expression that could not be shown to imply the tenant's equality.
//!
//! Invariant: a shape other than `Unknown` is named only for what certainly lets rows of others
//! through; everything else is for a person to look at.

use super::unset::{self, Session};
use crate::catalog::walk::{self, Mentions, Visitor, mentions};
use crate::catalog::{Body, Catalog, Relation, Volatility};
use crate::ir::{Call, Expr, ExprKind, Literal, Name, SqlValue, Statement, SubqueryKind};
use crate::policy::judge::implies;
use crate::policy::term::{self, ExactType};

/// A kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It does not look at the session.
    Open,
    /// It is true where no tenant is set.
    FailsOpen,
    /// `IS NOT DISTINCT FROM`.
    NullTenant,
    /// By pattern, or by parts of a text: how.
    Pattern(String),
    /// It rests on rows of other tables: their names.
    Rows(Vec<Vec<String>>),
    /// An `IMMUTABLE` function over a setting: its name.
    Folded(String),
    /// It compares with the role.
    ByRole,
    /// It takes this tenant where none is set.
    Default(String),
    /// It looks at no column of its row, but at this setting.
    Switch(String),
    /// It looks at no column of its row, but at rows of other tables: their names.
    Blind(Vec<Vec<String>>),
    /// It compares with what users may write about themselves: the claim.
    OwnClaim(String),
    /// It compares the tenant column with a claim of a token: which.
    Claim(String),
    /// It compares with another setting: its name.
    OtherSetting(String),
    /// It compares the tenant with one that is written there: which.
    Constant(String),
    /// None of these.
    Unknown,
}

const PATTERN_OPERATORS: &[&str] = &["~~", "~~*", "~", "~*", "^@", "<%", "<<%", "@@"];
const TEXT_FUNCTIONS: &[&str] = &[
    "position",
    "strpos",
    "string_to_array",
    "string_to_table",
    "regexp_split_to_array",
    "regexp_split_to_table",
    "regexp_matches",
    "regexp_match",
    "regexp_like",
    "starts_with",
    "left",
    "right",
    "substr",
    "substring",
    "split_part",
    "similarity",
    "like",
    "levenshtein",
    "lower",
    "upper",
];
/// Claims that their users may write.
const OWN_CLAIMS: &[&str] = &["user_metadata", "raw_user_meta_data"];
const ROLE_FUNCTIONS: &[&str] = &["current_user", "session_user", "pg_has_role"];

/// The fault of `expr`, which does not imply the tenant's equality.
pub(super) fn shape(catalog: &Catalog, relation: &Relation, expr: &Expr) -> Shape {
    let mut worst = Shape::Unknown;
    for part in faulty(catalog, relation, expr) {
        let found = of(catalog, relation, part);
        if found != Shape::Unknown {
            worst = found;
            break;
        }
    }
    worst
}

/// The arms of `OR` that are at fault.
fn faulty<'e>(catalog: &Catalog, relation: &Relation, expr: &'e Expr) -> Vec<&'e Expr> {
    match &expr.kind {
        ExprKind::Or(arms) => arms
            .iter()
            .filter(|arm| implies(catalog, relation, arm).is_err())
            .flat_map(|arm| faulty(catalog, relation, arm))
            .collect(),
        _ => vec![expr],
    }
}

/// What an expression holds, besides names.
#[derive(Default)]
struct Parts {
    null_safe: bool,
    role: bool,
    settings: Vec<String>,
    /// Columns of the row itself.
    columns: bool,
    texts: Vec<String>,
    or_own_column: bool,
    tenant: String,
    relation: String,
    /// The names of the relation's columns.
    known: Vec<String>,
}

impl Visitor for Parts {
    fn expr(&mut self, expr: &mut Expr) {
        match &expr.kind {
            ExprKind::Distinct { .. } => self.null_safe = true,
            ExprKind::SqlValue(SqlValue::User) => self.role = true,
            ExprKind::Literal(Literal::String(text)) => self.texts.push(text.clone()),
            ExprKind::Column(parts) => {
                self.columns |= match parts.as_slice() {
                    [name] => self.known.contains(name),
                    // In a sub-query on a table of the same name it could be either.
                    parts => parts.iter().rev().nth(1) == Some(&self.relation),
                };
            }
            // A whole row.
            ExprKind::Star(_) => self.columns = true,
            ExprKind::Coalesce(list) => {
                self.or_own_column |= list.iter().skip(1).any(|it| {
                    matches!(&it.kind, ExprKind::Column(parts) if parts.last() == Some(&self.tenant))
                });
            }
            ExprKind::Call(call) => {
                if is_current_setting(&call.name)
                    && let Some(name) = call.args.first().and_then(literal)
                {
                    self.settings.push(name);
                }
            }
            _ => {}
        }
    }
}

fn is_current_setting(name: &Name) -> bool {
    name.parts
        .last()
        .is_some_and(|last| last == "current_setting")
}

fn literal(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text) | Literal::Number(text)) => Some(text.clone()),
        ExprKind::Cast { expr, .. } => literal(expr),
        _ => None,
    }
}

fn of(catalog: &Catalog, relation: &Relation, expr: &Expr) -> Shape {
    let tenant = relation.tenant().map(|column| column.name.clone());
    let tenant = tenant.unwrap_or_else(|| catalog.config().tenant.column.clone());
    let mut parts = Parts {
        relation: relation.name.clone(),
        known: relation.columns.iter().map(|c| c.name.clone()).collect(),
        tenant,
        ..Parts::default()
    };
    walk::expr(&mut expr.clone(), &mut parts);
    let through =
        |session| unset::lets_all_through(catalog, relation, &parts.tenant, expr, session);
    if through(Session::Own) {
        return Shape::Open;
    }
    if through(Session::Unset) || through(Session::Empty) {
        return Shape::FailsOpen;
    }
    if let Some(claim) = parts
        .texts
        .iter()
        .find(|text| OWN_CLAIMS.contains(&text.as_str()))
    {
        return Shape::OwnClaim(claim.clone());
    }
    if let Some(tenant) = unset::default_tenant(catalog, relation, &parts.tenant, expr) {
        return Shape::Default(tenant);
    }
    let found = mentions(expr);
    if parts.null_safe {
        return Shape::NullTenant;
    }
    if parts.role || any(&found.functions, ROLE_FUNCTIONS).is_some() {
        return Shape::ByRole;
    }
    if !found.relations.is_empty() {
        return if parts.columns {
            Shape::Rows(found.relations)
        } else {
            Shape::Blind(found.relations)
        };
    }
    if let Some(name) = folded(catalog, &found) {
        return Shape::Folded(name);
    }
    if let Some(operator) = any(&found.operators, PATTERN_OPERATORS) {
        let operator = if operator.starts_with("~~") {
            "LIKE"
        } else {
            operator
        };
        return Shape::Pattern(operator.to_owned());
    }
    let own_function = found
        .functions
        .iter()
        .any(|name| catalog.defines_function(name));
    let session = !parts.settings.is_empty() || own_function || platform(&found);
    if !session {
        return match constant(expr, &parts.tenant) {
            Some(tenant) => Shape::Constant(tenant),
            None => Shape::Open,
        };
    }
    // The text of a uuid or number in another casing is no other one's.
    let textual = relation.tenant().is_none_or(|column| {
        matches!(
            term::column_type(catalog, column),
            None | Some(ExactType::Text | ExactType::Varchar)
        )
    });
    if let Some(function) = any(&found.functions, TEXT_FUNCTIONS)
        && (textual || !matches!(function, "lower" | "upper"))
    {
        return Shape::Pattern(function.to_owned());
    }
    if let Some(claim) = claim(catalog, expr, &parts.tenant) {
        return Shape::Claim(claim);
    }
    let setting = &catalog.config().tenant.setting;
    let tenants = parts
        .settings
        .iter()
        .any(|name| name.eq_ignore_ascii_case(setting));
    // Another column that is compared with the setting may well be the tenant's.
    if parts.or_own_column || (tenants && found.columns.is_empty()) {
        return Shape::FailsOpen;
    }
    match parts.settings.first() {
        Some(other) if !parts.columns => Shape::Switch(other.clone()),
        Some(other) if !tenants => Shape::OtherSetting(other.clone()),
        _ => Shape::Unknown,
    }
}

/// The tenant that an expression asks for by its name.
fn constant(expr: &Expr, tenant: &str) -> Option<String> {
    let ExprKind::Operator {
        name,
        left: Some(left),
        right,
    } = &expr.kind
    else {
        return None;
    };
    let is_tenant = |expr: &Expr| matches!(&expr.kind, ExprKind::Column(parts) if parts.last().is_some_and(|last| last == tenant));
    let equals = name.parts.last().is_some_and(|last| last == "=");
    match (is_tenant(left), is_tenant(right)) {
        (true, false) if equals => literal(right),
        (false, true) if equals => literal(left),
        _ => None,
    }
}

/// The claim of a token that the tenant column is equal to: `tenant = (claims() ->> 'org_id')::uuid`.
fn claim(catalog: &Catalog, expr: &Expr, tenant: &str) -> Option<String> {
    match &expr.kind {
        ExprKind::And(list) => list.iter().find_map(|part| claim(catalog, part, tenant)),
        ExprKind::Operator {
            name,
            left: Some(left),
            right,
        } if name.parts.last().is_some_and(|last| last == "=") => {
            let is_tenant = |expr: &Expr| matches!(&bare(expr).kind, ExprKind::Column(parts) if parts.last().is_some_and(|last| last == tenant));
            if is_tenant(left) {
                claimed(catalog, right, 0)
            } else if is_tenant(right) {
                claimed(catalog, left, 0)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// A value without what only changes its type, or makes nothing of it.
fn bare(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Cast { expr, .. } => bare(expr),
        ExprKind::NullIf(value, empty) if literal(empty).as_deref() == Some("") => bare(value),
        ExprKind::Subquery {
            kind: SubqueryKind::Scalar,
            query,
        } => term::only_value(query).map_or(expr, bare),
        _ => expr,
    }
}

/// The last step into the JSON of a setting, directly or by functions that read one.
fn claimed(catalog: &Catalog, expr: &Expr, depth: usize) -> Option<String> {
    const DEEP: usize = 8;
    let expr = bare(expr);
    if depth > DEEP {
        return None;
    }
    if let ExprKind::Call(call) = &expr.kind {
        let [Statement::Query(query)] = own_body(catalog, call)? else {
            return None;
        };
        return claimed(catalog, term::only_value(query)?, depth + 1);
    }
    let ExprKind::Operator {
        name,
        left: Some(left),
        right,
    } = &expr.kind
    else {
        return None;
    };
    let steps = ["->>", "->", "#>>", "#>"];
    let step = name
        .parts
        .last()
        .is_some_and(|last| steps.contains(&last.as_str()));
    let step = step.then(|| literal(bare(right)))??;
    let from_setting = match &bare(left).kind {
        ExprKind::Call(call) if is_current_setting(&call.name) => true,
        ExprKind::Call(call) => {
            let name = call.name.parts.last()?;
            let mut named = catalog.all_functions().iter().filter(|it| it.name == *name);
            call.args.is_empty() && named.all(|function| reads_settings(&function.body))
        }
        ExprKind::Operator { .. } => claimed(catalog, left, depth + 1).is_some(),
        _ => false,
    };
    from_setting.then_some(step)
}

/// The body of the one function without arguments that a call means.
fn own_body<'c>(catalog: &'c Catalog, call: &Call) -> Option<&'c [Statement]> {
    let name = call.name.parts.last()?;
    let mut named = catalog.all_functions().iter().filter(|it| it.name == *name);
    let (function, None) = (named.next()?, named.next()) else {
        return None;
    };
    match (&function.body, &function.returned) {
        _ if !call.args.is_empty() => None,
        (Body::Sql { statements, .. }, _) => Some(statements),
        (_, returned) => returned.as_deref(),
    }
}

fn any<'a>(names: &'a [String], list: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .map(String::as_str)
        .find(|name| list.contains(name))
}

/// Schema-qualified functions of platforms read the session's claims.
fn platform(found: &Mentions) -> bool {
    const READERS: &[&str] = &[
        "uid",
        "jwt",
        "role",
        "email",
        "pg_backend_pid",
        "inet_client_addr",
    ];
    any(&found.functions, READERS).is_some()
}

/// An `IMMUTABLE` function among the calls whose body reads settings or tables.
fn folded(catalog: &Catalog, found: &Mentions) -> Option<String> {
    catalog
        .all_functions()
        .iter()
        .filter(|function| found.functions.contains(&function.name))
        .find(|function| {
            function.volatility == Volatility::Immutable && reads_settings(&function.body)
        })
        .map(|function| function.signature())
}

fn reads_settings(body: &Body) -> bool {
    match body {
        Body::Sql {
            text, statements, ..
        } => {
            text.to_ascii_lowercase().contains("current_setting")
                || format!("{statements:?}").contains("\"current_setting\"")
        }
        Body::Opaque { text, .. } => text.to_ascii_lowercase().contains("current_setting"),
    }
}
