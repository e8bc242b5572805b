//! The files by which this node is what the rack's settings say: network, names, firewall, the daemons' settings.

use std::fmt::Write as _;

use crate::disks::Mounted;
use crate::settings::{Node, Settings};

/// What stays free of each disk: the metadata store is on the first, and grows up to 2 GiB.
const RESERVE: &str = "4GiB";

/// systemd-networkd's file for the node's port.
pub fn network(settings: &Settings, node: &Node) -> String {
    format!(
        "[Match]\nMACAddress={}\n\n[Network]\nAddress={}/{}\nGateway={}\nIPv6AcceptRA=no\n",
        node.mac, node.address, settings.network.prefix, settings.router
    )
}

/// /etc/resolv.conf: the router answers for the rack's own names, too.
pub fn resolver(settings: &Settings) -> String {
    format!("nameserver {}\n", settings.router)
}

/// /etc/hosts: nodes know each other also without the router.
pub fn hosts(settings: &Settings) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    for node in &settings.nodes {
        let _ = writeln!(text, "{} {}", node.address, node.name);
    }
    text
}

/// What the firewall's rules name as the rack's network, and as the ports that it comes to.
pub fn firewall(settings: &Settings) -> String {
    let [s3, api] = settings.s3d.ports();
    format!(
        "add element inet hayrack rack {{ {} }}\nadd element inet hayrack public {{ {s3}, {api} }}\n",
        settings.network
    )
}

/// `authorized_keys` of root.
pub fn authorized_keys(settings: &Settings) -> String {
    settings
        .authorized_keys
        .iter()
        .fold(String::new(), |mut text, key| {
            let _ = writeln!(text, "{key}");
            text
        })
}

/// volumed's settings.
pub fn volumed(disks: &[Mounted]) -> String {
    let disks: Vec<String> = disks
        .iter()
        .map(|disk| {
            let path = disk.mount_point.join("pool");
            format!(
                "    {{ path = {:?}, reserve = \"{RESERVE}\" }},\n",
                path.display().to_string()
            )
        })
        .collect();
    format!("{HEAD}disks = [\n{}]\n", disks.concat())
}

/// s3d's settings: the rack's, and what is this node's own.
pub fn s3d(settings: &Settings, node: &Node) -> Result<String, toml::ser::Error> {
    let of_rack = toml::to_string(&settings.s3d)?;
    let address = node.address;
    Ok(format!(
        "{HEAD}{of_rack}forward_listen = \"{address}:10813\"\nreplicas = \"auto\"\n"
    ))
}

const HEAD: &str = "\
# Written by hayrack-firstboot at every start of the node, from the settings of the rack. What differs on this node
# alone goes into the daemon's environment, which wins: systemctl edit UNIT, [Service], Environment=NAME=VALUE.
";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn rack() -> Settings {
        let text = "rack = \"attic\"\nnetwork = \"10.77.0.0/24\"\nrouter = \"10.77.0.1\"\n\
            authorized_keys = [\"ssh-ed25519 A a\", \"ssh-ed25519 B b\"]\n\
            [s3d]\ndomain = \"example.org\"\ns3_listen = \"0.0.0.0:8443\"\napi_listen = \"0.0.0.0:9001\"\n\
            proxy_from = [\"10.77.0.1/32\"]\n\
            [[node]]\nname = \"node-1\"\nmac = \"02:00:00:00:00:01\"\naddress = \"10.77.0.11\"\n";
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_network_is_the_nodes() {
        let rack = rack();
        let text = network(&rack, &rack.nodes[0]);
        assert!(text.contains("MACAddress=02:00:00:00:00:01\n"), "{text}");
        assert!(text.contains("Address=10.77.0.11/24\n"), "{text}");
        assert!(text.contains("Gateway=10.77.0.1\n"), "{text}");
        assert!(hosts(&rack).ends_with("10.77.0.11 node-1\n"));
        assert_eq!(authorized_keys(&rack), "ssh-ed25519 A a\nssh-ed25519 B b\n");
        assert_eq!(
            firewall(&rack),
            "add element inet hayrack rack { 10.77.0.0/24 }\nadd element inet hayrack public { 8443, 9001 }\n"
        );
    }

    #[test]
    fn the_daemons_settings_are_toml() {
        let disks = [0, 3].map(|number| Mounted {
            number,
            mount_point: PathBuf::from(format!("/srv/ssd{number}")),
        });
        let table: toml::Table = volumed(&disks).parse().unwrap();
        let paths: Vec<_> = table["disks"].as_array().unwrap().iter().collect();
        assert_eq!(paths[1]["path"].as_str(), Some("/srv/ssd3/pool"));
        let rack = rack();
        let table: toml::Table = s3d(&rack, &rack.nodes[0]).unwrap().parse().unwrap();
        assert_eq!(table["s3_listen"].as_str(), Some("0.0.0.0:8443"));
        assert_eq!(table["proxy_from"][0].as_str(), Some("10.77.0.1/32"));
        assert_eq!(table["forward_listen"].as_str(), Some("10.77.0.11:10813"));
    }
}
