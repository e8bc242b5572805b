//! `firewall`: what reaches the router, and that nothing passes it inwards.
//!
//! There are no forwards and no port redirections: a connection from outside ends at HAProxy on the router, or nowhere.

use rack_model::Rack;

use crate::uci::{Config, Section};

pub fn config(rack: &Rack) -> Config {
    let outside = if rack.public.tunnel.is_some() {
        "tunnel"
    } else {
        "wan"
    };
    let port = rack.public.https_port;
    let https = |zone| accept("HTTPS", zone, "tcp").option("dest_port", port);
    let mut config = Config::default()
        .with(defaults())
        .with(zone("lan", &["lan"]))
        .with(
            zone("wan", &["wan", "wan6"])
                .flag("masq", true)
                .flag("mtu_fix", true),
        );
    if rack.public.tunnel.is_some() {
        config = config.with(zone("tunnel", &["tunnel"]).flag("mtu_fix", true));
    }
    config
        .with(
            Section::new("forwarding")
                .option("src", "lan")
                .option("dest", "wan"),
        )
        .with_all(from_inside())
        .with_all(of_the_uplink())
        .with(https("lan"))
        .with(https(outside))
}

fn defaults() -> Section {
    Section::new("defaults")
        .option("input", "REJECT")
        .option("output", "ACCEPT")
        .option("forward", "REJECT")
        .flag("synflood_protect", true)
}

fn zone(name: &'static str, networks: &[&str]) -> Section {
    Section::new("zone")
        .option("name", name)
        .list("network", networks)
        .option("input", "REJECT")
        .option("output", "ACCEPT")
        .option("forward", "REJECT")
}

fn accept(name: &str, zone: &str, protocol: &str) -> Section {
    Section::new("rule")
        .option("name", format!("{name} from {zone}"))
        .option("src", zone)
        .option("proto", protocol)
        .option("target", "ACCEPT")
}

/// What nodes, guests and operators want of the router itself.
fn from_inside() -> [Section; 5] {
    [
        accept("Leases", "lan", "udp")
            .option("family", "ipv4")
            .option("dest_port", 67),
        accept("Names", "lan", "tcp udp").option("dest_port", 53),
        accept("Time", "lan", "udp").option("dest_port", 123),
        accept("SSH", "lan", "tcp").option("dest_port", 22),
        accept("Ping", "lan", "icmp").list("icmp_type", ["echo-request"]),
    ]
}

/// Without these an uplink loses its address, or packets that are too long get lost unseen.
fn of_the_uplink() -> [Section; 4] {
    [
        accept("Own lease", "wan", "udp")
            .option("family", "ipv4")
            .option("dest_port", 68),
        accept("Own lease of IPv6", "wan", "udp")
            .option("family", "ipv6")
            .option("dest_port", 546),
        accept("Ping", "wan", "icmp")
            .option("family", "ipv4")
            .list("icmp_type", ["echo-request"]),
        accept("ICMPv6", "wan", "icmp")
            .option("family", "ipv6")
            .list("icmp_type", ICMPV6)
            .option("limit", "1000/sec"),
    ]
}

/// What RFC 4890 says must not be dropped.
const ICMPV6: [&str; 9] = [
    "echo-request",
    "destination-unreachable",
    "packet-too-big",
    "time-exceeded",
    "bad-header",
    "unknown-header-type",
    "router-advertisement",
    "neighbour-solicitation",
    "neighbour-advertisement",
];
