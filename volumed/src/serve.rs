//! `volumed serve`: puts the daemon together and takes it apart again.

use std::io;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use volumed_meta::{OpenError, SqliteStore};

use crate::cli::ServeArgs;
use crate::config::{ConfigError, Settings};
use crate::lock::{StateFolder, StateFolderError};
use crate::socket::{SocketError, listen};
use crate::volume::{StartError, Volumes};
use crate::{admin, nbd};

/// What a process that a signal ends at once answers.
const SIGNALLED: i32 = 130;

/// Why the daemon did not run to a clean stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state folder cannot be used.
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    /// The metadata store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The volumes cannot be served.
    #[error(transparent)]
    Volumes(#[from] StartError),
    /// A socket cannot be listened on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system refused a thread or a signal handler.
    #[error("cannot start the daemon: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT, then finishes what is in flight; a second signal ends it at once.
pub async fn serve(args: &ServeArgs) -> Result<(), ServeError> {
    let settings = Settings::load(args)?;
    let _folder = StateFolder::open(&settings.data)?;
    let mut signals = Signals::new()?;
    raise_file_limit();
    let store = SqliteStore::open(&settings.store)?;
    let volumes = tokio::select! {
        started = Volumes::start(Arc::new(store), settings.disks.clone()) => started?,
        () = signals.next() => return Ok(()),
    };
    let nbd_socket = listen(&settings.nbd_socket)?;
    let admin_socket = listen(&settings.admin_socket)?;

    let exports = Arc::new(volumes.clone());
    let listener = nbd::Listener::start(nbd_socket, &exports, settings.nbd_threads)?;
    let (stop, stopped) = watch::channel(());
    let api = tokio::spawn(admin::serve(
        admin_socket,
        volumes.clone(),
        settings.nbd_socket.clone(),
        until_closed(stopped),
    ));
    tracing::info!(
        admin = %settings.admin_socket.display(),
        nbd = %settings.nbd_socket.display(),
        "volumed is ready"
    );

    signals.next().await;
    tracing::info!("stopping: finishing what is in flight; a second signal quits at once");
    tokio::select! {
        () = stop_all(stop, api, listener, &volumes) => {}
        () = signals.next() => std::process::exit(SIGNALLED),
    }
    for socket in [&settings.nbd_socket, &settings.admin_socket] {
        let _ = std::fs::remove_file(socket);
    }
    tracing::info!("stopped");
    Ok(())
}

/// Every extent in use is an open file, and the usual soft limit is only 1,024.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// First nothing new comes in, then what is in flight ends, then all of it becomes durable.
async fn stop_all(
    stop: watch::Sender<()>,
    api: tokio::task::JoinHandle<io::Result<()>>,
    listener: nbd::Listener,
    volumes: &Volumes,
) {
    drop(stop);
    if let Err(error) = tokio::task::spawn_blocking(|| listener.stop()).await {
        tracing::error!(%error, "the NBD listener did not stop cleanly");
    }
    match api.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the admin API failed"),
        Err(error) => tracing::error!(%error, "the admin API did not stop cleanly"),
    }
    volumes.stop().await;
}

async fn until_closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
