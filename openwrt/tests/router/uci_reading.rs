//! What is rendered is read back as it was meant, by a parser that shares nothing with what wrote it.

use std::process::Command;

use hayrack_rack::network::output;
use openwrt::{SecretName, Secrets};
use proptest::prelude::*;
use rack_model::Rack;
use serde_json::Value;

use crate::site::{NO_TUNNEL, file};
use crate::uci::parse;

fn rendered(secrets: &Secrets) -> Vec<openwrt::File> {
    rendered_from(include_str!("rack.toml"), secrets)
}

fn rendered_from(rack: &str, secrets: &Secrets) -> Vec<openwrt::File> {
    let rack = Rack::parse("rack.toml", rack).expect("it is a rack");
    let rendered = openwrt::render(&rack, secrets);
    rendered.expect("all secrets are there").router
}

fn secrets(token: &str) -> Secrets {
    Secrets::default()
        .with(
            SecretName::WireGuardKey,
            "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
        )
        .with(SecretName::AcmeDns, format!("TOKEN={token}"))
        .with(
            SecretName::CertificateKey,
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        )
}

#[test]
fn what_is_quoted_in_any_way_is_read() {
    let text = "# a comment\nconfig a 'b'\n\toption c \"d \\\" e\"\n  list f it\\'s # more\n list f 'g'\\''h'\n";
    let sections = parse(text).unwrap();
    assert_eq!(sections[0].option("c"), Some("d \" e"));
    assert_eq!(sections[0].list("f").collect::<Vec<_>>(), ["it's", "g'h"]);
    for wrong in [
        "option a b",
        "config a\noption b",
        "config a\nlist b 'c",
        "configure a",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_file_is_read_back() {
    for file in rendered(&secrets("x")) {
        if file.path.starts_with("etc/config/") {
            assert!(!parse(&file.text).unwrap().is_empty(), "{}", file.path);
        }
    }
}

/// Another reader of OpenWrt's configuration, written by others. It reads no quotes within a value, and no WireGuard
/// without a port.
#[test]
#[ignore = "`make router` runs it: netjsonconfig has to be installed"]
fn netjsonconfig_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/router/python/netjson.py"
    );
    let python = std::env::var_os("HAYRACK_NETJSONCONFIG").expect("make router sets it");
    let mut read = Command::new(python);
    read.arg(script);
    let (tunnel, none) = NO_TUNNEL;
    let rack = include_str!("rack.toml").replace(tunnel, none);
    for file in rendered_from(&rack, &secrets("x")) {
        if let Some(name) = file.path.strip_prefix("etc/config/") {
            let path = folder.path().join(name);
            std::fs::write(&path, &file.text).unwrap();
            read.arg(path);
        }
    }
    let read: Value = serde_json::from_str(&output(&mut read, "").unwrap()).unwrap();
    let interface = |name: &str| {
        let all = read["interfaces"].as_array().unwrap();
        all.iter()
            .find(|it| it["network"] == name || it["name"] == name)
            .unwrap()
    };
    assert_eq!(interface("lan")["addresses"][0]["address"], "10.77.0.1");
    assert_eq!(interface("lan")["addresses"][0]["mask"], 24);
    assert_eq!(interface("wan")["addresses"][0]["gateway"], "198.51.100.1");
    assert_eq!(read["general"]["hostname"], "attic-router");
    // What it has no word of its own for, it keeps as it is.
    let hosts = read["dhcp"].as_array().unwrap();
    let host = hosts.iter().find(|it| it["name"] == "node-2").unwrap();
    assert_eq!(host["ip"], "10.77.0.12");
    assert_eq!(read["acme"][1]["credentials"][0], "TOKEN=x");
}

proptest! {
    #[test]
    fn any_token_reaches_the_hook_through_uci_and_the_shell(token in "[ -~]{0,40}[!-~]") {
        let files = rendered(&secrets(&token));
        let sections = parse(file(&files, "etc/config/acme").unwrap()).unwrap();
        let credentials = sections[1].list("credentials").next().unwrap();
        // The shell's quotes are those of UCI.
        let words = parse(&format!("config a\noption b {credentials}")).unwrap();
        prop_assert_eq!(words[0].option("b").unwrap(), format!("TOKEN={token}"));
    }
}
