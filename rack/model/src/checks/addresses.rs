//! Addresses, names and MACs: each one's own, and inside of the network.

use super::{Checked, Conflict, repeated};
use crate::place::Place;

/// Every conflict about them.
pub fn conflicts(checked: &Checked<'_>) -> Vec<Conflict> {
    let network = network(checked);
    let nodes = (0..checked.rack.nodes.len()).filter_map(|index| address(checked, index));
    network
        .into_iter()
        .chain(guests(checked))
        .chain(nodes)
        .chain(twins(checked))
        .collect()
}

fn network(checked: &Checked<'_>) -> Vec<Conflict> {
    let network = &checked.rack.network;
    let mut found = Vec::new();
    if network.nodes.addr() != network.nodes.network() {
        let sentence = format!(
            "{} is an address inside of a network; write {}",
            network.nodes,
            network.nodes.trunc()
        );
        found.push(Conflict::new(Place::of("network").key("nodes"), sentence));
    }
    let machines = checked.rack.nodes.len() + 1;
    let room = network.nodes.hosts().take(machines).count();
    if room < machines {
        let sentence = format!(
            "{} has {room} addresses for {machines} machines; write a larger network, like a /24",
            network.nodes
        );
        found.push(Conflict::new(Place::of("network").key("nodes"), sentence));
    } else if !network.holds(network.router) {
        let first = network.nodes.hosts().next().unwrap_or(network.router);
        let sentence = format!(
            "the router's address {} lies outside of the nodes' network {}; write one in it, like {first}",
            network.router, network.nodes
        );
        found.push(Conflict::new(Place::of("network").key("router"), sentence));
    }
    found
}

fn guests(checked: &Checked<'_>) -> Vec<Conflict> {
    let network = &checked.rack.network;
    let Some(guests) = network.guests else {
        return Vec::new();
    };
    let place = Place::of("network").key("guests");
    if guests.first > guests.last {
        let sentence = format!(
            "the guests' first address {} comes after the last, {}; write the lower one first",
            guests.first, guests.last
        );
        return vec![Conflict::new(place, sentence)];
    }
    if !network.holds(guests.first) || !network.holds(guests.last) {
        let sentence = format!(
            "{} to {} is not inside of the nodes' network {}; write addresses in it",
            guests.first, guests.last, network.nodes
        );
        return vec![Conflict::new(place, sentence)];
    }
    let router = [("the router".to_owned(), network.router)];
    let nodes = checked.rack.nodes.iter();
    let nodes = nodes.map(|node| (node.name.to_string(), node.address));
    let taken = router.into_iter().chain(nodes);
    let among_guests = taken.filter(|(_, address)| guests.contains(*address));
    among_guests
        .map(|(name, address)| {
            let sentence = format!(
                "{name} has {address}, which is one of the guests' addresses; write a range without it"
            );
            Conflict::new(place.clone(), sentence)
        })
        .collect()
}

fn address(checked: &Checked<'_>, index: usize) -> Option<Conflict> {
    let network = &checked.rack.network;
    let node = &checked.rack.nodes[index];
    let (name, address) = (&node.name, node.address);
    let place = checked.node(index, "address");
    if address == network.router {
        let sentence = format!("{name} has the router's address {address}; write another");
        return Some(Conflict::new(place, sentence));
    }
    if network.holds(address) {
        return None;
    }
    let by_slot = network.address_of_slot(node.slot);
    let sentence = if address == by_slot {
        format!(
            "{name} gets {address} from its slot, 10 and the slot after the network's own, which lies outside of {}; \
             write address = \"…\", or a larger network",
            network.nodes
        )
    } else {
        format!(
            "{name}'s address {address} lies outside of the nodes' network {}; write one in it, like {by_slot}",
            network.nodes
        )
    };
    Some(Conflict::new(place, sentence))
}

fn twins(checked: &Checked<'_>) -> Vec<Conflict> {
    let nodes = &checked.rack.nodes;
    let twin = |key: &'static str, what: &'static str| {
        move |(index, earlier): (usize, usize)| {
            let (own, other) = (&nodes[index].name, &nodes[earlier].name);
            let sentence = format!("{own} has the {what} of {other}; write its own");
            Conflict::new(checked.node(index, key), sentence)
        }
    };
    let names = repeated(nodes, |node| Some(node.name.clone())).map(|(index, earlier)| {
        let sentence = format!(
            "two nodes are called {}, in slots {} and {}; write another name",
            nodes[index].name, nodes[earlier].slot, nodes[index].slot
        );
        Conflict::new(checked.node(index, "name"), sentence)
    });
    let macs = repeated(nodes, |node| node.mac).map(twin("mac", "MAC"));
    let addresses = repeated(nodes, |node| Some(node.address)).map(twin("address", "address"));
    names.chain(macs).chain(addresses).collect()
}
