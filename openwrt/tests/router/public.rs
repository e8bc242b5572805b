//! What the world gets from the router: S3 of the nodes that are ready, and nothing else.

use std::collections::BTreeSet;

use crate::machines::can_be_made;
use crate::site::{NO_TUNNEL, NODES, RENTED, Site, UPLINK, WORLD, until};

const NAME: &str = "photos.s3.example.org";
const WORLD_V6: &str = "2001:db8::1";
const UPLINK_V6: &str = "2001:db8::2";
/// Beyond all that runs here.
const PORTS: u16 = 12_000;

/// A site whose nodes serve, and whose router passes on.
fn serving(replacements: &[(&str, &str)], port: u16, tls: bool) -> anyhow::Result<Site> {
    let mut site = Site::start(replacements)?;
    site.lease_addresses()?;
    let certificate = site.certificate()?;
    site.start_nodes(port, tls.then_some(&certificate))?;
    site.start_haproxy()?;
    Ok(site)
}

impl Site {
    /// The nodes that answer somebody in the world, in so many attempts.
    fn answering(&self, address: &str, attempts: usize) -> BTreeSet<String> {
        let answers = (0..attempts).filter_map(|_| self.ask("world", address, NAME).ok());
        answers.filter_map(|answer| node_of(&answer)).collect()
    }

    /// Waits until as many nodes serve.
    fn until_serving(&self, address: &str, count: usize) {
        let serving = until(&format!("{count} nodes serve"), || {
            self.answering(address, 4).len() == count
        });
        serving.unwrap_or_else(|error| panic!("{error}\n{}", self.machines.log()));
    }

    /// Makes the network behind the router known in the world, as somebody who tries it would.
    fn route_inwards(&self) -> anyhow::Result<()> {
        let route = format!("route add 10.77.0.0/24 via {UPLINK}");
        self.machines.ip("world", &route)
    }

    /// Gives the router the address of IPv6 that an uplink may have.
    fn uplink_has_ipv6(&self) -> anyhow::Result<()> {
        let address = |address, device| format!("addr add {address}/64 dev {device} nodad");
        self.machines.ip("world", &address(WORLD_V6, "eth0"))?;
        self.machines.ip("router", &address(UPLINK_V6, "wan0"))
    }
}

fn node_of(answer: &str) -> Option<String> {
    let node = NODES
        .iter()
        .find(|node| answer.contains(&format!("\"{node}\"")))?;
    Some((*node).to_owned())
}

fn said_by(answer: &str, what: &str, value: &str) -> bool {
    answer.contains(&format!("\"{what}\": \"{value}\""))
}

#[test]
fn the_world_reaches_ready_nodes_through_the_tunnel_and_nothing_else() {
    if !can_be_made() {
        return;
    }
    let mut site = serving(&[], 443, true).unwrap();
    site.start_rented().unwrap();
    site.until_serving(RENTED, 3);
    let answer = site.ask("world", RENTED, NAME).unwrap();
    assert!(said_by(&answer, "client", WORLD), "{answer}");

    site.set_ready("node-2", false).unwrap();
    site.until_serving(RENTED, 2);
    let rest = site.answering(RENTED, 12);
    assert!(!rest.contains("node-2"), "it is not ready, and was asked");
    site.set_ready("node-2", true).unwrap();
    site.until_serving(RENTED, 3);

    for stranger in [
        "example.org",
        "s3.example.org.evil.example",
        "xs3.example.org",
    ] {
        assert_eq!(
            site.ask("world", RENTED, stranger).unwrap(),
            "",
            "{stranger}"
        );
    }

    site.route_inwards().unwrap();
    assert_eq!(site.open_ports("world", RENTED, PORTS).unwrap(), "443");
    assert_eq!(site.open_ports("world", UPLINK, PORTS).unwrap(), "");
    assert_eq!(site.open_ports("world", "10.77.0.1", PORTS).unwrap(), "");
    assert_eq!(site.open_ports("world", "10.77.0.11", PORTS).unwrap(), "");
    assert_eq!(site.open_ports("rented", "10.9.0.2", PORTS).unwrap(), "443");
    // That the scans see what is there to be seen.
    assert_eq!(
        site.open_ports("guest", "10.77.0.1", PORTS).unwrap(),
        "53 443"
    );
    assert_eq!(
        site.open_ports("guest", "10.77.0.11", PORTS).unwrap(),
        "443 9001"
    );
    assert_eq!(site.open_ports("router", "10.9.0.1", 500).unwrap(), "");
}

#[test]
fn tls_can_end_at_the_router_which_names_the_client_and_its_tls() {
    if !can_be_made() {
        return;
    }
    let site = serving(
        &[NO_TUNNEL, ("tls = \"nodes\"", "tls = \"router\"")],
        9000,
        false,
    )
    .unwrap();
    site.until_serving(UPLINK, 3);
    let answer = site.ask("world", UPLINK, NAME).unwrap();
    assert!(said_by(&answer, "client", WORLD), "{answer}");
    assert!(said_by(&answer, "tls", "TLSv1.3"), "{answer}");
    assert_eq!(site.ask("world", UPLINK, "example.org").unwrap(), "");
    let inside = site.ask("guest", "10.77.0.1", NAME).unwrap();
    let guest = site.address("guest").unwrap();
    assert!(
        said_by(&inside, "client", guest.trim_end_matches("/24")),
        "{inside}"
    );

    site.route_inwards().unwrap();
    assert_eq!(site.open_ports("world", UPLINK, PORTS).unwrap(), "443");
    assert_eq!(site.open_ports("world", "10.77.0.11", PORTS).unwrap(), "");
    site.uplink_has_ipv6().unwrap();
    let answer = site.ask("world", UPLINK_V6, NAME).unwrap();
    assert!(said_by(&answer, "client", WORLD_V6), "{answer}");
    assert_eq!(site.open_ports("world", UPLINK_V6, PORTS).unwrap(), "443");
}
