//! `volumed disk …`

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use volumed_client::admin::{AddDisk, AdminClient, DiskInfo, DrainState};

use crate::cli::DiskCommand;
use crate::commands::{CommandError, client, print};
use crate::table;

/// Lists, shows and changes the disks of the pool.
pub async fn disk(command: DiskCommand) -> Result<ExitCode, CommandError> {
    match command {
        DiskCommand::List { call } => {
            let disks = client(&call).disks().await?;
            print(&call, &disks, || table::disks(&disks))
        }
        DiskCommand::Show { id, call } => {
            let disk = client(&call).show_disk(&id).await?;
            print(&call, &disk, || table::disk(&disk))
        }
        DiskCommand::Add {
            path,
            capacity,
            reserve,
            call,
        } => {
            let wanted = AddDisk {
                path: std::path::absolute(path)?,
                capacity,
                reserve,
            };
            let disk = client(&call).add_disk(&wanted).await?;
            print(&call, &disk, || table::disk(&disk))
        }
        DiskCommand::Drain {
            id,
            cancel: true,
            call,
            ..
        } => {
            let disk = client(&call).cancel_drain(&id).await?;
            print(&call, &disk, || table::disk(&disk))
        }
        DiskCommand::Drain { id, wait, call, .. } => {
            let mut disk = client(&call).drain_disk(&id).await?;
            if wait {
                disk = drained(&client(&call), disk).await?;
            }
            print(&call, &disk, || table::disk(&disk))
        }
        DiskCommand::Remove { id, call } => {
            client(&call).remove_disk(&id).await?;
            print(&call, &serde_json::json!({}), || format!("Removed {id}"))
        }
        DiskCommand::Retry { id, call } => {
            let disk = client(&call).retry_disk(&id).await?;
            print(&call, &disk, || table::disk(&disk))
        }
    }
}

/// How often the daemon is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until everything is moved, or nobody wants that any more; a terminal shows how far it is.
async fn drained(daemon: &AdminClient, mut disk: DiskInfo) -> Result<DiskInfo, CommandError> {
    let mut out = std::io::stderr();
    let shows = out.is_terminal();
    while let Some(drain) = disk.drain {
        if shows {
            write!(out, "\r\x1b[K{}", table::progress(&drain))?;
        }
        if drain.state == DrainState::Drained {
            break;
        }
        tokio::time::sleep(LOOK).await;
        disk = daemon.show_disk(&disk.id).await?;
    }
    if shows {
        writeln!(out)?;
    }
    Ok(disk)
}
