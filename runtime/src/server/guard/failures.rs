//! Addresses that present one wrong token after the other are told to wait.
//!
//! Invariant: the memory is bounded, and so is the time for which an address waits. An address counts
//! only if it is known to be the client's own: behind a proxy that nobody told of, one client's
//! failures would lock out all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use http::request::Parts;

/// How many addresses are remembered.
const ADDRESSES: usize = 16_384;

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

#[derive(Clone, Copy, Debug)]
struct Counted {
    failures: u32,
    since: Instant,
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
    pub(super) fn address(&self, parts: &Parts) -> Option<IpAddr> {
        if self.limit.most == 0 {
            return None;
        }
        let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
        let forwarded = parts.headers.get_all("x-forwarded-for");
        let proxied =
            || parts.headers.contains_key("forwarded") || forwarded.iter().next().is_some();
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

    /// How long this address has to wait.
    pub(super) fn wait(&self, address: IpAddr) -> Option<Duration> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { failures, since } = counted.get(&address)?;
        let left = self.limit.period.checked_sub(since.elapsed())?;
        (*failures >= self.limit.most).then_some(left)
    }

    /// One more failure.
    pub(super) fn count(&self, address: IpAddr) {
        let (now, period) = (Instant::now(), self.limit.period);
        let fresh = Counted {
            failures: 0,
            since: now,
        };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= ADDRESSES && !counted.contains_key(&address) {
            counted.retain(|_, it| now.duration_since(it.since) < period);
            // Still full: a flood from everywhere. Whoever is forgotten begins anew.
            if counted.len() >= ADDRESSES {
                counted.clear();
            }
        }
        let entry = counted.entry(address).or_insert(fresh);
        if now.duration_since(entry.since) >= period {
            *entry = fresh;
        }
        entry.failures = entry.failures.saturating_add(1);
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
            .address(&request.into_parts().0)
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

    #[test]
    fn whoever_fails_too_often_waits_for_the_rest_of_the_period() {
        let failures = failures(3, None);
        let one = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..3 {
            assert!(failures.wait(one).is_none());
            failures.count(one);
        }
        assert!(failures.wait(one).unwrap() <= Duration::from_millis(100));
        assert!(failures.wait(IpAddr::from([10, 0, 0, 2])).is_none());
        std::thread::sleep(Duration::from_millis(110));
        assert!(failures.wait(one).is_none());
        failures.count(one);
        assert!(failures.wait(one).is_none());
    }

    #[test]
    fn the_memory_is_bounded() {
        let failures = failures(3, None);
        for number in 0..3 * ADDRESSES {
            let number = u32::try_from(number).unwrap();
            failures.count(IpAddr::from(number.to_be_bytes()));
        }
        assert!(failures.counted.lock().unwrap().len() <= ADDRESSES);
    }
}
