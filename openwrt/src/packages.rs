//! What OpenWrt's image builder is called with.

use std::fmt;

use rack_model::Rack;

use crate::hosts::nodes_end_tls;

/// The call of the image builder for a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// OpenWrt's target and subtarget, whose image builder it is.
    pub target: String,
    /// The router's profile.
    pub profile: String,
    /// Packages beyond those of the profile; a minus takes one out.
    pub packages: Vec<String>,
}

/// The image builder's call for this rack's router.
pub fn build(rack: &Rack) -> Build {
    let model = rack.router.model;
    let packages = packages(rack).into_iter().map(str::to_owned);
    Build {
        target: model.target.clone(),
        profile: model.profile.clone(),
        packages: packages.collect(),
    }
}

fn packages(rack: &Rack) -> Vec<&'static str> {
    let mut packages = vec!["haproxy"];
    if rack.acme.is_some() {
        packages.extend(["acme-acmesh", "acme-acmesh-dnsapi", "curl"]);
        if nodes_end_tls(rack) {
            // Dropbear's client does not read keys of OpenSSH.
            packages.push("openssh-client");
        }
    }
    if rack.public.tunnel.is_some() {
        packages.push("wireguard-tools");
    }
    if rack.router.model.name.starts_with("pi") {
        // The second network card is an adapter at USB.
        packages.extend(["kmod-usb-net-rtl8152", "kmod-usb-net-asix-ax179a"]);
    }
    packages
}

/// The command, from the image builder's folder, with the router's files in `FILES`.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (profile, packages) = (&self.profile, self.packages.join(" "));
        write!(
            f,
            "make image PROFILE=\"{profile}\" PACKAGES=\"{packages}\" FILES=\"$FILES\""
        )
    }
}
