//! Calls, windows and orderings.

use rupg_sql::nodes::{FuncCall, List, NO_NULLTREATMENT, Node, WindowDef};

use super::{Lower, Result, hull, join};
use crate::ir::{Call, Expr, ExprKind, OrderBy, Window};

impl Lower<'_> {
    pub(super) fn call(&self, node: &FuncCall) -> Result<Expr> {
        let at = self.at(node.location);
        let mut args = Vec::with_capacity(node.args.len());
        let mut arg_names = Vec::with_capacity(node.args.len());
        for arg in &node.args {
            if let Some(Node::NamedArgExpr(named)) = arg {
                arg_names.push(named.name.as_ref().map(ToString::to_string));
                args.push(self.required(named.arg.as_ref())?);
            } else {
                arg_names.push(None);
                args.push(self.required(arg.as_ref())?);
            }
        }
        let name_span = self.tokens.name(at);
        let outer = self.tokens.call(at).unwrap_or_else(|| name_span.clone());
        let span = hull(args.iter().map(|arg| &arg.span))
            .map_or(outer.clone(), |inner| join(&inner, &outer));
        if node.ignore_nulls != NO_NULLTREATMENT {
            return self.unknown("`IGNORE NULLS` and `RESPECT NULLS`", span);
        }
        let written = self.tokens.index(name_span.start) + 1 == self.tokens.index(name_span.end);
        let mut name = self.name(&node.funcname, name_span)?;
        // The grammar is that of a newer server, where these words are the server's own; one that
        // still has plain calls here finds a function of the migrations as well.
        if written
            && matches!(name.parts.as_slice(), [schema, name] if schema == "pg_catalog" && name == "json_object")
        {
            name.parts.remove(0);
        }
        let call = Call {
            name,
            args,
            arg_names,
            star: node.agg_star,
            variadic: node.func_variadic,
            distinct: node.agg_distinct,
            order_by: self.order_by(&node.agg_order)?,
            filter: self.optional(node.agg_filter.as_ref())?,
            over: node
                .over
                .as_ref()
                .map(|window| self.window(window))
                .transpose()?,
        };
        Ok(Expr {
            kind: ExprKind::Call(Box::new(call)),
            span,
        })
    }

    pub(super) fn order_by(&self, list: &List) -> Result<Vec<OrderBy>> {
        list.iter()
            .map(|item| {
                let Some(Node::SortBy(sort)) = item else {
                    return Err(self.bug("an ordering that is none"));
                };
                let expr = self.required(sort.node.as_ref())?;
                let operator = if sort.useOp.is_empty() {
                    None
                } else {
                    Some(self.name(&sort.useOp, expr.span.clone())?)
                };
                Ok(OrderBy { expr, operator })
            })
            .collect()
    }

    pub(super) fn window(&self, window: &WindowDef) -> Result<Window> {
        let frame = [&window.startOffset, &window.endOffset];
        let frame = frame.into_iter().flatten().map(|bound| self.expr(bound));
        Ok(Window {
            name: window.name.as_ref().map(ToString::to_string),
            partition_by: self.exprs(&window.partitionClause)?,
            order_by: self.order_by(&window.orderClause)?,
            frame: frame.collect::<Result<_>>()?,
        })
    }
}
