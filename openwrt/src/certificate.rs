//! How a certificate comes from the router, which gets it, to the nodes, which use it: the router gives it to each
//! over SSH, with a key that opens this one program there and nothing else.

use rack_model::Rack;

use crate::file::{File, Mode};
use crate::hosts::{certified, nodes_end_tls};
use crate::secrets::{Missing, SecretName, Secrets};
use crate::ssh_key::public_half;

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

/// Whether the router brings the nodes their certificates, for which it needs the secret `certificate-key`.
pub fn brings_certificates(rack: &Rack) -> bool {
    rack.acme.is_some() && nodes_end_tls(rack)
}

/// The line of root's `authorized_keys` that every node has; none if the router brings no certificates.
pub fn certificate_line(rack: &Rack, secrets: &Secrets) -> Result<Option<String>, Missing> {
    if !brings_certificates(rack) {
        return Ok(None);
    }
    let key = secrets.text(SecretName::CertificateKey)?;
    let public = public_half(key).ok_or(Missing::Malformed(SecretName::CertificateKey))?;
    Ok(Some(authorized_key(&public)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{rack, secrets};
    use crate::ssh_key::tests::pair;

    #[test]
    fn nodes_let_the_routers_key_do_one_thing() {
        let (private, public) = pair("");
        let with_key = secrets().with(SecretName::CertificateKey, private);
        let line = certificate_line(&rack(&[]), &with_key).unwrap().unwrap();
        let (options, key) = line.split_once(" s3d.service\" ").unwrap();
        assert!(options.starts_with("restrict,command=\"/usr/lib/hayrack/accept-certificate "));
        assert!(public.starts_with(key.trim()), "{key}");
    }

    #[test]
    fn a_key_that_is_none_is_named_with_what_makes_one() {
        let error = certificate_line(&rack(&[]), &secrets()).unwrap_err();
        assert_eq!(error, Missing::Malformed(SecretName::CertificateKey));
        let error = certificate_line(&rack(&[]), &Secrets::default()).unwrap_err();
        assert!(error.to_string().contains("ssh-keygen"), "{error}");
    }

    #[test]
    fn without_certificates_from_the_router_no_key_is_needed() {
        let own_tls = rack(&[("tls = \"nodes\"", "tls = \"router\"")]);
        assert_eq!(certificate_line(&own_tls, &Secrets::default()), Ok(None));
    }
}
