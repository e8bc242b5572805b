//! What can be wrong with a cluster.

use volumed_client::admin::{DrainInfo, DrainState, Finding, NodeInfo};
use volumed_cluster::{CERTIFICATE_LIFE, KEEPERS, Membership, NodeCertificate, Part};
use volumed_core::size::display;

/// Certificates renew themselves when a third of their life is left; one with a sixth of it has not been for weeks.
const LATE: u64 = CERTIFICATE_LIFE / 6;
/// Seconds by which clocks may differ.
const CLOCKS: u64 = 60;

/// Nodes that are down, or that this one has no link with.
pub fn of_nodes(nodes: &[NodeInfo]) -> Vec<Finding> {
    let others = nodes.iter().filter(|node| !node.here).filter_map(of_node);
    others.chain(nodes.iter().filter_map(of_drain)).collect()
}

/// A drain that cannot go on.
fn of_drain(node: &NodeInfo) -> Option<Finding> {
    let waits = |drain: &DrainInfo| drain.state == DrainState::WaitingForRoom;
    let left = node.drain.filter(waits)?.left;
    let name = &node.name;
    Some(Finding::warning(
        "node_drain_waits",
        format!(
            "The node {name} is drained, but the other nodes have no room for the {} on it, or fewer disks than a volume \
             has replicas.",
            display(left)
        ),
        format!(
            "Add a disk or a node; or have volumes follow the number of nodes (volumed volume list says which have a number \
             of their own, volumed volume replicas NAME auto changes it); or volumed node drain {name} --cancel."
        ),
    ))
}

fn of_node(node: &NodeInfo) -> Option<Finding> {
    let (name, addresses) = (&node.name, node.addresses.join(", "));
    if node.down_since.is_some() {
        return Some(Finding::warning(
            "node_down",
            format!("The node {name} ({addresses}) is down: volumes do without its disks."),
            format!(
                "Look whether it has power and network, and at systemctl status volumed on it. If it is gone for \
                 good: volumed node remove {name}."
            ),
        ));
    }
    let why = node.unreachable.as_ref().filter(|_| node.up)?;
    Some(Finding::warning(
        "node_unreachable",
        format!("The node {name} ({addresses}) is up, but this one has no link with it: {why}."),
        "Look at the network between both, and whether a firewall lets the port of links through (10812, unless \
         --port-links said another).",
    ))
}

/// Too few members of etcd, or some that do not answer.
pub fn of_members(members: &[Membership], nodes: usize) -> Option<Finding> {
    let voters = members
        .iter()
        .filter(|it| matches!(it.part, Part::Voter { .. }));
    let voters: Vec<_> = voters.collect();
    let silent = voters
        .iter()
        .filter(|it| it.part == Part::Voter { answers: false });
    let (all, silent) = (voters.len(), silent.count());
    if silent > 0 {
        return Some(Finding::warning(
            "etcd_member_down",
            format!(
                "{silent} of {all} members of etcd do not answer; without half of them nothing works."
            ),
            "volumed cluster show says which; look at systemctl status volumed on their nodes.",
        ));
    }
    (all < KEEPERS && nodes >= KEEPERS).then(|| {
        Finding::warning(
            "few_etcd_members",
            format!("Only {all} of {nodes} nodes run etcd: the loss of one may stop the metadata store."),
            "Nothing, if nodes joined a moment ago: they become members by themselves. Else look at journalctl -u \
             volumed on the nodes that volumed node list shows without etcd; etcd-server has to be installed there.",
        )
    })
}

/// A certificate that was not renewed in time.
pub fn of_certificate(certificate: NodeCertificate, now: u64) -> Option<Finding> {
    let left = certificate.expires.saturating_sub(now);
    (left < LATE).then(|| {
        Finding::fault(
            "certificate_expires",
            format!("This node's certificate expires in {} days: other nodes refuse it then.", left / 86_400),
            "Look at journalctl -u volumed for why it is not renewed; a node that signs must be reachable (volumed \
             cluster show).",
        )
    })
}

/// A node that joined in the future. `joined`: the last one, in seconds since 1970.
pub fn of_clock(joined: u64, now: u64) -> Option<Finding> {
    (joined > now + CLOCKS).then(|| {
        Finding::fault(
            "clock_behind",
            "This node's clock is behind that of a node which joined the cluster.",
            "timedatectl set-ntp true, on every node.",
        )
    })
}

#[cfg(test)]
mod tests {
    use volumed_cluster::{ClusterId, MemberId, NodeId};

    use super::*;

    fn fault(found: Option<Finding>) -> Option<String> {
        found.map(|found| found.fault)
    }

    fn members(answering: &[bool]) -> Vec<Membership> {
        let part = |&answers: &bool| Membership {
            id: MemberId(1),
            node: Some(NodeId(1)),
            part: Part::Voter { answers },
        };
        answering.iter().map(part).collect()
    }

    #[test]
    fn a_cluster_of_three_lacks_members_or_answers() {
        let of = |answering: &[bool], nodes| fault(of_members(&members(answering), nodes));
        assert_eq!(of(&[true], 1), None);
        assert_eq!(of(&[true; 2], 2), None);
        assert_eq!(of(&[true; 3], 5), None);
        assert_eq!(of(&[true; 2], 3).as_deref(), Some("few_etcd_members"));
        assert_eq!(
            of(&[true, true, false], 3).as_deref(),
            Some("etcd_member_down")
        );
    }

    #[test]
    fn a_certificate_is_late_and_a_clock_behind() {
        let certificate = NodeCertificate {
            cluster: ClusterId(1),
            node: NodeId(1),
            begins: 0,
            expires: CERTIFICATE_LIFE,
        };
        let at = |now| fault(of_certificate(certificate, now));
        assert_eq!(at(CERTIFICATE_LIFE - LATE), None);
        assert_eq!(
            at(CERTIFICATE_LIFE - LATE + 1).as_deref(),
            Some("certificate_expires")
        );
        assert_eq!(fault(of_clock(100, 40)), None);
        assert_eq!(fault(of_clock(101, 40)).as_deref(), Some("clock_behind"));
    }

    #[test]
    fn a_node_is_down_unreachable_or_well() {
        let node = NodeInfo {
            id: String::new(),
            number: 2,
            name: "second".to_owned(),
            addresses: vec!["10.0.0.2".to_owned()],
            here: false,
            up: true,
            down_since: None,
            unreachable: None,
            etcd: None,
            disks: 1,
            capacity: 0,
            used: 0,
            free: 0,
            served: 0,
            drain: None,
        };
        assert_eq!(fault(of_node(&node)), None);
        let drained = |state| NodeInfo {
            drain: Some(DrainInfo {
                state,
                begun: 1,
                moved: 0,
                left: 4096,
                seconds_left: None,
            }),
            ..node.clone()
        };
        assert_eq!(fault(of_drain(&drained(DrainState::Moving))), None);
        let waits = fault(of_drain(&drained(DrainState::WaitingForRoom)));
        assert_eq!(waits.as_deref(), Some("node_drain_waits"));
        let unreachable = NodeInfo {
            unreachable: Some("it does not answer".to_owned()),
            ..node.clone()
        };
        assert_eq!(
            fault(of_node(&unreachable)).as_deref(),
            Some("node_unreachable")
        );
        let down = NodeInfo {
            up: false,
            down_since: Some(1),
            ..unreachable
        };
        assert_eq!(fault(of_node(&down)).as_deref(), Some("node_down"));
    }
}
