//! `rack admit`

use crate::site::{Site, assert_has};

/// Takes a node out of the cluster's list, as one that never was in it.
fn take_out(site: &Site, node: &str) {
    let nodes = site.read("state/nodes.json");
    let lines: Vec<&str> = nodes
        .lines()
        .filter(|line| !line.contains(&format!("\"{node}\"")))
        .collect();
    let text = lines.join("\n");
    let text = text.trim_end_matches([',', '\n', ']']);
    site.write("state/nodes.json", &format!("{text}\n]"));
}

#[test]
fn nodes_that_wait_get_a_token_each() {
    let site = Site::whole();
    take_out(&site, "node-3");
    take_out(&site, "node-2");
    let said = site.rack(&["admit"]).with(0);
    assert_has(&said, &["node-2 has a token", "node-3 has a token"]);
    let tokens = ["node-2", "node-3"].map(|node| site.read(&format!("state/{node}/admission")));
    assert_eq!(tokens, ["token-1", "token-2"]);
    assert!(!site.path("state/node-1/admission").exists());
}

#[test]
fn a_rack_that_is_whole_has_nobody_to_let_in() {
    let said = Site::whole().rack(&["admit"]).with(0);
    assert_has(&said, &["every node of rack.toml is in the cluster"]);
}

#[test]
fn a_node_that_is_off_keeps_no_other_out() {
    let site = Site::whole();
    take_out(&site, "node-3");
    take_out(&site, "node-2");
    site.set("node-2", "away", "");
    let said = site.rack(&["admit"]).with(1);
    assert_has(
        &said,
        &[
            "node-3 has a token",
            "node-2 was not let in; give the same command again",
            "no route to node-2",
        ],
    );
    // No token was made for the one that cannot take it.
    assert_eq!(site.read("state/node-3/admission"), "token-1");
}

#[test]
fn without_a_cluster_somebody_has_to_make_it() {
    let site = Site::whole();
    for node in ["node-1", "node-2", "node-3"] {
        site.set(node, "away", "");
    }
    let said = site.rack(&["admit"]).with(1);
    assert_has(&said, &["rack image --found NODE", "no route to node-3"]);
}
