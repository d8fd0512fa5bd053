//! Whether an expression, when it is true, implies that a row is the session tenant's.
//!
//! Invariant: `Ok` only for what is understood in full; `Err` says what stands in the way.

use super::term;
use crate::catalog::{Catalog, Policy, PolicyExpr, Relation};
use crate::ir::{BoolTest, Expr, ExprKind, Literal, Name};

/// Whether a policy's expression implies the tenant equality.
pub(crate) fn policy_implies(
    catalog: &Catalog,
    relation: &Relation,
    policy: &Policy,
    expr: &PolicyExpr,
) -> Result<(), String> {
    let name = &policy.name;
    match expr {
        PolicyExpr::None => Err(format!("policy `{name}` has no condition")),
        PolicyExpr::Opaque(why) => Err(format!("policy `{name}` is not understood: {why}")),
        PolicyExpr::Expr(expr) => {
            implies(catalog, relation, expr).map_err(|why| format!("policy `{name}`: {why}"))
        }
    }
}

/// Whether `expr` implies that the tenant column of `relation` equals a tenant term.
///
/// # Errors
/// Why it does not, as a clause.
pub(crate) fn implies(catalog: &Catalog, relation: &Relation, expr: &Expr) -> Result<(), String> {
    match &expr.kind {
        // Never true, so it lets nothing through.
        ExprKind::Literal(Literal::Bool(false) | Literal::Null) => Ok(()),
        ExprKind::Literal(Literal::Bool(true)) => Err("it is true for every row".to_owned()),
        ExprKind::And(list) => {
            let mut first = None;
            for part in list {
                match implies(catalog, relation, part) {
                    Ok(()) => return Ok(()),
                    Err(why) => {
                        first.get_or_insert(why);
                    }
                }
            }
            Err(first.unwrap_or_else(|| "it is empty".to_owned()))
        }
        ExprKind::Or(list) => {
            for part in list {
                implies(catalog, relation, part).map_err(|why| {
                    format!("one side of an OR is not confined to the tenant ({why})")
                })?;
            }
            if list.is_empty() {
                Err("it is empty".to_owned())
            } else {
                Ok(())
            }
        }
        // True only if one of the values is.
        ExprKind::Coalesce(list) if !list.is_empty() => list
            .iter()
            .try_for_each(|part| implies(catalog, relation, part)),
        ExprKind::IsBool {
            expr,
            test: BoolTest::True,
        } => implies(catalog, relation, expr),
        ExprKind::Operator {
            name,
            left: Some(left),
            right,
        } => equality(catalog, relation, name, left, right),
        ExprKind::InList {
            negated: false,
            left,
            list,
        } if !list.is_empty() => {
            let equals = Name {
                parts: vec!["=".to_owned()],
                span: 0..0,
            };
            list.iter()
                .try_for_each(|item| pair(catalog, relation, &equals, left, item))
        }
        ExprKind::Quantified {
            name,
            all: false,
            left,
            right,
        } => match &right.kind {
            ExprKind::Array(list) if !list.is_empty() => list
                .iter()
                .try_for_each(|item| pair(catalog, relation, name, left, item)),
            _ => Err("it compares with an array that may hold other tenants".to_owned()),
        },
        ExprKind::Distinct { .. } => {
            Err("`IS NOT DISTINCT FROM` is true for rows without a tenant".to_owned())
        }
        ExprKind::Subquery { .. } => Err("it rests on what a sub-query finds".to_owned()),
        ExprKind::Call(call) => Err(format!(
            "it rests on what the function `{}` returns",
            call.name.parts.join(".")
        )),
        _ => Err("it does not compare the tenant column with the session's tenant".to_owned()),
    }
}

fn equality(
    catalog: &Catalog,
    relation: &Relation,
    name: &Name,
    left: &Expr,
    right: &Expr,
) -> Result<(), String> {
    if let (ExprKind::Row(lefts), ExprKind::Row(rights)) = (&left.kind, &right.kind) {
        let mut result = Err("no pair of it is the tenant's".to_owned());
        if lefts.len() == rights.len() {
            for (left, right) in lefts.iter().zip(rights) {
                if pair(catalog, relation, name, left, right).is_ok() {
                    result = Ok(());
                }
            }
        }
        return result;
    }
    pair(catalog, relation, name, left, right)
        .or_else(|why| pair(catalog, relation, name, right, left).map_err(|_| why))
}

/// `tenant column = term`, in this order.
fn pair(
    catalog: &Catalog,
    relation: &Relation,
    operator: &Name,
    column: &Expr,
    value: &Expr,
) -> Result<(), String> {
    let Some(tenant) = relation.tenant() else {
        return Err("the table has no tenant column; declare it with `@tenant column`".to_owned());
    };
    let ExprKind::Column(parts) = &column.kind else {
        return Err(match &column.kind {
            ExprKind::Cast { .. } => "it casts a column before it compares".to_owned(),
            _ => format!(
                "it does not compare `{}` with the tenant's setting `{}`",
                tenant.name,
                catalog.config().tenant.setting
            ),
        });
    };
    let own = match parts.as_slice() {
        [name] => *name == tenant.name,
        [table, name] => *table == relation.name && *name == tenant.name,
        [schema, table, name] => {
            *schema == relation.schema && *table == relation.name && *name == tenant.name
        }
        _ => false,
    };
    if !own {
        return Err(format!("it does not compare `{}`", tenant.name));
    }
    let Some(value) = term::term_type(value, catalog) else {
        return Err(format!(
            "it compares `{}` with something else than the setting `{}`",
            tenant.name,
            catalog.config().tenant.setting
        ));
    };
    let Some(column) = term::column_type(catalog, tenant) else {
        return Err("equality on the column's type is not exact".to_owned());
    };
    if term::equality_is_builtin(catalog, operator, column, value) {
        Ok(())
    } else {
        Err("its operator is not PostgreSQL's own `=`".to_owned())
    }
}
