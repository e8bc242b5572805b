//! `rack`, the operator's command: a rack described once, looked after as a whole.

mod admit;
mod apply;
mod call;
mod certificate;
mod check;
mod cli;
mod flash;
mod image;
mod init;
mod machine;
mod member;
mod mount;
mod parts;
mod print;
mod reach;
mod replace;
mod rollout;
mod router;
mod secrets;
mod show;
mod status;
mod table;
mod terminal;
mod update;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use rack_model::LoadError;

use call::OpenError;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    run(&cli).unwrap_or_else(|error| fail(&error))
}

/// What is wrong with rack.toml begins with the file's name and line, as editors expect it, and ends with 2, as does a
/// slip on the command line.
fn fail(error: &anyhow::Error) -> ExitCode {
    let refused = |cause: &OpenError| matches!(cause, OpenError::Load(LoadError::Refused(_)));
    let is_refusal = error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(refused));
    let prefix = if is_refusal { "" } else { "rack: " };
    // Nobody is left to be informed when even that fails.
    let _ = writeln!(io::stderr(), "{prefix}{error}");
    ExitCode::from(if is_refusal { 2 } else { 1 })
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let call = &cli.call;
    match &cli.command {
        Command::Init(args) => init::run(call, args)?,
        Command::Show => show::run(call)?,
        Command::Parts => parts::run(call)?,
        Command::Mount(args) => mount::run(call, args)?,
        Command::Router(args) => router::run(call, args)?,
        Command::Secrets(args) => secrets::run(call, args)?,
        Command::Check => return Ok(check::run(call, &cli.reach)?.into()),
        Command::Status(args) => {
            let all_up = status::run(call, &cli.reach, args)?;
            return Ok(ExitCode::from(u8::from(!all_up)));
        }
        Command::Update(args) => update::run(call, &cli.reach, args)?,
        Command::Apply(args) => apply::run(call, &cli.reach, args)?,
        Command::Image(args) => image::run(call, args)?,
        Command::Flash(args) => flash::run(call, args)?,
        Command::Admit => admit::run(call, &cli.reach)?,
        Command::Replace(args) => replace::run(call, &cli.reach, args)?,
        Command::Completions { shell } => {
            let script = volumed_daemon::completions(Cli::command(), *shell);
            io::stdout().write_all(&script)?;
        }
        Command::Man { command } => {
            let page = volumed_daemon::manual_page(Cli::command(), command.as_deref())?;
            io::stdout().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
