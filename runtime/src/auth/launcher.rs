//! An identity that whoever starts the process fixes, for stdio and for nothing else.
//!
//! Invariant: `LauncherAuthenticator` does not implement `Authenticator`, so it does not fit where
//! an HTTP server takes one: a tenant that is fixed for the process can't be served to a network.

use crate::id::{TenantId, TenantKind};
use crate::session::{Grant, Session};

/// The identity of a stdio server whose tenant is chosen by the program that launches it.
///
/// The operating system's user who can start the process is trusted with the tenant, as with any
/// command-line tool. The name is recorded as the issuer of every call.
///
/// ```compile_fail,E0277
/// # use watertight::{Server, TenantId, auth::LauncherAuthenticator};
/// // It can't be mounted over HTTP.
/// let launcher = LauncherAuthenticator::new("cli", "me", TenantId::bigint(1));
/// let server = Server::builder().authenticator(launcher);
/// ```
#[derive(Clone, Debug)]
pub struct LauncherAuthenticator {
    session: Session,
    kind: TenantKind,
}

impl LauncherAuthenticator {
    /// A launcher called `name`, which vouches for `subject` and `tenant`. No scopes are granted.
    pub fn new(name: &str, subject: impl Into<String>, tenant: TenantId) -> Self {
        let none: [&str; 0] = [];
        Self::with_scopes(name, subject, tenant, none)
    }

    /// As [`LauncherAuthenticator::new`], granting scopes.
    pub fn with_scopes<S: Into<String>>(
        name: &str,
        subject: impl Into<String>,
        tenant: TenantId,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        let kind = tenant.kind();
        let session = Session::from_grant(Grant {
            issuer: format!("launcher:{name}"),
            subject: subject.into(),
            tenant,
            home: None,
            scopes: scopes.into_iter().map(Into::into).collect(),
            client: None,
            expires_at: None,
        });
        Self { session, kind }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) const fn tenant_kind(&self) -> TenantKind {
        self.kind
    }
}
