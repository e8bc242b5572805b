//! `volumed disk …`

use std::process::ExitCode;

use volumed_client::admin::AddDisk;

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
        DiskCommand::Retry { id, call } => {
            let disk = client(&call).retry_disk(&id).await?;
            print(&call, &disk, || table::disk(&disk))
        }
    }
}
