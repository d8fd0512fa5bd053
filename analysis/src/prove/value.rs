//! Values before and after they are computed with: literals, parameters and the tenant, and what
//! depends on several of them.
//!
//! Invariant: a parameter is the tenant only in the statement's own text; in the body of a function a
//! number means one of its arguments.

use super::state::{Info, Node, Prover, RteKind};
use crate::functions::types::Ty;
use crate::ir::{Expr, ExprKind, Literal};

impl Prover<'_> {
    /// What a value computed from these operands depends on.
    pub(super) fn over(&self, operands: &[&Info]) -> Info {
        let mut info = Info::constant();
        for operand in operands {
            info.absorb(operand);
        }
        info
    }

    pub(super) fn parameter(&self, number: u32) -> Info {
        // Inside of a function's body a number is an argument of the function.
        if self.context.arguments.is_none()
            && self.context.origin.is_none()
            && self.prepared.tenant == Some(number)
        {
            return self.tenant_info();
        }
        if let Some(arguments) = &self.context.arguments {
            let position = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
            return arguments
                .get(position)
                .map_or_else(Info::constant, |argument| argument.value.clone());
        }
        Info {
            open: true,
            parameter: true,
            ..Info::constant()
        }
    }

    pub(super) fn tenant_info(&self) -> Info {
        Info {
            node: Some(Node::Tenant),
            ty: Some(self.tenant_type()),
            from_tenant: true,
            ..Info::constant()
        }
    }

    pub(super) fn tenant_type(&self) -> Ty {
        Ty::plain(match self.catalog.config().tenant.kind {
            crate::config::TenantKind::Uuid => "uuid",
            crate::config::TenantKind::Bigint => "int8",
            crate::config::TenantKind::Text => "text",
        })
    }

    /// Whether a value is a column of a table as it is.
    pub(super) fn of_table(&self, info: &Info) -> bool {
        matches!(info.node, Some(Node::Column(rte, _))
            if self.rtes.get(rte).is_some_and(|rte| matches!(rte.kind, RteKind::Base(_))))
    }
}

pub(super) fn literal_type(literal: &Literal) -> Option<Ty> {
    match literal {
        Literal::Bool(_) => Some(Ty::plain("bool")),
        Literal::Number(number) => {
            let name = match (number.parse::<i32>(), number.parse::<i64>()) {
                (Ok(_), _) => "int4",
                (_, Ok(_)) => "int8",
                _ => "numeric",
            };
            Some(Ty::plain(name))
        }
        // The type of a string is that of its surroundings.
        Literal::Null | Literal::String(_) | Literal::Bits(_) => None,
    }
}

/// The type of `ARRAY[…]` where all elements have one plain type, or are strings.
pub(super) fn array_type(list: &[Expr], elements: &[Info]) -> Option<Ty> {
    let string = |expr: &Expr| matches!(&expr.kind, ExprKind::Literal(Literal::String(_)));
    // A string or a parameter takes the type of the others.
    let mut types = elements
        .iter()
        .filter(|info| !info.open)
        .map(|info| info.ty.as_ref());
    let element = match types.next() {
        None if !list.is_empty() && list.iter().all(string) => "text",
        None => return None,
        Some(first) => {
            let first = first.filter(|ty| !ty.array)?;
            types.all(|ty| ty == Some(first)).then_some(&*first.name)?
        }
    };
    Some(Ty {
        array: true,
        ..Ty::plain(element)
    })
}
