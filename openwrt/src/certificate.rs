//! How certificates come from the router, which gets them, to the nodes, which use them: the router gives them to each
//! over SSH, with a key that opens this one program there and nothing else. And how namespaces come to have one.

use rack_model::Rack;
use rack_model::public::Acme;

use crate::acme;
use crate::file::{File, Mode};
use crate::hosts::{API_PORT, certified, nodes_end_tls};
use crate::secrets::{Missing, SecretName, Secrets};
use crate::ssh_key::public_half;

/// The program of the nodes that takes certificates: `accept-certificate FILE GROUP COMMAND…`. It has to be
/// `/usr/lib/hayrack/accept-certificate`.
pub const ACCEPT_CERTIFICATE: &str = include_str!("scripts/accept-certificate");

const PUSH_CERTIFICATE: &str = include_str!("scripts/push-certificate");
const CERTIFY_NAMESPACES: &str = include_str!("scripts/certify-namespaces");

/// What OpenWrt's ACME client runs once it has a certificate.
const HOTPLUG: &str = "\
# Runs when a certificate was issued or renewed.
case $ACTION in
issued | renewed) COMMAND ;;
esac
";

const PUSH: &str = "/usr/lib/hayrack/push-certificate";
const CERTIFY: &str = "/usr/lib/hayrack/certify-namespaces";

/// What HAProxy reads when it ends TLS: the files of certificates, a line each. The first is for clients whose name
/// none is for.
pub const LIST: &str = "/etc/hayrack/certificates";

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
fn combined_path(rack: &Rack) -> String {
    format!("/etc/ssl/acme/{}.combined.crt", certified(rack)[0])
}

/// Those of namespaces, as a pattern of the shell's: the first name of each has one label more.
fn other_paths(rack: &Rack) -> String {
    format!("/etc/ssl/acme/*.{}.combined.crt", rack.s3_host())
}

/// What HAProxy begins with; it could not start before this certificate is there.
pub fn list(rack: &Rack) -> File {
    let text = format!("{}\n", combined_path(rack));
    File::new(LIST.trim_start_matches('/'), Mode::Public, text)
}

/// What orders certificates, and what follows when there is a new one.
pub fn files(rack: &Rack, acme: &Acme, secrets: &Secrets) -> Result<Vec<File>, Missing> {
    // OpenWrt's ACME client adds its own line.
    let mut jobs = vec![format!("* * * * * {CERTIFY}\n")];
    let mut files = vec![
        program(CERTIFY, certify(rack)),
        File::new(
            "etc/hayrack/namespaces.acme",
            Mode::Secret,
            acme::certificate("@SECTION@", acme, secrets)?.to_string(),
        ),
    ];
    if nodes_end_tls(rack) {
        // For nodes that were off, or are new.
        jobs.push(format!("30 4 * * * {PUSH}\n"));
        files.extend([hotplug(PUSH), program(PUSH, push(rack)), key(secrets)?]);
    } else {
        files.push(hotplug(&format!(
            "ls {} {} >{LIST} 2>/dev/null; /etc/init.d/haproxy restart",
            combined_path(rack),
            other_paths(rack)
        )));
    }
    let jobs = jobs.concat();
    files.push(File::new("etc/crontabs/root", Mode::Secret, jobs));
    Ok(files)
}

fn hotplug(command: &str) -> File {
    let text = HOTPLUG.replace("COMMAND", command);
    File::new("etc/hotplug.d/acme/60-hayrack", Mode::Public, text)
}

fn program(path: &str, text: String) -> File {
    File::new(path.trim_start_matches('/'), Mode::Program, text)
}

/// What opens the nodes.
fn key(secrets: &Secrets) -> Result<File, Missing> {
    let key = secrets.text(SecretName::CertificateKey)?.trim();
    if !key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Err(Missing::Malformed(SecretName::CertificateKey));
    }
    let path = "etc/hayrack/certificate.key";
    Ok(File::new(path, Mode::Secret, format!("{key}\n")))
}

fn nodes(rack: &Rack) -> String {
    let nodes = rack.nodes.iter().map(|node| node.address.to_string());
    nodes.collect::<Vec<_>>().join(" ")
}

fn push(rack: &Rack) -> String {
    PUSH_CERTIFICATE
        .replace("@COMBINED@", &combined_path(rack))
        .replace("@OTHERS@", &other_paths(rack))
        .replace("@NODES@", &nodes(rack))
}

fn certify(rack: &Rack) -> String {
    let scheme = if nodes_end_tls(rack) { "https" } else { "http" };
    let pattern = format!(".{}", rack.s3_host()).replace('.', "\\.");
    CERTIFY_NAMESPACES
        .replace("@NODES@", &nodes(rack))
        .replace("@API@", &rack.api_host())
        .replace("@PORT@", &API_PORT.to_string())
        .replace("@SCHEME@", scheme)
        .replace("@PATTERN@", &pattern)
        .replace("@OWN@", &certified(rack)[0])
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
