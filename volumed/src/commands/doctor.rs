//! `volumed doctor`: what the daemon finds, or why nobody can ask it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use volumed_daemon::{exit_code, report, volumed_findings};

use super::error::CommandError;
use crate::cli::Call;

/// Prints every finding; the exit code says how bad the worst one is.
pub async fn doctor(call: Call) -> Result<ExitCode, CommandError> {
    let findings = volumed_findings(&call.socket).await;
    let text = if call.json {
        serde_json::to_string_pretty(&findings).expect("plain structs become JSON") + "\n"
    } else {
        report(&findings)
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(exit_code(&findings).into())
}
