//! The commands that talk to the daemon.

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use volumed_client::admin::{
    AdminClient, AdminError, BackUpError, CreateVolume, ErrorCode, GrowVolume,
};
use volumed_daemon::{ConfigError, LoggingError, StateFolderError};
use volumed_meta::CopyError;
use volumed_node::RestoreError;

use crate::cli::{Call, PoolCommand, ScrubCommand, VolumeCommand};
use crate::kernel::{self, KernelError};
use crate::{export, table};

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The daemon refused or cannot be reached.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// There is no backup.
    #[error(transparent)]
    BackUp(#[from] BackUpError),
    /// The store cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The file is there already.
    #[error("{} exists already: name another file, or move that one away", .0.display())]
    BackupExists(PathBuf),
    /// A store in an etcd is asked for through the daemon.
    #[error("a store in etcd is backed up by a running volumed: leave --store out, or name a file")]
    BackupOfEtcd,
    /// The store was not restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The kernel does not have the volume.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The log cannot be written.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A daemon runs.
    #[error("the store can be restored while volumed is stopped: {0}")]
    Running(#[from] StateFolderError),
    /// None is meant.
    #[error("the pool has no disk {0:?}: volumed disk list shows them all")]
    NoDisk(String),
    /// More than one is meant.
    #[error("the ids of several disks begin with {0:?}: write more of it")]
    SeveralDisks(String),
    /// It would lose it.
    #[error("{owner} has the volume {name}: add --take-over to take it from there")]
    Owned {
        /// The volume.
        name: String,
        /// Who has it.
        owner: String,
    },
    /// Whoever has it gives it up by itself.
    #[error("the volume {0} is not exported")]
    NotExported(String),
    /// Nobody said yes.
    #[error("nothing was deleted")]
    NotConfirmed,
    /// Nobody can be asked.
    #[error("deleting a volume cannot be undone: add --yes to do it without being asked")]
    NobodyToAsk,
    /// Standard output or input is closed.
    #[error("cannot write the answer: {0}")]
    Terminal(#[from] std::io::Error),
}

impl CommandError {
    /// As `--help` lists them.
    pub fn exit_code(&self) -> ExitCode {
        let number = match self {
            Self::Admin(AdminError::Unreachable { .. })
            | Self::Kernel(KernelError::Admin(AdminError::Unreachable { .. }))
            | Self::BackUp(BackUpError::Admin(AdminError::Unreachable { .. })) => 5,
            Self::Config(_)
            | Self::SeveralDisks(_)
            | Self::Kernel(KernelError::InvalidDevice(_)) => 2,
            Self::NoDisk(_) | Self::Kernel(KernelError::NotAttached(_)) => 3,
            Self::Owned { .. }
            | Self::NotExported(_)
            | Self::Kernel(
                KernelError::Busy(_)
                | KernelError::HasOther { .. }
                | KernelError::Held(_)
                | KernelError::Freed(_)
                | KernelError::Owned { .. },
            ) => 4,
            Self::Admin(error) | Self::Kernel(KernelError::Admin(error)) => match error.code() {
                Some(ErrorCode::VolumeNotFound | ErrorCode::DiskNotFound) => 3,
                Some(
                    ErrorCode::VolumeExists
                    | ErrorCode::VolumeAttached
                    | ErrorCode::NotOwner
                    | ErrorCode::DiskExists
                    | ErrorCode::DiskState
                    | ErrorCode::WouldLose,
                ) => 4,
                _ => 1,
            },
            _ => 1,
        };
        ExitCode::from(number)
    }
}

/// `volumed pool …`
pub async fn pool(command: PoolCommand) -> Result<ExitCode, CommandError> {
    let PoolCommand::Show { call } = command;
    let pool = client(&call).pool().await?;
    print(&call, &pool, || table::pool(&pool))
}

/// `volumed volume …`
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
                replicas,
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
        VolumeCommand::Attach(args) => kernel::attach(*args).await,
        VolumeCommand::Detach(args) => kernel::detach(args).await,
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

/// `volumed scrub …`
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
