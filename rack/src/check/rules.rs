//! What is wrong, from what rack.toml and the nodes say. Nothing here asks.

use std::time::{SystemTime, UNIX_EPOCH};

use rack_model::{Node, Rack};
use volumed_client::admin::{Finding, NodeInfo};

use super::Found;
use super::probe::{Answers, Clock, Probe};
use crate::machine::AskError;

/// How far clocks may be apart, in seconds.
const APART: f64 = 1.0;
/// A certificate of the cluster that has fewer days left was not renewed in time.
const DAYS_LEFT: u64 = 7;
const DAY: u64 = 24 * 3600;

/// Everything that is wrong; each finding with its nodes.
pub fn found(rack: &Rack, probes: &[Probe]) -> Vec<Found> {
    let answers: Vec<(&str, &Answers)> = probes
        .iter()
        .filter_map(|probe| Some((probe.node.as_str(), probe.said.as_ref().ok()?)))
        .collect();
    let mut all: Vec<Found> = probes.iter().filter_map(unreachable).collect();
    all.extend(budget(rack));
    all.extend(versions(&answers));
    all.extend(clocks(&answers));
    all.extend(members(rack, &answers));
    for (node, said) in answers {
        all.extend(of_node(rack, node, said));
    }
    all
}

fn on(node: &str, finding: Finding) -> Found {
    Found {
        nodes: vec![node.to_owned()],
        finding,
    }
}

/// An error as a sentence; some end with a full stop already.
fn sentence(error: &AskError) -> String {
    format!("{}.", error.to_string().trim_end_matches('.'))
}

fn unreachable(probe: &Probe) -> Option<Found> {
    let error = probe.said.as_ref().err()?;
    let cure = "Look whether it has power and network; then ssh to it by hand, which says more.";
    Some(on(
        &probe.node,
        Finding::fault("node_unreachable", sentence(error), cure),
    ))
}

fn budget(rack: &Rack) -> Option<Found> {
    let budget = rack.budget();
    let (needed, fed) = (budget.poe.as_watts(), budget.switch.as_watts());
    if needed <= fed * 0.9 {
        return None;
    }
    let sentence = format!(
        "The nodes on PoE take up to {} of the switch's {}: hardly anything is left.",
        budget.poe, budget.switch
    );
    let cure = "Give the next node a supply of its own, power = \"supply\" in rack.toml, or take a stronger switch.";
    Some(Found {
        nodes: Vec::new(),
        finding: Finding::warning("power_budget", sentence, cure),
    })
}

fn versions(answers: &[(&str, &Answers)]) -> Option<Found> {
    let known: Vec<(&str, String)> = answers
        .iter()
        .filter_map(|(node, said)| Some((*node, said.versions.as_ref().ok()?.join(" and "))))
        .collect();
    let (_, first) = known.first()?;
    if known.iter().all(|(_, version)| version == first) {
        return None;
    }
    let each: Vec<String> = known
        .iter()
        .map(|(node, version)| format!("{node} {version}"))
        .collect();
    let sentence = format!(
        "The nodes run different versions of volumed and s3d: {}.",
        each.join("; ")
    );
    let cure = "rack update brings all to one version.";
    Some(Found {
        nodes: Vec::new(),
        finding: Finding::warning("versions_differ", sentence, cure),
    })
}

/// A clock is wrong when it is far from the middle one.
fn clocks(answers: &[(&str, &Answers)]) -> Vec<Found> {
    let mut ahead: Vec<f64> = answers.iter().map(|(_, said)| said.clock.ahead).collect();
    ahead.sort_by(f64::total_cmp);
    let Some(middle) = ahead.get(ahead.len() / 2).copied() else {
        return Vec::new();
    };
    let is_off = |clock: &Clock| (clock.ahead - middle).abs() > APART + 2.0 * clock.error;
    let off = answers.iter().filter(|(_, said)| is_off(&said.clock));
    off.map(|(node, said)| {
        let seconds = said.clock.ahead - middle;
        let sentence = format!("Its clock is {seconds:+.1} s from the others'.");
        let cure = "chronyc tracking on it says why; chronyc makestep sets it.";
        on(node, Finding::fault("clock_apart", sentence, cure))
    })
    .collect()
}

/// Whether the cluster has the nodes of rack.toml, and no others.
fn members(rack: &Rack, answers: &[(&str, &Answers)]) -> Vec<Found> {
    let seen = answers.iter().find_map(|(_, said)| said.cluster.as_ref());
    let Some((_, nodes)) = seen else {
        return Vec::new();
    };
    let absent = rack.nodes.iter().filter(|node| !has(nodes, node));
    let absent = absent.map(|node| {
        let cure = "Flash its image if it is new, or look at journalctl -u volumed on it.";
        on(
            node.name.as_str(),
            Finding::fault(
                "node_absent",
                "It is in rack.toml, and not in the cluster.",
                cure,
            ),
        )
    });
    let strangers = nodes.iter().filter(|node| rack.node(&node.name).is_none());
    let strangers = strangers.map(|node| {
        let cure = format!(
            "Write it into rack.toml, or volumed node remove {}.",
            node.name
        );
        on(
            &node.name,
            Finding::warning(
                "node_unknown",
                "It is in the cluster, and not in rack.toml.",
                cure,
            ),
        )
    });
    absent.chain(strangers).collect()
}

fn has(nodes: &[NodeInfo], node: &Node) -> bool {
    nodes.iter().any(|other| other.name == node.name.as_str())
}

fn of_node(rack: &Rack, node: &str, said: &Answers) -> Vec<Found> {
    let mut all = Vec::new();
    if let Err(error) = &said.versions {
        let cure = "Look whether the packages are installed: dpkg -l 'hayrack-*' on it.";
        all.push(Finding::fault("version_unknown", sentence(error), cure));
    }
    match &said.findings {
        Ok(findings) => all.extend(findings.iter().cloned()),
        Err(error) => {
            let cure = "Run s3d doctor on it by hand.";
            all.push(Finding::fault("doctor_failed", sentence(error), cure));
        }
    }
    all.extend(disks(rack, node, said));
    all.extend(old_settings(said));
    all.extend(
        said.cluster
            .as_ref()
            .and_then(|(cluster, _)| certificate(cluster.certificate_expires)),
    );
    all.extend(
        said.names
            .iter()
            .filter(|(_, known)| !known)
            .map(|(name, _)| unknown_name(name)),
    );
    all.into_iter().map(|finding| on(node, finding)).collect()
}

fn old_settings(said: &Answers) -> Option<Finding> {
    said.has_old_settings?.then(|| {
        let sentence = "It has other settings than rack.toml makes.";
        let cure = "rack apply --dry-run shows what differs; rack apply brings the new ones.";
        Finding::warning("settings_differ", sentence, cure)
    })
}

fn unknown_name(name: &str) -> Finding {
    let sentence = format!("The name {name} is unknown to the router's DNS.");
    let cure = "rack router renders the router's files anew; dnsmasq on the router reads them at its restart.";
    Finding::fault("name_unknown", sentence, cure)
}

fn disks(rack: &Rack, node: &str, said: &Answers) -> Option<Finding> {
    let wanted = rack.node(node)?.disks.len();
    let online = said.disks?;
    if online >= wanted {
        return None;
    }
    let sentence = format!("{online} of the {wanted} disks that rack.toml gives it serve.");
    let cure = "volumed disk list on it says which; lsblk whether the machine sees them; see their cables.";
    Some(Finding::fault("disks_absent", sentence, cure))
}

fn certificate(expires: u64) -> Option<Finding> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let days = expires.saturating_sub(now) / DAY;
    if days >= DAYS_LEFT {
        return None;
    }
    let sentence =
        format!("Its certificate for the cluster has {days} days left, and was not renewed.");
    let cure = "journalctl -u volumed on it says why: to be renewed, it must reach another node's port 10811.";
    Some(Finding::fault("cluster_certificate", sentence, cure))
}
