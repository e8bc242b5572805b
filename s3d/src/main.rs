//! The S3 server of Hayrack.

mod cli;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use s3d::config::{Settings, Source};
use s3d::{admin, maintenance, quickstart, serve};
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, ServeArgs};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => run(arguments),
        Command::Quickstart(options) => quickstart::run(&options),
        Command::User(arguments) => admin::user(arguments).map(|()| ExitCode::SUCCESS),
        Command::Secrets(arguments) => admin::secrets(arguments).map(|()| ExitCode::SUCCESS),
        Command::Bucket(command) => maintenance::run(command),
        Command::Completions { shell } => print_completions(shell),
        Command::Man => print_manual(),
    };
    outcome.unwrap_or_else(|error| {
        // Nobody is left to tell when even that fails.
        let _ = writeln!(io::stderr(), "s3d: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    // s3s tells of each refused request: that is the client's matter.
    let usual = || EnvFilter::new("info,s3s=off");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let config = arguments.config.clone();
    let settings = Settings::load(source(arguments), config.as_deref())?;
    let mut runtime = match settings.workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime
        .worker_threads(settings.workers)
        .enable_all()
        .build()?;
    runtime.block_on(serve::serve(settings))?;
    Ok(ExitCode::SUCCESS)
}

fn source(arguments: ServeArgs) -> Source {
    let ServeArgs {
        data,
        config: _,
        volumed,
        store,
        s3_listen,
        api_listen,
        domain,
        region,
        workers,
        sign_up,
    } = arguments;
    Source {
        data,
        volumed,
        store,
        s3_listen,
        api_listen,
        domain,
        region,
        workers,
        sign_up,
    }
}

fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "s3d", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn print_manual() -> anyhow::Result<ExitCode> {
    let mut pages = Vec::new();
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut pages)?;
    for below in command.get_subcommands() {
        let title = format!("s3d-{}", below.get_name());
        clap_mangen::Man::new(below.clone())
            .title(title)
            .render(&mut pages)?;
    }
    io::stdout().write_all(&pages)?;
    Ok(ExitCode::SUCCESS)
}
