//! `rack.toml` as it is written: what may be left out is left out.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::fault::Fault;
use crate::mac::Mac;
use crate::models::NodeModel;
use crate::mount::Mount;
use crate::names::{Domain, Label};
use crate::network::Network;
use crate::node::{Disk, Node, PowerSource};
use crate::operator::Operator;
use crate::public::{Acme, Public};
use crate::rack::{Forge, Rack};
use crate::router::Router;
use crate::sentence;
use crate::switch::Switch;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RackFile {
    name: Label,
    domain: Domain,
    network: Network,
    router: Router,
    public: Public,
    acme: Option<Acme>,
    switch: Switch,
    mount: Mount,
    #[serde(default)]
    node: Vec<NodeEntry>,
    #[serde(default)]
    operator: Vec<Operator>,
    forge: Option<Forge>,
}

/// One `[[node]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeEntry {
    name: Label,
    slot: u8,
    #[serde(deserialize_with = "NodeModel::deserialize_name")]
    model: &'static NodeModel,
    mac: Option<Mac>,
    address: Option<Ipv4Addr>,
    #[serde(default)]
    disks: Vec<Disk>,
    power: PowerSource,
}

/// For each node of a rack, which `[[node]]` it was written as, counted from 0.
pub type Order = Vec<usize>;

impl RackFile {
    /// Reads the text; the first value that is none of its kind is the fault.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            Fault {
                sentence: sentence::of(error.message(), text, &span),
                span,
            }
        })
    }

    /// With what was left out, and the nodes in the order of their slots.
    pub fn into_rack(self) -> (Rack, Order) {
        let network = self.network;
        let mut written: Vec<(usize, NodeEntry)> = self.node.into_iter().enumerate().collect();
        written.sort_by_key(|(_, entry)| entry.slot);
        let order = written.iter().map(|(index, _)| *index).collect();
        let nodes = written
            .into_iter()
            .map(|(_, entry)| entry.into_node(&network))
            .collect();
        let rack = Rack {
            name: self.name,
            domain: self.domain,
            network,
            router: self.router,
            public: self.public,
            acme: self.acme,
            switch: self.switch,
            mount: self.mount,
            nodes,
            operators: self.operator,
            forge: self.forge,
        };
        (rack, order)
    }
}

impl NodeEntry {
    fn into_node(self, network: &Network) -> Node {
        let by_slot = || network.address_of_slot(self.slot);
        Node {
            address: self.address.unwrap_or_else(by_slot),
            name: self.name,
            slot: self.slot,
            model: self.model,
            mac: self.mac,
            disks: self.disks,
            power: self.power,
        }
    }
}
