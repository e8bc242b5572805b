//! The whole rack.

use serde::{Deserialize, Serialize};

use crate::mount::Mount;
use crate::names::{Domain, Label};
use crate::network::Network;
use crate::node::Node;
use crate::operator::Operator;
use crate::public::{Acme, Public};
use crate::router::Router;
use crate::switch::Switch;

/// A rack, as its `rack.toml` describes it: every value is one of its kind, and they fit each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rack {
    /// What it is called.
    pub name: Label,
    /// The domain below which it is reached.
    pub domain: Domain,
    /// The nodes' network.
    pub network: Network,
    /// The router.
    pub router: Router,
    /// How it is reached from outside.
    pub public: Public,
    /// How certificates are got; none when they are put in place by hand.
    pub acme: Option<Acme>,
    /// The switch.
    pub switch: Switch,
    /// The printed mount.
    pub mount: Mount,
    /// The nodes, in the order of their slots.
    #[serde(rename = "node")]
    pub nodes: Vec<Node>,
    /// Who runs it, one at least.
    #[serde(rename = "operator")]
    pub operators: Vec<Operator>,
    /// Where a git forge runs as a guest.
    pub forge: Option<Forge>,
}

/// A git forge as a guest of the rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// The node that it runs on.
    pub node: Label,
}

impl Rack {
    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name.as_str() == name)
    }

    /// Where S3 is: `s3.<domain>`. Buckets are names below it.
    pub fn s3_host(&self) -> String {
        format!("s3.{}", self.domain)
    }

    /// Where API and console are: `s3-api.<domain>`.
    pub fn api_host(&self) -> String {
        format!("s3-api.{}", self.domain)
    }
}
