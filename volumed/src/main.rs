//! The volume daemon of Hayrack, and the commands that talk to it.

mod admin;
mod cli;
mod cluster;
mod commands;
mod config;
mod descriptors;
mod exports;
mod extents;
mod findings;
mod kernel;
mod metrics;
mod schedule;
mod serve;
mod socket;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use volumed_daemon::{Logging, fail};

use cli::{Cli, Command, ServeArgs};
use commands::CommandError;
use config::Settings;

const NAME: &str = "volumed";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => run_daemon(&args),
        Command::Pool { command } => return run_command(commands::pool(command)),
        Command::Disk { command } => return run_command(commands::disk(command)),
        Command::Volume { command } => return run_command(commands::volume(command)),
        Command::Scrub { command } => return run_command(commands::scrub(command)),
        Command::Meta { command } => return run_command(commands::meta(command)),
        Command::Node { command } => return run_command(commands::node(command)),
        Command::Cluster { command } => return run_command(commands::cluster(command)),
        Command::Doctor { call } => return run_command(commands::doctor(call)),
        Command::Completions { shell } => print_completions(shell),
        Command::Man { command } => print_manual(command.as_deref()),
    };
    outcome.map_or_else(|error| fail(NAME, &error), |()| ExitCode::SUCCESS)
}

fn run_daemon(args: &ServeArgs) -> anyhow::Result<()> {
    volumed_daemon::share_arenas();
    let settings = Settings::load(&args.settings, args.config.path.as_deref())?;
    if args.config.check_config {
        settings.check_files()?;
        let text = volumed_daemon::in_force(&settings)?;
        return Ok(std::io::stdout().write_all(text.as_bytes())?);
    }
    let log = Logging::start(&settings.log(), "")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let reload = || Settings::load(&args.settings, args.config.path.as_deref());
    Ok(runtime.block_on(serve::serve(&settings, &log, reload))?)
}

fn run_command(command: impl Future<Output = Result<ExitCode, CommandError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(NAME, &error.into()),
    };
    match runtime.block_on(command) {
        Ok(code) => code,
        Err(error) => {
            let code = error.exit_code();
            fail(NAME, &error.into());
            code
        }
    }
}

fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let script = volumed_daemon::completions(Cli::command(), shell);
    Ok(std::io::stdout().write_all(&script)?)
}

fn print_manual(command: Option<&str>) -> anyhow::Result<()> {
    let page = volumed_daemon::manual_page(Cli::command(), command)?;
    Ok(std::io::stdout().write_all(&page)?)
}
