//! `network`, as `ip` and `wg` are told it.

use std::fmt::Write as _;

use anyhow::{bail, ensure};

use crate::uci::Section;

/// What is run in the router's namespace, one after the other.
pub struct Devices {
    /// Words for `ip`.
    pub commands: Vec<String>,
    /// The tunnel: the name of its interface, and its configuration as `wg setconf` reads it.
    pub tunnel: Option<(String, String)>,
}

/// From all sections of the file.
pub fn translate(sections: &[Section]) -> anyhow::Result<Devices> {
    let mut devices = Devices {
        commands: Vec::new(),
        tunnel: None,
    };
    for section in sections {
        match section.kind.as_str() {
            "interface" => interface(section, &mut devices)?,
            "wireguard_tunnel" => peer(section, &mut devices)?,
            "route" => route(section, &mut devices)?,
            "rule" => rule(section, &mut devices)?,
            kind => bail!("{kind} is no section of network"),
        }
    }
    Ok(devices)
}

fn interface(section: &Section, devices: &mut Devices) -> anyhow::Result<()> {
    match section.wanted("proto")? {
        "static" => fixed(section, devices),
        "wireguard" => tunnel(section, devices),
        // Nothing gives out addresses of IPv6 here.
        "dhcpv6" => section.knows(&["device", "proto", "reqprefix"]),
        proto => bail!("{proto} cannot be tried here"),
    }
}

fn fixed(section: &Section, devices: &mut Devices) -> anyhow::Result<()> {
    section.knows(&[
        "device", "proto", "ipaddr", "netmask", "gateway", "dns", "delegate",
    ])?;
    let (device, address) = (section.wanted("device")?, section.wanted("ipaddr")?);
    let mask = section.wanted("netmask")?;
    if device != "lo" {
        devices
            .commands
            .push(format!("addr add {address}/{mask} dev {device}"));
    }
    devices.commands.push(format!("link set {device} up"));
    if let Some(gateway) = section.option("gateway") {
        devices
            .commands
            .push(format!("route add default via {gateway}"));
    }
    Ok(())
}

fn tunnel(section: &Section, devices: &mut Devices) -> anyhow::Result<()> {
    section.knows(&["proto", "private_key", "addresses"])?;
    let name = section.name.clone().unwrap_or_default();
    for address in section.list("addresses") {
        devices
            .commands
            .push(format!("addr add {address} dev {name}"));
    }
    devices.commands.push(format!("link set {name} up"));
    let key = section.wanted("private_key")?;
    devices.tunnel = Some((name, format!("[Interface]\nPrivateKey = {key}\n")));
    Ok(())
}

fn peer(section: &Section, devices: &mut Devices) -> anyhow::Result<()> {
    section.knows(&[
        "public_key",
        "endpoint_host",
        "endpoint_port",
        "persistent_keepalive",
        "allowed_ips",
        "route_allowed_ips",
    ])?;
    ensure!(
        !section.flag("route_allowed_ips"),
        "all routes would go into the tunnel"
    );
    let Some((_, config)) = &mut devices.tunnel else {
        bail!("a peer without its interface");
    };
    let allowed: Vec<_> = section.list("allowed_ips").collect();
    write!(
        config,
        "[Peer]\nPublicKey = {}\nEndpoint = {}:{}\nPersistentKeepalive = {}\nAllowedIPs = {}\n",
        section.wanted("public_key")?,
        section.wanted("endpoint_host")?,
        section.wanted("endpoint_port")?,
        section.wanted("persistent_keepalive")?,
        allowed.join(", "),
    )?;
    Ok(())
}

fn route(section: &Section, devices: &mut Devices) -> anyhow::Result<()> {
    section.knows(&["interface", "target", "table"])?;
    let (target, table) = (section.wanted("target")?, section.wanted("table")?);
    let device = section.wanted("interface")?;
    devices
        .commands
        .push(format!("route add {target} dev {device} table {table}"));
    Ok(())
}

fn rule(section: &Section, devices: &mut Devices) -> anyhow::Result<()> {
    section.knows(&["src", "lookup"])?;
    let (source, table) = (section.wanted("src")?, section.wanted("lookup")?);
    devices
        .commands
        .push(format!("rule add from {source} lookup {table}"));
    Ok(())
}

/// The device of an interface.
pub fn device<'s>(network: &'s [Section], interface: &str) -> Option<&'s str> {
    let section = network
        .iter()
        .find(|section| section.name.as_deref() == Some(interface))?;
    if section.option("proto") == Some("wireguard") {
        return section.name.as_deref();
    }
    // `@wan` is the device of that interface.
    let device = section.option("device")?;
    match device.strip_prefix('@') {
        Some(other) => self::device(network, other),
        None => Some(device),
    }
}
