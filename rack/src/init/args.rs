//! The flags of `rack init`.

use clap::Args;
use rack_model::Mac;
use rack_model::models::NodeModel;
use rack_model::names::{Domain, Label};

use super::answers::{Key, Uplink};

const AFTER: &str = "\
What the flags leave open is asked for at a terminal. MACs may be filled in later: until then, the nodes without
are refused by what needs them, the router's leases and the nodes' images.";

/// How to write a rack.toml.
#[derive(Debug, Default, Args)]
#[command(after_help = AFTER)]
pub struct InitArgs {
    /// What the rack is called: a-z, 0-9 and -
    #[arg(long)]
    pub name: Option<Label>,
    /// The domain below which it is reached, like example.org
    #[arg(long)]
    pub domain: Option<Domain>,
    /// How many nodes it has, 1 to 12
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=12))]
    pub nodes: Option<u8>,
    /// Which machine they are, like pi5-8gb
    #[arg(long, value_parser = NodeModel::find)]
    pub model: Option<&'static NodeModel>,
    /// A node's MAC; repeat it for the nodes in the order of their slots
    #[arg(long = "mac", value_name = "MAC")]
    pub macs: Option<Vec<Mac>>,
    /// The router's uplink: dhcp, pppoe:USER, or ADDRESS/BITS,GATEWAY,NAMESERVER
    #[arg(long)]
    pub uplink: Option<Uplink>,
    /// The operator's SSH public key: the line, or the file that holds it
    #[arg(long, value_name = "KEY|FILE")]
    pub ssh_key: Option<Key>,
    /// Overwrite the file
    #[arg(long)]
    pub force: bool,
}
