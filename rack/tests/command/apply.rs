//! `rack apply`

use std::fs;

use crate::image;
use crate::site::{NOT_READY, Site, assert_has};

const APPLY: [&str; 3] = ["apply", "--patience", "0"];
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// A rack whose nodes were started from its image.
fn started() -> Site {
    let site = image::new_site();
    image::image(&site, &["--found", "node-1"]).with(0);
    for node in NODES {
        site.set(node, "settings.toml", &site.read("seen/settings.toml"));
    }
    site
}

/// Has S3 come to another port.
fn change(site: &Site) {
    let text = site.read("rack.toml");
    site.write(
        "rack.toml",
        &text.replace("https_port = 443", "https_port = 8443"),
    );
}

#[test]
fn an_image_brings_what_rack_toml_makes() {
    let site = started();
    assert_eq!(
        site.rack(&APPLY).with(0),
        "All 3 nodes have the settings of rack.toml already\n"
    );
    assert_eq!(site.rack(&["apply", "--json"]).with(0), "[]\n");
    assert_eq!(site.read("state/log"), "");
    site.rack(&["check"]).with(0);
}

#[test]
fn nodes_get_a_change_one_after_the_other() {
    let site = started();
    change(&site);
    assert_has(
        &site.rack(&["check"]).with(6),
        &[
            "WARNING settings_differ on node-1, node-2, node-3",
            "rack apply",
        ],
    );
    let said = site.rack(&APPLY).with(0);
    assert_has(
        &said,
        &[
            "node-3:\n  - s3d.s3_listen = \"0.0.0.0:443\"\n  + s3d.s3_listen = \"0.0.0.0:8443\"\n",
            "node-1: is back with the settings of rack.toml",
            "All 3 nodes have the settings of rack.toml",
        ],
    );
    let steps = |node| {
        format!(
            "{node} is configured\n{node} is drained\n{node} is started\n{node} takes buckets\n"
        )
    };
    assert_eq!(site.read("state/log"), NODES.map(steps).concat());
    for node in NODES {
        let settings = site.read(&format!("state/{node}/settings.toml"));
        assert_has(
            &settings,
            &["s3_listen = \"0.0.0.0:8443\"", "update_key = "],
        );
    }
    assert_has(&site.rack(&APPLY).with(0), &["already"]);
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let site = started();
    // A board was replaced.
    let text = site
        .read("rack.toml")
        .replace("dc:a6:32:01:02:03", "dc:a6:32:01:02:04");
    site.write("rack.toml", &text);
    let said = site.rack(&["apply", "--dry-run"]).with(0);
    assert_has(
        &said,
        &[
            "node-1:\n  - node.node-3.mac = \"dc:a6:32:01:02:03\"\n  + node.node-3.mac = \"dc:a6:32:01:02:04\"\n",
            "Nothing is changed",
        ],
    );
    let said = site.rack(&["apply", "--dry-run", "--json"]).with(0);
    let changed: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!(changed[2]["node"], "node-3");
    assert_eq!(
        changed[0]["added"][0],
        "node.node-3.mac = \"dc:a6:32:01:02:04\""
    );
    assert_eq!(site.read("state/log"), "");
}

#[test]
fn only_nodes_that_differ_are_started_anew() {
    let site = started();
    let old = site
        .read("state/node-2/settings.toml")
        .replace(":443", ":444");
    site.set("node-2", "settings.toml", &old);
    let said = site.rack(&["apply", "--json", "--patience", "0"]).with(0);
    let changed: serde_json::Value = serde_json::from_str(&said).expect("it is JSON alone");
    assert_eq!(changed.as_array().map(Vec::len), Some(1));
    assert!(!site.read("state/log").contains("node-1"));
    assert_has(&site.read("state/log"), &["node-2 is started"]);
}

#[test]
fn a_node_that_is_not_well_with_a_change_stops_it_and_takes_the_next_one() {
    let site = started();
    change(&site);
    site.set("node-1", "unwell", NOT_READY);
    assert_has(
        &site.rack(&APPLY).with(1),
        &[
            "stopped at node-1: it came back, but the rack is not whole",
            "Done: none. Not yet: node-2, node-3.",
            "node-1 has the settings of rack.toml.",
        ],
    );
    // Nobody else is taken out then.
    assert_has(
        &site.rack(&APPLY).with(1),
        &["stopped at node-2: the rack is not whole"],
    );
    assert!(!site.read("state/log").contains("node-2"));
    // What helps the node may be brought to it, although it serves nothing.
    let text = site.read("rack.toml").replace("8443", "443");
    site.write("rack.toml", &text);
    site.set("node-1", "unwell", "[]");
    let said = site.rack(&APPLY).with(0);
    assert!(!said.contains("gives its buckets"), "{said}");
    assert_has(&site.read("state/node-1/settings.toml"), &["0.0.0.0:443"]);
}

#[test]
fn a_node_that_goes_back_to_its_settings_stops_a_change() {
    let site = started();
    change(&site);
    site.set("node-2", "bad", "");
    assert_has(
        &site.rack(&APPLY).with(1),
        &[
            "stopped at node-2: it came back with the settings that it had before",
            "Done: node-1. Not yet: node-3.",
            "node-2 has the settings that it had before, and serves.",
        ],
    );
    assert_has(&site.read("state/node-2/settings.toml"), &["0.0.0.0:443"]);
    assert!(!site.read("state/log").contains("node-3"));
    // What rack.toml said before is brought to the node that has the change, and no other is touched.
    let text = site.read("rack.toml").replace("8443", "443");
    site.write("rack.toml", &text);
    site.rack(&APPLY).with(0);
    assert_has(&site.read("state/node-1/settings.toml"), &["0.0.0.0:443"]);
    assert_eq!(
        site.read("state/log").matches("node-2 is started").count(),
        1
    );
}

#[test]
fn settings_that_a_node_did_not_start_with_are_brought_again() {
    let site = started();
    change(&site);
    // It was configured, and then could not be started anew.
    site.set("node-1", "settings.next", "");
    site.rack(&APPLY).with(0);
    assert_has(&site.read("state/node-1/settings.toml"), &["0.0.0.0:8443"]);
}

#[test]
fn nothing_is_changed_unless_all_is_known() {
    let site = started();
    change(&site);
    fs::remove_file(site.path("state/node-3/settings.toml")).expect("it has settings");
    assert_has(
        &site.rack(&APPLY).with(1),
        &[
            "nothing is changed",
            "node-3: `hayrack-firstboot settings` failed",
        ],
    );
    assert_eq!(site.read("state/log"), "");
}
