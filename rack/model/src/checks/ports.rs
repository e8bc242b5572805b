//! The port of HTTPS, on the router and, where they end TLS, on the nodes.

use super::{Checked, Conflict};
use crate::place::Place;

/// What the router and the nodes listen on beside it.
const TAKEN: [(u16, &str); 8] = [
    (22, "SSH"),
    (53, "the router's names"),
    (2379, "etcd"),
    (2380, "etcd"),
    (9001, "the REST API"),
    (10_811, "the cluster"),
    (10_812, "links between nodes"),
    (10_813, "requests that nodes forward"),
];

/// A port that something else has: no daemon would start with it.
pub fn conflicts(checked: &Checked<'_>) -> Vec<Conflict> {
    let port = checked.rack.public.https_port.get();
    let users = TAKEN.iter().filter(|(taken, _)| *taken == port);
    let conflict = |(_, user): &(u16, &str)| {
        let sentence = format!("port {port} is taken by {user}; write another, like 443 or 8443");
        Conflict::new(Place::of("public").key("https_port"), sentence)
    };
    users.map(conflict).collect()
}
