//! Asking the daemon, and printing what it answers.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use volumed_client::admin::AdminClient;

use super::error::CommandError;
use crate::cli::Call;

pub fn client(call: &Call) -> AdminClient {
    AdminClient::new(&call.socket)
}

pub fn print(
    call: &Call,
    answer: &impl Serialize,
    human: impl FnOnce() -> String,
) -> Result<ExitCode, CommandError> {
    print_as(call.json, answer, human)
}

pub fn print_as(
    json: bool,
    answer: &impl Serialize,
    human: impl FnOnce() -> String,
) -> Result<ExitCode, CommandError> {
    let text = if json {
        serde_json::to_string_pretty(answer).expect("plain structs become JSON")
    } else {
        human()
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
