//! `rack check`

use crate::site::{NOT_READY, Site, assert_has};

#[test]
fn a_whole_rack_has_nothing_wrong() {
    let site = Site::whole();
    let said = site.rack(&["check"]).with(0);
    assert_eq!(said, "Nothing is wrong with attic and its 3 nodes.\n");
    assert_eq!(site.rack(&["check", "--json"]).with(0), "[]\n");
}

#[test]
fn a_node_that_is_away_is_a_fault() {
    let site = Site::whole();
    site.set("node-2", "away", "");
    let said = site.rack(&["check"]).with(1);
    assert_has(
        &said,
        &["FAULT node_unreachable on node-2: node-2 cannot be reached: no route to node-2."],
    );
}

#[test]
fn versions_that_differ_are_a_warning() {
    let site = Site::whole();
    site.set("node-3", "volumed", "0.2.0");
    let said = site.rack(&["check"]).with(6);
    assert_has(
        &said,
        &[
            "WARNING versions_differ",
            "node-3 0.2.0 and 0.2.0",
            "rack update",
        ],
    );
}

#[test]
fn the_clock_that_is_apart_is_found() {
    let site = Site::whole();
    site.set("node-1", "ahead", "30");
    let said = site.rack(&["check"]).with(1);
    assert_has(&said, &["clock_apart on node-1", "s from the others'"]);
    assert!(!said.contains("clock_apart on node-2"), "{said}");
}

#[test]
fn what_doctor_says_is_passed_on_once() {
    let site = Site::whole();
    for node in ["node-1", "node-3"] {
        site.set(node, "findings.json", NOT_READY);
    }
    let said = site.rack(&["check"]).with(1);
    assert_has(
        &said,
        &[
            "FAULT s3d_not_ready on node-1, node-3:",
            "    journalctl -u s3d",
        ],
    );
    assert_eq!(said.matches("s3d_not_ready").count(), 1, "{said}");
}

#[test]
fn disks_and_members_are_those_of_rack_toml() {
    let site = Site::whole();
    site.set("node-1", "disks.json", "[]");
    let nodes = site.read("state/nodes.json").replace("node-3", "node-9");
    site.write("state/nodes.json", &nodes);
    let said = site.rack(&["check"]).with(1);
    assert_has(
        &said,
        &[
            "disks_absent on node-1: 0 of the 1 disks",
            "node_absent on node-3",
            "node_unknown on node-9",
            "volumed node remove node-9",
        ],
    );
}

#[test]
fn names_and_certificates_are_looked_at() {
    let site = Site::whole();
    site.write("state/names", "s3.example.org\ns3-api.example.org\n");
    let cluster = site.read("state/cluster.json").replace("4102444800", "1");
    site.write("state/cluster.json", &cluster);
    let said = site.rack(&["check"]).with(1);
    assert_has(
        &said,
        &[
            "name_unknown on node-1, node-2, node-3: The name bucket.s3.example.org",
            "cluster_certificate",
            "0 days left",
        ],
    );
}

#[test]
fn a_switch_at_its_limit_is_a_warning() {
    let site = Site::whole();
    let text = site
        .read("rack.toml")
        .replace("budget_watts = 120", "budget_watts = 50");
    site.write("rack.toml", &text);
    assert_has(
        &site.rack(&["check"]).with(6),
        &["WARNING power_budget: The nodes on PoE take up to 49.5 W"],
    );
}
