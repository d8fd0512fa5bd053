//! What a tenant term is, and on which types equality with one is exact.
//!
//! A tenant term is the configured setting in its usual wrappings, or a function that is exactly
//! that. Invariant: its value is the session's tenant whenever it has one, and nothing that a
//! migration ever defined could stand in for a part of it.

use crate::catalog::{ArgumentMode, Body, Catalog, Column, Function, FunctionKind, Volatility};
use crate::config::TenantKind;
use crate::ir::{
    Call, Expr, ExprKind, Literal, Name, Query, QueryBody, Statement, SubqueryKind, TypeName,
};

/// The types between which `=` is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactType {
    /// `uuid`
    Uuid,
    /// `smallint`, `integer`, `bigint`
    Integer,
    /// `text`
    Text,
    /// `varchar`, which is compared as text
    Varchar,
}

/// Whether `expr` is the session's tenant whenever it has a value.
///
/// The prover adds `$tenant`, which is a parameter and unknown here.
pub fn is_tenant_term(expr: &Expr, catalog: &Catalog) -> bool {
    term_type(expr, catalog).is_some()
}

/// The type of a tenant term; nothing for any other expression.
pub fn term_type(expr: &Expr, catalog: &Catalog) -> Option<ExactType> {
    term(expr, catalog, 0)
}

fn term(expr: &Expr, catalog: &Catalog, depth: usize) -> Option<ExactType> {
    // Functions over functions end somewhere.
    if depth > 16 {
        return None;
    }
    let depth = depth + 1;
    match &expr.kind {
        ExprKind::Call(call) => setting(call, catalog).or_else(|| function(call, catalog, depth)),
        ExprKind::Cast { expr, ty } => {
            let from = term(expr, catalog, depth)?;
            let to = builtin_type(catalog, ty)?;
            // A cast that a migration defines takes the place of the built-in conversion.
            let target = ty.name.parts.last()?;
            let plain = from == to || !catalog.shadows_cast(None, target);
            // Text is read as the type; what is read as text gives the canonical form.
            let sound = match (from, to) {
                (ExactType::Text | ExactType::Varchar, _) | (_, ExactType::Text) => true,
                (from, to) => from == to,
            };
            // Texts that differ can be one uuid or number, so a text must stay text.
            let away = !matches!(to, ExactType::Text | ExactType::Varchar);
            let same = !away || catalog.config().tenant.kind != TenantKind::Text;
            (plain && sound && same).then_some(to)
        }
        ExprKind::NullIf(value, empty) => {
            let ty = term(value, catalog, depth)?;
            let sound = text_literal(empty, catalog).is_some_and(str::is_empty)
                && equality_is_builtin(catalog, &equals(), ty, ty);
            sound.then_some(ty)
        }
        ExprKind::Subquery {
            kind: SubqueryKind::Scalar,
            query,
        } => term(only_value(query)?, catalog, depth),
        _ => None,
    }
}

/// `current_setting('app.tenant_id' [, missing_ok])`.
fn setting(call: &Call, catalog: &Catalog) -> Option<ExactType> {
    let named = match call.name.parts.as_slice() {
        [name] => name == "current_setting" && !catalog.shadows_function(name),
        [schema, name] => schema == "pg_catalog" && name == "current_setting",
        _ => false,
    };
    if !named || !is_plain(call) {
        return None;
    }
    let (name, rest) = call.args.split_first()?;
    let flag = match rest {
        [] => true,
        [flag] => matches!(flag.kind, ExprKind::Literal(Literal::Bool(_))),
        _ => false,
    };
    let text = text_literal(name, catalog)?;
    // Names of settings are compared without regard to case.
    (flag && text.eq_ignore_ascii_case(&catalog.config().tenant.setting)).then_some(ExactType::Text)
}

/// A string literal, possibly as the server writes it out: `'app.tenant_id'::text`.
fn text_literal<'a>(expr: &'a Expr, catalog: &Catalog) -> Option<&'a str> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text),
        ExprKind::Cast { expr, ty } if builtin_type(catalog, ty) == Some(ExactType::Text) => {
            match &expr.kind {
                ExprKind::Literal(Literal::String(text)) => Some(text),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A call of a function that is exactly a tenant term, whichever function of that name it is.
fn function(call: &Call, catalog: &Catalog, depth: usize) -> Option<ExactType> {
    if !call.args.is_empty() || !is_plain(call) || catalog.unknown_names().is_some() {
        return None;
    }
    let (schema, name) = match call.name.parts.as_slice() {
        [name] => (None, name),
        [schema, name] => (Some(schema), name),
        _ => return None,
    };
    // A stored call is bound to one of these; all of them have to qualify.
    let mut types = catalog
        .all_functions()
        .iter()
        .filter(|function| {
            function.name == *name && schema.is_none_or(|schema| function.schema == *schema)
        })
        .map(|function| body_type(function, catalog, depth));
    let first = types.next()??;
    types.all(|ty| ty == Some(first)).then_some(first)
}

/// Whether `function` returns the session's tenant and nothing else.
pub(crate) fn is_term_function(function: &Function, catalog: &Catalog) -> bool {
    body_type(function, catalog, 0).is_some()
}

fn body_type(function: &Function, catalog: &Catalog, depth: usize) -> Option<ExactType> {
    let inputs = function
        .arguments
        .iter()
        .any(|argument| argument.mode != ArgumentMode::Table);
    let sound = function.kind == FunctionKind::Function
        && !inputs
        && !function.returns_set
        && function.unknown.is_none()
        && (function.language == "sql" || function.returned.is_some())
        // An IMMUTABLE call is computed once and kept in a cached plan, for whichever tenant.
        && function.volatility != Volatility::Immutable
        && function.settings.iter().all(|(name, value)| is_harmless_setting(name, value.as_deref()));
    if !sound {
        return None;
    }
    let statements = match (&function.body, &function.returned) {
        (Body::Sql { statements, .. }, _) => statements,
        (_, Some(returned)) => returned,
        _ => return None,
    };
    let [Statement::Query(query)] = statements.as_slice() else {
        return None;
    };
    let inner = term(only_value(query)?, catalog, depth)?;
    let returns = builtin_type(catalog, function.returns.as_ref()?)?;
    // The result is coerced by assignment: only the same type, or text and varchar, pass unchanged.
    let textual = |ty| matches!(ty, ExactType::Text | ExactType::Varchar);
    (inner == returns || (textual(inner) && textual(returns))).then_some(returns)
}

fn is_harmless_setting(name: &str, value: Option<&str>) -> bool {
    // A path under which `current_setting` is still the server's own.
    name == "search_path"
        && value.is_some_and(|value| {
            !value.contains("pg_catalog") || value.trim_start().starts_with("pg_catalog")
        })
}

/// The one value of `SELECT value`, with nothing around it.
pub(crate) fn only_value(query: &Query) -> Option<&Expr> {
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let bare = query.with.is_none()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.order_by.is_empty()
        && query.locking.is_empty()
        && select.distinct.is_none()
        && select.from.is_empty()
        && select.filter.is_none()
        && select.group_by.is_empty()
        && select.having.is_none()
        && select.windows.is_empty();
    match select.targets.as_slice() {
        [target] if bare => Some(&target.expr),
        _ => None,
    }
}

fn is_plain(call: &Call) -> bool {
    !call.star
        && !call.variadic
        && !call.distinct
        && call.order_by.is_empty()
        && call.filter.is_none()
        && call.over.is_none()
        && call.arg_names.iter().all(Option::is_none)
}

fn equals() -> Name {
    Name {
        parts: vec!["=".to_owned()],
        span: 0..0,
    }
}

/// The exact type that a type name means, unless a migration ever defined one of that name.
pub fn builtin_type(catalog: &Catalog, ty: &TypeName) -> Option<ExactType> {
    if ty.dimensions > 0 || ty.set_of || !ty.modifiers.is_empty() {
        return None;
    }
    let name = match ty.name.parts.as_slice() {
        [name] if !catalog.shadows_type(name) => name,
        [schema, name] if schema == "pg_catalog" => name,
        _ => return None,
    };
    Some(match name.as_str() {
        "uuid" => ExactType::Uuid,
        "int2" | "int4" | "int8" => ExactType::Integer,
        "text" => ExactType::Text,
        "varchar" => ExactType::Varchar,
        _ => return None,
    })
}

/// The exact type of a column; a length limit of a varchar does not matter here.
pub fn column_type(catalog: &Catalog, column: &Column) -> Option<ExactType> {
    if exact_type(catalog, column).is_err() {
        return None;
    }
    let ty = column.ty.as_ref()?;
    builtin_type(
        catalog,
        &TypeName {
            modifiers: Vec::new(),
            ..ty.clone()
        },
    )
}

/// Whether equality on a column is exact, and if not, why.
///
/// # Errors
/// The reason, as a clause.
pub fn exact_type(catalog: &Catalog, column: &Column) -> Result<(), String> {
    let Some(ty) = &column.ty else {
        return Err("its type is not known".to_owned());
    };
    let text = crate::catalog::type_text(ty);
    let Some(exact) = builtin_type(
        catalog,
        &TypeName {
            modifiers: Vec::new(),
            ..ty.clone()
        },
    ) else {
        return Err(format!("equality on `{text}` is not known to be exact"));
    };
    match &column.collation {
        None => Ok(()),
        Some(_) if matches!(exact, ExactType::Uuid | ExactType::Integer) => Ok(()),
        Some(collation) => {
            let name = collation
                .parts
                .last()
                .map(String::as_str)
                .unwrap_or_default();
            let known = matches!(
                name,
                "C" | "POSIX"
                    | "default"
                    | "ucs_basic"
                    | "C.UTF-8"
                    | "C.utf8"
                    | "en_US.utf8"
                    | "en_US.UTF-8"
            );
            let ours = catalog.collations().iter().filter(|c| c.name == name);
            let deterministic = if catalog.shadows_collation(name) {
                catalog.unknown_names().is_none() && {
                    let all: Vec<bool> = ours.map(|c| c.deterministic).collect();
                    !all.is_empty() && all.iter().all(|deterministic| *deterministic)
                }
            } else {
                known
            };
            if deterministic {
                Ok(())
            } else {
                Err(format!(
                    "the collation `{name}` is not known to be deterministic"
                ))
            }
        }
    }
}

/// Whether the operator is PostgreSQL's own `=` between these types: no operator that a migration
/// ever defined could be chosen instead.
pub fn equality_is_builtin(
    catalog: &Catalog,
    operator: &Name,
    left: ExactType,
    right: ExactType,
) -> bool {
    let comparable = match (left, right) {
        (ExactType::Text | ExactType::Varchar, ExactType::Text | ExactType::Varchar) => true,
        (left, right) => left == right,
    };
    let qualified = match operator.parts.as_slice() {
        [name] if name == "=" => false,
        [schema, name] if schema == "pg_catalog" && name == "=" => true,
        _ => return false,
    };
    // An exact match in another schema beats an inexact one in pg_catalog, and which one a stored
    // expression was bound to can't be told afterwards.
    comparable && (qualified || !catalog.shadows_operator("="))
}
