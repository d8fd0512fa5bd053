//! A cache whose key can't omit the tenant. Feature `cache`.
//!
//! Invariant: an entry is found by the tenant of the context that asks and the key, both; and by no
//! context whose call is over.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::{Cache, CacheBuilder};

use crate::background::BackgroundContext;
use crate::db::DbError;
use crate::error::{ToolError, ToolResult};
use crate::id::TenantId;
use crate::session::Session;
use crate::tool::ToolContext;

/// How many tenants' turns are remembered before all begin a new one.
const TENANTS: usize = 16 * 1024;

/// Values that are kept for a while, each for one tenant: a [moka](https://docs.rs/moka) cache under a
/// key that begins with the tenant.
///
/// What a memoising attribute or a map in a static gets wrong, because the arguments alone are its key,
/// can't be written with it: every access takes the context of a call.
///
/// ```
/// # use std::sync::{Arc, LazyLock};
/// # use std::time::Duration;
/// # use watertight::{DbResult, Scope, TenantCache, ToolContext, ToolResult, mcp_tool};
/// # async fn sum_of(_: &mut Scope<'_>, _: i32) -> DbResult<i64> { Ok(0) }
/// static SUMS: LazyLock<TenantCache<i32, i64>> = LazyLock::new(|| {
///     TenantCache::builder(10_000).time_to_live(Duration::from_secs(60)).build()
/// });
///
/// /// Turnover of a year.
/// #[mcp_tool(read_only)]
/// async fn turnover(cx: ToolContext, year: i32) -> ToolResult<i64> {
///     SUMS.get_or_load(&cx, year, async {
///         let mut db = cx.read().await?;
///         sum_of(&mut db, year).await
///     })
///     .await
/// }
/// ```
///
/// All callers of a tenant share an entry. Where they may see different things, put what they differ
/// in into the key, and check scopes before asking. For an operator with several tenants the tenant is
/// the one that the request chose.
pub struct TenantCache<K, V> {
    entries: Cache<Keyed<K>, V>,
    turns: Mutex<HashMap<TenantId, Turn>>,
}

/// Which of a tenant's entries count. No number is given twice, so what was loaded under an earlier
/// one is never found again.
type Turn = u64;

/// A key that can't be without its tenant.
type Keyed<K> = (TenantId, Turn, K);

fn begin_turn(turns: &mut HashMap<TenantId, Turn>, tenant: TenantId) -> Turn {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Turns that are forgotten are never given again: it costs a load, and no more.
    if turns.len() >= TENANTS {
        turns.clear();
    }
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    turns.insert(tenant, turn);
    turn
}

/// Settings of a [`TenantCache`].
#[must_use = "a builder does nothing until `build`"]
pub struct TenantCacheBuilder<K, V> {
    builder: CacheBuilder<Keyed<K>, V, Cache<Keyed<K>, V>>,
}

/// What says whose entries are meant: the context of a call or of background work, or a session.
pub trait OfTenant: private::Sealed {
    #[doc(hidden)]
    fn of(&self) -> &Session;
}

mod private {
    pub trait Sealed {}
    impl Sealed for crate::tool::ToolContext {}
    impl Sealed for crate::background::BackgroundContext {}
    impl Sealed for crate::session::Session {}
}

impl OfTenant for ToolContext {
    fn of(&self) -> &Session {
        self.session()
    }
}

impl OfTenant for BackgroundContext {
    fn of(&self) -> &Session {
        self.session()
    }
}

impl OfTenant for Session {
    fn of(&self) -> &Session {
        self
    }
}

impl<K, V> TenantCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache with room for so many entries, of all tenants together. What is used least leaves first.
    pub fn builder(entries: u64) -> TenantCacheBuilder<K, V> {
        TenantCacheBuilder {
            builder: Cache::builder()
                .max_capacity(entries)
                .time_to_live(Duration::from_secs(300)),
        }
    }

    /// The tenant's value for this key; where there is none, what `load` returns, which is kept. Callers
    /// of one tenant that ask for the same key at a time wait for one load.
    ///
    /// # Errors
    /// What `load` fails with; nothing is kept then. A caller that waited for another one's load gets an
    /// error of the same kind. Or the context's call is over.
    pub async fn get_or_load<E: Into<ToolError>>(
        &self,
        cx: &impl OfTenant,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> ToolResult<V> {
        let key = self.key(cx, key)?;
        let load = async { load.await.map_err(Into::<ToolError>::into) };
        let loaded = self.entries.try_get_with(key, load).await;
        loaded.map_err(|error| Arc::try_unwrap(error).unwrap_or_else(|shared| shared.alike()))
    }

    /// The tenant's value for this key, if there is one.
    ///
    /// # Errors
    /// If the context's call is over.
    pub async fn get(&self, cx: &impl OfTenant, key: K) -> ToolResult<Option<V>> {
        let key = self.key(cx, key)?;
        Ok(self.entries.get(&key).await)
    }

    /// Forgets the tenant's value for this key. A load that began before may still leave what it read;
    /// after a write, [`invalidate_tenant`](TenantCache::invalidate_tenant) is the safe one.
    ///
    /// # Errors
    /// If the context's call is over.
    pub async fn invalidate(&self, cx: &impl OfTenant, key: K) -> ToolResult<()> {
        let key = self.key(cx, key)?;
        self.entries.invalidate(&key).await;
        Ok(())
    }

    /// Forgets everything of the tenant, and what loads that are under way will return. Call it after
    /// the commit.
    ///
    /// # Errors
    /// If the context's call is over.
    pub fn invalidate_tenant(&self, cx: &impl OfTenant) -> ToolResult<()> {
        let tenant = alive(cx)?.tenant().clone();
        begin_turn(&mut self.turns(), tenant);
        Ok(())
    }

    fn key(&self, cx: &impl OfTenant, key: K) -> ToolResult<Keyed<K>> {
        let tenant = alive(cx)?.tenant();
        let mut turns = self.turns();
        let turn = match turns.get(tenant) {
            Some(turn) => *turn,
            None => begin_turn(&mut turns, tenant.clone()),
        };
        Ok((tenant.clone(), turn, key))
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Turn>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn alive(cx: &impl OfTenant) -> ToolResult<&Session> {
    let session = cx.of();
    session.life().check().map_err(DbError::from)?;
    Ok(session)
}

impl<K, V> TenantCacheBuilder<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// How long an entry counts (five minutes, unless set).
    pub fn time_to_live(mut self, time: Duration) -> Self {
        self.builder = self.builder.time_to_live(time);
        self
    }

    /// The cache.
    #[must_use]
    pub fn build(self) -> TenantCache<K, V> {
        TenantCache {
            entries: self.builder.build(),
            turns: Mutex::new(HashMap::new()),
        }
    }
}

impl<K, V> fmt::Debug for TenantCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantCache")
    }
}

impl<K, V> fmt::Debug for TenantCacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantCacheBuilder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ToolErrorKind;
    use crate::session::Grant;

    fn session(subject: &str, tenant: i64, home: Option<i64>) -> Session {
        Session::from_grant(Grant {
            issuer: "i".into(),
            subject: subject.into(),
            tenant: TenantId::bigint(tenant),
            home: home.map(TenantId::bigint),
            scopes: Vec::new(),
            client: None,
            expires_at: None,
        })
    }

    fn cache() -> TenantCache<&'static str, String> {
        TenantCache::builder(100).build()
    }

    async fn load(cache: &TenantCache<&'static str, String>, of: &Session, value: &str) -> String {
        let loading = async { Ok::<_, ToolError>(value.to_owned()) };
        cache.get_or_load(of, "k", loading).await.unwrap()
    }

    #[tokio::test]
    async fn equal_keys_of_two_tenants_are_two_entries() {
        let (cache, one, two) = (cache(), session("ada", 1, None), session("eve", 2, None));
        assert_eq!(load(&cache, &one, "of 1").await, "of 1");
        assert_eq!(load(&cache, &two, "of 2").await, "of 2");
        // Everybody of the tenant finds its own, whoever loaded it.
        assert_eq!(
            load(&cache, &session("bob", 1, None), "again").await,
            "of 1"
        );
        // An operator finds those of the tenant that was chosen.
        assert_eq!(
            load(&cache, &session("op", 2, Some(1)), "again").await,
            "of 2"
        );
        assert_eq!(cache.get(&one, "other").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_invalidated_is_the_tenants_own() {
        let (cache, one, two) = (cache(), session("ada", 1, None), session("eve", 2, None));
        load(&cache, &one, "of 1").await;
        load(&cache, &two, "of 2").await;
        cache.invalidate(&one, "k").await.unwrap();
        assert_eq!(cache.get(&one, "k").await.unwrap(), None);
        load(&cache, &one, "new").await;
        cache.invalidate_tenant(&one).unwrap();
        assert_eq!(cache.get(&one, "k").await.unwrap(), None);
        assert_eq!(cache.get(&two, "k").await.unwrap().unwrap(), "of 2");
    }

    #[tokio::test]
    async fn a_load_under_way_leaves_nothing_behind_an_invalidation() {
        let (cache, one) = (cache(), session("ada", 1, None));
        let old = cache.get_or_load(&one, "k", async {
            // The write of somebody else, in between.
            cache.invalidate_tenant(&one).unwrap();
            Ok::<_, ToolError>("old".to_owned())
        });
        assert_eq!(old.await.unwrap(), "old");
        assert_eq!(load(&cache, &one, "new").await, "new");
    }

    #[tokio::test]
    async fn one_load_serves_all_who_wait_and_a_failure_is_not_kept() {
        let (cache, one) = (cache(), session("ada", 1, None));
        let failing = || {
            cache.get_or_load(&one, "k", async {
                tokio::task::yield_now().await;
                Err::<String, _>(ToolError::conflict("it is closed"))
            })
        };
        let (first, second) = tokio::join!(failing(), failing());
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert_eq!(error.kind(), ToolErrorKind::Conflict);
            assert_eq!(error.to_string(), "conflict: it is closed");
        }
        let loads = AtomicU64::new(0);
        let counted = || {
            cache.get_or_load(&one, "k", async {
                loads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, ToolError>("v".to_owned())
            })
        };
        let (first, second) = tokio::join!(counted(), counted());
        assert_eq!((first.unwrap(), second.unwrap()), ("v".into(), "v".into()));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn after_its_call_a_session_finds_nothing() {
        let cache = cache();
        let (one, running) = session("ada", 1, None).for_call();
        load(&cache, &one, "of 1").await;
        drop(running);
        assert!(cache.get(&one, "k").await.is_err());
        assert!(cache.invalidate_tenant(&one).is_err());
        let again = cache.get_or_load(&one, "k", async { Ok::<_, ToolError>("x".to_owned()) });
        assert!(again.await.is_err());
    }

    #[tokio::test]
    async fn what_is_remembered_of_tenants_is_bounded() {
        let cache = cache();
        for tenant in 0..2 * TENANTS as i64 + 10 {
            cache
                .invalidate_tenant(&session("ada", tenant, None))
                .unwrap();
        }
        assert!(cache.turns().len() <= TENANTS);
    }
}
