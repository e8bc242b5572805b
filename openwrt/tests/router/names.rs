//! `dhcp`, as dnsmasq is told it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::devices::device;
use crate::uci::Section;

/// Options that are on, by dnsmasq's name.
const FLAGS: [(&str, &str); 7] = [
    ("domainneeded", "domain-needed"),
    ("boguspriv", "bogus-priv"),
    ("localise_queries", "localise-queries"),
    ("rebind_protection", "stop-dns-rebind"),
    ("expandhosts", "expand-hosts"),
    ("authoritative", "dhcp-authoritative"),
    ("localservice", "local-service"),
];

/// dnsmasq's configuration, which keeps what it writes in `folder`.
pub fn translate(dhcp: &[Section], network: &[Section], folder: &Path) -> anyhow::Result<String> {
    let (mut config, mut hosts) = (own(folder), String::new());
    for section in dhcp {
        match section.kind.as_str() {
            "dnsmasq" => daemon(section, network, &mut config)?,
            "dhcp" => pool(section, network, &mut config)?,
            "host" => host(section, &mut config, &mut hosts)?,
            "domain" => {
                section.knows(&["name", "ip"])?;
                writeln!(
                    hosts,
                    "{} {}",
                    section.wanted("ip")?,
                    section.wanted("name")?
                )?;
            }
            kind => bail!("{kind} is no section of dhcp"),
        }
    }
    std::fs::write(folder.join("hosts"), hosts)?;
    Ok(config)
}

fn own(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "user=root\nbind-dynamic\nno-hosts\nno-resolv\naddn-hosts={folder}/hosts\n\
         dhcp-leasefile={folder}/leases\npid-file={folder}/dnsmasq.pid\n"
    )
}

fn daemon(section: &Section, network: &[Section], config: &mut String) -> anyhow::Result<()> {
    let flags = FLAGS.map(|(name, _)| name);
    let others = [
        "local",
        "domain",
        "leasefile",
        "resolvfile",
        "interface",
        "address",
    ];
    section.knows(&[&flags[..], &others].concat())?;
    for (name, own) in FLAGS {
        if section.flag(name) {
            writeln!(config, "{own}")?;
        }
    }
    for name in ["local", "domain"] {
        writeln!(config, "{name}={}", section.wanted(name)?)?;
    }
    for interface in section.list("interface") {
        let device = device(network, interface).context("an interface without a device")?;
        writeln!(config, "interface={device}")?;
    }
    for address in section.list("address") {
        writeln!(config, "address={address}")?;
    }
    Ok(())
}

fn pool(section: &Section, network: &[Section], config: &mut String) -> anyhow::Result<()> {
    let interface = section.wanted("interface")?;
    if section.flag("ignore") {
        let device = device(network, interface).context("an interface without a device")?;
        return Ok(writeln!(config, "no-dhcp-interface={device}")?);
    }
    section.knows(&[
        "interface",
        "start",
        "limit",
        "leasetime",
        "dynamicdhcp",
        "dhcpv4",
        "dhcpv6",
        "ra",
        "dhcp_option",
    ])?;
    let own = network
        .iter()
        .find(|section| section.name.as_deref() == Some(interface));
    let own = own.context("a pool without its interface")?;
    let mask: Ipv4Addr = own.wanted("netmask")?.parse()?;
    let base = own.wanted("ipaddr")?.parse::<Ipv4Addr>()? & mask;
    let (start, limit) = (section.wanted("start")?, section.wanted("limit")?);
    let first = u32::from(base) + start.parse::<u32>()?;
    let last = Ipv4Addr::from(first + limit.parse::<u32>()? - 1);
    let first = Ipv4Addr::from(first);
    let end = match section.option("dynamicdhcp") {
        Some("0") => "static".to_owned(),
        _ => last.to_string(),
    };
    let lease = section.wanted("leasetime")?;
    writeln!(
        config,
        "dhcp-range=set:{interface},{first},{end},{mask},{lease}"
    )?;
    for option in section.list("dhcp_option") {
        writeln!(config, "dhcp-option=tag:{interface},{option}")?;
    }
    Ok(())
}

fn host(section: &Section, config: &mut String, hosts: &mut String) -> anyhow::Result<()> {
    section.knows(&["name", "mac", "ip", "dns"])?;
    let (name, address) = (section.wanted("name")?, section.wanted("ip")?);
    let mac = section.wanted("mac")?;
    writeln!(config, "dhcp-host={mac},{address},{name}")?;
    if section.flag("dns") {
        writeln!(hosts, "{address} {name}")?;
    }
    Ok(())
}
