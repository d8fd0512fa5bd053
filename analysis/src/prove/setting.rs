//! Tenant terms that are no parameter: the setting of the scope, with the tenant's own type.

use super::state::Prover;
use crate::config::TenantKind;
use crate::ir::Expr;
use crate::policy::term::{ExactType, term_type};

impl Prover<'_> {
    /// Whether an expression is the session tenant by the setting.
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
}
