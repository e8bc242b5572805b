//! `network`: the router's addresses, its uplink, and the tunnel to a rented one.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use rack_model::Rack;
use rack_model::public::Tunnel;
use rack_model::router::{Wan, WanAddress};

use crate::secrets::{Missing, SecretName, Secrets};
use crate::uci::{Config, Section};
use crate::wireguard;

/// The table of routes for what came through the tunnel. OpenWrt's own are 0 and 253 to 255.
const TUNNEL_TABLE: u8 = 77;

/// Often enough for a NAT on the way to keep the tunnel's mapping.
const KEEPALIVE_SECONDS: u8 = 25;

pub fn config(rack: &Rack, secrets: &Secrets) -> Result<Config, Missing> {
    let mut config = Config::default()
        .with(loopback())
        .with(lan(rack))
        .with(wan(&rack.router.wan, secrets)?)
        .with_all(wan_ipv6(&rack.router.wan));
    if let Some(tunnel) = &rack.public.tunnel {
        config = config.with_all(tunnel_sections(tunnel, secrets)?);
    }
    Ok(config)
}

fn loopback() -> Section {
    Section::named("interface", "loopback")
        .option("device", "lo")
        .option("proto", "static")
        .option("ipaddr", "127.0.0.1")
        .option("netmask", "255.0.0.0")
}

/// Without IPv6: the router delegates no prefix, so no node has an address that the world could reach.
fn lan(rack: &Rack) -> Section {
    Section::named("interface", "lan")
        .option("device", &rack.router.lan)
        .option("proto", "static")
        .option("ipaddr", rack.network.router)
        .option("netmask", rack.network.nodes.netmask())
        .flag("delegate", false)
}

fn wan(wan: &Wan, secrets: &Secrets) -> Result<Section, Missing> {
    let section = Section::named("interface", "wan").option("device", &wan.device);
    Ok(match &wan.address {
        WanAddress::Dhcp => section.option("proto", "dhcp"),
        WanAddress::Pppoe { user } => section
            .option("proto", "pppoe")
            .option("username", user)
            .option("password", secrets.line(SecretName::PppoePassword)?),
        WanAddress::Static {
            address,
            gateway,
            dns,
        } => section
            .option("proto", "static")
            .option("ipaddr", address.addr())
            .option("netmask", address.netmask())
            .option("gateway", gateway)
            .list("dns", dns),
    })
}

/// An address of IPv6 for the router itself, from an uplink that gives one out: clients of IPv6 reach HAProxy.
fn wan_ipv6(wan: &Wan) -> Option<Section> {
    let device = match wan.address {
        WanAddress::Static { .. } => return None,
        WanAddress::Dhcp | WanAddress::Pppoe { .. } => "@wan",
    };
    let section = Section::named("interface", "wan6")
        .option("device", device)
        .option("proto", "dhcpv6")
        .option("reqprefix", "no");
    Some(section)
}

/// The router's address in the tunnel: the second, as the rented machine's is the first.
pub fn tunnel_address(tunnel: &Tunnel) -> Ipv4Addr {
    host(tunnel.network, 1)
}

/// The rented machine's address in the tunnel.
pub fn rented_address(tunnel: &Tunnel) -> Ipv4Addr {
    host(tunnel.network, 0)
}

/// The model has checked that there are two.
fn host(network: Ipv4Net, index: usize) -> Ipv4Addr {
    network.hosts().nth(index).unwrap_or(network.addr())
}

/// The tunnel takes packets from anywhere, since those of clients come through it with their own
/// addresses; what answers them goes back through it by a table of its own, and nothing else does.
fn tunnel_sections(tunnel: &Tunnel, secrets: &Secrets) -> Result<[Section; 4], Missing> {
    let address = tunnel_address(tunnel);
    let prefix = tunnel.network.prefix_len();
    let host = tunnel.endpoint.host.trim_matches(['[', ']']);
    Ok([
        Section::named("interface", "tunnel")
            .option("proto", "wireguard")
            .option("private_key", wireguard::private_key(secrets)?)
            .list("addresses", [format!("{address}/{prefix}")]),
        Section::new("wireguard_tunnel")
            .option("public_key", &tunnel.public_key)
            .option("endpoint_host", host)
            .option("endpoint_port", tunnel.endpoint.port)
            .option("persistent_keepalive", KEEPALIVE_SECONDS)
            .list("allowed_ips", ["0.0.0.0/0"])
            .flag("route_allowed_ips", false),
        Section::new("route")
            .option("interface", "tunnel")
            .option("target", "0.0.0.0/0")
            .option("table", TUNNEL_TABLE),
        Section::new("rule")
            .option("src", format!("{address}/32"))
            .option("lookup", TUNNEL_TABLE),
    ])
}
