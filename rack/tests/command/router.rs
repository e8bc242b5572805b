//! `rack router`

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::secrets::{enter, set};
use crate::site::{Site, assert_has};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

/// A rack that gets its certificates by ACME.
fn with_acme() -> Site {
    let site = Site::whole();
    let mut rack = site.read("rack.toml");
    for line in ["[acme]", "email =", "directory =", "dns = \"dns_cf\""] {
        rack = rack.replace(&format!("# {line}"), line);
    }
    site.write("rack.toml", &rack);
    site
}

/// The same, with an operator who can read all that its router needs.
fn with_secrets() -> Site {
    let site = with_acme();
    enter(&site, "ann");
    set(&site, "acme-dns", "CF_Token=x\n");
    set(&site, "certificate-key", KEY);
    site
}

fn mode(site: &Site, name: &str) -> u32 {
    let file = fs::metadata(site.path(name)).expect("it was written");
    file.permissions().mode() & 0o777
}

#[test]
fn the_routers_files_are_written_once() {
    let site = with_secrets();
    let said = site.rack(&["router", "--identity", "ann"]).with(0);
    assert_has(&said, &["remove the folder", "FILES=", "router/build"]);
    let files = "router/files/etc/config";
    assert_has(
        &site.read(&format!("{files}/dhcp")),
        &["node-1", "/s3.example.org/"],
    );
    assert_has(&site.read(&format!("{files}/acme")), &["CF_Token="]);
    assert_has(
        &site.read("router/build"),
        &["make image PROFILE=", "haproxy"],
    );
    assert_has(
        &site.read("router/s3d.toml"),
        &["proxy_from = [\"10.77.0.1/32\"]"],
    );
    assert_eq!(mode(&site, "router"), 0o700);
    assert_eq!(mode(&site, &format!("{files}/acme")), 0o600);
    let push = "router/files/usr/lib/hayrack/push-certificate";
    assert_eq!(mode(&site, push), 0o755);

    let again = site.rack(&["router", "--identity", "ann"]).with(1);
    assert_has(&again, &["router is not empty", "--output"]);
    let other = ["router", "--identity", "ann", "--output", "other", "--json"];
    assert_has(&site.rack(&other).with(0), &["files/etc/haproxy.cfg"]);
}

#[test]
fn a_secret_that_is_not_kept_is_named_and_nothing_is_written() {
    let site = with_acme();
    let said = site.rack(&["router"]).with(1);
    assert_has(&said, &["rack secrets set"]);
    assert!(!site.path("router").exists());
    let site = with_secrets();
    assert_has(
        &site.rack(&["router"]).with(1),
        &["--identity or RACK_IDENTITY"],
    );
}
