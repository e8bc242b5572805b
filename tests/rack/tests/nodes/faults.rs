//! What happens to nodes.

use std::thread;
use std::time::Duration;

use hayrack_rack::network::{Cut, NodeIndex};
use hayrack_rack::node::Daemon;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::site::Site;

/// A node's lease, and half as much again.
pub const LONG: Duration = Duration::from_secs(6);
/// etcd's.
const STORE: [u16; 2] = [2379, 2380];

/// One fault of a node, from which it is well again behind it.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It loses its power for a time.
    Killed,
    /// One of its daemons dies, and is started again.
    Died(Daemon),
    /// All nodes lose their power.
    AllKilled,
    /// All its processes stop where they are for a time.
    Hung,
    /// So does volumed alone.
    VolumedHung,
    /// So does s3d alone.
    S3dHung,
    /// It is cut off from everybody, clients too.
    CutOff,
    /// It is cut off from the other nodes.
    CutOffFromNodes,
    /// It is cut off from one other node.
    CutOffFromOne,
    /// It is cut off from the metadata store.
    CutOffFromStore,
    /// It is stopped orderly, and started again.
    Restarted,
}

/// Those that need no network of the nodes' own.
const EVERYWHERE: [Fault; 8] = [
    Fault::Killed,
    Fault::Died(Daemon::Volumed),
    Fault::Died(Daemon::S3d),
    Fault::AllKilled,
    Fault::Hung,
    Fault::VolumedHung,
    Fault::S3dHung,
    Fault::Restarted,
];
const CUTS: [Fault; 4] = [
    Fault::CutOff,
    Fault::CutOffFromNodes,
    Fault::CutOffFromOne,
    Fault::CutOffFromStore,
];

impl Fault {
    /// One that is possible on this rack.
    pub fn draw(site: &Site, random: &mut StdRng) -> Self {
        let cuts: &[Self] = if site.can_cut() { &CUTS } else { &[] };
        let possible = [&EVERYWHERE, cuts].concat();
        *possible.choose(random).expect("some are always possible")
    }

    /// Whether it is a cut.
    pub fn is_cut(self) -> bool {
        matches!(
            self,
            Self::CutOff | Self::CutOffFromNodes | Self::CutOffFromOne | Self::CutOffFromStore
        )
    }

    /// Lets it happen to a node, for so long if it lasts.
    pub fn happen(self, site: &mut Site, node: NodeIndex, lasting: Duration) {
        println!("{self:?}: node {} for {lasting:?}", node.0);
        self.begin(site, node);
        thread::sleep(lasting);
        site.make_well();
    }

    /// Lets it begin.
    pub fn begin(self, site: &mut Site, node: NodeIndex) {
        let others = site.others(node);
        match self {
            Self::Killed => site.rack.kill(node),
            Self::Died(daemon) => site.rack.node_mut(node).kill(daemon),
            Self::AllKilled => {
                for index in site.rack.indices() {
                    site.rack.kill(index);
                }
            }
            Self::Hung => site.rack.pause(node),
            Self::VolumedHung => site.rack.node(node).pause(Daemon::Volumed),
            Self::S3dHung => site.rack.node(node).pause(Daemon::S3d),
            Self::CutOff => cut(site, node, Cut::All),
            Self::CutOffFromNodes => {
                for other in others {
                    cut(site, node, Cut::From(site.rack.node(other).address));
                }
            }
            Self::CutOffFromOne => {
                cut(site, node, Cut::From(site.rack.node(others[0]).address));
            }
            Self::CutOffFromStore => cut(site, node, Cut::Ports(STORE.into())),
            Self::Restarted => site.rack.stop(node).expect("a node stops well"),
        }
    }
}

fn cut(site: &mut Site, node: NodeIndex, cut: Cut) {
    site.rack.cut(node, cut).expect("a node can be cut off");
}

/// A time that is shorter or longer than a lease.
pub fn some_time(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(100..15_000))
}
