//! What the world can reach, whatever it tries.

use std::collections::BTreeSet;

use crate::site::{RENTED, Site, UPLINK};

const LAST_PORT: u16 = u16::MAX;

impl Site {
    /// Fails unless every TCP port is closed to the world but HTTPS of the rented machine: those of the router, on all its
    /// addresses, and of `nodes`.
    pub fn check_tcp(&self, nodes: &[String]) -> anyhow::Result<()> {
        let open = |from, address| self.open_ports(from, address, LAST_PORT);
        assert_eq!(open("world", RENTED)?, "443");
        assert_eq!(open("world", UPLINK)?, "");
        // As somebody would try who guesses the network behind.
        let inwards = format!("route add 10.77.0.0/24 via {UPLINK}");
        self.machines.ip("world", &inwards)?;
        for address in nodes {
            assert_eq!(open("world", address)?, "", "{address}");
        }
        // That a scan sees what is there to be seen.
        assert_eq!(self.open_ports("guest", "10.77.0.1", 1_000)?, "53 443");
        Ok(())
    }

    /// Fails unless the router's rules take what an uplink needs, and nothing else, over UDP; and the rented machine listens
    /// for the tunnel alone.
    pub fn check_udp(&self) -> anyhow::Result<()> {
        let accepted = |chain: &str| -> anyhow::Result<BTreeSet<String>> {
            let list = ["nft", "list", "chain", "inet", "fw4", chain];
            let rules = self.machines.run("router", &list)?;
            let accepting = rules.lines().filter(|line| line.trim().ends_with("accept"));
            let udp = accepting.filter_map(|line| Some(line.split_once("udp dport ")?.1));
            Ok(udp
                .map(|rest| rest.trim_end_matches(" accept").to_owned())
                .collect())
        };
        let of_uplink = BTreeSet::from(["546", "68"].map(str::to_owned));
        assert_eq!(accepted("input_wan")?, of_uplink);
        assert_eq!(accepted("input_tunnel")?, BTreeSet::new());
        let forward = ["nft", "list", "chain", "inet", "fw4", "forward"];
        let forward = self.machines.run("router", &forward)?;
        let passes: Vec<_> = forward
            .lines()
            .filter(|line| line.contains("oifname"))
            .collect();
        assert_eq!(passes.len(), 1, "{forward}");
        assert!(
            passes[0].contains("iifname \"eth0\" oifname \"eth1\" accept"),
            "{forward}"
        );
        let listening = self.machines.run("rented", &["ss", "-Huln"])?;
        let ports: BTreeSet<_> = listening
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3)?.rsplit(':').next())
            .collect();
        assert_eq!(ports, BTreeSet::from(["51820"]));
        Ok(())
    }
}
