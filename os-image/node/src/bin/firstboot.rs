//! `hayrack-firstboot`: makes a machine that was started from a node image its node of the rack.

use std::fs;
use std::io::{self, Read as _, stdin};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hayrack_node::{Joined, Machine, admit, configure, join, prepare, settings_file};

/// In bytes; a token has fewer than 300.
const MAX_TOKEN: u64 = 4096;
/// In bytes; a node takes fewer than 200 of it.
const MAX_SETTINGS: u64 = 1 << 20;

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
    /// Prints the settings of the rack with which this node starts
    Settings,
    /// Keeps the settings on standard input, with which the node starts from then on
    Configure,
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
        Command::Settings => print_settings(&machine).map_err(anyhow::Error::from),
        Command::Configure => take_settings(&machine),
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
    Ok(admit(machine, &read(MAX_TOKEN)?)?)
}

fn take_settings(machine: &Machine) -> anyhow::Result<()> {
    Ok(configure(machine, &read(MAX_SETTINGS)?)?)
}

fn print_settings(machine: &Machine) -> io::Result<()> {
    print!("{}", fs::read_to_string(settings_file(machine))?);
    Ok(())
}

/// Standard input, up to so many bytes.
fn read(max: u64) -> io::Result<String> {
    let mut text = String::new();
    stdin().take(max).read_to_string(&mut text)?;
    Ok(text)
}

fn sentence(joined: Joined) -> &'static str {
    match joined {
        Joined::Before => "this node is in its cluster",
        Joined::Founded => "joined: this is the first node of a new cluster",
        Joined::Now => "joined: this node is one of its rack's cluster",
    }
}
