//! How the nodes reach each other, and how they stop to.
//!
//! With root's rights each node is a network namespace with an address of its own, joined to the others by a bridge in
//! a namespace that nobody else uses, and this machine has an address there, too. Without them the nodes are addresses of
//! loopback, and cannot be cut off. Nodes may also be machines that somebody else made and joined, behind a router.

mod commands;
mod cut;
mod machine;
mod namespaces;

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use anyhow::bail;

use crate::name::RackName;
use namespaces::Namespaces;

pub use commands::output;
pub use cut::Cut;
pub use machine::Machine;
pub use namespaces::{namespaces, remove_namespace};

/// A node's number: 1, 2, 3 …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u8);

/// The network of one rack.
#[derive(Debug)]
pub enum Network {
    /// A namespace for each node.
    Namespaces(Namespaces),
    /// 127.99.`subnet`.N for node N.
    Loopback {
        /// Other racks have others.
        subnet: u8,
    },
    /// Machines that somebody else made, in the order of the nodes.
    Machines(Vec<Machine>),
}

impl Network {
    /// The best that can be had here, for nodes 1 to `nodes`; in the subnet `wanted`, if there is one.
    ///
    /// # Errors
    /// When namespaces may be made, but it fails.
    pub fn make(name: RackName, nodes: u8, wanted: Option<u8>) -> anyhow::Result<Self> {
        if namespaces::may_be_made(name) {
            let made = Namespaces::make(name, nodes, wanted)?;
            return Ok(Self::Namespaces(made));
        }
        let subnet = wanted.unwrap_or(std::process::id() as u8);
        Ok(Self::Loopback { subnet })
    }

    /// What tells the addresses of this rack's nodes from those of others; none where somebody else gave them.
    pub fn subnet(&self) -> Option<u8> {
        match self {
            Self::Namespaces(namespaces) => Some(namespaces.subnet()),
            Self::Loopback { subnet } => Some(*subnet),
            Self::Machines(_) => None,
        }
    }

    /// Where a node is.
    pub fn address(&self, node: NodeIndex) -> IpAddr {
        match self {
            Self::Namespaces(namespaces) => namespaces.address(node).into(),
            Self::Loopback { subnet } => Ipv4Addr::new(127, 99, *subnet, node.0).into(),
            Self::Machines(machines) => machines[position(node)].address.into(),
        }
    }

    /// A command that runs on a node.
    pub fn command(&self, node: NodeIndex, program: &OsStr) -> Command {
        match self {
            Self::Namespaces(namespaces) => namespaces.command(node, program),
            Self::Loopback { .. } => Command::new(program),
            Self::Machines(machines) => machines[position(node)].command(program),
        }
    }

    /// Whether nodes can be cut off.
    pub fn can_cut(&self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    /// Drops every packet that any of `cuts` names, at a node; packets of earlier cuts pass again.
    ///
    /// # Errors
    /// When nodes cannot be cut off here.
    pub fn cut(&self, node: NodeIndex, cuts: &[Cut]) -> anyhow::Result<()> {
        match self {
            Self::Namespaces(namespaces) => namespaces.cut(node, cuts),
            Self::Loopback { .. } | Self::Machines(_) => {
                bail!("Nodes can be cut off only where each is a network namespace: run it as root")
            }
        }
    }
}

fn position(node: NodeIndex) -> usize {
    usize::from(node.0) - 1
}
