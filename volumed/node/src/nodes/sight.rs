//! What is known of the other nodes: who they are, which are up, and where disks are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use volumed_cluster::{Node, NodeNumber};
use volumed_core::{ByteCount, DiskId, DiskNumber};
use volumed_peer::NodeId;

use super::presence::{Presence, PresentDisk};

/// The other nodes, as far as this one has heard.
#[derive(Debug)]
pub(crate) struct Sight {
    own: NodeNumber,
    /// Whether this node is drained.
    own_drained: bool,
    nodes: BTreeMap<NodeNumber, Node>,
    present: BTreeMap<NodeNumber, Presence>,
    /// Since when the others are seen to be away.
    away_since: BTreeMap<NodeNumber, Instant>,
    /// Where a disk is, or was last.
    disks: BTreeMap<DiskNumber, Place>,
}

/// Where a disk of another node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    id: Option<DiskId>,
    node: NodeNumber,
}

/// A disk on another node that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AwayDisk {
    pub disk: DiskNumber,
    pub node: NodeNumber,
    pub free: ByteCount,
}

impl Sight {
    pub fn new(own: NodeNumber) -> Self {
        Self {
            own,
            own_drained: false,
            nodes: BTreeMap::new(),
            present: BTreeMap::new(),
            away_since: BTreeMap::new(),
            disks: BTreeMap::new(),
        }
    }

    /// The cluster has these nodes. Answers who is in it no more, and all the others.
    pub fn know(&mut self, nodes: Vec<Node>) -> (Vec<NodeId>, Vec<Node>) {
        let own = nodes.iter().find(|node| node.number == self.own);
        self.own_drained = own.is_some_and(|node| node.drain.is_some());
        let others = nodes.into_iter().filter(|node| node.number != self.own);
        let nodes: BTreeMap<_, _> = others.map(|node| (node.number, node)).collect();
        let before = std::mem::replace(&mut self.nodes, nodes);
        let left = before.values().filter(|node| {
            let now = self.nodes.get(&node.number);
            now.is_none_or(|now| now.id != node.id)
        });
        let left = left.map(|node| NodeId(node.id.0)).collect();
        (left, self.nodes.values().cloned().collect())
    }

    /// A node is up, and says this of itself, or it is not.
    pub fn saw(&mut self, node: NodeNumber, presence: Option<Presence>) {
        if node == self.own {
            return;
        }
        let Some(presence) = presence else {
            self.present.remove(&node);
            self.away_since.entry(node).or_insert_with(Instant::now);
            return;
        };
        self.away_since.remove(&node);
        for disk in &presence.disks {
            let id = disk.id();
            self.disks.insert(disk.number(), Place { id, node });
        }
        self.present.insert(node, presence);
    }

    /// The same of all nodes.
    pub fn saw_all(&mut self, all: Vec<(NodeNumber, Presence)>) {
        let here: BTreeSet<_> = all.iter().map(|(node, _)| *node).collect();
        let gone = self.present.keys().filter(|node| !here.contains(node));
        for node in gone.copied().collect::<Vec<_>>() {
            self.saw(node, None);
        }
        for (node, presence) in all {
            self.saw(node, Some(presence));
        }
    }

    /// The store says that a disk is at a node.
    pub fn is_at(&mut self, disk: DiskNumber, id: Option<DiskId>, node: NodeNumber) {
        self.disks.insert(disk, Place { id, node });
        if !self.present.contains_key(&node) {
            self.away_since.entry(node).or_insert_with(Instant::now);
        }
    }

    /// The nodes that the cluster has beside this one.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// How many nodes the cluster has, this one among them, that are not drained.
    pub fn used_nodes(&self) -> usize {
        let used = self.nodes.values().filter(|node| node.drain.is_none());
        used.count() + usize::from(!self.own_drained)
    }

    /// What a node says of itself, if it is up.
    pub fn presence(&self, node: NodeNumber) -> Option<&Presence> {
        self.present.get(&node)
    }

    /// How links call a node.
    pub fn link_of(&self, node: NodeNumber) -> Option<NodeId> {
        self.nodes.get(&node).map(|node| NodeId(node.id.0))
    }

    /// Nodes that are up.
    pub fn up(&self) -> impl Iterator<Item = NodeNumber> {
        self.present.keys().copied()
    }

    /// The disks of nodes that are up.
    pub fn disks(&self) -> impl Iterator<Item = AwayDisk> {
        self.present.iter().flat_map(|(&node, presence)| {
            let away = move |disk: &PresentDisk| AwayDisk {
                disk: disk.number(),
                node,
                free: disk.free(),
            };
            presence.disks.iter().map(away)
        })
    }

    /// Every disk of nodes of the cluster, whether they are up or not.
    pub fn all_disks(&self) -> impl Iterator<Item = DiskNumber> {
        let of_cluster = |place: &Place| self.nodes.contains_key(&place.node);
        let disks = self.disks.iter().filter(move |it| of_cluster(it.1));
        disks.map(|(disk, _)| *disk)
    }

    /// The node that has a disk, or had it last.
    pub fn node_of(&self, disk: DiskNumber) -> Option<NodeNumber> {
        self.disks.get(&disk).map(|place| place.node)
    }

    /// What a disk is called.
    pub fn id_of(&self, disk: DiskNumber) -> Option<DiskId> {
        self.disks.get(&disk)?.id
    }

    /// Every disk that a node has, or had when it was seen last.
    pub fn disks_of(&self, node: NodeId) -> Vec<DiskNumber> {
        let of_node = |place: &Place| self.link_of(place.node) == Some(node);
        let disks = self.disks.iter().filter(|it| of_node(it.1));
        disks.map(|(disk, _)| *disk).collect()
    }

    /// Disks that are to be emptied.
    pub fn draining(&self) -> BTreeSet<DiskNumber> {
        let disks = self.present.values().flat_map(|presence| &presence.disks);
        let draining = disks.filter(|disk| disk.draining);
        draining.map(PresentDisk::number).collect()
    }

    /// Disks of nodes that have been away for so long, or are in the cluster no more.
    pub fn long_away(&self, grace: Duration) -> BTreeSet<DiskNumber> {
        let away = |node: &NodeNumber| {
            let left = !self.nodes.is_empty() && !self.nodes.contains_key(node);
            let since = self.away_since.get(node);
            left || since.is_some_and(|since| since.elapsed() >= grace)
        };
        let disks = self.disks.iter().filter(|(_, place)| away(&place.node));
        disks.map(|(disk, _)| *disk).collect()
    }

    /// Whether none of these nodes that is up has a lower number than this one.
    pub fn is_lowest_of(&self, mut nodes: impl Iterator<Item = NodeNumber>) -> bool {
        nodes.all(|node| node >= self.own || !self.present.contains_key(&node))
    }
}

#[cfg(test)]
mod tests {
    use volumed_cluster::{NodeDrain, NodeId as Id, Place as Address, Ports};

    use super::*;

    fn node(number: u16) -> Node {
        let ip = std::net::IpAddr::from([127, 0, 0, 1]);
        Node {
            version: 1,
            id: Id(number.into()),
            number: NodeNumber(number),
            name: format!("node-{number}").parse().unwrap(),
            place: Address::new(vec![ip], Ports::default()).unwrap(),
            joined: 0,
            signs: false,
            certificates: Vec::new(),
            drain: None,
        }
    }

    fn with_disk(number: u16) -> Presence {
        let disk = PresentDisk {
            number,
            id: format!("{number:032x}"),
            capacity: 100,
            used: 0,
            free: 50,
            draining: false,
            waits: false,
        };
        Presence {
            version: 1,
            disks: vec![disk],
            served: 0,
        }
    }

    #[test]
    fn disks_stay_known_when_their_node_goes() {
        let mut sight = Sight::new(NodeNumber(1));
        sight.know((1..=3).map(node).collect());
        sight.saw(NodeNumber(1), Some(with_disk(10)));
        sight.saw_all(vec![
            (NodeNumber(2), with_disk(20)),
            (NodeNumber(3), with_disk(30)),
        ]);
        assert_eq!(sight.disks().count(), 2, "its own are not away");
        sight.saw_all(vec![(NodeNumber(3), with_disk(30))]);
        let up: Vec<_> = sight.disks().map(|it| it.disk).collect();
        assert_eq!(up, [DiskNumber(30)]);
        assert_eq!(sight.all_disks().count(), 2);
        assert_eq!(sight.disks_of(NodeId(2)), [DiskNumber(20)]);
        assert!(sight.long_away(Duration::from_hours(1)).is_empty());
        assert_eq!(sight.long_away(Duration::ZERO), [DiskNumber(20)].into());
        sight.saw(NodeNumber(2), Some(with_disk(20)));
        assert!(sight.long_away(Duration::ZERO).is_empty());
    }

    #[test]
    fn nodes_that_are_drained_are_not_used() {
        let mut sight = Sight::new(NodeNumber(1));
        assert_eq!(sight.used_nodes(), 1);
        let mut nodes: Vec<_> = (1..=3).map(node).collect();
        sight.know(nodes.clone());
        assert_eq!(sight.used_nodes(), 3);
        let (begun, held) = (1, 2);
        for (drained, used) in [(2, 2), (0, 1)] {
            nodes[drained].drain = Some(NodeDrain { begun, held });
            sight.know(nodes.clone());
            assert_eq!(sight.used_nodes(), used);
        }
    }

    #[test]
    fn what_a_removed_node_had_is_gone() {
        let mut sight = Sight::new(NodeNumber(1));
        sight.is_at(DiskNumber(20), None, NodeNumber(2));
        assert!(
            sight.long_away(Duration::from_hours(1)).is_empty(),
            "who is in the cluster is not known yet"
        );
        sight.know((1..=3).map(node).collect());
        assert!(sight.long_away(Duration::from_hours(1)).is_empty());
        let (left, others) = sight.know([1, 3].map(node).into());
        assert_eq!((left, others.len()), (vec![NodeId(2)], 1));
        assert_eq!(
            sight.long_away(Duration::from_hours(1)),
            [DiskNumber(20)].into()
        );
        assert_eq!(sight.all_disks().count(), 0);
    }
}
