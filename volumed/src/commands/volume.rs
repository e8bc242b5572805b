//! `volumed volume …`, and `volumed pool …`.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use volumed_client::admin::{CreateVolume, GrowVolume};

use super::answer::{client, print};
use super::error::CommandError;
use super::{attach, export, table, verify};
use crate::cli::{PoolCommand, VolumeCommand};

/// Shows the pool.
pub async fn pool(command: PoolCommand) -> Result<ExitCode, CommandError> {
    let PoolCommand::Show { call } = command;
    let pool = client(&call).pool().await?;
    print(&call, &pool, || table::pool(&pool))
}

/// Lists, shows and changes volumes.
pub async fn volume(command: VolumeCommand) -> Result<ExitCode, CommandError> {
    match command {
        VolumeCommand::Create {
            name,
            size,
            replicas,
            growth,
            quota,
            call,
        } => {
            let wanted = CreateVolume {
                name,
                size,
                replicas: replicas.0,
                auto_grow: growth.asked(),
                quota,
            };
            let volume = client(&call).create_volume(&wanted).await?;
            print(&call, &volume, || table::volume(&volume))
        }
        VolumeCommand::List { call } => {
            let volumes = client(&call).list_volumes().await?;
            print(&call, &volumes, || table::volumes(&volumes))
        }
        VolumeCommand::Show { name, call } => {
            let volume = client(&call).show_volume(&name).await?;
            print(&call, &volume, || table::volume(&volume))
        }
        VolumeCommand::Damage { name, call } => {
            let damage = client(&call).volume_damage(&name).await?;
            print(&call, &damage, || table::damage(&damage))
        }
        VolumeCommand::Verify(args) => verify::verify(args).await,
        VolumeCommand::Grow {
            name,
            size,
            growth,
            call,
        } => {
            let auto_grow = growth.asked();
            let wanted = GrowVolume { size, auto_grow };
            let volume = client(&call).grow_volume(&name, &wanted).await?;
            print(&call, &volume, || table::volume(&volume))
        }
        VolumeCommand::Quota { name, quota, call } => {
            let volume = client(&call).limit_volume(&name, quota.0).await?;
            print(&call, &volume, || table::volume(&volume))
        }
        VolumeCommand::Replicas {
            name,
            replicas,
            call,
        } => {
            let volume = client(&call).set_replicas(&name, replicas.0).await?;
            print(&call, &volume, || table::volume(&volume))
        }
        VolumeCommand::Attach(args) => attach::attach(*args).await,
        VolumeCommand::Detach(args) => attach::detach(args).await,
        VolumeCommand::Export(args) => export::export(args).await,
        VolumeCommand::Unexport { name, call } => export::unexport(name, call).await,
        VolumeCommand::Delete { name, yes, call } => {
            if !yes {
                let volume = client(&call).show_volume(&name).await?;
                let used = volumed_core::size::display(volume.used);
                confirm(&format!(
                    "Delete volume {name} and the {used} in it, for good?"
                ))?;
            }
            client(&call).delete_volume(&name).await?;
            print(&call, &serde_json::json!({}), || format!("Deleted {name}"))
        }
    }
}

fn confirm(question: &str) -> Result<(), CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::NobodyToAsk);
    }
    write!(std::io::stderr(), "{question} Type yes: ")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err(CommandError::NotConfirmed)
    }
}
