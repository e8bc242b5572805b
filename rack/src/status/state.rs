//! The state of a rack, put together from what its nodes say.

use std::collections::BTreeSet;
use std::fmt;

use rack_model::{Node, Rack};
use serde::Serialize;
use volumed_client::admin::{DiskInfo, DiskState, NodeInfo, VolumeInfo};

use crate::machine::{AskError, Machine};

/// The state of a rack.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RackState {
    /// In the order of the slots.
    pub nodes: Vec<NodeState>,
    /// Volumes with a replica that may lack what was acknowledged; none when no node says.
    pub stale_volumes: Option<usize>,
}

/// The state of one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeState {
    /// Where it is.
    pub slot: u8,
    /// Its name.
    pub name: String,
    /// Whether it serves.
    pub health: Health,
    /// Its disks; none when it does not say.
    pub disks: Option<Vec<DiskFill>>,
    /// Volumes that it serves; none when no node says.
    pub served: Option<u32>,
}

/// Whether a node serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub enum Health {
    /// It does.
    Up,
    /// It can be reached, and its daemons do not serve.
    Ill(String),
    /// The others say that it is down.
    Down,
    /// It cannot be reached from here.
    Unreachable(String),
}

impl Health {
    /// Why it does not serve, as far as that is known.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ill(why) | Self::Unreachable(why) => Some(why),
            Self::Up | Self::Down => None,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Ill(_) => f.write_str("ill"),
            Self::Down => f.write_str("down"),
            Self::Unreachable(_) => f.write_str("unreachable"),
        }
    }
}

/// How full a disk is, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskFill {
    /// Its id.
    pub id: String,
    /// Whether it serves.
    pub online: bool,
    /// What it can hold.
    pub capacity: u64,
    /// What it holds.
    pub used: u64,
}

/// What one node says.
pub struct View {
    serving: Result<Option<String>, AskError>,
    disks: Option<Vec<DiskInfo>>,
    nodes: Option<Vec<NodeInfo>>,
    volumes: Option<Vec<VolumeInfo>>,
}

/// Asks a node.
pub fn view(machine: Machine<'_>) -> View {
    let serving = machine.not_serving();
    // Each question to a node that is away takes until it is given up.
    let is_there = !matches!(serving, Err(AskError::Reach(_)));
    View {
        serving,
        disks: is_there.then(|| machine.disks().ok()).flatten(),
        nodes: is_there.then(|| machine.nodes().ok()).flatten(),
        volumes: is_there.then(|| machine.volumes().ok()).flatten(),
    }
}

impl RackState {
    /// `views` are of the rack's nodes, in the same order.
    pub fn of(rack: &Rack, views: Vec<View>) -> Self {
        let stale_volumes = stale(&views);
        let members = views.iter().find_map(|view| view.nodes.clone());
        let states = rack.nodes.iter().zip(views);
        Self {
            nodes: states
                .map(|(node, view)| NodeState::of(node, view, members.as_deref()))
                .collect(),
            stale_volumes,
        }
    }
}

/// What is stale is known where a volume is served, so every node is heard.
fn stale(views: &[View]) -> Option<usize> {
    let mut known = views
        .iter()
        .filter_map(|view| view.volumes.as_ref())
        .peekable();
    known.peek()?;
    let volumes = known.flatten().filter(|volume| !volume.stale.is_empty());
    Some(
        volumes
            .map(|volume| &volume.name)
            .collect::<BTreeSet<_>>()
            .len(),
    )
}

impl NodeState {
    fn of(node: &Node, view: View, members: Option<&[NodeInfo]>) -> Self {
        let members = members.unwrap_or_default();
        let member = members
            .iter()
            .find(|member| member.name == node.name.as_str());
        let fill = |disk: DiskInfo| DiskFill {
            online: disk.state == DiskState::Online,
            id: disk.id,
            capacity: disk.capacity,
            used: disk.used,
        };
        Self {
            slot: node.slot,
            name: node.name.to_string(),
            health: health(view.serving, member),
            disks: view
                .disks
                .map(|disks| disks.into_iter().map(fill).collect()),
            served: member.map(|member| member.served),
        }
    }
}

fn health(serving: Result<Option<String>, AskError>, member: Option<&NodeInfo>) -> Health {
    let is_down = member.is_some_and(|member| !member.up);
    match serving {
        Ok(None) | Err(AskError::Reach(_)) if is_down => Health::Down,
        Ok(None) => Health::Up,
        Ok(Some(why)) => Health::Ill(why),
        Err(AskError::Reach(error)) => Health::Unreachable(error.to_string()),
        Err(error) => Health::Ill(error.to_string()),
    }
}
