//! What is refused, and what the refusal says.

use rack_model::{Rack, Watts};

const ATTIC: &str = include_str!("../../rack.toml");

/// The refusal of the example with one text in place of another.
fn refused(from: &str, to: &str) -> String {
    assert_eq!(ATTIC.matches(from).count(), 1, "{from}");
    refusal_of(&ATTIC.replace(from, to))
}

fn refusal_of(text: &str) -> String {
    let refusal = Rack::parse("rack.toml", text).expect_err("it is refused");
    refusal.to_string()
}

#[track_caller]
fn assert_says(refusal: &str, parts: &[&str]) {
    for part in parts {
        assert!(refusal.contains(part), "{part:?} is not in\n{refusal}");
    }
}

#[test]
fn the_example_is_a_rack() {
    let rack = Rack::parse("rack.toml", ATTIC).unwrap();
    assert_eq!(rack.s3_host(), "s3.example.org");
    let addresses: Vec<String> = rack
        .nodes
        .iter()
        .map(|node| node.address.to_string())
        .collect();
    assert_eq!(addresses, ["10.77.0.11", "10.77.0.12", "10.77.0.13"]);
    assert_eq!(
        rack.budget().poe,
        Watts::from_milliwatts(3 * (12_700 + 3_800))
    );
}

#[test]
fn a_refusal_shows_the_line() {
    let refusal = refused("slot = 2", "slot = 17");
    let row = ATTIC.lines().position(|line| line == "slot = 2").unwrap() + 1;
    let expected = format!(
        "rack.toml:{row}:8: node-2 is in slot 17; a mount of 2 rack units has slots 1 to 12; write one of these\n\
         {row:>5} | slot = 17\n\
         \x20     |        ^^\n"
    );
    // Its address comes from the slot, too, and is free.
    assert_eq!(format!("{refusal}\n"), expected);
}

#[test]
fn a_port_that_nodes_use_themselves_is_refused() {
    for (port, user) in [(22, "SSH"), (9001, "the REST API"), (10_813, "forward")] {
        let refusal = refused("https_port = 443", &format!("https_port = {port}"));
        assert_says(
            &refusal,
            &[&format!("port {port} is taken by"), user, "8443"],
        );
    }
}

#[test]
fn every_conflict_is_reported_at_once() {
    let text = ATTIC
        .replace("slot = 3", "slot = 1")
        .replace("ports = 8", "ports = 2");
    let refusal = refusal_of(&text);
    assert_says(
        &refusal,
        &[
            "the switch has 2 ports for 4 cables",
            "node-3 and node-1 are both in slot 1",
            // Its address comes from its slot.
            "node-3 has the address of node-1",
        ],
    );
}

#[test]
fn twins_are_refused() {
    assert_says(
        &refused("dc:a6:32:01:02:03", "dc:a6:32:01:02:01"),
        &["node-3 has the MAC of node-1; write its own", "^^^^"],
    );
    assert_says(
        &refused("name = \"node-3\"", "name = \"node-2\""),
        &["two nodes are called node-2, in slots 2 and 3"],
    );
    assert_says(
        &refused("slot = 3", "slot = 3\naddress = \"10.77.0.11\""),
        &["node-3 has the address of node-1"],
    );
}

#[test]
fn addresses_are_inside_of_the_network() {
    assert_says(
        &refused("slot = 3", "slot = 3\naddress = \"10.78.0.13\""),
        &[
            "node-3's address 10.78.0.13 lies outside of the nodes' network 10.77.0.0/24",
            "like 10.77.0.13",
        ],
    );
    assert_says(
        &refused("slot = 3", "slot = 3\naddress = \"10.77.0.1\""),
        &["node-3 has the router's address"],
    );
    assert_says(
        &refused("router = \"10.77.0.1\"", "router = \"10.77.1.1\""),
        &[
            "the router's address 10.77.1.1 lies outside",
            "like 10.77.0.1",
        ],
    );
    assert_says(
        &refused("nodes = \"10.77.0.0/24\"", "nodes = \"10.77.0.9/24\""),
        &["write 10.77.0.0/24"],
    );
}

#[test]
fn a_network_has_room() {
    let small = ATTIC
        .replace("10.77.0.0/24", "10.77.0.0/30")
        .replace("guests = {", "# guests = {");
    assert_says(
        &refusal_of(&small),
        &[
            "10.77.0.0/30 has 2 addresses for 4 machines",
            "node-1 gets 10.77.0.11 from its slot",
        ],
    );
}

#[test]
fn guests_take_nobodys_address() {
    assert_says(
        &refused("first = \"10.77.0.100\"", "first = \"10.77.0.13\""),
        &["node-3 has 10.77.0.13, which is one of the guests' addresses"],
    );
    assert_says(
        &refused("first = \"10.77.0.100\"", "first = \"10.77.0.200\""),
        &["comes after the last"],
    );
}

#[test]
fn unknown_models_name_those_like_them() {
    assert_says(
        &with_model("pi5"),
        &[
            "no node model is called \"pi5\"; did you mean pi5-8gb or pi5-16gb",
            "model = \"pi5\"",
        ],
    );
    assert_says(
        &refused("model = \"pi4\" ", "model = \"vax\" "),
        &["no router model is called \"vax\"; write one of pi4, nanopi-r4s, x86-64"],
    );
}

fn with_model(model: &str) -> String {
    refused(
        "slot = 1\nmodel = \"pi5-8gb\"",
        &format!("slot = 1\nmodel = \"{model}\""),
    )
}

#[test]
fn a_port_feeds_its_node() {
    assert_says(
        &refused("poe = \"802.3at\"", "poe = \"802.3af\""),
        &[
            "node-1 takes up to 16.5 W with its disks; 13 W from a port of 802.3af reach it",
            "take a switch of 802.3at",
        ],
    );
    assert_says(
        &with_model("odroid-h4-16gb"),
        &["node-1, a odroid-h4-16gb, cannot be fed by PoE; write power = \"supply\""],
    );
}

#[test]
fn a_switch_feeds_all_nodes_at_one_time() {
    assert_says(
        &refused("budget_watts = 120", "budget_watts = 40"),
        &[
            "take up to 49.5 W, 9.5 W more than the switch's 40 W",
            "write power = \"supply\" for node-3",
        ],
    );
}

#[test]
fn operators_can_log_in() {
    let line = ATTIC
        .lines()
        .find(|line| line.starts_with("ssh = "))
        .unwrap();
    assert_says(
        &refused(line, ""),
        &["`ssh` is missing here; write ssh = \"ssh-ed25519"],
    );
    assert_says(&refused("HR4f ops", " ops"), &["this SSH key is damaged"]);
    let without = ATTIC.split("[[operator]]").next().unwrap();
    assert_says(
        &refusal_of(without),
        &["nobody could log in; write an [[operator]]"],
    );
}

#[test]
fn values_are_of_their_kind() {
    for (from, to, sentence) in [
        (
            "name = \"attic\"",
            "name = \"My Attic\"",
            "\"My Attic\" is no name",
        ),
        (
            "domain = \"example.org\"",
            "domain = \"https://example.org\"",
            "is no domain",
        ),
        (
            "mac = \"dc:a6:32:01:02:01\"",
            "mac = \"dc:a6\"",
            "is no MAC",
        ),
        (
            "units = 2",
            "units = 3",
            "a mount has no 3 units; write 1 or 2",
        ),
        (
            "tls = \"nodes\"",
            "tls = \"me\"",
            "write tls = \"nodes\" or tls = \"router\"",
        ),
        (
            "https_port = 443",
            "https_port = 0",
            "write https_port = 443",
        ),
        (
            "poe = \"802.3at\"",
            "poe = \"802.3\"",
            "write poe = \"802.3at\", or none",
        ),
        (
            "budget_watts = 120",
            "budget_watts = -1",
            "write watts between",
        ),
        (
            "address = \"dhcp\" }\n\n",
            "address = \"dhpc\" }\n\n",
            "write \"dhcp\", \"pppoe\"",
        ),
        (
            "ports = 8 ",
            "prots = 8 ",
            "there is no `prots` here; did you mean ports?",
        ),
        (
            "lan = \"eth0\"",
            "lan = \"eth1\"",
            "eth1 would be both the nodes' side and the uplink",
        ),
        ("x_mm = 220", "x_mm = 22", "is no printer's bed"),
        (
            "nodes = \"10.77.0.0/24\"",
            "nodes = \"10.77.0.0\"",
            "write nodes = \"10.77.0.0/24\"",
        ),
    ] {
        assert_says(&refused(from, to), &[sentence, "^"]);
    }
}

#[test]
fn optional_parts_are_checked_too() {
    let tunnel = |network: &str| {
        let line = format!(
            "https_port = 443\ntunnel = {{ endpoint = \"203.0.113.7:51820\", \
             public_key = \"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\", network = \"{network}\" }}"
        );
        ATTIC.replace("https_port = 443", &line)
    };
    assert!(Rack::parse("rack.toml", &tunnel("10.9.0.0/30")).is_ok());
    assert_says(
        &refusal_of(&tunnel("10.9.0.0/32")),
        &["has no room for two ends"],
    );
    assert_says(
        &refusal_of(&tunnel("10.77.0.0/30")),
        &["overlaps the nodes'"],
    );
    let forge = format!("{ATTIC}\n[forge]\nnode = \"node1\"\n");
    assert_says(
        &refusal_of(&forge),
        &["no node is called \"node1\"; did you mean node-1"],
    );
    let fixed = |rest: &str| {
        let wan = format!("wan = {{ device = \"eth1\", address = \"198.51.100.2/24\"{rest} }}");
        ATTIC.replace("wan = { device = \"eth1\", address = \"dhcp\" }", &wan)
    };
    assert_says(&refusal_of(&fixed("")), &["needs a way out"]);
    let away = fixed(", gateway = \"192.0.2.1\", dns = [\"192.0.2.1\"]");
    assert_says(&refusal_of(&away), &["the gateway 192.0.2.1 is not in"]);
    let near = fixed(", gateway = \"198.51.100.1\", dns = [\"198.51.100.1\"]");
    assert!(Rack::parse("rack.toml", &near).is_ok());
}

#[test]
fn a_node_without_mac_is_refused_by_what_needs_it() {
    let rack = Rack::parse(
        "rack.toml",
        &ATTIC.replace("mac = \"dc:a6:32:01:02:03\"", ""),
    )
    .unwrap();
    let refusal = rack.nodes[2].known_mac().unwrap_err().to_string();
    assert!(
        refusal.starts_with("node-3 has no MAC yet; write mac = "),
        "{refusal}"
    );
}

#[test]
fn what_is_shown_as_json_has_the_keys_of_the_file() {
    let rack = Rack::parse("rack.toml", ATTIC).unwrap();
    let json = serde_json::to_value(&rack).unwrap();
    assert_eq!(
        json["node"][0]["disks"][0]["capacity"],
        1_000_000_000_000_u64
    );
    assert_eq!(json["node"][0]["model"], "pi5-8gb");
    assert_eq!(json["network"]["nodes"], "10.77.0.0/24");
    assert_eq!(json["switch"]["budget_watts"], 120.0);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Rack::load(&folder.path().join("rack.toml")).unwrap_err();
    assert_says(
        &error.to_string(),
        &["rack.toml cannot be read", "`rack init` writes one"],
    );
}
