//! Whether an expression, when it is true, implies that a row is the session tenant's.
//!
//! Invariant: `Ok` only for what is understood in full; `Err` says what stands in the way.

use super::term::{self, ExactType};
use crate::catalog::{Catalog, Column, Policy, PolicyExpr, Relation};
use crate::config::TenantKind;
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

/// The column in `column::text`, and the type that is compared. The server writes the comparison of a
/// varchar with a text like that, and the cast changes no value. A uuid or number has one text, so two
/// of them never become the same; where tenants are named by texts, one of them may have several.
fn relabelled<'a>(
    catalog: &Catalog,
    tenant: &Column,
    expr: &'a Expr,
) -> (&'a Expr, Option<ExactType>) {
    let own = term::column_type(catalog, tenant);
    let ExprKind::Cast { expr: inner, ty } = &expr.kind else {
        return (expr, own);
    };
    let kind = catalog.config().tenant.kind;
    let plain = matches!(inner.kind, ExprKind::Column(_))
        && term::builtin_type(catalog, ty) == Some(ExactType::Text)
        && !catalog.shadows_cast(None, "text");
    match own {
        Some(ExactType::Varchar) if plain => (inner, own),
        Some(ExactType::Uuid) if plain && kind == TenantKind::Uuid => {
            (inner, Some(ExactType::Text))
        }
        Some(ExactType::Integer) if plain && kind == TenantKind::Bigint => {
            (inner, Some(ExactType::Text))
        }
        _ => (expr, own),
    }
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
    let (column, compared) = relabelled(catalog, tenant, column);
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
    let Some(column) = compared else {
        return Err("equality on the column's type is not exact".to_owned());
    };
    if term::equality_is_builtin(catalog, operator, column, value) {
        Ok(())
    } else {
        Err("its operator is not PostgreSQL's own `=`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::{Class, Command};
    use crate::config::TenantKind;
    use crate::migrations::Migration;
    use crate::{Catalog, Config};

    fn class(ty: &str, column: &str) -> Class {
        class_of(TenantKind::Text, ty, column)
    }

    /// The class of a table whose policy compares `column` with the setting.
    fn class_of(kind: TenantKind, ty: &str, column: &str) -> Class {
        let mut config = Config::default();
        config.tenant.kind = kind;
        let text = format!(
            "CREATE TABLE pages (tenant_id {ty} NOT NULL);
             ALTER TABLE pages ENABLE ROW LEVEL SECURITY;
             ALTER TABLE pages FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON pages USING ({column} = current_setting('app.tenant_id'::text));"
        );
        let migration = Migration {
            path: "1.sql".to_owned(),
            version: 1,
            name: String::new(),
            text,
        };
        let catalog = Catalog::build(&config, &[migration]);
        let pages = catalog.relation(None, "pages").found().unwrap();
        catalog.class(pages, Command::Select)
    }

    #[test]
    fn the_server_writes_a_varchar_as_a_cast_to_text() {
        assert_eq!(class("varchar(40)", "(tenant_id)::text"), Class::Protected);
        assert_eq!(class("varchar", "tenant_id"), Class::Protected);
        // These change the value.
        for (ty, column) in [
            ("varchar(40)", "(tenant_id)::varchar(2)"),
            ("varchar(40)", "lower((tenant_id)::text)"),
            ("text", "(tenant_id)::varchar(2)"),
            ("uuid", "(tenant_id)::text"),
        ] {
            assert_ne!(class(ty, column), Class::Protected, "{ty} {column}");
        }
    }

    #[test]
    fn the_text_of_a_uuid_or_number_is_its_own() {
        use TenantKind::{Bigint, Text, Uuid};
        for (kind, ty, column) in [
            (Uuid, "uuid", "(tenant_id)::text"),
            (Bigint, "bigint", "(tenant_id)::text"),
            (Bigint, "integer", "(tenant_id)::text"),
        ] {
            assert_eq!(
                class_of(kind, ty, column),
                Class::Protected,
                "{ty} {column}"
            );
        }
        for (kind, ty, column) in [
            (Text, "uuid", "(tenant_id)::text"),
            (Uuid, "uuid", "(tenant_id)::varchar(4)"),
            (Uuid, "uuid", "lower((tenant_id)::text)"),
            (Uuid, "uuid", "((tenant_id)::text)::varchar(4)"),
            (Bigint, "bigint", "(tenant_id % 10)::text"),
            (Bigint, "numeric", "(tenant_id)::text"),
        ] {
            assert_ne!(
                class_of(kind, ty, column),
                Class::Protected,
                "{ty} {column}"
            );
        }
    }
}
