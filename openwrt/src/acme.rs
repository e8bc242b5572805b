//! `acme`: the certificates, by OpenWrt's packages `acme-acmesh` and `acme-acmesh-dnsapi`. A name with an
//! asterisk is certified by DNS-01 alone, so port 80 stays closed.

use rack_model::Rack;
use rack_model::public::Acme;

use crate::hosts::certified;
use crate::secrets::{Missing, SecretName, Secrets};
use crate::uci::{Config, Quoted, Section};

pub fn config(rack: &Rack, acme: &Acme, secrets: &Secrets) -> Result<Config, Missing> {
    let own = certificate("hayrack", acme, secrets)?.list("domains", certified(rack));
    Ok(Config::default()
        .with(Section::new("acme").option("account_email", acme.email.as_str()))
        .with(own))
}

/// The section of a certificate, without the names that it covers.
pub fn certificate(name: &str, acme: &Acme, secrets: &Secrets) -> Result<Section, Missing> {
    let variables = secrets.variables(SecretName::AcmeDns)?;
    let credentials = variables
        .into_iter()
        .map(|(name, value)| format!("{name}={}", for_shell(value)));
    Ok(Section::named("cert", name)
        .flag("enabled", true)
        .option("key_type", "ec256")
        .option("acme_server", acme.directory.as_str())
        .option("validation_method", "dns")
        .option("dns", acme.dns.as_str())
        .list("credentials", credentials))
}

/// A shell reads credentials before they are the hook's environment.
fn for_shell(value: &str) -> String {
    let means_itself = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,+=@%".contains(&byte);
    if value.bytes().all(means_itself) {
        value.to_owned()
    } else {
        Quoted(value).to_string()
    }
}
