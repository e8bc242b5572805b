//! `rack replace`

use crate::site::{Site, assert_has};

#[test]
fn a_node_makes_place_for_another() {
    let site = Site::whole();
    site.set("node-2", "away", "");
    site.write(
        "known_hosts",
        "node-1 ssh-ed25519 A\nnode-2 ssh-ed25519 B\n",
    );
    let said = site.rack(&["replace", "node-2", "--settle", "0"]).with(0);
    assert_has(
        &said,
        &[
            "node-2 is removed from the cluster",
            "kept as the secret join-node-2",
            "MAC dc:a6:32:01:02:02, put it into slot 2",
        ],
    );
    assert!(!site.read("state/nodes.json").contains("node-2"));
    assert_eq!(site.read("known_hosts"), "node-1 ssh-ed25519 A\n");
    let first = site.read("secrets/join-node-2.age");
    assert!(first.starts_with("-----BEGIN AGE"), "{first}");
    // Given again, it goes on with what is left to do.
    let again = site.rack(&["replace", "node-2", "--settle", "0"]).with(0);
    assert_has(&again, &["node-2 is in the cluster no more"]);
    assert_ne!(site.read("secrets/join-node-2.age"), first);
}

#[test]
fn what_would_be_lost_is_kept_until_that_is_accepted() {
    let site = Site::whole();
    site.write("state/holds", "");
    let refusal = site.rack(&["replace", "node-3", "--settle", "0"]).with(1);
    assert_has(
        &refusal,
        &[
            "node-3 holds what no other disk has",
            "--accept-loss removes it all the same",
        ],
    );
    assert!(site.read("state/nodes.json").contains("node-3"));
    assert!(!site.path("secrets").exists());
    site.rack(&["replace", "node-3", "--accept-loss", "--settle", "0"])
        .with(0);
    assert!(!site.read("state/nodes.json").contains("node-3"));
}

#[test]
fn what_cannot_be_replaced_is_said_first() {
    let site = Site::whole();
    assert_has(
        &site.rack(&["replace", "node-9"]).with(1),
        &["no node is called node-9"],
    );
    let text = site
        .read("rack.toml")
        .replace("mac = \"dc:a6:32:01:02:02\"", "");
    site.write("rack.toml", &text);
    assert_has(
        &site.rack(&["replace", "node-2", "--settle", "0"]).with(1),
        &["node-2 has no MAC yet"],
    );
    for node in ["node-1", "node-2"] {
        site.set(node, "away", "");
    }
    assert_has(
        &site.rack(&["replace", "node-3", "--settle", "0"]).with(1),
        &["no other node answers"],
    );
    assert!(site.read("state/nodes.json").contains("node-3"));
}
