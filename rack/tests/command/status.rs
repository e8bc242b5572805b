//! `rack status`

use crate::site::{NOT_READY, Site, assert_has};

#[test]
fn a_whole_rack_is_shown() {
    let site = Site::whole();
    let said = site.rack(&["status", "--picture", "rack.svg"]).with(0);
    assert_has(
        &said,
        &[
            "node-1  up",
            "256 MiB",
            "1 GiB",
            "attic: 3 of 3 nodes up, all volumes in sync",
        ],
    );
    let picture = site.read("rack.svg");
    assert_eq!(picture.matches("d1: 25 % full").count(), 3, "{picture}");
}

#[test]
fn what_does_not_serve_is_seen() {
    let site = Site::whole();
    site.set("node-1", "away", "");
    site.set("node-2", "findings.json", NOT_READY);
    let volumes = r#"[{"id": "v1", "name": "photos", "size": 1, "replicas": 3, "used": 0, "epoch": 1, "owner": null,
        "stale": [{"disk": null, "left": 5}]}]"#;
    site.write("state/volumes.json", volumes);
    let said = site.rack(&["status"]).with(1);
    assert_has(
        &said,
        &[
            "node-1  unreachable",
            "node-2  ill",
            "node-2 is ill: s3d does not serve requests.",
            "node-1 is unreachable: node-1 cannot be reached: no route",
            "node-3  up",
            "1 of 3 nodes up, 1 volumes not in sync",
        ],
    );
    let json: serde_json::Value =
        serde_json::from_str(&site.rack(&["status", "--json"]).with(1)).unwrap();
    assert_eq!(json["nodes"][0]["health"]["is"], "unreachable");
    assert_eq!(json["stale_volumes"], 1);
}

#[test]
fn a_node_that_the_others_call_down_is_down() {
    let site = Site::whole();
    site.set("node-1", "away", "");
    let nodes = site.read("state/nodes.json");
    let (first, others) = nodes.split_once('\n').unwrap();
    site.write(
        "state/nodes.json",
        &format!(
            "{}\n{others}",
            first.replace("\"up\": true", "\"up\": false")
        ),
    );
    assert_has(&site.rack(&["status"]).with(1), &["node-1  down"]);
}
