//! How often one address may ask to be let in, and how many connections it may have.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Attempts of an address in a minute.
const ATTEMPTS: u32 = 10;
const MINUTE: Duration = Duration::from_mins(1);
/// Addresses that are remembered; when there are more, everybody waits for the minute's end.
const ADDRESSES: usize = 4096;

/// Counts attempts of the minute that runs.
#[derive(Debug)]
pub struct AttemptLimit {
    since: Instant,
    attempts: HashMap<IpAddr, u32>,
}

impl AttemptLimit {
    /// Nobody asked yet.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            attempts: HashMap::new(),
        }
    }

    /// Counts an attempt, and says whether it may be made.
    pub fn allows(&mut self, from: IpAddr, now: Instant) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            *self = Self::new(now);
        }
        let network = network(from);
        if !self.attempts.contains_key(&network) && self.attempts.len() >= ADDRESSES {
            return false;
        }
        let count = self.attempts.entry(network).or_default();
        *count = count.saturating_add(1);
        *count <= ATTEMPTS
    }
}

/// Connections of an address at once.
const CONNECTIONS: usize = 8;

/// Counts who is connected.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimit(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// Counts as long as it is held.
#[derive(Debug)]
pub struct Connected {
    limit: ConnectionLimit,
    from: IpAddr,
}

impl ConnectionLimit {
    /// Counts a connection, unless the address has too many.
    pub fn admit(&self, from: IpAddr) -> Option<Connected> {
        let from = network(from);
        let mut counts = self.0.lock();
        let count = counts.entry(from).or_default();
        if *count >= CONNECTIONS {
            return None;
        }
        *count += 1;
        Some(Connected {
            limit: self.clone(),
            from,
        })
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.limit.0.lock().entry(self.from) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Whoever has one address of IPv6 has 2^64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_try_ten_times_in_a_minute() {
        let start = Instant::now();
        let mut limit = AttemptLimit::new(start);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let tries = (0..12).map(|_| limit.allows(ip("10.0.0.1"), start));
        assert_eq!(tries.filter(|allowed| *allowed).count(), 10);
        assert!(limit.allows(ip("10.0.0.2"), start));
        assert!(!limit.allows(ip("::ffff:10.0.0.1"), start));
        assert!(limit.allows(ip("10.0.0.1"), start + MINUTE));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let start = Instant::now();
        let mut limit = AttemptLimit::new(start);
        let tries = (0..12_u128).map(|host| {
            let ip = Ipv6Addr::from_bits((0xfd00 << 112) | host);
            limit.allows(ip.into(), start)
        });
        assert_eq!(tries.filter(|allowed| *allowed).count(), 10);
    }

    #[test]
    fn an_address_may_have_eight_connections() {
        let limit = ConnectionLimit::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut held: Vec<_> = (0..8)
            .map(|_| limit.admit(ip("10.0.0.1")).unwrap())
            .collect();
        assert!(limit.admit(ip("10.0.0.1")).is_none());
        assert!(limit.admit(ip("10.0.0.2")).is_some());
        held.pop();
        assert!(limit.admit(ip("10.0.0.1")).is_some());
        held.clear();
        assert!(limit.0.lock().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut limit = AttemptLimit::new(start);
        for host in 0..ADDRESSES as u32 {
            assert!(limit.allows(IpAddr::V4((0x0a00_0000 + host).into()), start));
        }
        assert!(!limit.allows("192.0.2.1".parse().unwrap(), start));
        assert_eq!(limit.attempts.len(), ADDRESSES);
    }
}
