//! The router's configuration: from `rack.toml` to the files of an OpenWrt machine.
//!
//! [`render`] is all that a caller needs. Nothing is written to disk here, and the same rack and secrets
//! give the same bytes.

mod acme;
mod certificate;
mod dhcp;
mod file;
mod firewall;
mod haproxy;
mod hosts;
mod network;
mod nodes;
mod packages;
mod rented;
mod secrets;
mod ssh_key;
mod system;
mod uci;
mod wireguard;

use rack_model::Rack;

pub use certificate::{ACCEPT_CERTIFICATE, authorized_key, brings_certificates, certificate_line};
pub use file::{File, Mode};
pub use nodes::s3d_settings;
pub use packages::{Build, build};
pub use secrets::{Missing, SecretName, Secrets};

/// Why no configuration can be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The router finds nodes by their MACs.
    #[error(transparent)]
    NoMac(#[from] rack_model::NoMac),
    /// Something that only the rack's secrets say.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// What the machines in front of the nodes are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The router's files, below its `/`.
    pub router: Vec<File>,
    /// What OpenWrt's image builder is called with.
    pub build: Build,
    /// The files of the rented machine, below its `/`; none without a tunnel.
    pub rented: Vec<File>,
}

/// Makes the router's files, and those of the rented machine.
pub fn render(rack: &Rack, secrets: &Secrets) -> Result<Rendered, RenderError> {
    let mut router = vec![
        File::uci("network", &network::config(rack, secrets)?),
        File::uci("dhcp", &dhcp::config(rack)?),
        File::uci("firewall", &firewall::config(rack)),
        File::uci("system", &system::config(rack)),
        File::uci("dropbear", &system::ssh()),
        system::authorized_keys(rack),
        haproxy::file(rack),
    ];
    if let Some(acme) = &rack.acme {
        router.push(File::uci("acme", &acme::config(rack, acme, secrets)?));
        router.extend(certificate::files(rack, acme, secrets)?);
    }
    if !hosts::nodes_end_tls(rack) {
        router.push(certificate::list(rack));
    }
    Ok(Rendered {
        router,
        build: build(rack),
        rented: rented::files(rack, secrets)?,
    })
}

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;
