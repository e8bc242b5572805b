//! `hayrack-update`: takes an update, tries it, keeps it or goes back.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use hayrack_node::{Machine, update};

/// Updates this node: a new root is written beside the one that runs, started once, and kept if the daemons come up.
#[derive(Debug, Parser)]
#[command(name = "hayrack-update", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an update into the slot that does not run, and start it
    Apply {
        /// Its manifest, update.toml: a file, or an http or https address; the root lies beside it
        source: String,
        /// Only write it; `hayrack-update try` starts it
        #[arg(long)]
        no_restart: bool,
    },
    /// Start the update that was written, once
    Try,
    /// Show what runs, what is started next, and what became of the last update
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep the slot that runs, without waiting for the daemons
    Confirm,
    /// Go back to the other slot, and start it
    Rollback,
    /// Confirm a slot on trial once the daemons are ready, or go back: run at every start
    Trial {
        /// How long the daemons have: disks that are checked and other nodes that start at the same time take a part
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        patience: u64,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hayrack-update: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let machine = Machine::default();
    match command {
        Command::Apply { source, no_restart } => {
            let version = update::apply(&machine, &source, show)?;
            println!("version {version} is written");
            if !no_restart {
                update::try_written(&machine)?;
            }
        }
        Command::Try => update::try_written(&machine)?,
        Command::Status { json } => {
            let status = update::status(&machine)?;
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                println!("{status}");
            }
        }
        Command::Confirm => update::confirm(&machine)?,
        Command::Rollback => update::rollback(&machine)?,
        Command::Trial { patience } => {
            let patience = Duration::from_secs(patience);
            update::trial(&machine, patience, |sentence| println!("{sentence}"))?;
        }
    }
    Ok(())
}

/// How far it is, for a person who watches.
fn show(done: u64, all: u64) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r{} of {} MiB", done >> 20, all >> 20);
        if done == all {
            let _ = writeln!(stderr());
        }
    }
}
