//! The rented machine with a public address: it hands connections to the port of HTTPS on to the router, through the
//! tunnel and with their clients' addresses, and nothing else either way.

use rack_model::Rack;
use rack_model::public::Tunnel;

use crate::file::{File, Mode};
use crate::network::{rented_address, tunnel_address};
use crate::secrets::{Missing, Secrets};
use crate::wireguard;

/// The tunnel's interface there.
const INTERFACE: &str = "hayrack";

pub fn files(rack: &Rack, secrets: &Secrets) -> Result<Vec<File>, Missing> {
    let Some(tunnel) = &rack.public.tunnel else {
        return Ok(Vec::new());
    };
    let router_key = wireguard::public_key(secrets)?;
    Ok(vec![
        File::new(
            format!("etc/wireguard/{INTERFACE}.conf"),
            Mode::Secret,
            wg_quick(rack, tunnel, &router_key),
        ),
        File::new(
            "etc/nftables.d/hayrack.nft",
            Mode::Public,
            table(rack, tunnel),
        ),
    ])
}

/// The machine's own key stays on it: it is read from a file there.
fn wg_quick(rack: &Rack, tunnel: &Tunnel, router_key: &str) -> String {
    let (own, router) = (rented_address(tunnel), tunnel_address(tunnel));
    let (prefix, port) = (tunnel.network.prefix_len(), tunnel.endpoint.port);
    format!(
        "\
# The rented end of {name}'s tunnel. The key is this machine's own: wg genkey > /etc/wireguard/{INTERFACE}.key
[Interface]
Address = {own}/{prefix}
ListenPort = {port}
PostUp = wg set %i private-key /etc/wireguard/%i.key
PostUp = sysctl -qw net.ipv4.ip_forward=1
PostUp = nft -f /etc/nftables.d/hayrack.nft
PostDown = nft delete table ip hayrack

[Peer]
PublicKey = {router_key}
AllowedIPs = {router}/32
",
        name = rack.name
    )
}

fn table(rack: &Rack, tunnel: &Tunnel) -> String {
    let (router, port) = (tunnel_address(tunnel), rack.public.https_port);
    format!(
        "\
# Hands HTTPS on to the router of {name}, with the client's address.
table ip hayrack {{}}
delete table ip hayrack
table ip hayrack {{
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname != \"{INTERFACE}\" fib daddr type local tcp dport {port} dnat to {router}:{port}
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        oifname \"{INTERFACE}\" ct status dnat accept
        oifname \"{INTERFACE}\" drop
        iifname \"{INTERFACE}\" ct state established,related accept
        iifname \"{INTERFACE}\" drop
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname \"{INTERFACE}\" ct state established,related accept
        iifname \"{INTERFACE}\" icmp type echo-request accept
        iifname \"{INTERFACE}\" drop
    }}
}}
",
        name = rack.name
    )
}
