//! Which scope a statement accepts, decided by type.
//!
//! Invariant: a statement that writes accepts a write scope only.

use std::fmt;

use crate::db::{DbResult, Scope, SystemScope, Tx, WriteScope};
use crate::id::TenantId;

/// A statement that only reads: any scope of a tenant will do.
#[derive(Debug, Clone, Copy)]
pub struct Read(());

/// A statement that writes or locks: needs a write scope.
#[derive(Debug, Clone, Copy)]
pub struct Write(());

/// A statement that runs before there is a tenant: needs a system scope of its role.
#[derive(Debug, Clone, Copy)]
pub struct System(());

/// The transaction under a scope, and the tenant it belongs to.
pub struct Target<'s> {
    pub(super) tx: &'s mut Tx,
    pub(super) tenant: Option<&'s TenantId>,
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

/// What a statement that reads can run in.
#[diagnostic::on_unimplemented(
    message = "a statement runs in a scope, and `{Self}` is none",
    label = "write `&mut Scope<'_>` here",
    note = "`cx.read().await?` opens a scope of the session's tenant"
)]
pub trait ReadAccess<'s> {
    #[doc(hidden)]
    fn target(self) -> Target<'s>;
}

/// What a statement that writes can run in.
#[diagnostic::on_unimplemented(
    message = "this statement writes, and `{Self}` is not a write scope",
    label = "write `&mut WriteScope<'_>` here",
    note = "`cx.write().await?` opens a write scope; its changes are stored by `commit()`"
)]
pub trait WriteAccess<'s> {
    #[doc(hidden)]
    fn target(self) -> Target<'s>;
}

/// What a system statement can run in.
#[diagnostic::on_unimplemented(
    message = "a system statement runs in a system scope, and `{Self}` is none",
    label = "write `&mut SystemScope<'_>` here",
    note = "`SystemPool::read` and `SystemPool::write` open one; a tool has no way to it"
)]
pub trait SystemAccess<'s> {
    #[doc(hidden)]
    fn target(self, role: &str, name: &'static str) -> DbResult<Target<'s>>;
}

impl<'s> ReadAccess<'s> for &'s mut Scope<'_> {
    fn target(self) -> Target<'s> {
        let (tx, tenant) = self.parts();
        Target {
            tx,
            tenant: Some(tenant),
        }
    }
}

impl<'s> ReadAccess<'s> for &'s mut WriteScope<'_> {
    fn target(self) -> Target<'s> {
        let (tx, tenant) = self.parts();
        Target {
            tx,
            tenant: Some(tenant),
        }
    }
}

impl<'s> WriteAccess<'s> for &'s mut WriteScope<'_> {
    fn target(self) -> Target<'s> {
        let (tx, tenant) = self.parts();
        Target {
            tx,
            tenant: Some(tenant),
        }
    }
}

impl<'s> SystemAccess<'s> for &'s mut SystemScope<'_> {
    fn target(self, role: &str, name: &'static str) -> DbResult<Target<'s>> {
        let tx = self.admit(role, name)?;
        Ok(Target { tx, tenant: None })
    }
}
