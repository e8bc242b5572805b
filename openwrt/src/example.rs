//! Racks for tests.

use rack_model::Rack;

use crate::secrets::{SecretName, Secrets};

const RACK: &str = include_str!("../tests/router/rack.toml");

/// The tests' rack, with these replacements in its text.
pub fn rack(replacements: &[(&str, &str)]) -> Rack {
    let mut text = RACK.to_owned();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    Rack::parse("rack.toml", &text).unwrap()
}

/// All that any rack needs.
pub fn secrets() -> Secrets {
    Secrets::default()
        .with(
            SecretName::WireGuardKey,
            "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
        )
        .with(SecretName::AcmeDns, "CF_Token=it's a token\n")
        .with(SecretName::PppoePassword, "a password")
        .with(
            SecretName::CertificateKey,
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        )
}
