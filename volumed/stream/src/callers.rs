//! Who may have how many connections on the network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Connections of one address, and of all together, that are not open yet.
const HALF_OPEN: (usize, usize) = (32, 256);

/// Counts the connections of each address.
#[derive(Debug)]
pub struct Callers {
    most: usize,
    counts: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: usize,
    half_open: usize,
}

/// One connection of an address, counted until it is dropped.
#[derive(Debug)]
pub struct Caller {
    callers: Arc<Callers>,
    address: IpAddr,
    half_open: bool,
}

impl Callers {
    /// Every address may have `most` connections.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            counts: Mutex::default(),
        })
    }

    /// Counts a connection, which is not open yet; `None` if there are too many.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Caller> {
        // One machine, however its address is written.
        let address = address.to_canonical();
        let mut counts = self.counts.lock();
        let half_open: usize = counts.values().map(|count| count.half_open).sum();
        let own = counts.get(&address).copied().unwrap_or_default();
        if own.all >= self.most || own.half_open >= HALF_OPEN.0 || half_open >= HALF_OPEN.1 {
            return None;
        }
        counts.insert(
            address,
            Count {
                all: own.all + 1,
                half_open: own.half_open + 1,
            },
        );
        Some(Caller {
            callers: Arc::clone(self),
            address,
            half_open: true,
        })
    }
}

impl Caller {
    /// Whoever called said what for, and may have it.
    pub fn opened(&mut self) {
        if std::mem::take(&mut self.half_open)
            && let Some(count) = self.callers.counts.lock().get_mut(&self.address)
        {
            count.half_open -= 1;
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.opened();
        let mut counts = self.callers.counts.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            count.all -= 1;
            if count.all == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let callers = Callers::new(40);
        let (one, other) = (
            IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
            IpAddr::from(Ipv4Addr::new(10, 0, 0, 2)),
        );
        let mut held: Vec<_> = std::iter::from_fn(|| callers.admit(one)).collect();
        assert_eq!(held.len(), HALF_OPEN.0);
        held.iter_mut().for_each(Caller::opened);
        held.extend(std::iter::from_fn(|| callers.admit(one)));
        assert_eq!(held.len(), 40);
        assert!(
            callers
                .admit(IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped()))
                .is_none()
        );
        assert!(callers.admit(other).is_some());
        held.pop();
        assert!(callers.admit(one).is_some());
        drop(held);
        assert!(callers.counts.lock().is_empty());
    }

    #[test]
    fn all_addresses_together_may_have_so_many_that_are_not_open() {
        let callers = Callers::new(40);
        let address = |number: u32| IpAddr::from(Ipv4Addr::from(number / 16));
        let held: Vec<_> = (0..1000)
            .map_while(|number| callers.admit(address(number)))
            .collect();
        assert_eq!(held.len(), HALF_OPEN.1);
    }
}
