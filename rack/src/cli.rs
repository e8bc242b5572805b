//! The command line.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::apply::ApplyArgs;
use crate::call::Call;
use crate::flash::FlashArgs;
use crate::image::ImageArgs;
use crate::init::InitArgs;
use crate::mount::MountArgs;
use crate::reach::ReachBy;
use crate::replace::ReplaceArgs;
use crate::router::RouterArgs;
use crate::secrets::SecretsArgs;
use crate::status::StatusArgs;
use crate::update::UpdateArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; check found nothing wrong
  1  refused or failed; the sentence on stderr says why; check found a fault; status saw a node that does not serve
  2  the command line or rack.toml is wrong
  6  check found nothing worse than warnings";

/// A rack of Hayrack, described once in rack.toml and looked after as a whole
#[derive(Debug, Parser)]
#[command(name = "rack", version, about, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Which rack.
    #[command(flatten)]
    pub call: Call,
    /// How nodes are reached: ssh, ssh:USER, or exec:COMMAND, a command of this machine in which {name}, {address}
    /// and {slot} are the node's
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        env = "RACK_REACH",
        default_value = "ssh"
    )]
    pub reach: ReachBy,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a rack.toml, from the answers to five questions
    Init(Box<InitArgs>),
    /// Show the rack slot by slot, as rack.toml describes it
    Show,
    /// List what to buy, with the budget of power and heat
    Parts,
    /// Make the parts of the printed mount, as STL, and list them
    Mount(MountArgs),
    /// Compare what is there with rack.toml, and say what is wrong and what to type
    #[command(visible_alias = "doctor")]
    Check,
    /// Show how every node is, and how full its disks are
    Status(StatusArgs),
    /// Bring all nodes to one version, one after the other
    Update(UpdateArgs),
    /// Bring a change of rack.toml to all nodes, one after the other
    Apply(ApplyArgs),
    /// Let the nodes that wait into the cluster
    Admit,
    /// Have another machine take the place of a node
    Replace(ReplaceArgs),
    /// Write the router's configuration, and that of a rented machine in front of it, to a folder
    Router(RouterArgs),
    /// Build the image that nodes start from, and the update of the same root
    Image(Box<ImageArgs>),
    /// Write an image to a card or disk of this machine
    Flash(FlashArgs),
    /// Keep the rack's secrets: set, get, list, rotate
    Secrets(SecretsArgs),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page (roff)
    Man {
        /// The page of a command, as in "secrets set" [default: the page of rack itself]
        command: Option<String>,
    },
}
