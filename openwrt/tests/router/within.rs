//! What machines inside get from the router: addresses and names.

use crate::machines::can_be_made;
use crate::site::{NO_TUNNEL, NODES, Site};

const NODE_ADDRESSES: [&str; 3] = ["10.77.0.11", "10.77.0.12", "10.77.0.13"];

impl Site {
    /// What the router says a name is, sorted; from a node.
    fn resolve(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let dig = ["dig", "+short", "+time=5", "@10.77.0.1", name];
        let said = self.machines.run("node-1", &dig)?;
        let mut addresses: Vec<_> = said.lines().map(str::to_owned).collect();
        addresses.sort();
        Ok(addresses)
    }
}

#[test]
fn nodes_get_their_addresses_and_find_the_rack_by_name() {
    if !can_be_made() {
        return;
    }
    let site = Site::start(&[NO_TUNNEL]).unwrap();
    site.lease_addresses().unwrap();
    for (node, address) in NODES.iter().zip(NODE_ADDRESSES) {
        assert_eq!(site.address(node).unwrap(), format!("{address}/24"));
    }
    let guest = site.address("guest").unwrap();
    let last: u8 = guest
        .trim_start_matches("10.77.0.")
        .trim_end_matches("/24")
        .parse()
        .unwrap();
    assert!((100..200).contains(&last), "{guest}");

    for name in [
        "s3.example.org",
        "photos.s3.example.org",
        "photos.home.s3.example.org",
        "s3-api.example.org",
    ] {
        assert_eq!(site.resolve(name).unwrap(), NODE_ADDRESSES, "{name}");
    }
    for name in ["node-2", "node-2.attic.internal"] {
        assert_eq!(site.resolve(name).unwrap(), ["10.77.0.12"], "{name}");
    }
    assert_eq!(
        site.resolve("router.attic.internal").unwrap(),
        ["10.77.0.1"]
    );
    assert_eq!(
        site.resolve("nobody.attic.internal").unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn without_a_range_for_guests_nodes_alone_get_addresses() {
    if !can_be_made() {
        return;
    }
    let guests = "guests = { first = \"10.77.0.100\", last = \"10.77.0.199\" }\n";
    let site = Site::start(&[
        NO_TUNNEL,
        (guests, ""),
        ("tls = \"nodes\"", "tls = \"router\""),
    ])
    .unwrap();
    let refused = site.lease_addresses().unwrap_err();
    assert!(format!("{refused:#}").contains("no lease"), "{refused:#}");
    for (node, address) in NODES.iter().zip(NODE_ADDRESSES) {
        assert_eq!(site.address(node).unwrap(), format!("{address}/24"));
    }
    assert!(site.address("guest").is_err());
    // When TLS ends at the router, everybody goes through it.
    assert_eq!(
        site.resolve("photos.s3.example.org").unwrap(),
        ["10.77.0.1"]
    );
}
