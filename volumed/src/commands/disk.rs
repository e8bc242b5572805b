//! `volumed disk …`

use std::path::Path;
use std::process::ExitCode;

use volumed_client::admin::{AddDisk, AdminClient, DiskInfo, DrainState};

use super::answer::{client, print};
use super::error::CommandError;
use super::progress::Progress;
use super::table;
use crate::cli::DiskCommand;

/// Lists, shows and changes the disks of the pool.
pub async fn disk(command: DiskCommand) -> Result<ExitCode, CommandError> {
    match command {
        DiskCommand::List { call } => {
            let disks = client(&call).disks().await?;
            print(&call, &disks, || table::disks(&disks))
        }
        DiskCommand::Show { disk, call } => {
            let disk = find(&client(&call), &disk).await?;
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
            disk,
            cancel: true,
            call,
            ..
        } => {
            let client = client(&call);
            let found = find(&client, &disk).await?;
            let disk = client.cancel_drain(&found.id).await?;
            print(&call, &disk, || table::disk(&disk))
        }
        DiskCommand::Drain {
            disk, wait, call, ..
        } => {
            let client = client(&call);
            let found = find(&client, &disk).await?;
            let mut disk = client.drain_disk(&found.id).await?;
            if wait {
                disk = drained(&client, disk).await?;
            }
            print(&call, &disk, || table::disk(&disk))
        }
        DiskCommand::Remove {
            disk,
            accept_loss,
            call,
        } => {
            let client = client(&call);
            let found = find(&client, &disk).await?;
            client.remove_disk(&found.id, accept_loss).await?;
            print(&call, &serde_json::json!({}), || {
                format!("Removed {} {}", found.id, found.path.display())
            })
        }
        DiskCommand::Retry { disk, call } => {
            let client = client(&call);
            let found = find(&client, &disk).await?;
            let disk = client.retry_disk(&found.id).await?;
            print(&call, &disk, || table::disk(&disk))
        }
    }
}

/// Waits until everything is moved, or nobody wants that any more; a terminal shows how far it is.
async fn drained(daemon: &AdminClient, mut disk: DiskInfo) -> Result<DiskInfo, CommandError> {
    let mut progress = Progress::begin();
    while let Some(drain) = disk.drain {
        progress.show(&table::progress(&drain))?;
        if drain.state == DrainState::Drained {
            break;
        }
        progress.pause().await;
        disk = daemon.show_disk(&disk.id).await?;
    }
    progress.end()?;
    Ok(disk)
}

async fn find(client: &AdminClient, meant: &str) -> Result<DiskInfo, CommandError> {
    meant_by(meant, client.disks().await?)
}

/// The disk that somebody means by its id, the beginning of it, or its directory.
fn meant_by(meant: &str, disks: Vec<DiskInfo>) -> Result<DiskInfo, CommandError> {
    // A script's empty variable means no disk.
    if meant.is_empty() {
        return Err(CommandError::NoDisk(meant.to_owned()));
    }
    let path = std::path::absolute(Path::new(meant))?;
    let is_it = |disk: &&DiskInfo| disk.id == meant || disk.path == path;
    if let Some(disk) = disks.iter().find(is_it) {
        return Ok(disk.clone());
    }
    let mut begin = disks.into_iter().filter(|disk| disk.id.starts_with(meant));
    match (begin.next(), begin.next()) {
        (Some(disk), None) => Ok(disk),
        (Some(_), Some(_)) => Err(CommandError::SeveralDisks(meant.to_owned())),
        (None, _) => Err(CommandError::NoDisk(meant.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(id: &str, path: &str) -> DiskInfo {
        let json = serde_json::json!({
            "id": id, "path": path, "state": "online", "capacity": 0, "used": 0, "free": 0,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_disk_is_meant_by_its_id_or_the_beginning_of_it_or_its_directory() {
        let disks = || {
            vec![
                disk("abc0", "/a"),
                disk("abc1", "/b"),
                disk("abc", "/c"),
                disk("d", "/d"),
            ]
        };
        let found = |meant: &str| meant_by(meant, disks()).map(|disk| disk.id);
        for (meant, id) in [
            ("abc0", "abc0"),
            ("/b/", "abc1"),
            ("abc", "abc"),
            ("d", "d"),
        ] {
            assert_eq!(found(meant).unwrap(), id, "{meant}");
        }
        for several in ["a", "ab"] {
            let error = found(several).unwrap_err();
            assert!(matches!(error, CommandError::SeveralDisks(_)), "{several}");
        }
        for nothing in ["", "/", "abc2", "e"] {
            let error = found(nothing).unwrap_err();
            assert!(matches!(error, CommandError::NoDisk(_)), "{nothing}");
        }
    }
}
