//! Addresses that present one wrong token after the other are told to wait.
//!
//! Invariant: no more than `most` wrong tokens of an address are looked at in a period, also where they
//! come all at once: who may still fail is counted before a token is tried. The memory is bounded, and so
//! is the time for which an address waits. An address counts only if it is known to be the client's own:
//! behind a proxy that nobody told of, one client's failures would lock out all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many addresses are remembered.
const ADDRESSES: usize = 16_384;
/// How long a request waits for others of its address whose credentials are being looked at.
const WAIT: Duration = match cfg!(test) {
    true => Duration::from_millis(300),
    false => Duration::from_secs(5),
};

/// Counts the failures of each address.
#[derive(Debug)]
pub(super) struct Failures {
    limit: Limit,
    counted: Mutex<HashMap<IpAddr, Counted>>,
    warned: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// So many in one period; none is no limit.
    pub(super) most: u32,
    pub(super) period: Duration,
    /// How many proxies in front append to `X-Forwarded-For`; `None` if nobody said.
    pub(super) proxies: Option<usize>,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            most: 60,
            period: Duration::from_secs(60),
            proxies: None,
        }
    }
}

#[derive(Clone, Debug)]
struct Counted {
    failures: u32,
    since: Instant,
    /// A permit for each failure that the address may still have. Whoever tries holds one; who fails
    /// keeps it. Closed with the last one.
    left: Arc<Semaphore>,
}

/// Credentials that are being looked at.
#[must_use = "tell how it ended"]
pub(super) struct Attempt<'f> {
    failures: &'f Failures,
    address: IpAddr,
    permit: OwnedSemaphorePermit,
    of: Arc<Semaphore>,
}

/// Why credentials are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    /// There were too many wrong ones; how long to wait.
    TooMany(Duration),
    /// Others of the same address are being looked at, and that takes long.
    Crowded,
}

impl Attempt<'_> {
    /// The credentials were wrong.
    pub(super) fn failed(self) {
        self.permit.forget();
        self.failures.count(self.address, &self.of);
    }
}

impl Failures {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            counted: Mutex::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// Whose failures these are, if that is known.
    pub(super) fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        if self.limit.most == 0 {
            return None;
        }
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let forwarded = headers.get_all("x-forwarded-for");
        let proxied = || headers.contains_key("forwarded") || forwarded.iter().next().is_some();
        let address = match self.limit.proxies {
            Some(0) => peer.ip(),
            // Each proxy appends whom it saw; what is further to the left anyone may have written, in
            // whatever bytes. A request that has passed fewer proxies came from its peer.
            Some(proxies) => forwarded
                .iter()
                .rev()
                .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
                .nth(proxies - 1)
                .and_then(appended)
                .unwrap_or_else(|| peer.ip()),
            None if proxied() && is_internal(peer.ip()) => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "requests come through a proxy: failed authentications are not limited; say \
                         how many proxies there are, with `.behind_proxies(1)`"
                    );
                }
                return None;
            }
            // A header alone makes no proxy: any client can send one.
            None => peer.ip(),
        };
        Some(of_one_client(address))
    }

    /// Waits until credentials of this address may be looked at: at once, unless as many of its requests
    /// as may still fail are under way.
    ///
    /// # Errors
    /// If there were too many failures, or it takes too long to find out.
    pub(super) async fn begin(&self, address: IpAddr) -> Result<Attempt<'_>, NotNow> {
        let until = tokio::time::Instant::now() + WAIT;
        loop {
            let of = self.left(address).map_err(NotNow::TooMany)?;
            let permit = Arc::clone(&of).acquire_owned();
            match tokio::time::timeout_at(until, permit).await {
                Ok(Ok(permit)) => {
                    return Ok(Attempt {
                        failures: self,
                        address,
                        permit,
                        of,
                    });
                }
                // Closed: the last one that might fail did. A new period may have begun, too.
                Ok(Err(_)) if tokio::time::Instant::now() < until => {}
                Ok(Err(_)) | Err(_) => return Err(NotNow::Crowded),
            }
        }
    }

    /// The permits of this address in this period, or how long it has to wait for the next.
    fn left(&self, address: IpAddr) -> Result<Arc<Semaphore>, Duration> {
        let (now, period) = (Instant::now(), self.limit.period);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = self.entry(&mut counted, address, now);
        match entry.failures >= self.limit.most {
            true => Err(period.saturating_sub(now.duration_since(entry.since))),
            false => Ok(Arc::clone(&entry.left)),
        }
    }

    /// The entry of this address for this period.
    fn entry<'c>(
        &self,
        counted: &'c mut HashMap<IpAddr, Counted>,
        address: IpAddr,
        now: Instant,
    ) -> &'c mut Counted {
        let period = self.limit.period;
        if counted.len() >= ADDRESSES && !counted.contains_key(&address) {
            counted.retain(|_, it| it.failures > 0 && now.duration_since(it.since) < period);
            // Still full: a flood from everywhere. Whoever is forgotten begins anew.
            if counted.len() >= ADDRESSES {
                counted.clear();
            }
        }
        let fresh = || Counted {
            failures: 0,
            since: now,
            left: Arc::new(Semaphore::new(self.limit.most as usize)),
        };
        let entry = counted.entry(address).or_insert_with(fresh);
        if now.duration_since(entry.since) >= period {
            match entry.failures {
                // What goes on goes on under the same permits.
                0 => entry.since = now,
                _ => *entry = fresh(),
            }
        }
        entry
    }

    /// One more failure, for which a permit of `of` is gone.
    fn count(&self, address: IpAddr, of: &Arc<Semaphore>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = self.entry(&mut counted, address, Instant::now());
        if !Arc::ptr_eq(&entry.left, of) {
            // It began in the period before.
            entry.left.forget_permits(1);
        }
        entry.failures = entry.failures.saturating_add(1);
        if entry.failures >= self.limit.most {
            entry.left.close();
        }
    }
}

/// What a proxy has appended: an address, some with a port.
fn appended(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    address.or_else(|| entry.parse::<SocketAddr>().ok().map(|it| it.ip()))
}

/// Where reverse proxies stand: this machine, its private network, or one shared with its provider.
fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => {
            let [first, second, ..] = it.octets();
            // RFC 6598: 100.64.0.0/10.
            let shared = first == 100 && second & 0xc0 == 64;
            it.is_loopback() || it.is_private() || it.is_link_local() || shared
        }
        IpAddr::V6(it) => it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local(),
    }
}

/// One client has one IPv4 address, and 2^64 addresses of IPv6.
fn of_one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(most: u32, proxies: Option<usize>) -> Failures {
        Failures::new(Limit {
            most,
            period: Duration::from_millis(100),
            proxies,
        })
    }

    fn address(failures: &Failures, peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer: SocketAddr = peer.parse().unwrap();
        let request = request.extension(ConnectInfo(peer)).body(()).unwrap();
        failures
            .address(request.headers(), request.extensions())
            .map(|it| it.to_string())
    }

    #[test]
    fn an_address_counts_if_it_is_the_clients_own() {
        let at = |proxies, headers: &[(&str, &str)]| {
            address(&failures(3, proxies), "10.0.0.9:5000", headers)
        };
        let told = [
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
            ("x-forwarded-for", "3.3.3.3"),
        ];
        assert_eq!(at(None, &[]).as_deref(), Some("10.0.0.9"));
        assert_eq!(at(None, &told), None);
        assert_eq!(at(None, &[("forwarded", "for=1.1.1.1")]), None);
        assert_eq!(at(Some(0), &told).as_deref(), Some("10.0.0.9"));
        assert_eq!(at(Some(1), &told).as_deref(), Some("3.3.3.3"));
        assert_eq!(at(Some(2), &told).as_deref(), Some("2.2.2.2"));
        // Past fewer proxies than there are, or with what is no address: whoever is at the other end.
        assert_eq!(at(Some(4), &told).as_deref(), Some("10.0.0.9"));
        let unknown = [("x-forwarded-for", "unknown")];
        assert_eq!(at(Some(1), &unknown).as_deref(), Some("10.0.0.9"));
        for (entry, expected) in [
            ("4.4.4.4:5678", "4.4.4.4"),
            (" 4.4.4.4 ", "4.4.4.4"),
            ("[2001:db8:0:1::7]:443", "2001:db8:0:1::"),
            ("[2001:db8:0:1::7]", "2001:db8:0:1::"),
            ("2001:db8:0:1::7", "2001:db8:0:1::"),
            ("\u{e4}, 4.4.4.4", "4.4.4.4"),
        ] {
            let sent = [("x-forwarded-for", entry)];
            assert_eq!(at(Some(1), &sent).as_deref(), Some(expected), "{entry}");
        }
        // Nobody said that there is a proxy, and from outside nothing but the header says so.
        let outside = address(&failures(3, None), "203.0.113.7:5000", &told);
        assert_eq!(outside.as_deref(), Some("203.0.113.7"));
        for inside in [
            "127.0.0.1:1",
            "100.64.0.1:1",
            "[fd00::1]:1",
            "[::ffff:10.1.1.1]:1",
        ] {
            assert_eq!(address(&failures(3, None), inside, &told), None, "{inside}");
        }
        assert_eq!(address(&failures(0, Some(0)), "10.0.0.9:1", &[]), None);
        let of = |peer| address(&failures(3, None), peer, &[]).unwrap();
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff]:2"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_eq!(of("[::ffff:10.0.0.9]:1"), "10.0.0.9");
    }

    /// One attempt with wrong credentials, if it is looked at.
    async fn fail(failures: &Failures, address: IpAddr) -> Option<Duration> {
        match failures.begin(address).await {
            Ok(attempt) => {
                attempt.failed();
                None
            }
            Err(NotNow::TooMany(left)) => Some(left),
            Err(NotNow::Crowded) => panic!("nobody else is there"),
        }
    }

    #[tokio::test]
    async fn whoever_fails_too_often_waits_for_the_rest_of_the_period() {
        let failures = failures(3, None);
        let one = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..3 {
            assert!(fail(&failures, one).await.is_none());
        }
        assert!(fail(&failures, one).await.unwrap() <= Duration::from_millis(100));
        assert!(fail(&failures, IpAddr::from([10, 0, 0, 2])).await.is_none());
        tokio::time::sleep(Duration::from_millis(110)).await;
        assert!(fail(&failures, one).await.is_none());
        // Right credentials count for nothing.
        for _ in 0..9 {
            drop(failures.begin(one).await);
        }
        assert!(fail(&failures, one).await.is_none());
    }

    #[tokio::test]
    async fn a_burst_is_held_to_the_limit_and_right_credentials_among_it_pass() {
        let failures = Failures::new(Limit {
            most: 5,
            period: Duration::from_secs(60),
            proxies: None,
        });
        let one = IpAddr::from([10, 0, 0, 1]);
        let tried = std::sync::atomic::AtomicU32::new(0);
        let burst = (0..200).map(|number| {
            let (failures, tried) = (&failures, &tried);
            async move {
                let Ok(attempt) = failures.begin(one).await else {
                    return;
                };
                // Some are right, as where many users share an address.
                tokio::time::sleep(Duration::from_millis(1)).await;
                if number % 10 != 0 {
                    tried.fetch_add(1, Ordering::SeqCst);
                    attempt.failed();
                }
            }
        });
        futures_util::future::join_all(burst).await;
        assert_eq!(tried.load(Ordering::SeqCst), 5);
        // Many right ones at once, and none is refused.
        let right = failures_of_many(IpAddr::from([10, 0, 0, 2]), &failures).await;
        assert_eq!(right, 100);
    }

    async fn failures_of_many(address: IpAddr, failures: &Failures) -> usize {
        let all = (0..100).map(|_| async {
            let attempt = failures.begin(address).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            attempt.is_ok()
        });
        let all = futures_util::future::join_all(all).await;
        all.into_iter().filter(|passed| *passed).count()
    }

    #[tokio::test]
    async fn who_waits_for_others_that_hang_is_told_so() {
        let failures = failures(1, None);
        let one = IpAddr::from([10, 0, 0, 1]);
        let hanging = failures.begin(one).await;
        assert_eq!(failures.begin(one).await.err(), Some(NotNow::Crowded));
        // One that began in an earlier period counts in the one in which it ends.
        hanging.unwrap().failed();
        assert!(matches!(
            failures.begin(one).await.err(),
            Some(NotNow::TooMany(_))
        ));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let failures = failures(3, None);
        for number in 0..3 * ADDRESSES {
            let number = u32::try_from(number).unwrap();
            fail(&failures, IpAddr::from(number.to_be_bytes())).await;
        }
        assert!(failures.counted.lock().unwrap().len() <= ADDRESSES);
    }
}
