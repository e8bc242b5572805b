//! `rack init`: writes a rack.toml, from the answers to five questions or from flags.

mod answers;
mod questions;
mod text;

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use rack_model::Mac;
use rack_model::models::NodeModel;
use rack_model::names::{Domain, Label};

use crate::call::{Call, FILE_NAME};
use answers::{Key, Uplink};
use questions::{QuestionError, complete};

const AFTER: &str = "\
What the flags leave open is asked for at a terminal. MACs may be filled in later: until then, the nodes without
are refused by what needs them, the router's leases and the nodes' images.";

/// How to write a rack.toml.
#[derive(Debug, Default, Args)]
#[command(after_help = AFTER)]
pub struct InitArgs {
    /// What the rack is called: a-z, 0-9 and -
    #[arg(long)]
    name: Option<Label>,
    /// The domain below which it is reached, like example.org
    #[arg(long)]
    domain: Option<Domain>,
    /// How many nodes it has, 1 to 12
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=12))]
    nodes: Option<u8>,
    /// Which machine they are, like pi5-8gb
    #[arg(long, value_parser = NodeModel::find)]
    model: Option<&'static NodeModel>,
    /// A node's MAC; repeat it for the nodes in the order of their slots
    #[arg(long = "mac", value_name = "MAC")]
    macs: Option<Vec<Mac>>,
    /// The router's uplink: dhcp, pppoe:USER, or ADDRESS/BITS,GATEWAY,NAMESERVER
    #[arg(long)]
    uplink: Option<Uplink>,
    /// The operator's SSH public key: the line, or the file that holds it
    #[arg(long, value_name = "KEY|FILE")]
    ssh_key: Option<Key>,
    /// Overwrite the file
    #[arg(long)]
    force: bool,
}

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It is there already.
    #[error("{} exists; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// The answers are not there.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The answers do not fit each other.
    #[error("the answers make no rack:\n{0}")]
    Refused(#[from] rack_model::Refusal),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// `rack init`
pub fn run(call: &Call, args: &InitArgs) -> Result<(), InitError> {
    let path = call.file.clone().unwrap_or_else(|| FILE_NAME.into());
    if path.exists() && !args.force {
        return Err(InitError::Exists(path));
    }
    let answers = complete(args, io::stdin().is_terminal())?;
    let text = text::of(&answers);
    rack_model::Rack::parse(&path.display().to_string(), &text)?;
    let failed = |source| InitError::Write {
        path: path.clone(),
        source,
    };
    fs::write(&path, text).map_err(failed)?;
    let shown = path.display();
    writeln!(
        io::stdout(),
        "{shown} is written; look it over, then `rack show` and `rack parts`"
    )
    .map_err(failed)
}
