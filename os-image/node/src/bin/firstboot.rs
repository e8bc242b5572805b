//! `hayrack-firstboot`: makes a machine that was started from a node image its node of the rack.

use std::fs;
use std::io::{self, Read as _, stdin};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use hayrack_node::{
    Joined, Machine, admit, configure, join, last_settings, prepare, settings_file, try_settings,
};

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
    /// Takes the settings on standard input: the next start tries them
    Configure,
    /// Prints as JSON what became of the settings that came last: kept, waiting, trial or rolled-back
    LastSettings,
    /// Keeps settings on trial once the daemons are ready, or goes back: in a start that tries some
    Trial {
        /// How long the daemons have: disks that are checked and other nodes that start at the same time take a part
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        patience: u64,
    },
}

fn main() -> ExitCode {
    let machine = Machine::default();
    let show = |sentence: &str| println!("{sentence}");
    let done = match Cli::parse().command {
        Command::Prepare => prepare(&machine, show).map_err(anyhow::Error::from),
        Command::Join => join(&machine)
            .map(|joined| println!("{}", sentence(joined)))
            .map_err(anyhow::Error::from),
        Command::Admit => take_token(&machine),
        Command::Settings => print_settings(&machine).map_err(anyhow::Error::from),
        Command::Configure => take_settings(&machine),
        Command::LastSettings => print_last_settings(&machine).map_err(anyhow::Error::from),
        Command::Trial { patience } => {
            try_settings(&machine, Duration::from_secs(patience), show).map_err(anyhow::Error::from)
        }
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

fn print_last_settings(machine: &Machine) -> serde_json::Result<()> {
    println!("{}", serde_json::to_string(&last_settings(machine))?);
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
