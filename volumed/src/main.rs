//! The volume daemon of Hayrack, and the commands that talk to it.

mod admin;
mod cli;
mod commands;
mod config;
mod lock;
mod nbd;
mod serve;
mod size;
mod socket;
mod table;
mod volume;

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, ServeArgs};
use commands::CommandError;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => run_daemon(&args),
        Command::Pool { command } => return run_command(commands::pool(command)),
        Command::Disk { command } => return run_command(commands::disk(command)),
        Command::Volume { command } => return run_command(commands::volume(command)),
        Command::Completions { shell } => print_completions(shell),
        Command::Man => print_manual(),
    };
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn run_daemon(args: &ServeArgs) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(serve::ServeError::System)?;
    Ok(runtime.block_on(serve::serve(args))?)
}

fn run_command(command: impl Future<Output = Result<(), CommandError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            fail(&error.into());
            code
        }
    }
}

fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "volumed", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

fn print_manual() -> anyhow::Result<()> {
    let mut pages = Vec::new();
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    render_manual(&command, "volumed", &mut pages)?;
    Ok(std::io::stdout().write_all(&pages)?)
}

/// A page for the command, then one for each command below it.
fn render_manual(command: &clap::Command, title: &str, pages: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone())
        .title(title)
        .render(pages)?;
    for below in command.get_subcommands() {
        render_manual(below, &format!("{title}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "volumed: {error}");
    ExitCode::FAILURE
}
