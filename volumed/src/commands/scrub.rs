//! `volumed scrub …`

use std::process::ExitCode;

use serde::Serialize;
use volumed_client::admin::{ScrubInfo, VolumeInfo};
use volumed_core::BLOCK_SIZE;

use super::answer::{client, print};
use super::error::CommandError;
use super::table;
use crate::cli::ScrubCommand;

/// How far the scrubs are, and what cannot be read, whoever found it out.
#[derive(Debug, Serialize)]
struct Status {
    disks: Vec<ScrubInfo>,
    /// Those of which something cannot be read.
    volumes: Vec<Unreadable>,
}

/// What is known of a volume that reads as an error.
#[derive(Debug, Serialize)]
struct Unreadable {
    /// The volume's name.
    volume: String,
    /// Bytes that do not match their checksums.
    damaged: u64,
    /// Bytes that were lost with disks.
    lost: u64,
}

/// Starts, pauses and shows scrubs.
pub async fn scrub(command: ScrubCommand) -> Result<ExitCode, CommandError> {
    let (call, disks) = match command {
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
    let volumes = client(&call).list_volumes().await?;
    let volumes = volumes.into_iter().filter_map(Unreadable::of).collect();
    let status = Status { disks, volumes };
    print(&call, &status, || text(&status))
}

impl Unreadable {
    fn of(volume: VolumeInfo) -> Option<Self> {
        (volume.damaged + volume.lost > 0).then(|| Self {
            volume: volume.name,
            damaged: volume.damaged * BLOCK_SIZE,
            lost: volume.lost * BLOCK_SIZE,
        })
    }
}

fn text(status: &Status) -> String {
    let disks = table::scrubs(&status.disks);
    if status.volumes.is_empty() {
        return disks;
    }
    let volumes = status.volumes.iter();
    let volumes = table::unreadable(volumes.map(|it| (&*it.volume, it.damaged, it.lost)));
    format!("{disks}\n\n{volumes}\n\n`volumed volume damage NAME` lists where.")
}
