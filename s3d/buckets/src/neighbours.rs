//! The other nodes, as far as a bucket may be theirs.

use volumed_cluster::NodeNumber;

/// The other nodes whose s3d serves buckets of the same store.
pub trait Neighbours: Send + Sync + 'static {
    /// This node; `None`: it is in no cluster.
    fn own(&self) -> Option<NodeNumber>;

    /// Whether it is another node than this one, and its s3d serves.
    fn serves(&self, node: NodeNumber) -> bool;
}

/// There are none.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Neighbours for Alone {
    fn own(&self) -> Option<NodeNumber> {
        None
    }

    fn serves(&self, _: NodeNumber) -> bool {
        false
    }
}
