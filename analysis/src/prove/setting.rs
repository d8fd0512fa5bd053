//! Tenant terms that are no parameter: the setting of the scope, as the tenant's own type or as text.

use super::state::{Info, Node, Prover};
use crate::config::TenantKind;
use crate::functions::types::Ty;
use crate::ir::Expr;
use crate::policy::term::{ExactType, term_type};

impl Prover<'_> {
    /// Whether an expression is the session tenant by the setting, with the tenant's own type.
    pub(super) fn is_setting(&self, expr: &Expr) -> bool {
        let Some(ty) = term_type(expr, self.catalog) else {
            return false;
        };
        matches!(
            (ty, self.catalog.config().tenant.kind),
            (ExactType::Uuid, TenantKind::Uuid)
                | (ExactType::Integer, TenantKind::Bigint)
                | (ExactType::Text | ExactType::Varchar, TenantKind::Text)
        )
    }

    /// What the setting is as a value; nothing for any other expression.
    pub(super) fn setting(&self, expr: &Expr) -> Option<Info> {
        if self.is_setting(expr) {
            return Some(Info {
                folds: false,
                ..self.tenant_info()
            });
        }
        // The setting as text reads as the tenant: where the text of a value equals it, the value
        // is what the setting reads as, and a setting that is written otherwise equals no text.
        match term_type(expr, self.catalog)? {
            ExactType::Text | ExactType::Varchar => Some(Info {
                node: None,
                text_of: Some(Node::Tenant),
                ty: Some(Ty::plain("text")),
                folds: false,
                ..self.tenant_info()
            }),
            ExactType::Uuid | ExactType::Integer => None,
        }
    }
}
