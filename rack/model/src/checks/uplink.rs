//! The router's two sides, and the tunnel.

use ipnet::Ipv4Net;

use super::{Checked, Conflict};
use crate::place::Place;
use crate::router::WanAddress;

/// Every conflict about them.
pub fn conflicts(checked: &Checked<'_>) -> Vec<Conflict> {
    let sides = devices(checked).into_iter().chain(wan(checked));
    sides.chain(tunnel(checked)).collect()
}

fn devices(checked: &Checked<'_>) -> Option<Conflict> {
    let router = &checked.rack.router;
    if router.lan != router.wan.device {
        return None;
    }
    let sentence = format!(
        "{} would be both the nodes' side and the uplink; write the router's other device",
        router.lan
    );
    Some(Conflict::new(
        Place::of("router").key("wan").key("device"),
        sentence,
    ))
}

fn wan(checked: &Checked<'_>) -> Option<Conflict> {
    let WanAddress::Static { address, .. } = &checked.rack.router.wan.address else {
        return None;
    };
    let nodes = checked.rack.network.nodes;
    let place = Place::of("router").key("wan").key("address");
    overlap(*address, nodes).then(|| {
        let sentence =
            format!("the uplink's network {address} overlaps the nodes' {nodes}; write other addresses for the nodes");
        Conflict::new(place, sentence)
    })
}

fn tunnel(checked: &Checked<'_>) -> Option<Conflict> {
    let network = checked.rack.public.tunnel.as_ref()?.network;
    let nodes = checked.rack.network.nodes;
    let place = Place::of("public").key("tunnel").key("network");
    if network.hosts().take(2).count() < 2 {
        let sentence =
            format!("{network} has no room for two ends; write a /30, like \"10.9.0.0/30\"");
        return Some(Conflict::new(place, sentence));
    }
    overlap(network, nodes).then(|| {
        let sentence = format!(
            "the tunnel's network {network} overlaps the nodes' {nodes}; write another /30"
        );
        Conflict::new(place, sentence)
    })
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}
