//! How a certificate comes from the router, which gets it, to the nodes, which use it: the router gives it to each
//! over SSH, with a key that opens this one program there and nothing else.

use rack_model::Rack;

use crate::file::{File, Mode};
use crate::hosts::{certified, nodes_end_tls};
use crate::secrets::{Missing, SecretName, Secrets};

/// The program of the nodes that takes a certificate: `accept-certificate FILE GROUP COMMAND…`. It has to be
/// `/usr/lib/hayrack/accept-certificate`.
pub const ACCEPT_CERTIFICATE: &str = include_str!("scripts/accept-certificate");

const PUSH_CERTIFICATE: &str = include_str!("scripts/push-certificate");

/// What OpenWrt's ACME client runs once it has a certificate.
const HOTPLUG: &str = "\
# Runs when a certificate was issued or renewed.
case $ACTION in
issued | renewed) COMMAND ;;
esac
";

const PUSH: &str = "/usr/lib/hayrack/push-certificate";

/// The line of root's `authorized_keys` on a node, for the public half of the secret `certificate-key`.
pub fn authorized_key(public_key: &str) -> String {
    format!(
        "restrict,command=\"/usr/lib/hayrack/accept-certificate /etc/hayrack/tls.pem hayrack \
         systemctl reload-or-restart s3d.service\" {}\n",
        public_key.trim()
    )
}

/// Certificate and key in one file, as OpenWrt's packages leave it for HAProxy.
pub fn combined_path(rack: &Rack) -> String {
    format!("/etc/ssl/acme/{}.combined.crt", certified(rack)[0])
}

/// What follows when there is a new certificate.
pub fn files(rack: &Rack, secrets: &Secrets) -> Result<Vec<File>, Missing> {
    if !nodes_end_tls(rack) {
        // HAProxy could not start before the first one; its own package has it read later ones.
        return Ok(vec![hotplug("/etc/init.d/haproxy restart")]);
    }
    let key = secrets.text(SecretName::CertificateKey)?.trim();
    if !key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Err(Missing::Malformed(SecretName::CertificateKey));
    }
    Ok(vec![
        hotplug(PUSH),
        File::new(PUSH.trim_start_matches('/'), Mode::Program, push(rack)),
        File::new(
            "etc/hayrack/certificate.key",
            Mode::Secret,
            format!("{key}\n"),
        ),
        // For nodes that were off, or are new. OpenWrt's ACME client adds its own line.
        File::new(
            "etc/crontabs/root",
            Mode::Secret,
            format!("30 4 * * * {PUSH}\n"),
        ),
    ])
}

fn hotplug(command: &str) -> File {
    let text = HOTPLUG.replace("COMMAND", command);
    File::new("etc/hotplug.d/acme/60-hayrack", Mode::Public, text)
}

fn push(rack: &Rack) -> String {
    let nodes: Vec<_> = rack
        .nodes
        .iter()
        .map(|node| node.address.to_string())
        .collect();
    PUSH_CERTIFICATE
        .replace("@COMBINED@", &combined_path(rack))
        .replace("@NODES@", &nodes.join(" "))
}
