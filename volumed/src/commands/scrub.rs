//! `volumed scrub …`

use std::process::ExitCode;

use super::answer::{client, print};
use super::error::CommandError;
use super::table;
use crate::cli::ScrubCommand;

/// Starts, pauses and shows scrubs.
pub async fn scrub(command: ScrubCommand) -> Result<ExitCode, CommandError> {
    let (call, scrubs) = match command {
        ScrubCommand::Start { call } => {
            let scrubs = client(&call).start_scrub().await?;
            (call, scrubs)
        }
        ScrubCommand::Status { call } => {
            let scrubs = client(&call).scrubs().await?;
            (call, scrubs)
        }
        ScrubCommand::Pause { call } => {
            let scrubs = client(&call).pause_scrub().await?;
            (call, scrubs)
        }
    };
    print(&call, &scrubs, || table::scrubs(&scrubs))
}
