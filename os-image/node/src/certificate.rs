//! The certificate with which s3d serves until the rack's own one comes.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use crate::machine::Machine;
use crate::program::{ProgramError, finish, run};
use crate::s3d::S3d;

/// Takes a certificate with its key; the router's come in by it, too.
const ACCEPT: &str = "/usr/lib/hayrack/accept-certificate";
/// Long, since nobody renews it: a node serves with it for as long as the router brings none.
const DAYS: &str = "3650";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It was not made, or not taken.
    #[error("cannot make a certificate of this node's own: {0}")]
    Program(#[from] ProgramError),
    /// It could not be handed on.
    #[error("cannot make a certificate of this node's own: {0}")]
    Pipe(#[from] io::Error),
}

/// Makes a certificate that nobody vouches for, readable by `group`, if s3d is to have one and there is none yet.
/// Returns whether one was made.
pub fn make_first(machine: &Machine, s3d: &S3d, group: &str) -> Result<bool, CertificateError> {
    let Some(path) = &s3d.tls_certificate else {
        return Ok(false);
    };
    let path = machine.path(&path.to_string_lossy());
    if path.exists() {
        return Ok(false);
    }
    accept(machine, &path, group, &self_signed(s3d)?)?;
    Ok(true)
}

/// Certificate and key, as PEM.
fn self_signed(s3d: &S3d) -> Result<String, ProgramError> {
    let [s3, ..] = s3d.hosts();
    let names: Vec<String> = s3d.hosts().map(|host| format!("DNS:{host}")).into();
    let (subject, names) = (
        format!("/CN={s3}"),
        format!("subjectAltName={}", names.join(",")),
    );
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let what = [
        "-nodes", "-days", DAYS, "-subj", &subject, "-addext", &names,
    ];
    let to = ["-keyout", "-", "-out", "-"];
    let made = run(
        "openssl",
        ["req", "-x509"].iter().chain(&key).chain(&what).chain(&to),
    )?;
    // openssl begins with the key.
    let (key, certificate) = made.split_at(made.find(BEGIN).unwrap_or(0));
    Ok([certificate, key].concat())
}

fn accept(machine: &Machine, path: &Path, group: &str, pem: &str) -> Result<(), CertificateError> {
    // Some 1 KiB, which a pipe holds before anybody reads it.
    let (input, mut writer) = io::pipe()?;
    writer.write_all(pem.as_bytes())?;
    drop(writer);
    let mut command = Command::new(machine.path(ACCEPT));
    command.arg(path).args([group, "true"]).stdin(input);
    finish("accept-certificate", &mut command)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ACCEPT_CERTIFICATE: &str =
        include_str!("../../../openwrt/src/scripts/accept-certificate");

    fn s3d(certificate: &str) -> S3d {
        let text = format!(
            "domain = \"example.org\"\ns3_listen = \"0.0.0.0:443\"\napi_listen = \"0.0.0.0:9001\"\n{certificate}"
        );
        toml::from_str(&text).unwrap()
    }

    fn machine(folder: &Path) -> Machine {
        let machine = Machine::at(folder);
        let accept = machine.path(ACCEPT);
        fs::create_dir_all(accept.parent().unwrap()).unwrap();
        fs::write(&accept, ACCEPT_CERTIFICATE).unwrap();
        fs::set_permissions(&accept, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(machine.path("/etc/hayrack")).unwrap();
        machine
    }

    /// The name of this user's own group, which a file may be given to without rights.
    fn own_group() -> String {
        run("id", ["-gn"]).unwrap().trim().to_owned()
    }

    #[test]
    fn the_first_certificate_is_for_the_racks_names_and_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let s3d = s3d("tls_certificate = \"/etc/hayrack/tls.pem\"");
        assert!(make_first(&machine, &s3d, &own_group()).unwrap());
        let path = machine.path("/etc/hayrack/tls.pem");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let names = [
            "x509".as_ref(),
            "-noout".as_ref(),
            "-ext".as_ref(),
            "subjectAltName".as_ref(),
            "-in".as_ref(),
            path.as_os_str(),
        ];
        let names = run("openssl", names).unwrap();
        assert!(
            names.contains("DNS:*.s3.example.org, DNS:s3-api.example.org"),
            "{names}"
        );
    }

    #[test]
    fn a_certificate_that_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let path = machine.path("/etc/hayrack/tls.pem");
        fs::write(&path, "the router's").unwrap();
        let s3d = s3d("tls_certificate = \"/etc/hayrack/tls.pem\"");
        assert!(!make_first(&machine, &s3d, &own_group()).unwrap());
        assert_eq!(fs::read_to_string(path).unwrap(), "the router's");
    }

    #[test]
    fn a_node_behind_a_router_that_ends_tls_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        assert!(!make_first(&machine, &s3d(""), &own_group()).unwrap());
        assert!(!machine.path("/etc/hayrack/tls.pem").exists());
    }
}
