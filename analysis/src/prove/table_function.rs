//! Functions in `FROM`: the columns that a reader sees of them.
//!
//! Invariant: columns are named only where all of them can be told; otherwise there is no list, and
//! what names one of them is refused.

use super::builtin::{result_of, result_type};
use super::state::{Info, Prover, Visible};
use crate::catalog::{Function, TypeKind};
use crate::functions::builtin;
use crate::functions::types::Ty;
use crate::ir::{Call, ExprKind, FunctionItem, TypeName};

impl<'a> Prover<'a> {
    /// The columns of a function in `FROM`, and whether it is a scalar; `None` when they can't be
    /// told.
    pub(super) fn function_columns(
        &mut self,
        item: &'a FunctionItem,
        alias: Option<&str>,
        operands: &[Info],
        base: &Info,
    ) -> Option<(Vec<Visible>, bool)> {
        let visible = |name: &str, ty: Option<Ty>| Visible {
            name: name.into(),
            info: Info { ty, ..base.clone() }.into(),
        };
        if !item.columns.is_empty() {
            let columns = item.columns.iter();
            return Some((
                columns
                    .map(|column| visible(&column.name, Ty::of(&column.ty)))
                    .collect(),
                false,
            ));
        }
        let ExprKind::Call(call) = &item.expr.kind else {
            return None;
        };
        let name = call.name.parts.last()?;
        let scalar_name = alias.unwrap_or(name);
        let schema = (call.name.parts.len() > 1)
            .then(|| call.name.parts.first())
            .flatten();
        let defined = if schema.is_some_and(|schema| schema == "pg_catalog") {
            Vec::new()
        } else {
            self.catalog.functions(schema.map(String::as_str), name)
        };
        match (defined.as_slice(), builtin(name)) {
            ([], Some(own)) => {
                // An array of rows becomes the columns of the row.
                if name == "unnest" {
                    let plain = operands
                        .iter()
                        .all(|operand| operand.ty.as_ref().is_some_and(|ty| ty.array));
                    if !plain || operands.is_empty() {
                        return None;
                    }
                    let element =
                        |operand: &Info| operand.ty.as_ref().map(|ty| Ty::plain(&ty.name));
                    return Some(match operands {
                        [only] => (vec![visible(scalar_name, element(only))], true),
                        many => (
                            many.iter()
                                .map(|one| visible("unnest", element(one)))
                                .collect(),
                            false,
                        ),
                    });
                }
                match (own.columns, own.result) {
                    ("", "anyelement") if name.contains("_populate_record") => {
                        self.populated(call, &visible)
                    }
                    ("?", _) | ("", "record" | "anyelement" | "anyarray" | "anycompatible") => None,
                    ("", result) => {
                        let ty = result_type(result).or_else(|| result_of(name, operands));
                        Some((vec![visible(scalar_name, ty)], true))
                    }
                    (columns, result) => {
                        let names: Vec<&str> = columns.split(',').collect();
                        let scalar = names.len() == 1;
                        let ty = if scalar { result_type(result) } else { None };
                        Some((
                            names.iter().map(|name| visible(name, ty.clone())).collect(),
                            scalar,
                        ))
                    }
                }
            }
            ([function], None) => self.defined_columns(function, scalar_name, &visible),
            _ => None,
        }
    }

    /// `jsonb_populate_recordset(NULL::type, …)`: the columns of the type.
    fn populated(
        &self,
        call: &Call,
        visible: &dyn Fn(&str, Option<Ty>) -> Visible,
    ) -> Option<(Vec<Visible>, bool)> {
        let ExprKind::Cast { ty, .. } = &call.args.first()?.kind else {
            return None;
        };
        let (schema, name) = match ty.name.parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => return None,
        };
        let of = |ty: Option<&TypeName>| ty.and_then(|ty| self.type_of(ty));
        let columns = match self
            .catalog
            .type_definition(schema, name)
            .map(|ty| &ty.kind)
        {
            Some(TypeKind::Composite(fields)) => fields
                .iter()
                .map(|(name, ty)| visible(name, of(Some(ty))))
                .collect(),
            Some(_) => return None,
            None => self
                .catalog
                .relation(schema, name)
                .found()?
                .columns
                .iter()
                .map(|column| visible(&column.name, of(column.ty.as_ref())))
                .collect(),
        };
        Some((columns, false))
    }

    fn defined_columns(
        &self,
        function: &Function,
        scalar_name: &str,
        visible: &dyn Fn(&str, Option<Ty>) -> Visible,
    ) -> Option<(Vec<Visible>, bool)> {
        use crate::catalog::ArgumentMode;
        let outs: Vec<_> = function
            .arguments
            .iter()
            .filter(|argument| {
                matches!(
                    argument.mode,
                    ArgumentMode::Out | ArgumentMode::InOut | ArgumentMode::Table
                )
            })
            .collect();
        if !outs.is_empty() {
            let columns = outs
                .iter()
                .map(|argument| Some(visible(argument.name.as_deref()?, Ty::of(&argument.ty))))
                .collect::<Option<Vec<_>>>()?;
            return Some((columns, outs.len() == 1));
        }
        let returns = function.returns.as_ref()?;
        if let Some(ty) = Ty::of(returns) {
            if ty.name == "record" {
                return None;
            }
            return Some((vec![visible(scalar_name, Some(ty))], true));
        }
        let (schema, name) = match returns.name.parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => return None,
        };
        let relation = self.catalog.relation(schema, name).found()?;
        let columns = relation.columns.iter();
        Some((
            columns
                .map(|column| {
                    let ty = column.ty.as_ref().and_then(|ty| self.type_of(ty));
                    visible(&column.name, ty)
                })
                .collect(),
            false,
        ))
    }
}
