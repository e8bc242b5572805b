//! Networks in CIDR notation.

use std::net::IpAddr;

/// A network of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many of the address's first bits count.
    prefix: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32` or an address alone.
    pub fn read(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = width(address);
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= most)?,
            None => most,
        };
        Some(Self { address, prefix })
    }

    /// Whether an address is in it. One of IPv4 that came by an IPv6 socket is one of IPv4.
    pub fn includes(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let most = width(self.address);
        if width(address) != most {
            return false;
        }
        let ignored = u32::from(most - self.prefix);
        let significant = |address| bits(address).checked_shr(ignored).unwrap_or(0);
        significant(address) == significant(self.address)
    }

    /// Whether it is not wider than S3 counts as fixed: /8, and /32 of IPv6.
    pub fn is_narrow(&self) -> bool {
        let widest = if self.address.is_ipv4() { 8 } else { 32 };
        self.prefix >= widest
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn includes(network: &str, address: &str) -> bool {
        let network = Network::read(network).expect("a network");
        network.includes(address.parse().expect("an address"))
    }

    #[test]
    fn a_network_includes_the_addresses_of_its_prefix() {
        assert!(includes("192.0.2.0/24", "192.0.2.255"));
        assert!(includes("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(!includes("192.0.2.0/24", "192.0.3.0"));
        assert!(includes("192.0.2.7", "192.0.2.7"));
        assert!(includes("0.0.0.0/0", "203.0.113.9"));
        assert!(!includes("0.0.0.0/0", "2001:db8::1"));
        assert!(includes("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(includes("::/0", "2001:db8::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "x",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "::/129",
            "1.2.3/8",
        ] {
            assert_eq!(Network::read(text), None, "{text}");
        }
    }

    #[test]
    fn wide_networks_are_not_narrow() {
        let narrow = |text| Network::read(text).expect("a network").is_narrow();
        assert!(narrow("10.0.0.0/8") && narrow("2001:db8::/32"));
        assert!(!narrow("0.0.0.0/1") && !narrow("::/16"));
    }
}
