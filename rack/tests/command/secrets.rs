//! `rack secrets`

use std::fs::{self, File};
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;

use crate::site::{Site, assert_has};

/// Gives the rack's operator that recipient, and keeps the identity as a file of that name.
pub fn enter(site: &Site, file: &str) {
    let identity = Identity::generate();
    site.write(file, identity.to_string().expose_secret());
    let recipient = identity.to_public();
    let mut lines: Vec<String> = site.read("rack.toml").lines().map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("age ="));
    let at = lines
        .iter()
        .position(|line| line.starts_with("ssh ="))
        .expect("an operator has a key");
    lines.insert(at + 1, format!("age = \"{recipient}\""));
    site.write("rack.toml", &(lines.join("\n") + "\n"));
}

pub fn set(site: &Site, name: &str, secret: impl AsRef<[u8]>) {
    fs::write(site.path("typed"), secret).expect("a file can be written");
    let input = File::open(site.path("typed")).expect("it was just written");
    site.rack_with(&["secrets", "set", name], input.into())
        .with(0);
}

#[test]
fn a_secret_comes_back_byte_for_byte() {
    let site = Site::whole();
    enter(&site, "ann");
    set(&site, "acme-dns", "CF_Token=x\nCF_Zone=y\n");
    let get = ["secrets", "get", "acme-dns"];
    let said = site.rack(&[&get[..], &["--identity", "ann"]].concat());
    assert_eq!(said.with(0), "CF_Token=x\nCF_Zone=y\n");
    assert_has(&site.rack(&get).with(1), &["--identity or RACK_IDENTITY"]);
    assert_eq!(site.rack(&["secrets", "list"]).with(0), "acme-dns\n");
    let sealed = site.read("secrets/acme-dns.age");
    assert!(
        sealed.starts_with("-----BEGIN AGE") && !sealed.contains("CF_Token"),
        "{sealed}"
    );
}

#[test]
fn a_rotation_follows_the_operators() {
    let site = Site::whole();
    enter(&site, "ann");
    set(&site, "pppoe-password", "p");
    enter(&site, "bob");
    let get = |who: &str| site.rack(&["secrets", "get", "pppoe-password", "--identity", who]);
    assert_has(
        &get("bob").with(1),
        &["is not for this identity", "rack secrets rotate"],
    );
    let rotated = site
        .rack(&["secrets", "rotate", "--identity", "ann"])
        .with(0);
    assert_has(&rotated, &["1 secrets are for 1 operators now"]);
    assert_eq!(get("bob").with(0), "p");
    assert_has(&get("ann").with(1), &["is not for this identity"]);
}

#[test]
fn an_ssh_key_reads_secrets_too() {
    let site = Site::whole();
    let key = site.path("id");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f"])
        .arg(&key)
        .stdin(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let line = fs::read_to_string(site.path("id.pub")).unwrap();
    let text = site.read("rack.toml");
    let old = text.lines().find(|line| line.starts_with("ssh =")).unwrap();
    site.write(
        "rack.toml",
        &text.replace(old, &format!("ssh = \"{}\"", line.trim())),
    );
    set(&site, "wireguard-key", "k\n");
    let said = site.rack(&["secrets", "get", "wireguard-key", "--identity", "id"]);
    assert_eq!(said.with(0), "k\n");
}

#[test]
fn what_is_no_secret_is_refused() {
    let site = Site::whole();
    assert_has(
        &site.rack(&["secrets", "set", "empty"]).with(1),
        &["the secret is empty"],
    );
    assert_has(
        &site.rack(&["secrets", "set", "../evil"]).with(2),
        &["is no name"],
    );
    enter(&site, "ann");
    let missing = site
        .rack(&["secrets", "get", "other", "--identity", "ann"])
        .with(1);
    assert_has(
        &missing,
        &["there is no secret other; `rack secrets set other` keeps one"],
    );
}
