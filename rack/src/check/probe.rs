//! What is asked of one node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rack_model::Rack;
use volumed_client::admin::{ClusterInfo, DiskInfo, DiskState, Finding, NodeInfo};

use crate::apply::{CertificateLine, renewed};
use crate::machine::{AskError, Machine};

/// What one node said.
pub struct Probe {
    /// Its name.
    pub node: String,
    /// What it said; else why it could not be asked at all.
    pub said: Result<Answers, AskError>,
}

/// What a node said that could be reached.
pub struct Answers {
    /// Of volumed and s3d.
    pub versions: Result<[String; 2], AskError>,
    /// Its clock.
    pub clock: Clock,
    /// What its daemons find wrong with themselves.
    pub findings: Result<Vec<Finding>, AskError>,
    /// How many of its disks serve.
    pub disks: Option<usize>,
    /// The nodes of the cluster, as it sees them; none when its volumed does not say.
    pub cluster: Option<(ClusterInfo, Vec<NodeInfo>)>,
    /// Whether it would start with other settings than rack.toml makes; none when it does not say.
    pub has_old_settings: Option<bool>,
    /// Whether its name server, the router, knows the rack's names.
    pub names: Vec<(String, bool)>,
}

/// A node's clock against this machine's.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// How far it is ahead, in seconds.
    pub ahead: f64,
    /// How far that may be off, since asking takes time.
    pub error: f64,
}

impl Probe {
    /// Asks the node.
    pub fn of(rack: &Rack, machine: Machine<'_>) -> Self {
        Self {
            node: machine.node.name.to_string(),
            said: Answers::of(rack, machine),
        }
    }
}

impl Answers {
    fn of(rack: &Rack, machine: Machine<'_>) -> Result<Self, AskError> {
        // The first question also says whether the node can be reached.
        let clock = Clock::of(machine)?;
        let volumed = machine.version("volumed");
        let versions = volumed.and_then(|volumed| Ok([volumed, machine.version("s3d")?]));
        let cluster = machine
            .cluster()
            .and_then(|cluster| Ok((cluster, machine.nodes()?)));
        Ok(Self {
            versions,
            clock,
            findings: machine.findings(),
            disks: machine.disks().ok().map(|disks| online(&disks)),
            cluster: cluster.ok(),
            has_old_settings: has_old_settings(rack, machine),
            names: names(rack, machine),
        })
    }
}

fn has_old_settings(rack: &Rack, machine: Machine<'_>) -> Option<bool> {
    let renewed = renewed(rack, machine, &CertificateLine::Kept).ok()?;
    Some(!renewed.difference.is_empty())
}

/// Of names that could not be asked for nothing is known.
fn names(rack: &Rack, machine: Machine<'_>) -> Vec<(String, bool)> {
    let names = [
        rack.s3_host(),
        format!("bucket.{}", rack.s3_host()),
        rack.api_host(),
    ];
    let asked = names
        .into_iter()
        .map(|name| machine.knows_name(&name).map(|known| (name, known)));
    asked.flatten().collect()
}

fn online(disks: &[DiskInfo]) -> usize {
    disks
        .iter()
        .filter(|disk| disk.state == DiskState::Online)
        .count()
}

impl Clock {
    fn of(machine: Machine<'_>) -> Result<Self, AskError> {
        let before = now();
        let there = machine.clock()?;
        let after = now();
        Ok(Self {
            ahead: there - (before + after).as_secs_f64() / 2.0,
            error: after.saturating_sub(before).as_secs_f64() / 2.0,
        })
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
