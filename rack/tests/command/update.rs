//! `rack update`

use crate::site::{NOT_READY, Site, assert_has};

/// Puts an update to version 2 into the rack's folder.
fn with_update() -> Site {
    let site = Site::whole();
    site.write("state/wanted", "2");
    site.write(
        "new/update.toml",
        "version = \"2\"\narch = \"arm64\"\nroot = \"root.img\"\nbytes = 4\nsha256 = \"x\"\nsignature = \"x\"\n",
    );
    site.write("new/root.img", "root");
    site
}

const UPDATE: [&str; 4] = ["update", "new/update.toml", "--patience", "0"];

#[test]
fn nodes_are_updated_one_after_the_other() {
    let site = with_update();
    let said = site.rack(&UPDATE).with(0);
    assert_has(
        &said,
        &[
            "node-1: is back with version 2",
            "All 3 nodes run version 2",
        ],
    );
    let steps = |node: &str| {
        format!("{node} is written\n{node} is drained\n{node} is started\n{node} takes buckets\n")
    };
    let all: String = ["node-1", "node-2", "node-3"].map(steps).concat();
    assert_eq!(site.read("state/log"), all);
    assert_eq!(site.read("state/node-2/root.img"), "root");
    assert!(
        site.read("state/node-2/update.toml")
            .contains("version = \"2\"")
    );
}

#[test]
fn what_the_web_has_the_nodes_fetch_themselves() {
    let site = with_update();
    site.write("state/manifest", &site.read("new/update.toml"));
    let url = "https://example.org/2/update.toml";
    assert_has(
        &site.rack(&["update", url, "--patience", "0"]).with(0),
        &["All 3 nodes run version 2"],
    );
    assert_eq!(site.read("state/node-3/source"), format!("{url}\n"));
    assert!(!site.path("state/node-3/root.img").exists());
}

#[test]
fn what_is_updated_is_passed_over() {
    let site = with_update();
    site.set("node-1", "version", "2");
    let said = site.rack(&UPDATE).with(0);
    assert_has(&said, &["node-1: has version 2 already"]);
    assert!(!site.read("state/log").contains("node-1"));
}

#[test]
fn a_node_that_falls_back_stops_the_update() {
    let site = with_update();
    site.set("node-2", "bad", "");
    let said = site.rack(&UPDATE).with(1);
    assert_has(
        &said,
        &[
            "stopped at node-2: it came back with version 1: what was brought did not come up",
            "Done: node-1. Not yet: node-3.",
            "node-2 has version 1, and serves.",
        ],
    );
    assert!(!site.read("state/log").contains("node-3"));
    std::fs::remove_file(site.path("state/node-2/bad")).unwrap();
    let said = site.rack(&UPDATE).with(0);
    assert_has(
        &said,
        &["node-1: has version 2 already", "All 3 nodes run version 2"],
    );
    assert_has(&said, &["node-2: gives its buckets to the others"]);
}

#[test]
fn no_node_is_taken_out_of_a_rack_that_is_not_whole() {
    for (file, text, why) in [
        (
            "state/node-3/findings.json",
            NOT_READY,
            "node-3: s3d does not serve requests.",
        ),
        ("state/node-3/away", "", "node-3 cannot be reached"),
    ] {
        let site = with_update();
        site.write(file, text);
        let said = site.rack(&UPDATE).with(1);
        assert_has(
            &said,
            &[
                "stopped at node-1: the rack is not whole",
                why,
                "Done: none. Not yet: node-2, node-3.",
            ],
        );
        assert_eq!(site.read("state/log"), "");
    }
}

#[test]
fn replicas_that_are_yet_to_be_made_hold_the_update_back() {
    let site = with_update();
    let volumes = |lacking: &str| {
        format!(
            r#"[{{"id": "v1", "name": "photos", "size": 1, "replicas": 3, "used": 0, "epoch": 1, "owner": null,
            "stale": [], "lacking": {lacking}}}]"#
        )
    };
    site.write("state/volumes.json", &volumes("4"));
    let why = "4 replicas of the volume photos are yet to be made";
    assert_has(&site.rack(&UPDATE).with(1), &["stopped at node-1", why]);
    assert_eq!(site.read("state/log"), "");
    site.write("state/volumes.json", &volumes("0"));
    site.rack(&UPDATE).with(0);
}

#[test]
fn a_volume_that_is_not_in_sync_holds_the_update_back() {
    let site = with_update();
    let volumes = r#"[{"id": "v1", "name": "photos", "size": 1, "replicas": 3, "used": 0, "epoch": 1, "owner": null,
        "stale": [{"disk": null, "left": 5}]}]"#;
    site.write("state/volumes.json", volumes);
    // Also if the node itself serves no requests: it may have the one replica that is in sync.
    for (findings, why) in [
        ("[]", "the volume photos is not in sync"),
        (NOT_READY, "s3d does not serve requests."),
    ] {
        site.set("node-1", "findings.json", findings);
        assert_has(&site.rack(&UPDATE).with(1), &["stopped at node-1", why]);
        assert_eq!(site.read("state/log"), "");
    }
}

#[test]
fn what_is_no_update_is_refused() {
    let site = with_update();
    let refusal = site.rack(&["update", "nowhere.toml"]).with(1);
    assert_has(&refusal, &["cannot read nowhere.toml"]);
    site.write(
        "new/update.toml",
        "version = \"2\"\narch = \"arm64\"\nroot = \"../../etc/shadow\"\n",
    );
    assert_has(&site.rack(&UPDATE).with(1), &["which is no file beside it"]);
    site.write("new/update.toml", "root = \"root.img\"\n");
    assert_has(
        &site.rack(&UPDATE).with(1),
        &["is no manifest of an update"],
    );
}

#[test]
fn machines_of_two_kinds_take_an_update_each() {
    let site = with_update();
    let rack = site.read("rack.toml");
    let rack = rack.replace("power = \"poe\"", "power = \"supply\"");
    let rack = rack.replacen("model = \"pi5-8gb\"", "model = \"odroid-h4-16gb\"", 1);
    site.write("rack.toml", &rack);
    let refusal = site.rack(&UPDATE).with(1);
    assert_has(
        &refusal,
        &["node-1 (odroid-h4-16gb) needs an update for amd64"],
    );
    assert_eq!(site.read("state/log"), "");
    let manifest = site.read("new/update.toml").replace("arm64", "amd64");
    site.write("pc/update.toml", &manifest.replace("root.img", "pc.img"));
    site.write("pc/pc.img", "root");
    let both = [&["update", "pc/update.toml"], &UPDATE[1..]].concat();
    assert_has(&site.rack(&both).with(0), &["All 3 nodes run version 2"]);
    assert!(site.path("state/node-1/pc.img").exists());
    assert!(!site.path("state/node-1/root.img").exists());
    assert!(site.path("state/node-2/root.img").exists());
}
