//! Nodes that are reached by SSH, with a script as the `ssh` program.

use std::collections::BTreeSet;
use std::path::Path;

use crate::site::{Site, assert_has};

/// Runs `rack` with the script in the place of `ssh`.
fn rack(site: &Site, reach: &str, words: &[&str], code: i32) -> String {
    let ssh = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/ssh");
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{path}", ssh.display());
    site.rack_in(words, &[("PATH", &path), ("RACK_REACH", reach)])
        .with(code)
}

#[test]
fn a_rack_is_checked_over_ssh() {
    let site = Site::whole();
    let said = rack(&site, "ssh", &["check"], 0);
    assert_has(&said, &["Nothing is wrong"]);
    let calls = site.read("state/ssh");
    assert_has(
        &calls,
        &[
            "-o BatchMode=yes",
            "-o StrictHostKeyChecking=accept-new",
            "-o UserKnownHostsFile=known_hosts",
            "-o HostKeyAlias=node-2 ",
            "/node-2 root@10.77.0.12 -- env VOLUMED_ADMIN=",
            "s3d doctor --json --config /etc/hayrack/s3d.toml",
        ],
    );
}

#[test]
fn a_node_has_one_connection_for_all_that_it_is_asked() {
    let site = Site::whole();
    rack(&site, "ssh", &["check"], 0);
    let calls = site.read("state/ssh");
    let paths: BTreeSet<&str> = calls
        .split_whitespace()
        .filter(|word| word.starts_with("ControlPath="))
        .collect();
    assert_eq!(paths.len(), 3, "{calls}");
    assert_eq!(
        calls.matches("ControlMaster=auto").count(),
        calls.lines().count()
    );
}

#[test]
fn whom_ssh_does_not_reach_is_unreachable() {
    let site = Site::whole();
    site.set("node-1", "away", "");
    let said = rack(&site, "ssh", &["check"], 1);
    assert_has(&said, &["node-1 cannot be reached: no route to node-1."]);
}

#[test]
fn what_is_no_way_to_a_node_is_refused() {
    let site = Site::whole();
    let refusal = rack(&site, "ssh:-oProxyCommand=x", &["status"], 2);
    assert_has(
        &refusal,
        &["is no way to reach nodes; write ssh, ssh:USER, or exec:COMMAND"],
    );
}
