//! A mount from its begin to its end.

use anyhow::{Context as _, bail};
use fused_fs::attributes::Defaults;
use fused_s3::{Client, ErrorKind};
use fuser::{Config, MountOption, Session, SessionACL};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::MountCommand;
use crate::file_system::FileSystem;
use crate::mount::{Mount, Options};
use crate::staging::StagingFolder;

/// Threads that read the kernel's requests.
const READERS: usize = 2;

/// Mounts, and serves until it is unmounted.
pub fn run(command: &MountCommand) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("threads cannot be started")?;
    let client = Client::new(command.settings()?)?;
    check_mount_point(command)?;
    runtime.block_on(check_bucket(&client))?;
    let staging = command.staging()?;
    let staging = StagingFolder::open(&staging)
        .with_context(|| format!("changes cannot be staged in {}", staging.display()))?;
    let options = Options {
        defaults: Defaults {
            uid: command
                .uid
                .unwrap_or_else(|| nix::unistd::getuid().as_raw()),
            gid: command
                .gid
                .unwrap_or_else(|| nix::unistd::getgid().as_raw()),
            file: command.file_mode,
            directory: command.dir_mode,
        },
        fresh: std::time::Duration::from_millis(command.fresh),
        read_ahead: command.read_ahead << 20,
        read_only: command.read_only,
        renames: false,
    };
    let prefix = &command.bucket.prefix;
    let mount = Mount::new(client, prefix, options, staging, runtime.handle().clone());
    let session = Session::new(FileSystem(mount), &command.at, &config(command))
        .with_context(|| format!("{} cannot be mounted", command.at.display()))?;
    serve(&runtime, session, command)
}

fn check_mount_point(command: &MountCommand) -> anyhow::Result<()> {
    let at = &command.at;
    match std::fs::metadata(at) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => bail!("{} is no directory", at.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!(
                "{0} does not exist; make it with: mkdir -p {0}",
                at.display()
            )
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be used", at.display())),
    }
}

async fn check_bucket(client: &Client) -> anyhow::Result<()> {
    let Err(error) = client.list("", false, None, 1).await else {
        return Ok(());
    };
    let bucket = client.bucket();
    match error.kind {
        ErrorKind::NotFound => bail!("there is no bucket {bucket} at this endpoint"),
        ErrorKind::Denied => bail!("the keys do not give access to the bucket {bucket}: {error}"),
        _ => bail!("the bucket {bucket} cannot be listed: {error}"),
    }
}

fn config(command: &MountCommand) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(format!(
            "s3://{}/{}",
            command.bucket.bucket, command.bucket.prefix
        )),
        MountOption::Subtype("fused".into()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    if command.read_only {
        config.mount_options.push(MountOption::RO);
    }
    if command.allow_other {
        config.acl = SessionACL::All;
    }
    config.n_threads = Some(READERS);
    config.clone_fd = true;
    config
}

fn serve(
    runtime: &Runtime,
    mut session: Session<FileSystem>,
    command: &MountCommand,
) -> anyhow::Result<()> {
    let mut unmounter = session.unmount_callable();
    runtime.spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if let Err(error) = unmounter.unmount() {
            tracing::error!(%error, "it cannot be unmounted; is it in use?");
        }
    });
    println!(
        "s3://{} is mounted at {}",
        command.bucket.bucket,
        command.at.display()
    );
    session.run().context("the mount ended")
}
