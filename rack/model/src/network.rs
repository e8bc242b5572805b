//! The nodes' network.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// The nodes' network, behind the router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The network itself.
    pub nodes: Ipv4Net,
    /// The router's address in it.
    pub router: Ipv4Addr,
    /// What the router leases to machines that are no nodes.
    pub guests: Option<AddressRange>,
}

/// Addresses from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressRange {
    /// The first.
    pub first: Ipv4Addr,
    /// The last.
    pub last: Ipv4Addr,
}

impl AddressRange {
    /// Whether the address is one of them.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

impl Network {
    /// Whether a machine in the network may have the address: not the network's own, nor that of all.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.nodes.contains(&address)
            && address != self.nodes.network()
            && address != self.nodes.broadcast()
    }

    /// The address of the node in a slot that has no other: 10 and the slot after the network's own.
    /// It lies outside of a network that is too small for it.
    pub fn address_of_slot(&self, slot: u8) -> Ipv4Addr {
        let base = u32::from(self.nodes.network());
        Ipv4Addr::from(base.saturating_add(10 + u32::from(slot)))
    }
}
