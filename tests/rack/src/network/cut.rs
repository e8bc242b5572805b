//! What a node is cut off from, in nft's language.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// What does not pass at a node, in either direction. What the node sends to itself always passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Everything.
    All,
    /// Whatever another address sends, or is sent.
    From(IpAddr),
    /// Whatever is said on these TCP ports, whichever end has them.
    Ports(Vec<u16>),
}

impl Cut {
    fn matches(&self) -> Vec<String> {
        match self {
            Self::All => vec![String::new()],
            Self::From(address) => {
                let family = if address.is_ipv4() { "ip" } else { "ip6" };
                let ends = ["saddr", "daddr"];
                ends.map(|end| format!("{family} {end} {address} ")).into()
            }
            Self::Ports(ports) => {
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                let ports = ports.join(", ");
                let ends = ["sport", "dport"];
                ends.map(|end| format!("tcp {end} {{ {ports} }} ")).into()
            }
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("cut off"),
            Self::From(address) => write!(f, "cut off from {address}"),
            Self::Ports(ports) => write!(f, "cut off from ports {ports:?}"),
        }
    }
}

/// The table that drops what `cuts` name, and takes the place of the one before.
pub fn table(cuts: &[Cut]) -> String {
    let drops: String =
        cuts.iter()
            .flat_map(Cut::matches)
            .fold(String::new(), |mut drops, packets| {
                let _ = writeln!(drops, "    {packets}counter drop");
                drops
            });
    let chain = |hook: &str, own: &str| {
        format!(
            "  chain {hook} {{\n    type filter hook {hook} priority 0; policy accept;\n    {own} \"lo\" accept\n{drops}  }}\n"
        )
    };
    let (input, output) = (chain("input", "iif"), chain("output", "oif"));
    // A table that is deleted has to exist.
    format!("table inet cut {{}}\ndelete table inet cut\ntable inet cut {{\n{input}{output}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_drops_both_directions() {
        let address = "10.99.7.2".parse().unwrap();
        let table = table(&[Cut::From(address), Cut::Ports(vec![2379, 2380])]);
        for packets in [
            "ip saddr 10.99.7.2",
            "ip daddr 10.99.7.2",
            "tcp sport { 2379, 2380 }",
            "tcp dport { 2379, 2380 }",
        ] {
            let dropped = table.matches(&format!("{packets} counter drop")).count();
            assert_eq!(dropped, 2, "{table}");
        }
    }

    #[test]
    fn no_cut_drops_nothing() {
        assert!(!table(&[]).contains("drop"));
    }
}
