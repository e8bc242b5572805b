//! How many connections there are, in total and of each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections that may be open at once.
    pub total: usize,
    /// Of them, those of one address.
    pub per_address: usize,
}

/// The connections of this process.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    open: Mutex<Open>,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection that counts until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    connections: Arc<Connections>,
    /// Whose it is, as far as that is known: it counts as this one's, too.
    address: Option<IpAddr>,
}

impl Connections {
    /// None yet.
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
            refused: Counter::default(),
        })
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.lock().total
    }

    /// Those that were refused.
    pub fn refused(&self) -> Counter {
        self.refused.clone()
    }

    /// Counts one more; `None` if it is one too many.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let mut open = self.open.lock();
        if open.total >= self.limits.total {
            self.refused.inc();
            return None;
        }
        open.total += 1;
        Some(Admitted {
            connections: self.clone(),
            address: None,
        })
    }
}

impl Admitted {
    /// Counts it as this address's from now on; `None` if that has one too many.
    pub(super) fn count_for(mut self, address: IpAddr) -> Option<Self> {
        let address = network_of(address);
        {
            let mut open = self.connections.open.lock();
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= self.connections.limits.per_address {
                self.connections.refused.inc();
                return None;
            }
            *of_address += 1;
        }
        self.address = Some(address);
        Some(self)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = open.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

/// Who has one address of an IPv6 network of 64 bits has all of them.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_all() {
        let connections = Connections::new(ConnectionLimits {
            total: 3,
            per_address: 2,
        });
        let (first, second) = (address("192.0.2.1"), address("192.0.2.2"));
        let admit = |address| connections.admit()?.count_for(address);
        let held = [first, first].map(|address| admit(address).unwrap());
        assert!(admit(first).is_none());
        let other = admit(second).unwrap();
        assert!(connections.admit().is_none(), "the total is reached");
        assert_eq!(connections.refused().get(), 2);
        drop(held);
        assert_eq!(connections.count(), 1);
        drop(other);
        assert!(connections.open.lock().by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        assert_eq!(
            network_of(address("2001:db8::1")),
            network_of(address("2001:db8::ffff:1"))
        );
        assert_ne!(
            network_of(address("2001:db8::1")),
            network_of(address("2001:db8:0:1::1"))
        );
        assert_eq!(
            network_of(address("::ffff:192.0.2.1")),
            address("192.0.2.1")
        );
    }
}
