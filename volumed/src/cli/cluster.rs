//! The command line of clusters and their nodes.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use volumed_cluster::{JoinToken, NodeName, Place, PlaceError, Ports};

use super::call::Call;
use crate::config::Source;

/// Commands about nodes.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum NodeCommand {
    /// List every node of the cluster, and whether it is up
    List {
        #[command(flatten)]
        call: Call,
    },
    /// Move everything that a node's disks hold to other nodes, and the buckets that it serves
    #[command(after_help = AFTER_DRAIN)]
    Drain {
        /// The node's name
        name: String,
        /// Use it again; what was moved stays where it is
        #[arg(long)]
        cancel: bool,
        /// Show how far it is until nothing is left there
        #[arg(long, conflicts_with = "cancel")]
        wait: bool,
        #[command(flatten)]
        call: Call,
    },
    /// Remove a node from the cluster for good
    #[command(after_help = AFTER_REMOVE)]
    Remove {
        /// The node's name
        name: String,
        /// Do it although the node is up and its disks hold something, and lose what only they hold
        #[arg(long)]
        accept_loss: bool,
        #[command(flatten)]
        call: Call,
    },
}

const AFTER_DRAIN: &str = "\
Clients go on meanwhile. It is obeyed by the node itself, also after restarts, while it runs; `volumed node list` on
any node shows how far it is. Volumes need as many disks on other nodes as they have replicas. s3d on the node gives
its buckets to other nodes by itself: `s3d drain` does only that, for work on a node that keeps its data. Volumes that
other clients have attached there are served on: move those clients. When the node is drained, `volumed node remove`,
typed on another node, loses nothing.";

const AFTER_REMOVE: &str = "\
Its key and certificates count no more, and tokens that were not used are forgotten. If it runs etcd, the others
must be a majority. For 90 seconds nobody can join. The same machine joins as a new node once its folder
DATA/cluster was removed.";

/// Commands about the cluster.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum ClusterCommand {
    /// Make a cluster of this node, which keeps its data, while volumed and s3d are stopped
    #[command(after_help = AFTER_INIT)]
    Init(Box<InitArgs>),
    /// Print a token with which one node joins the cluster
    Token {
        /// For how many hours it is good, up to 168
        #[arg(long, value_name = "HOURS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=168))]
        hours: u64,
        #[command(flatten)]
        call: Call,
    },
    /// Make this node one of a cluster, while volumed and s3d are stopped
    #[command(after_help = AFTER_JOIN)]
    Join(Box<JoinArgs>),
    /// Go on with this node's copy of the metadata store, when most nodes that kept it are lost for good
    #[command(after_help = AFTER_RECOVER)]
    Recover(Box<RecoverArgs>),
    /// Show the cluster that this node is in
    Show {
        #[command(flatten)]
        call: Call,
    },
}

const AFTER_INIT: &str = "\
The metadata store moves into an etcd that volumed runs (on Debian: apt-get install etcd-server, then systemctl
disable --now etcd). If this ends early, for whatever reason, give the same command again. Give the settings that
`volumed serve` is started with; s3d needs the setting `cluster` from then on.";

const AFTER_JOIN: &str = "\
On a node of the cluster, `volumed cluster token` prints a token. Give the settings that `volumed serve` is started
with; the disks must be empty. If this ends early, give the same command again.";

const AFTER_RECOVER: &str = "\
The metadata store is kept by up to three nodes, and stops when two of them do not answer. If they are only down, start
them. If they are lost, stop volumed and s3d on the one that is left, give this command there, with the settings that
`volumed serve` is started with, and start both; other nodes go on by themselves. What the store was told in the last
moment may be missing: where this node's disks know of more, nothing is done without --accept-loss. etcd's data is kept as
it was as DATA/etcd.ended-TIME.

Before a node that is believed lost is started again, remove its folder DATA/etcd: two of them would go on as another
cluster. One that does not come back is removed with `volumed node remove`; what was lost with it is copied from others.";

/// How to go on with this node's copy of the store.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// All other nodes that kept the store are lost, or have no folder DATA/etcd any more
    #[arg(long)]
    pub yes: bool,
    /// Do it although this node's disks know of more than the store; the next start removes what it does not record
    #[arg(long)]
    pub accept_loss: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Configuration file (TOML); flags and environment variables win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Source,
}

/// How to make a cluster.
#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Configuration file (TOML); flags and environment variables win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Source,
}

/// How to join one.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// What `volumed cluster token` printed
    #[arg(long)]
    pub token: JoinToken,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Configuration file (TOML); flags and environment variables win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Source,
}

/// What a node is called, and where the others reach it.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// What this node is called: 1 to 63 of a-z, 0-9 and -
    #[arg(long)]
    pub name: NodeName,
    /// The address at which the other nodes reach this one; may be repeated: they use the first
    #[arg(long = "address", value_name = "IP", required = true)]
    pub addresses: Vec<IpAddr>,
    /// Where nodes join and renew their certificates
    #[arg(long, value_name = "PORT", default_value_t = Ports::default().cluster)]
    pub port_cluster: u16,
    /// Where nodes ask each other for what is on their disks
    #[arg(long, value_name = "PORT", default_value_t = Ports::default().links)]
    pub port_links: u16,
    /// Where etcd serves clients, if it runs here
    #[arg(long, value_name = "PORT", default_value_t = Ports::default().etcd_client)]
    pub port_etcd_client: u16,
    /// Where etcd speaks to its other members, if it runs here
    #[arg(long, value_name = "PORT", default_value_t = Ports::default().etcd_peer)]
    pub port_etcd_peer: u16,
}

impl PlaceArgs {
    /// The place, if it can be a node's.
    pub fn place(&self) -> Result<Place, PlaceError> {
        let ports = Ports {
            cluster: self.port_cluster,
            links: self.port_links,
            etcd_client: self.port_etcd_client,
            etcd_peer: self.port_etcd_peer,
        };
        Place::new(self.addresses.clone(), ports)
    }
}
