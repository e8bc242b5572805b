//! `firewall`, as nft is told it by OpenWrt's fw4: a chain for what enters the router by each zone, one for what passes it.

use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};

use crate::devices::device;
use crate::uci::Section;

/// ICMP's and ICMPv6's names at OpenWrt, and at nft.
const ICMP_NAMES: [(&str, &str); 5] = [
    ("bad-header", "parameter-problem"),
    ("unknown-header-type", "parameter-problem"),
    ("neighbour-solicitation", "nd-neighbor-solicit"),
    ("neighbour-advertisement", "nd-neighbor-advert"),
    ("router-advertisement", "nd-router-advert"),
];

/// nft's rules.
pub fn translate(firewall: &[Section], network: &[Section]) -> anyhow::Result<String> {
    let of = |kind: &'static str| firewall.iter().filter(move |section| section.kind == kind);
    for section in firewall {
        let known = ["defaults", "zone", "forwarding", "rule"];
        ensure!(
            known.contains(&section.kind.as_str()),
            "{} opens what nobody meant",
            section.kind
        );
    }
    let defaults = of("defaults").next().context("there are no defaults")?;
    defaults.knows(&["input", "output", "forward", "synflood_protect"])?;
    let (mut chains, mut input) = (String::new(), String::new());
    let (mut forward, mut masquerade) = (String::new(), String::new());
    for zone in of("zone") {
        let devices = devices(zone, network)?;
        let name = zone.wanted("name")?;
        writeln!(input, "    iifname {devices} jump input_{name}")?;
        chains += &chain(zone, of("rule"))?;
        if zone.flag("masq") {
            writeln!(
                masquerade,
                "    oifname {devices} meta nfproto ipv4 masquerade"
            )?;
        }
    }
    for forwarding in of("forwarding") {
        forwarding.knows(&["src", "dest"])?;
        let zone = |name: &str| -> anyhow::Result<String> {
            let mut zones = of("zone");
            let zone = zones.find(|zone| zone.option("name") == Some(name));
            devices(
                zone.with_context(|| format!("there is no zone {name}"))?,
                network,
            )
        };
        let (from, to) = (
            zone(forwarding.wanted("src")?)?,
            zone(forwarding.wanted("dest")?)?,
        );
        writeln!(forward, "    iifname {from} oifname {to} accept")?;
    }
    let verdict = |name| defaults.wanted(name).and_then(verdict);
    Ok(format!(
        "table inet fw4 {{\n{chains}\
         \x20 chain input {{\n    type filter hook input priority filter; policy drop;\n    iifname \"lo\" accept\n    \
         ct state established,related accept\n{input}    {}\n  }}\n\
         \x20 chain forward {{\n    type filter hook forward priority filter; policy drop;\n    \
         ct state established,related accept\n{forward}    {}\n  }}\n\
         \x20 chain srcnat {{\n    type nat hook postrouting priority srcnat;\n{masquerade}  }}\n}}\n",
        verdict("input")?,
        verdict("forward")?,
    ))
}

/// The devices of a zone's networks, as a set of nft's.
fn devices(zone: &Section, network: &[Section]) -> anyhow::Result<String> {
    let mut devices: Vec<_> = zone
        .list("network")
        .filter_map(|interface| device(network, interface))
        .map(|device| format!("\"{device}\""))
        .collect();
    devices.dedup();
    ensure!(
        !devices.is_empty(),
        "{:?} has no device",
        zone.option("name")
    );
    Ok(format!("{{ {} }}", devices.join(", ")))
}

/// What enters by a zone.
fn chain<'s>(zone: &Section, rules: impl Iterator<Item = &'s Section>) -> anyhow::Result<String> {
    zone.knows(&[
        "name", "network", "input", "output", "forward", "masq", "mtu_fix",
    ])?;
    ensure!(
        zone.wanted("forward")? == "REJECT",
        "a zone passes everything on"
    );
    let name = zone.wanted("name")?;
    let mut chain = format!("  chain input_{name} {{\n");
    for rule in rules.filter(|rule| rule.option("src") == Some(name)) {
        ensure!(rule.option("dest").is_none(), "a rule passes something on");
        for matches in matches(rule)? {
            writeln!(chain, "    {matches} {}", verdict(rule.wanted("target")?)?)?;
        }
    }
    writeln!(chain, "    {}\n  }}", verdict(zone.wanted("input")?)?)?;
    Ok(chain)
}

fn verdict(name: &str) -> anyhow::Result<&'static str> {
    Ok(match name {
        "ACCEPT" => "accept",
        "DROP" => "drop",
        "REJECT" => "meta l4proto tcp reject with tcp reset; reject",
        other => bail!("{other} is no verdict"),
    })
}

/// What a rule is about, in nft's words: one line for each protocol and family.
fn matches(rule: &Section) -> anyhow::Result<Vec<String>> {
    rule.knows(&[
        "name",
        "src",
        "proto",
        "family",
        "dest_port",
        "icmp_type",
        "target",
        "limit",
    ])?;
    let families = match rule.option("family") {
        Some(family) => vec![family],
        None => vec!["ipv4", "ipv6"],
    };
    let mut lines = Vec::new();
    for protocol in rule.wanted("proto")?.split(' ') {
        for family in &families {
            lines.push(format!(
                "meta nfproto {family} {}",
                packets(rule, protocol, family)?
            ));
        }
    }
    Ok(lines)
}

fn packets(rule: &Section, protocol: &str, family: &str) -> anyhow::Result<String> {
    if protocol != "icmp" {
        return Ok(format!("{protocol} dport {}", rule.wanted("dest_port")?));
    }
    let own = if family == "ipv4" { "icmp" } else { "icmpv6" };
    let names = rule.list("icmp_type").map(|name| {
        let other = ICMP_NAMES.iter().find(|(openwrt, _)| *openwrt == name);
        other.map_or(name, |(_, nft)| *nft)
    });
    let mut names: Vec<_> = names.collect();
    names.dedup();
    Ok(format!("{own} type {{ {} }}", names.join(", ")))
}
