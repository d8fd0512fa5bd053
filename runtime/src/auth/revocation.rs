//! Tokens that are not good any more although they have not expired.
//!
//! Invariant: the list is asked for every request; one that is too old to be trusted refuses
//! everybody (503) rather than letting a revoked token through.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;

use super::AuthError;

/// A source that hangs is one that is away: requests wait no longer for it.
const LOADED_WITHIN: Duration = match cfg!(test) {
    true => Duration::from_millis(200),
    false => Duration::from_secs(5),
};

/// What a verified token says about itself, for those who decide whether it was revoked.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedToken<'t> {
    pub(in crate::auth) issuer: &'t str,
    pub(in crate::auth) subject: &'t str,
    pub(in crate::auth) id: Option<&'t str>,
    pub(in crate::auth) session: Option<&'t str>,
    pub(in crate::auth) client: Option<&'t str>,
    pub(in crate::auth) issued_at: Option<SystemTime>,
}

impl<'t> VerifiedToken<'t> {
    /// `iss`
    #[must_use]
    pub const fn issuer(&self) -> &'t str {
        self.issuer
    }

    /// `sub`
    #[must_use]
    pub const fn subject(&self) -> &'t str {
        self.subject
    }

    /// `jti`, unique within the issuer.
    #[must_use]
    pub const fn id(&self) -> Option<&'t str> {
        self.id
    }

    /// `sid`: the login session at the issuer.
    #[must_use]
    pub const fn session(&self) -> Option<&'t str> {
        self.session
    }

    /// The OAuth client.
    #[must_use]
    pub const fn client(&self) -> Option<&'t str> {
        self.client
    }

    /// `iat`
    #[must_use]
    pub const fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }
}

/// Knows which tokens were revoked. [`RevocationList`] is the usual one; write your own to ask a
/// database or an introspection endpoint.
pub trait Revocations: Send + Sync + 'static {
    /// Whether this token is not good any more. It is asked for every request.
    ///
    /// # Errors
    /// [`AuthError::unavailable`] if that can't be found out now: the request is answered with 503.
    fn is_revoked(
        &self,
        token: VerifiedToken<'_>,
    ) -> impl Future<Output = Result<bool, AuthError>> + Send;
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<bool, AuthError>> + Send + 'a>>;

/// [`Revocations`] behind a pointer.
pub(super) trait DynRevocations: Send + Sync + 'static {
    fn judge<'a>(&'a self, token: VerifiedToken<'a>) -> Answer<'a>;
}

impl<R: Revocations> DynRevocations for R {
    fn judge<'a>(&'a self, token: VerifiedToken<'a>) -> Answer<'a> {
        Box::pin(Revocations::is_revoked(self, token))
    }
}

/// One entry of a [`RevocationList`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The token with this `jti`.
    Token(String),
    /// The tokens of this login session (`sid`).
    Session(String),
    /// The tokens of this subject that were issued before this time: what "log out everywhere" means.
    /// A token that does not say when it was issued counts as issued before.
    SubjectBefore(String, SystemTime),
}

#[derive(Default)]
struct Entries {
    tokens: HashSet<String>,
    sessions: HashSet<String>,
    subjects: HashMap<String, SystemTime>,
}

impl Entries {
    fn of(revoked: impl IntoIterator<Item = Revoked>) -> Self {
        let mut entries = Self::default();
        for revoked in revoked {
            match revoked {
                Revoked::Token(id) => drop(entries.tokens.insert(id)),
                Revoked::Session(id) => drop(entries.sessions.insert(id)),
                Revoked::SubjectBefore(subject, when) => {
                    let latest = entries.subjects.entry(subject).or_insert(when);
                    *latest = when.max(*latest);
                }
            }
        }
        entries
    }

    fn name(&self, token: &VerifiedToken<'_>) -> bool {
        token.id.is_some_and(|id| self.tokens.contains(id))
            || token.session.is_some_and(|id| self.sessions.contains(id))
            || self
                .subjects
                .get(token.subject)
                .is_some_and(|before| token.issued_at.is_none_or(|issued| issued < *before))
    }
}

type Load = Box<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Vec<Revoked>, BoxError>> + Send>> + Send + Sync,
>;
type BoxError = Box<dyn Error + Send + Sync>;

/// A list of what was revoked, read again every so often from wherever you keep it.
///
/// ```
/// use std::time::Duration;
/// use watertight::auth::{RevocationList, Revoked};
///
/// let list = RevocationList::refreshed(Duration::from_secs(10), || async {
///     // Ask the database, with a `SystemPool`.
///     Ok::<_, std::io::Error>(vec![Revoked::Token("4f2c…".into())])
/// });
/// # let _ = list;
/// ```
///
/// A token without a `jti` is refused, because it could not be revoked. A list that could not be read
/// for five intervals is not trusted: requests are answered with 503 until it can be read again.
/// Cloning shares the list.
///
/// It is asked when a request begins. A stream that is open already ends when its token expires.
#[derive(Clone)]
pub struct RevocationList(Arc<List>);

struct List {
    every: Duration,
    load: Load,
    kept: RwLock<Option<(Instant, Arc<Entries>)>>,
    /// When it was last tried to read. Held while reading.
    tried: Mutex<Option<Instant>>,
}

impl RevocationList {
    /// A list that `load` gives, read at the first request and again whenever it is older than
    /// `every`.
    #[must_use]
    pub fn refreshed<L, F, E>(every: Duration, load: L) -> Self
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Revoked>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let load: Load = Box::new(move || {
            let loading = load();
            Box::pin(async move { loading.await.map_err(Into::into) })
        });
        Self(Arc::new(List {
            every,
            load,
            kept: RwLock::default(),
            tried: Mutex::default(),
        }))
    }
}

impl List {
    #[cfg(test)]
    fn age_by(&self, time: Duration) {
        let mut kept = self.kept.write().unwrap();
        if let Some((at, _)) = kept.as_mut() {
            *at -= time;
        }
    }

    /// The entries, if they are no older than this.
    fn within(&self, age: Duration) -> Option<Arc<Entries>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let (at, entries) = kept.as_ref()?;
        (at.elapsed() < age).then(|| Arc::clone(entries))
    }

    /// Reads again; one request does so at a time, and the others wait for it.
    async fn entries(&self) -> Option<Arc<Entries>> {
        if let Some(fresh) = self.within(self.every) {
            return Some(fresh);
        }
        let mut tried = self.tried.lock().await;
        if let Some(fresh) = self.within(self.every) {
            return Some(fresh);
        }
        // Away: one attempt in a tenth of the interval, not one for each request.
        if tried.is_none_or(|at| at.elapsed() >= self.every / 10) {
            *tried = Some(Instant::now());
            let loaded = tokio::time::timeout(LOADED_WITHIN, (self.load)()).await;
            match loaded.unwrap_or_else(|_| Err("it took too long".into())) {
                Ok(revoked) => {
                    let entries = Arc::new(Entries::of(revoked));
                    let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
                    *kept = Some((Instant::now(), entries));
                }
                Err(error) => tracing::error!(%error, "the list of revoked tokens was not read"),
            }
        }
        self.within(self.every.saturating_mul(5))
    }
}

impl Revocations for RevocationList {
    async fn is_revoked(&self, token: VerifiedToken<'_>) -> Result<bool, AuthError> {
        if token.id.is_none() {
            return Err(AuthError::rejected(
                "the token has no `jti`, so it could not be revoked",
            ));
        }
        match self.0.entries().await {
            Some(entries) => Ok(entries.name(&token)),
            None => Err(AuthError::unavailable(
                "the list of revoked tokens is unknown",
            )),
        }
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("every", &self.0.every)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthErrorKind;

    fn token<'t>(id: &'t str, subject: &'t str, age: u64) -> VerifiedToken<'t> {
        VerifiedToken {
            issuer: "i",
            subject,
            id: Some(id),
            session: None,
            client: None,
            issued_at: Some(SystemTime::now() - Duration::from_secs(age)),
        }
    }

    #[tokio::test]
    async fn tokens_sessions_and_subjects_are_revoked() {
        let before = SystemTime::now() - Duration::from_secs(60);
        let list = RevocationList::refreshed(Duration::from_secs(60), move || async move {
            Ok::<_, std::io::Error>(vec![
                Revoked::Token("t1".into()),
                Revoked::Session("s1".into()),
                Revoked::SubjectBefore("eve".into(), before),
            ])
        });
        let revoked = async |token| list.is_revoked(token).await.unwrap();
        assert!(revoked(token("t1", "alice", 0)).await);
        assert!(!revoked(token("t2", "alice", 0)).await);
        assert!(revoked(token("t2", "eve", 120)).await);
        assert!(!revoked(token("t2", "eve", 10)).await);
        let mut session = token("t2", "alice", 0);
        session.session = Some("s1");
        assert!(revoked(session).await);
        let mut undated = token("t2", "eve", 0);
        undated.issued_at = None;
        assert!(revoked(undated).await);
        let mut nameless = token("t2", "alice", 0);
        nameless.id = None;
        assert_eq!(
            list.is_revoked(nameless).await.unwrap_err().kind(),
            AuthErrorKind::Rejected
        );
    }

    #[tokio::test]
    async fn a_list_that_can_not_be_read_refuses() {
        let answers = Arc::new(std::sync::Mutex::new(vec![
            Err("away"),
            Err("away"),
            Ok(vec![]),
        ]));
        let every = Duration::from_millis(40);
        let list = RevocationList::refreshed(every, move || {
            let next = answers.lock().unwrap().pop().unwrap_or(Err("gone"));
            async move { next }
        });
        assert!(!list.is_revoked(token("t", "s", 0)).await.unwrap());
        // Old, and good for a while still.
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(!list.is_revoked(token("t", "s", 0)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(200)).await;
        let refused = list.is_revoked(token("t", "s", 0)).await.unwrap_err();
        assert_eq!(refused.kind(), AuthErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_source_that_hangs_is_away() {
        let calls = Arc::new(std::sync::Mutex::new(0));
        let list = RevocationList::refreshed(Duration::from_secs(60), move || {
            let first = {
                let mut calls = calls.lock().unwrap();
                *calls += 1;
                *calls == 1
            };
            async move {
                if !first {
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::io::Error>(vec![Revoked::Token("t1".into())])
            }
        });
        let asked = tokio::time::timeout(LOADED_WITHIN * 2, async {
            assert!(list.is_revoked(token("t1", "s", 0)).await.unwrap());
            list.0.age_by(Duration::from_secs(90));
            // Away, and what is kept is good for a while.
            assert!(list.is_revoked(token("t1", "s", 0)).await.unwrap());
            assert!(!list.is_revoked(token("t2", "s", 0)).await.unwrap());
        });
        asked.await.unwrap();
    }
}
