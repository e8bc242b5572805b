//! The command line.

mod background;
mod helper;
mod login;
mod manual;
mod mount;
mod prompt;
mod status;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

pub use mount::MountCommand;

use crate::session;

/// Mounts a bucket as a file system.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mount a bucket, or the keys of it that begin with a prefix
    Mount(Box<MountCommand>),
    /// Sign in at Hayrack and keep a key of one's own for mounts
    Login(Box<login::LoginCommand>),
    /// Show what is mounted, and what waits to be uploaded
    Status(status::StatusCommand),
    /// Print the script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, of a command if one is named
    Man {
        /// The command
        command: Option<String>,
    },
}

impl Cli {
    /// Reads a command line; one that mount(8) wrote as well.
    pub fn of(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let arguments: Vec<_> = arguments.into_iter().collect();
        match helper::translate(&arguments) {
            None => Self::parse_from(arguments),
            Some(Ok(arguments)) => Self::parse_from(arguments),
            Some(Err(refusal)) => Self::command()
                .error(clap::error::ErrorKind::InvalidValue, refusal)
                .exit(),
        }
    }

    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Mount(command) if command.foreground => session::run(&command),
            Command::Mount(command) => background::mount(&command),
            Command::Login(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Completions { shell } => manual::completions(Self::command(), shell),
            Command::Man { command } => manual::page(Self::command(), command.as_deref()),
        }
    }
}
