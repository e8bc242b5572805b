//! What Prometheus is told of the hop.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use volumed_cluster::NodeNumber;

/// How a request that was sent to another node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// The bucket was not there any more.
    Moved,
    /// The node could not be reached, or the connection broke.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    node: u16,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabels {
    node: u16,
}

/// What is counted of the hop.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    forwarded: Family<Labels, Counter>,
    received: Family<NodeLabels, Counter>,
}

impl Counters {
    /// Adds them to what is told.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "forwarded_requests",
            "Requests sent to the node that serves their bucket, by node and outcome",
            self.forwarded.clone(),
        );
        registry.register(
            "received_requests",
            "Requests that other nodes sent here, by node",
            self.received.clone(),
        );
    }

    pub(crate) fn forwarded(&self, to: NodeNumber, outcome: Outcome) {
        let labels = Labels {
            node: to.0,
            outcome: match outcome {
                Outcome::Answered => "answered",
                Outcome::Moved => "moved",
                Outcome::Failed => "failed",
            },
        };
        self.forwarded.get_or_create(&labels).inc();
    }

    pub(crate) fn received(&self, from: NodeNumber) {
        self.received
            .get_or_create(&NodeLabels { node: from.0 })
            .inc();
    }
}
