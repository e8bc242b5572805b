//! Power and heat of a whole rack, the most that every machine takes at one time.

use serde::Serialize;

use crate::node::{Node, PowerSource};
use crate::rack::Rack;
use crate::switch::PoeClass;
use crate::watts::Watts;

/// Power and heat of a whole rack.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Budget {
    /// What the nodes on PoE take at most, disks included.
    pub poe: Watts,
    /// What the switch can feed.
    pub switch: Watts,
    /// What nodes with supplies of their own take at most.
    pub supplies: Watts,
    /// What the router takes at most.
    pub router: Watts,
    /// The nodes on PoE, by the weakest class that feeds them.
    pub by_class: Vec<ClassShare>,
}

/// Nodes on PoE that need the same class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassShare {
    /// The weakest class that feeds each of them.
    pub class: PoeClass,
    /// How many they are.
    pub nodes: usize,
    /// What they take together, at most.
    pub power: Watts,
}

impl Budget {
    /// What everything takes at most; the switch's own consumption is not in it.
    pub fn total(&self) -> Watts {
        self.poe + self.supplies + self.router
    }
}

impl Rack {
    /// Power and heat, the most that every machine takes at one time.
    pub fn budget(&self) -> Budget {
        let fed_by = |source: PowerSource| {
            let fed = self.nodes.iter().filter(move |node| node.power == source);
            fed.map(Node::max_watts).sum()
        };
        Budget {
            poe: fed_by(PowerSource::Poe),
            switch: self.switch.budget_watts,
            supplies: fed_by(PowerSource::Supply),
            router: self.router.model.watts.max,
            by_class: self.by_class(),
        }
    }

    fn by_class(&self) -> Vec<ClassShare> {
        let of = |class: PoeClass| {
            let powers = self.on_poe().map(Node::max_watts);
            let own = powers.filter(move |power| PoeClass::that_feeds(*power) == Some(class));
            own.collect::<Vec<Watts>>()
        };
        let shares = PoeClass::ALL.into_iter().map(|class| ClassShare {
            class,
            nodes: of(class).len(),
            power: of(class).into_iter().sum(),
        });
        shares.filter(|share| share.nodes > 0).collect()
    }

    /// Nodes that the switch feeds, in the order of their slots.
    pub fn on_poe(&self) -> impl Iterator<Item = &Node> {
        let on_poe = |node: &&Node| node.power == PowerSource::Poe;
        self.nodes.iter().filter(on_poe)
    }
}
