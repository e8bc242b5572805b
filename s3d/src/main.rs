//! The S3 server of Hayrack.

mod cli;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use s3d::config::Settings;
use s3d::{admin, doctor, drain, maintenance, quickstart, serve, workers};
use volumed_daemon::{ConfigError, Logging, fail};

use cli::{Cli, Command, ServeArgs};

/// s3s reports each refused request: that is the client's matter.
const USUAL_LEVELS: &str = "s3s=off";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => run(&args),
        Command::Quickstart(options) => quickstart::run(&options),
        Command::User(arguments) => admin::user(arguments).map(|()| ExitCode::SUCCESS),
        Command::Secrets(arguments) => admin::secrets(arguments).map(|()| ExitCode::SUCCESS),
        Command::Drain(arguments) => drain::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Bucket(command) => maintenance::run(command),
        Command::Doctor { args, json } => examine(&args, json),
        Command::Completions { shell } => {
            print(&volumed_daemon::completions(Cli::command(), shell))
        }
        Command::Man { command } => volumed_daemon::manual_page(Cli::command(), command.as_deref())
            .map_err(Into::into)
            .and_then(|page| print(&page)),
    };
    outcome.unwrap_or_else(|error| fail("s3d", &error))
}

fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    volumed_daemon::share_arenas();
    // Before the settings: what they default to depends on it.
    volumed_daemon::raise_descriptor_limit();
    let settings = load(args)?;
    if args.config.check_config {
        settings.check_files()?;
        return print(volumed_daemon::in_force(&settings)?.as_bytes());
    }
    let log = Logging::start(&settings.log(), USUAL_LEVELS)?;
    workers::run(settings.workers, |workers| {
        serve::serve(&settings, &log, workers, || load(args))
    })??;
    Ok(ExitCode::SUCCESS)
}

fn examine(args: &ServeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let findings = match load(args) {
        Ok(settings) => runtime.block_on(doctor::examine(&settings)),
        Err(error) => vec![doctor::of_settings(&error)],
    };
    if json {
        print((serde_json::to_string_pretty(&findings)? + "\n").as_bytes())?;
    } else {
        print(volumed_daemon::report(&findings).as_bytes())?;
    }
    Ok(volumed_daemon::exit_code(&findings).into())
}

fn load(args: &ServeArgs) -> Result<Settings, ConfigError> {
    Settings::load(&args.settings, args.config.path.as_deref())
}

fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    io::stdout().write_all(text)?;
    Ok(ExitCode::SUCCESS)
}
