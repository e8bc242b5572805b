//! Whether the values of a rack fit each other. Each check returns a conflict for every pair that does not.

mod addresses;
mod people;
mod ports;
mod power;
mod slots;
mod uplink;

use crate::fault::Fault;
use crate::file::Order;
use crate::place::Place;
use crate::rack::Rack;

/// Two values that do not fit each other, said of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Conflict {
    place: Place,
    /// What is wrong, and what to write.
    sentence: String,
}

impl Conflict {
    fn new(place: Place, sentence: impl Into<String>) -> Self {
        Self {
            place,
            sentence: sentence.into(),
        }
    }
}

/// A rack to be checked, with where its nodes are written.
struct Checked<'a> {
    rack: &'a Rack,
    order: &'a Order,
}

impl Checked<'_> {
    /// The place of a value of the n-th node of the rack.
    fn node(&self, index: usize, key: &'static str) -> Place {
        Place::of("node").index(self.order[index]).key(key)
    }
}

/// Every conflict, as a fault of the text that the rack was read from.
pub fn faults(rack: &Rack, order: &Order, text: &str) -> Vec<Fault> {
    let checked = Checked { rack, order };
    let checks = [
        addresses::conflicts,
        slots::conflicts,
        power::conflicts,
        people::conflicts,
        uplink::conflicts,
        ports::conflicts,
    ];
    let conflicts = checks.into_iter().flat_map(|check| check(&checked));
    conflicts
        .map(|conflict| Fault {
            span: conflict.place.locate(text),
            sentence: conflict.sentence,
        })
        .collect()
}

/// For each item whose key an earlier one has: its index and that one's. Items without a key differ from all.
fn repeated<T, K: PartialEq>(
    items: &[T],
    key: impl Fn(&T) -> Option<K>,
) -> impl Iterator<Item = (usize, usize)> {
    let keys: Vec<Option<K>> = items.iter().map(key).collect();
    (0..keys.len()).filter_map(move |index| {
        let own = keys[index].as_ref()?;
        let earlier = keys[..index]
            .iter()
            .position(|other| other.as_ref() == Some(own))?;
        Some((index, earlier))
    })
}
