//! `rack image`, as far as the script that builds it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::secrets::{enter, set};
use crate::site::{Ended, Site, assert_has};

/// Keeps what it is given, as `seen/`.
const SCRIPT: &str =
    "#!/bin/sh\nmkdir seen\ncp -r \"$SETTINGS\" \"$ADMISSIONS\" seen\necho \"$3/$1.img\"\n";

/// A rack whose first image is built, with an operator who can read secrets.
pub fn site() -> Site {
    let site = new_site();
    image(&site, &["--found", "node-1"]).with(0);
    fs::remove_dir_all(site.path("seen")).expect("an image was built");
    site
}

/// The same without any image.
pub fn new_site() -> Site {
    let site = Site::whole();
    site.write("os-image/build/image", SCRIPT);
    let script = site.path("os-image/build/image");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("it was written");
    enter(&site, "ann");
    site
}

/// Builds an image, which is then in `seen/`.
pub fn image(site: &Site, words: &[&str]) -> Ended {
    site.rack(&[&["image", "--out", "out"], words].concat())
}

#[test]
fn the_first_image_needs_no_secrets() {
    let site = new_site();
    let said = image(&site, &["--found", "node-1"]).with(0);
    assert_eq!(said, "out/arm64.img\n");
    assert_eq!(site.read("seen/admissions/node-1"), "found");
    assert_has(
        &site.read("seen/settings.toml"),
        &["s3_listen = \"0.0.0.0:443\"", "name = \"node-3\""],
    );
    assert!(site.path("out/update.key").exists());
}

#[test]
fn a_later_image_is_signed_with_the_key_of_the_first() {
    let site = new_site();
    let refusal = image(&site, &[]).with(1);
    assert_has(
        &refusal,
        &[
            "there is no update key in out/update.key",
            "UPDATE_KEY",
            "--found NODE draws one",
        ],
    );
    assert!(!site.path("out").exists() && !site.path("seen").exists());
    image(&site, &["--found", "node-1"]).with(0);
    let of_first = site.read("seen/settings.toml");
    fs::remove_dir_all(site.path("seen")).expect("an image was built");
    fs::rename(site.path("out/update.key"), site.path("kept.key")).expect("it was drawn");
    let words = ["image", "--out", "out"];
    site.rack_in(&words, &[("UPDATE_KEY", "kept.key")]).with(0);
    assert_eq!(site.read("seen/settings.toml"), of_first);
    assert!(!site.path("out/update.key").exists());
}

#[test]
fn a_token_that_is_kept_is_in_the_image_of_its_node() {
    let site = site();
    set(&site, "join-node-2", "ae6u\n");
    assert_has(
        &image(&site, &[]).with(1),
        &["join-node-2 is kept as a secret", "--identity"],
    );
    assert!(!site.path("seen").exists());
    image(&site, &["--node", "node-2", "--identity", "ann"]).with(0);
    assert_eq!(site.read("seen/admissions/node-2"), "ae6u");
}

#[test]
fn a_secret_that_is_no_text_is_not_put_into_an_image() {
    let site = site();
    set(&site, "join-node-2", b"ae\xff6u");
    let said = image(&site, &["--identity", "ann"]).with(1);
    assert_has(&said, &["join-node-2 is no text", "rack secrets set"]);
}

#[test]
fn a_token_is_for_one_node() {
    let site = site();
    set(&site, "join-node-2", "ae6u\n");
    set(&site, "join-node-3", "ae6u\n");
    let said = image(&site, &["--identity", "ann"]).with(1);
    assert_has(&said, &["join-node-2 and join-node-3 are the same token"]);
    // The image of one node has the one token.
    image(&site, &["--node", "node-3", "--identity", "ann"]).with(0);
}

#[test]
fn an_image_that_would_not_fit_is_not_built() {
    let site = site();
    assert_has(
        &image(&site, &["--arch", "amd64"]).with(1),
        &["node-1 (pi5-8gb) needs one for arm64: --arch arm64"],
    );
    assert_has(
        &image(&site, &["--arch", "riscv64"]).with(2),
        &["write arm64 or amd64"],
    );
    assert_has(
        &image(&site, &["--found", "node-9"]).with(1),
        &["the image is for node-1, node-2, node-3"],
    );
    let mac = "mac = \"dc:a6:32:01:02:02\"\n";
    site.write("rack.toml", &site.read("rack.toml").replace(mac, ""));
    assert_has(&image(&site, &[]).with(1), &["node-2 has no MAC yet"]);
    assert!(!site.path("seen").exists());
}

#[test]
fn nodes_let_the_routers_key_in_if_it_brings_certificates() {
    let site = site();
    let mut rack = site.read("rack.toml");
    for line in ["[acme]", "email =", "directory =", "dns = \"dns_cf\""] {
        rack = rack.replace(&format!("# {line}"), line);
    }
    site.write("rack.toml", &rack);
    assert_has(
        &image(&site, &[]).with(1),
        &["the rack needs the secret certificate-key", "ssh-keygen"],
    );
    let make = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "c", "-f"])
        .arg(site.path("key"))
        .stdin(Stdio::null())
        .status();
    assert!(make.expect("ssh-keygen can be run").success());
    set(&site, "certificate-key", site.read("key"));
    image(&site, &["--identity", "ann"]).with(0);
    let public = site.read("key.pub");
    let settings: toml::Table = site.read("seen/settings.toml").parse().expect("it is TOML");
    let line = settings["authorized_keys"][1].as_str().expect("a line");
    assert_has(
        line,
        &["restrict,command=", public.trim_end_matches(" c\n")],
    );
}
