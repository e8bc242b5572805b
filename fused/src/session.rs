//! A mount from its begin to its end.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use fused_fs::attributes::Defaults;
use fused_s3::{Client, ErrorKind};
use fuser::{Config, MountOption, Session, SessionACL};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cache::DiskCache;
use crate::cli::MountCommand;
use crate::file_system::FileSystem;
use crate::following;
use crate::forgetting;
use crate::metrics;
use crate::mount::{Mount, Options};
use crate::staging::StagingFolder;

/// Threads that read the kernel's requests.
const READERS: usize = 2;

/// Mounts, and serves until it is unmounted.
pub fn run(command: &MountCommand) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("threads cannot be started")?;
    let client = Client::new(command.settings()?)?;
    check_mount_point(command)?;
    let listener = match command.metrics {
        Some(address) => Some(runtime.block_on(metrics::listen(address))?),
        None => None,
    };
    runtime.block_on(check_bucket(&client))?;
    let hayrack = runtime.block_on(is_hayrack(&client));
    let staging = command.staging()?.join(target(&client));
    let staging = StagingFolder::open(&staging)
        .with_context(|| format!("changes cannot be staged in {}", staging.display()))?;
    let cache = cache(command, &client)?;
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
        fresh: Duration::from_millis(command.fresh),
        read_ahead: command.read_ahead << 20,
        retry: Duration::from_secs(command.retry),
        read_only: command.read_only,
        hayrack,
    };
    let prefix = &command.bucket.prefix;
    let handle = runtime.handle().clone();
    let mount = Mount::new(client, prefix, options, staging, cache, handle);
    if let Some(listener) = listener {
        metrics::serve(&mount, listener);
    }
    recover(&runtime, &mount, command)?;
    let session = Session::new(FileSystem(mount.clone()), &command.at, &config(command))
        .with_context(|| format!("{} cannot be mounted", command.at.display()))?;
    following::start(&mount, session.notifier());
    forgetting::start(&mount, session.notifier());
    let at = std::path::absolute(&command.at)?;
    mount
        .staging
        .mounted_at(&at)
        .context("the staging folder cannot be written")?;
    mount.report_uploads();
    mount.retry_uploads();
    serve(&runtime, session, command)?;
    let finished = runtime.block_on(mount.finish());
    if let Some(cache) = &mount.cache {
        cache.close();
    }
    finished
}

/// Where what is read is kept, if it is to be kept.
fn cache(command: &MountCommand, client: &Client) -> anyhow::Result<Option<DiskCache>> {
    let Some(folder) = &command.cache else {
        return Ok(None);
    };
    if *folder == command.staging()? {
        bail!("--cache and --staging have to be different folders");
    }
    let folder = folder.join(target(client));
    let cache = DiskCache::open(&folder, command.cache_size)
        .with_context(|| format!("nothing can be cached in {}", folder.display()))?;
    Ok(Some(cache))
}

/// Names what is staged for a bucket.
fn target(client: &Client) -> String {
    format!("{}@{}", client.bucket(), client.authority())
}

/// Uploads what earlier mounts left behind, so that it is there before anything is read.
fn recover(runtime: &Runtime, mount: &Arc<Mount>, command: &MountCommand) -> anyhow::Result<()> {
    if command.read_only {
        return Ok(());
    }
    let recovery = runtime
        .block_on(mount.recover())
        .context("what an earlier mount staged cannot be read")?;
    if recovery.uploaded + recovery.aside > 0 {
        tracing::info!(
            uploaded = recovery.uploaded,
            aside = recovery.aside,
            "uploaded what an earlier mount had staged"
        );
    }
    Ok(())
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

/// Whether the server can do what S3 cannot. It is known by its name: another one may take a rename for
/// a PutObject, and store nothing under the new name.
async fn is_hayrack(client: &Client) -> bool {
    let server = client.server().await;
    server.is_ok_and(|name| name.as_deref() == Some("Hayrack"))
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

/// Answers the kernel until the bucket is unmounted, by whomever.
fn serve(
    runtime: &Runtime,
    session: Session<FileSystem>,
    command: &MountCommand,
) -> anyhow::Result<()> {
    let at = command.at.clone();
    let session = session.spawn().context("threads cannot be started")?;
    println!(
        "s3://{} is mounted at {}",
        command.bucket.bucket,
        at.display()
    );
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || ended.send(session.guard.join()));
    runtime.block_on(async {
        tokio::select! {
            session = end => match session {
                Ok(Ok(ended)) => ended.or_else(unmounted).context("the mount ended"),
                _ => bail!("the mount ended: a thread of it failed"),
            },
            detached = unmount_at_signal(&at) => detached,
        }
    })
}

/// What the kernel says to those who wait for requests, or have some in hand, when it is unmounted.
fn unmounted(error: std::io::Error) -> std::io::Result<()> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENODEV | Errno::ECONNABORTED) => Ok(()),
        _ => Err(error),
    }
}

/// Unmounts after the first signal, as soon as nobody uses the file system; at the second one in any
/// case. Returns when it was taken away from those who use it.
async fn unmount_at_signal(at: &Path) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next().await;
    tokio::select! {
        () = unmount_when_unused(at) => {}
        () = next() => return unmount(at, true),
    }
    // The session ends, and with it the program.
    std::future::pending().await
}

async fn unmount_when_unused(at: &Path) {
    let mut reported = false;
    while let Err(error) = unmount(at, false) {
        if !reported {
            tracing::warn!(
                %error,
                "it is used; it is unmounted as soon as it is not, or taken away from those who use \
                 it at another signal"
            );
            reported = true;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// How long until it is tried again to unmount what is used.
const RETRY: Duration = Duration::from_millis(200);

/// `detach`: those who use it keep what they have open, and nobody else finds it.
fn unmount(at: &Path, detach: bool) -> anyhow::Result<()> {
    let flags = if detach {
        MntFlags::MNT_DETACH
    } else {
        MntFlags::empty()
    };
    match umount2(at, flags) {
        Ok(()) => return Ok(()),
        // Only root may; others have a program that is let to.
        Err(Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut fusermount = std::process::Command::new("fusermount3");
    fusermount
        .arg(if detach { "-uz" } else { "-u" })
        .arg("--")
        .arg(at);
    let status = fusermount.status().context("fusermount3 cannot be run")?;
    anyhow::ensure!(status.success(), "fusermount3 could not unmount it");
    Ok(())
}
