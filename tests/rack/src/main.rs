//! `make rack`: a rack of three nodes on this machine, and commands that break and heal it.

mod tour;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hayrack_rack::name::RackName;
use hayrack_rack::sweep::sweep_at_end_of_input;

use tour::Order;

/// A rack of three nodes on this machine.
#[derive(Debug, Parser)]
#[command(name = "hayrack-rack")]
struct Cli {
    /// The folder of all state
    #[arg(
        long,
        env = "HAYRACK_RACK_DATA",
        default_value = "data-rack",
        global = true
    )]
    data: PathBuf,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the rack, and keep it until Ctrl-C
    Run {
        /// Remove what an earlier rack left in the folder
        #[arg(long)]
        fresh: bool,
    },
    /// Do something to the rack that runs
    #[command(flatten)]
    Order(Order),
    /// Remove what a rack made on this machine once the standard input ends
    #[command(hide = true)]
    Sweep {
        /// Its name.
        rack: RackName,
        /// A folder that goes, too.
        folder: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run { fresh } => tour::run(&cli.data, fresh),
        Command::Order(order) => tour::send(&cli.data, &order),
        Command::Sweep { rack, folder } => sweep_at_end_of_input(rack, folder.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
