//! `hayrack-firstboot`: makes a machine that was started from a node image its node of the rack.

use std::io::{Read as _, stdin};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hayrack_node::{Joined, Machine, admit, join, prepare};

/// In bytes; a token has fewer than 300.
const MAX_TOKEN: u64 = 4096;

/// Makes this machine its node of the rack, by the settings that its image carries.
#[derive(Debug, Parser)]
#[command(name = "hayrack-firstboot", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name, network, firewall, disks and the daemons' settings: at every start, before the network
    Prepare,
    /// Has the node join its rack, unless it is in: at every start, before the daemons
    Join,
    /// Keeps the token on standard input, with which the node joins its rack within seconds
    Admit,
}

fn main() -> ExitCode {
    let machine = Machine::default();
    let done = match Cli::parse().command {
        Command::Prepare => {
            prepare(&machine, |sentence| println!("{sentence}")).map_err(anyhow::Error::from)
        }
        Command::Join => join(&machine)
            .map(|joined| println!("{}", sentence(joined)))
            .map_err(anyhow::Error::from),
        Command::Admit => take_token(&machine),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn take_token(machine: &Machine) -> anyhow::Result<()> {
    let mut token = String::new();
    stdin().take(MAX_TOKEN).read_to_string(&mut token)?;
    Ok(admit(machine, &token)?)
}

fn sentence(joined: Joined) -> &'static str {
    match joined {
        Joined::Before => "this node is in its cluster",
        Joined::Founded => "joined: this is the first node of a new cluster",
        Joined::Now => "joined: this node is one of its rack's cluster",
    }
}
