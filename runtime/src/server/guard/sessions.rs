//! Legacy MCP sessions belong to the principal that opened them.
//!
//! The transport serves whoever presents a session id. Here the id is tied to issuer, subject and
//! tenant, taken from the token of the request that opened it.
//!
//! Invariant: a session id is accepted from its own principal alone, and an unknown one from
//! nobody; nothing tells the two cases apart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::request::Parts;

use crate::id::TenantId;
use crate::session::{Principal, Session};

/// The header's name, in lower case as the `http` crate wants it.
pub(super) const HEADER: &str = "mcp-session-id";

/// A session that nobody used for so long is forgotten; the transport ends it much earlier.
const IDLE: Duration = Duration::from_secs(3600);
/// How many a principal may have open; beyond that its own oldest goes. No principal can push out
/// another's, unless its tenant has too many principals.
const PER_PRINCIPAL: usize = 256;
/// How many a tenant may have open, all its principals together. A tenant may make as many users as it
/// likes, and pushes out its own oldest alone.
const PER_TENANT: usize = 2048;

/// Which principal opened which session.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    by_tenant: HashMap<TenantId, HashMap<String, Bound>>,
    /// When those of all tenants were looked at.
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct Bound {
    principal: Principal,
    last_used: Instant,
}

/// The `Mcp-Session-Id` of a request.
pub(super) enum Presented {
    None,
    One(String),
    /// Repeated, or no text: nothing that this server ever issued.
    Malformed,
}

pub(super) fn presented(parts: &Parts) -> Presented {
    let mut values = parts.headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => Presented::None,
        (Some(id), None) => id
            .to_str()
            .map_or(Presented::Malformed, |id| Presented::One(id.into())),
        (Some(_), Some(_)) => Presented::Malformed,
    }
}

impl Sessions {
    /// Whether the id was opened by this principal.
    pub(super) fn accepts(&self, id: &str, session: &Session) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = open.by_tenant.get_mut(session.tenant());
        match of_tenant.and_then(|bound| bound.get_mut(id)) {
            Some(entry) if entry.principal == session.principal() => {
                entry.last_used = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// Ties a newly issued id to its principal, and returns the one that had to make room, which the
    /// transport is to end as well. Called before the id leaves the server.
    pub(super) fn bind(&self, id: &HeaderValue, session: &Session) -> Option<String> {
        let id = id.to_str().ok()?;
        let (principal, now) = (session.principal(), Instant::now());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget_idle(now);
        let bound = open.by_tenant.entry(session.tenant().clone()).or_default();
        let own = bound
            .values()
            .filter(|it| it.principal == principal)
            .count();
        let oldest = match (own >= PER_PRINCIPAL, bound.len() >= PER_TENANT) {
            (true, _) => oldest(bound, |entry| entry.principal == principal),
            (false, true) => oldest(bound, |_| true),
            (false, false) => None,
        };
        if let Some(oldest) = &oldest {
            bound.remove(oldest);
        }
        bound.insert(
            id.to_owned(),
            Bound {
                principal,
                last_used: now,
            },
        );
        oldest
    }

    /// The transport does not know the session any more.
    pub(super) fn forget(&self, id: &str, session: &Session) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = open.by_tenant.get_mut(session.tenant()) {
            bound.remove(id);
        }
    }
}

impl Open {
    /// Now and then, because it takes as long as there are sessions.
    fn forget_idle(&mut self, now: Instant) {
        let last = self.looked_at.get_or_insert(now);
        if now.duration_since(*last) < IDLE / 60 {
            return;
        }
        *last = now;
        self.by_tenant.retain(|_, bound| {
            bound.retain(|_, entry| now.duration_since(entry.last_used) < IDLE);
            !bound.is_empty()
        });
    }
}

fn oldest(bound: &HashMap<String, Bound>, of: impl Fn(&Bound) -> bool) -> Option<String> {
    let those = bound.iter().filter(|(_, entry)| of(entry));
    let oldest = those.min_by_key(|(_, entry)| entry.last_used);
    oldest.map(|(id, _)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;
    use crate::session::Grant;

    fn session(subject: &str, tenant: i64) -> Session {
        Session::from_grant(Grant {
            issuer: "i".into(),
            subject: subject.into(),
            tenant: TenantId::bigint(tenant),
            home: None,
            scopes: Vec::new(),
            client: None,
            expires_at: None,
        })
    }

    #[test]
    fn an_id_is_its_principals_alone() {
        let sessions = Sessions::default();
        sessions.bind(&HeaderValue::from_static("one"), &session("s", 1));
        assert!(sessions.accepts("one", &session("s", 1)));
        assert!(!sessions.accepts("one", &session("s", 2)));
        assert!(!sessions.accepts("one", &session("t", 1)));
        assert!(!sessions.accepts("two", &session("s", 1)));
        sessions.forget("one", &session("s", 2));
        assert!(sessions.accepts("one", &session("s", 1)));
        sessions.forget("one", &session("s", 1));
        assert!(!sessions.accepts("one", &session("s", 1)));
    }

    #[test]
    fn a_principal_pushes_out_its_own_sessions_only() {
        let sessions = Sessions::default();
        sessions.bind(&HeaderValue::from_static("other"), &session("t", 1));
        for number in 0..=PER_PRINCIPAL {
            let id = HeaderValue::try_from(format!("s{number}")).unwrap();
            let made_room = sessions.bind(&id, &session("s", 1));
            let expected = (number == PER_PRINCIPAL).then_some("s0");
            assert_eq!(made_room.as_deref(), expected);
        }
        assert!(!sessions.accepts("s0", &session("s", 1)));
        assert!(sessions.accepts("s1", &session("s", 1)));
        assert!(sessions.accepts("other", &session("t", 1)));
    }

    #[test]
    fn a_tenant_pushes_out_its_own_sessions_only_however_many_users_it_has() {
        let sessions = Sessions::default();
        sessions.bind(&HeaderValue::from_static("other"), &session("t", 1));
        for number in 0..=PER_TENANT {
            let id = HeaderValue::try_from(format!("s{number}")).unwrap();
            let made_room = sessions.bind(&id, &session(&format!("user {number}"), 2));
            let expected = (number == PER_TENANT).then_some("s0");
            assert_eq!(made_room.as_deref(), expected);
        }
        assert!(!sessions.accepts("s0", &session("user 0", 2)));
        assert!(sessions.accepts("s1", &session("user 1", 2)));
        assert!(sessions.accepts("other", &session("t", 1)));
    }
}
