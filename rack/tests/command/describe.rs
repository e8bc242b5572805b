//! `rack init`, `show`, `parts`, and what a slip in rack.toml leads to.

use crate::site::{Site, assert_has};

const FLAGS: [&str; 13] = [
    "init",
    "--name",
    "cellar",
    "--domain",
    "example.net",
    "--nodes",
    "4",
    "--model",
    "pi4-8gb",
    "--uplink",
    "dhcp",
    "--ssh-key",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ann@desk",
];

#[test]
fn a_new_rack_is_written_and_never_overwritten() {
    let site = Site::whole();
    let refusal = site.rack(&FLAGS).with(1);
    assert_has(&refusal, &["rack.toml exists; --force overwrites it"]);
    assert!(site.read("rack.toml").contains("attic"));
    let forced = [&FLAGS[..], &["--force"]].concat();
    assert_has(&site.rack(&forced).with(0), &["rack.toml is written"]);
    let shown = site.rack(&["show"]).with(0);
    assert_has(
        &shown,
        &["cellar in 2U", "node-4  pi4-8gb", "10.77.0.14  unknown"],
    );
    let elsewhere = [&FLAGS[..], &["--file", "other.toml"]].concat();
    site.rack(&elsewhere).with(0);
    assert!(site.path("other.toml").exists());
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let site = Site::whole();
    let refusal = site.rack(&["init", "--force", "--name", "cellar"]).with(1);
    assert_has(
        &refusal,
        &["add --domain, --nodes, --model, --uplink, --ssh-key"],
    );
    let refusal = site.rack(&["init", "--model", "pi9"]).with(2);
    assert_has(&refusal, &["no node model is called \"pi9\""]);
}

#[test]
fn the_rack_is_shown_for_people_and_programs() {
    let site = Site::whole();
    let shown = site.rack(&["show"]).with(0);
    assert_has(
        &shown,
        &["node-2", "dc:a6:32:01:02:02", "PoE, up to 16.5 W", "12  -"],
    );
    let json: serde_json::Value =
        serde_json::from_str(&site.rack(&["show", "--json"]).with(0)).unwrap();
    assert_eq!(json["node"][1]["address"], "10.77.0.12");
    let parts: serde_json::Value =
        serde_json::from_str(&site.rack(&["parts", "--json"]).with(0)).unwrap();
    assert_eq!(parts["budget"]["poe"], 49.5);
}

#[test]
fn the_mount_is_listed_without_being_made() {
    let site = Site::whole();
    let listed = site.rack(&["mount", "--list"]).with(0);
    assert_has(
        &listed,
        &[
            "2U with 12 slots",
            "9  blank.stl",
            "label-node-2.stl",
            "12  nut M3",
        ],
    );
    let text = site.read("rack.toml");
    let small = text.replace("x_mm = 220, y_mm = 220", "x_mm = 150, y_mm = 150");
    assert_ne!(small, text);
    site.write("rack.toml", &small);
    let refusal = site.rack(&["mount", "--list"]).with(1);
    assert_has(
        &refusal,
        &["tray-pi5-ssd is 82.2 mm", "the printer takes 150 mm"],
    );
}

#[test]
fn a_slip_is_shown_with_its_line() {
    let site = Site::whole();
    let text = site.read("rack.toml").replace("slot = 3", "slot = 33");
    site.write("rack.toml", &text);
    let refusal = site.rack(&["show"]).with(2);
    assert!(
        refusal.starts_with("rack.toml:64:8: node-3 is in slot 33;"),
        "{refusal}"
    );
    assert_has(&refusal, &["   64 | slot = 33", "^^", "slots 1 to 12"]);
}

#[test]
fn a_rack_is_found_from_below_and_missed_elsewhere() {
    let site = Site::whole();
    let file = site.path("rack.toml");
    let named = site
        .rack(&["show", "--file", file.to_str().unwrap()])
        .with(0);
    assert_has(&named, &["attic"]);
    let refusal = site.rack(&["show", "--file", "nowhere.toml"]).with(1);
    assert_has(
        &refusal,
        &["nowhere.toml cannot be read", "`rack init` writes one"],
    );
}

#[test]
fn every_command_has_a_page_and_completions() {
    let site = Site::whole();
    let page = site.rack(&["man", "secrets rotate"]).with(0);
    assert_has(&page, &[".TH rack-secrets-rotate 1"]);
    assert_has(&site.rack(&["completions", "bash"]).with(0), &["replace"]);
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let site = Site::whole();
    let shown = site.rack(&["show"]).with(0);
    let first_slots: Vec<&str> = shown.lines().take(6).collect();
    assert_has(readme, &first_slots);
    let slips = site
        .read("rack.toml")
        .replace("budget_watts = 120", "budget_watts = 40")
        .replace("dc:a6:32:01:02:02", "dc:a6:32:01:02:01");
    site.write("rack.toml", &slips);
    assert_has(readme, &[&site.rack(&["show"]).with(2)]);
}
