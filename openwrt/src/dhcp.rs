//! `dhcp`: leases and names. dnsmasq gives each node its address by its MAC, and answers for the rack's hosts.

use std::net::Ipv4Addr;

use rack_model::{AddressRange, NoMac, Node, Rack};

use crate::hosts::nodes_end_tls;
use crate::uci::{Config, Section};

const LEASE: &str = "12h";

pub fn config(rack: &Rack) -> Result<Config, NoMac> {
    let nodes: Result<Vec<_>, _> = rack.nodes.iter().map(host).collect();
    Ok(Config::default()
        .with(dnsmasq(rack))
        .with(pool(rack))
        .with(
            Section::named("dhcp", "wan")
                .option("interface", "wan")
                .flag("ignore", true),
        )
        .with_all(nodes?)
        .with(router_name(rack)))
}

/// The names of nodes end in the rack's own and `internal`, which no public server answers for.
fn local_domain(rack: &Rack) -> String {
    format!("{}.internal", rack.name)
}

fn dnsmasq(rack: &Rack) -> Section {
    let domain = local_domain(rack);
    let hosts = [rack.s3_host(), rack.api_host()];
    let addresses = hosts.iter().flat_map(|host| {
        let inside = inside(rack).into_iter();
        // Names below it, too.
        inside.map(move |address| format!("/{host}/{address}"))
    });
    Section::new("dnsmasq")
        .flag("domainneeded", true)
        .flag("boguspriv", true)
        .flag("localise_queries", true)
        .flag("rebind_protection", true)
        .flag("expandhosts", true)
        .flag("authoritative", true)
        .flag("localservice", true)
        .option("local", format!("/{domain}/"))
        .option("domain", domain)
        .option("leasefile", "/tmp/dhcp.leases")
        .option("resolvfile", "/tmp/resolv.conf.d/resolv.conf.auto")
        .list("interface", ["lan"])
        .list("address", addresses)
}

/// Where clients inside reach S3: at the nodes themselves, whichever they try first. Only when the router
/// ends TLS they have to go through it.
fn inside(rack: &Rack) -> Vec<Ipv4Addr> {
    if nodes_end_tls(rack) {
        rack.nodes.iter().map(|node| node.address).collect()
    } else {
        vec![rack.network.router]
    }
}

/// Leases for other machines from the range of guests; without one, for nodes alone.
fn pool(rack: &Rack) -> Section {
    let section = Section::named("dhcp", "lan")
        .option("interface", "lan")
        .option("leasetime", LEASE)
        .option("dhcpv4", "server")
        .option("dhcpv6", "disabled")
        .option("ra", "disabled")
        .list(
            "dhcp_option",
            [format!("option:ntp-server,{}", rack.network.router)],
        );
    match rack.network.guests {
        Some(AddressRange { first, last }) => {
            let start = u32::from(first) - u32::from(rack.network.nodes.network());
            let limit = u32::from(last) - u32::from(first) + 1;
            section.option("start", start).option("limit", limit)
        }
        // dnsmasq wants a range that the fixed leases are in: all of the network.
        None => section
            .option("start", 1)
            .option("limit", 1)
            .flag("dynamicdhcp", false),
    }
}

fn host(node: &Node) -> Result<Section, NoMac> {
    let section = Section::new("host")
        .option("name", &node.name)
        .list("mac", [node.known_mac()?])
        .option("ip", node.address)
        .flag("dns", true);
    Ok(section)
}

fn router_name(rack: &Rack) -> Section {
    Section::new("domain")
        .option("name", "router")
        .option("ip", rack.network.router)
}
