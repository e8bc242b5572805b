//! `volumed serve`: puts the daemon together and takes it apart again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use volumed_cluster::open_store;
use volumed_daemon::{
    ConfigError, Logging, MemoryLockError, ServiceManager, Signal, Signals, StateFolder,
    StateFolderError,
};
use volumed_listener::{Limits, Listener, Sockets, Tls, TlsError};
use volumed_meta::{MetaStore, OpenError};
use volumed_node::{StartError, Volumes};

use crate::admin::Api;
use crate::cluster::{Duties, DutiesError, EnterError, Entered, Nodes};
use crate::config::Settings;
use crate::exports::VolumeExports;
use crate::metrics::Metrics;
use crate::socket::{SocketError, listen};
use crate::{admin, descriptors, extents};

/// Why the daemon did not run to a clean stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Memory cannot be locked as asked.
    #[error(transparent)]
    Memory(#[from] MemoryLockError),
    /// The state folder cannot be used.
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    /// The metadata store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The volumes cannot be served.
    #[error(transparent)]
    Volumes(#[from] StartError),
    /// This node cannot be in its cluster.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// It cannot do its part there.
    #[error(transparent)]
    Duties(#[from] DutiesError),
    /// A socket cannot be listened on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Where it comes from.
        setting: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The system refused a thread or a signal handler.
    #[error("cannot start the daemon: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT, then finishes what is in flight; a second signal ends it at once.
/// `reload` reads the settings again when SIGHUP asks for it.
pub async fn serve(
    settings: &Settings,
    log: &Logging,
    reload: impl Fn() -> Result<Settings, ConfigError>,
) -> Result<(), ServeError> {
    let _folder = StateFolder::open(&settings.data, "volumed")?;
    let mut signals = Signals::catch()?;
    prepare_process(settings)?;
    let tls = settings.nbd_tls.as_ref().map(Tls::load).transpose()?;
    let entered = Entered::open(settings)?;
    let (store, volumes) = tokio::select! {
        started = start_volumes(settings, entered.as_ref()) => started?,
        () = signals.stop() => {
            if let Some(entered) = entered {
                entered.stop().await;
            }
            return Ok(());
        }
    };
    let serving = Serving::begin(settings, tls.clone(), entered, store, &volumes).await?;
    volumes.make_daily_copies();
    volumes.scrub_in_background(settings.scrub_settings()).await;
    volumes.verify_in_background(settings.scrub_rate);
    volumes.drain_in_background(settings.drain_rate).await?;
    let grace = Duration::from_secs(settings.rebuild_after);
    volumes.rebuild_in_background(settings.drain_rate, grace);
    tokio::spawn(volumed_daemon::return_memory_regularly());
    let manager = ServiceManager::ready();
    tracing::info!(
        admin = %settings.admin_socket.display(),
        nbd = %settings.nbd_socket.display(),
        "volumed is ready"
    );

    while signals.next().await == Signal::Reload {
        manager.reloading();
        let problem = apply(reload(), log, tls.as_ref()).err();
        manager.reloaded(problem.as_deref());
    }
    manager.stopping();
    tracing::info!("stopping: finishing what is in flight; a second signal quits at once");
    signals.drain(serving.end(&volumes)).await;
    for socket in [
        &settings.nbd_socket,
        &settings.extents_socket,
        &settings.admin_socket,
    ] {
        let _ = std::fs::remove_file(socket);
    }
    tracing::info!("stopped");
    Ok(())
}

/// Opens the store, of this node's cluster if it is in one, and the volumes.
async fn start_volumes(
    settings: &Settings,
    entered: Option<&Entered>,
) -> Result<(Arc<dyn MetaStore>, Volumes), ServeError> {
    let (store, own) = match entered {
        Some(entered) => (
            open_store(&entered.store()).await?,
            Some(entered.own_node()?),
        ),
        None => (volumed_meta::open(&settings.store).await?, None),
    };
    let (disks, extents) = (settings.disk_settings(), descriptors::extents());
    let volumes = Volumes::start(store.clone(), disks, extents, own).await?;
    Ok((store, volumes))
}

/// All that others reach the volumes by.
struct Serving {
    listener: Listener,
    duties: Option<Duties>,
    stop: watch::Sender<()>,
    admin: JoinSet<io::Result<()>>,
}

impl Serving {
    async fn begin(
        settings: &Settings,
        tls: Option<Tls>,
        entered: Option<Entered>,
        store: Arc<dyn MetaStore>,
        volumes: &Volumes,
    ) -> Result<Self, ServeError> {
        let nodes = entered.as_ref().map(|it| Nodes::of(it, store, volumes));
        let location = entered.as_ref().map(Entered::store);
        let duties = match (entered, &nodes) {
            (Some(entered), Some(nodes)) => {
                Some(Duties::begin(entered, nodes, volumes, settings.nbd_threads).await?)
            }
            _ => None,
        };
        let nbd_sockets = nbd_sockets(settings, tls).await?;
        let extents_socket = listen(&settings.extents_socket)?;
        let admin_socket = listen(&settings.admin_socket)?;
        let metrics: Arc<Metrics> = Arc::default();
        let exports = Arc::new(VolumeExports(volumes.clone()));
        let listener = Listener::start(nbd_sockets, &exports, limits(settings), &metrics.nbd)?;
        let api = Api {
            volumes: volumes.clone(),
            cluster: nodes,
            nbd_socket: settings.nbd_socket.clone(),
            extents_socket: settings.extents_socket.clone(),
            store: location.unwrap_or_else(|| settings.store.clone()),
            backup: settings.beside_store("sending"),
            backups: Arc::default(),
            metrics,
        };
        tokio::spawn(extents::serve(extents_socket, volumes.clone()));
        let (stop, stopped) = watch::channel(());
        let mut admin = JoinSet::new();
        if let Some(address) = settings.metrics_listen {
            let socket = bind(address, "metrics_listen").await?;
            let until = until_closed(stopped.clone());
            admin.spawn(admin::serve_health(socket, api.clone(), until));
        }
        admin.spawn(admin::serve(admin_socket, api, until_closed(stopped)));
        Ok(Self {
            listener,
            duties,
            stop,
            admin,
        })
    }

    /// First nothing new comes in, then what is in flight ends, then all of it becomes durable. etcd ends last:
    /// volumes need the store to stop.
    async fn end(mut self, volumes: &Volumes) {
        drop(self.stop);
        let listener = self.listener;
        if let Err(error) = tokio::task::spawn_blocking(|| listener.stop()).await {
            tracing::error!(%error, "the NBD listener did not stop cleanly");
        }
        while let Some(ended) = self.admin.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the admin API failed"),
                Err(error) => tracing::error!(%error, "the admin API did not stop cleanly"),
            }
        }
        let Some(duties) = self.duties else {
            volumes.stop().await;
            return;
        };
        let keeper = duties.end().await;
        tokio::select! {
            () = volumes.stop() => {}
            () = store_is_gone(volumes) => tracing::warn!(
                "the cluster's metadata store has no majority any more: stopping without it, which loses nothing \
                 that was flushed"
            ),
        }
        if let Some(keeper) = keeper {
            keeper.stop().await;
        }
    }
}

/// How long a store may be away before nobody waits for it who stops. An election is over long before.
const STORE_PATIENCE: Duration = Duration::from_secs(15);

/// Returns when the store has not answered for long: the other nodes of the cluster stop as well, and there will be no
/// majority.
async fn store_is_gone(volumes: &Volumes) {
    let mut answered = Instant::now();
    while answered.elapsed() < STORE_PATIENCE {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if volumes.store_answers().await.is_ok() {
            answered = Instant::now();
        }
    }
}

/// What the process needs of the system before it serves a disk to anybody.
fn prepare_process(settings: &Settings) -> Result<(), MemoryLockError> {
    volumed_daemon::raise_descriptor_limit();
    if let Err(error) = volumed_daemon::exempt_from_reclaim() {
        tracing::debug!(%error, "a kernel client on this node may wait for its own write-back");
    }
    if settings.lock_memory {
        volumed_daemon::lock_memory()?;
    }
    Ok(())
}

/// The unix socket, and the address for others.
async fn nbd_sockets(settings: &Settings, tls: Option<Tls>) -> Result<Sockets, ServeError> {
    let tcp = match settings.nbd_listen {
        Some(address) => Some((bind(address, "nbd_listen").await?, tls)),
        None => None,
    };
    let unix = listen(&settings.nbd_socket)?;
    Ok(Sockets { unix, tcp })
}

/// Longer than a network that heals by itself is usually away.
const NBD_PATIENCE: Duration = Duration::from_secs(30);

fn limits(settings: &Settings) -> Limits {
    Limits {
        threads: settings.nbd_threads,
        memory: settings.nbd_memory.0,
        patience: NBD_PATIENCE,
        connections: descriptors::connections(),
        connections_per_address: settings.nbd_connections_per_address,
    }
}

/// Only the log's level and the TLS files change while the daemon runs; the sentence says why they
/// stay as they were.
fn apply(
    settings: Result<Settings, ConfigError>,
    log: &Logging,
    tls: Option<&Tls>,
) -> Result<(), String> {
    let settings = settings.map_err(|error| error.to_string());
    let changed = settings.and_then(|settings| {
        let level = log.set_level(&settings.log_level);
        level.map_err(|error| error.to_string())?;
        match (tls, &settings.nbd_tls) {
            (Some(tls), Some(files)) => tls.reload(files).map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    });
    match &changed {
        Ok(()) => {
            tracing::info!(
                "log level and TLS files were read again; other settings need a restart"
            );
        }
        Err(sentence) => tracing::error!("the settings stay as they were: {sentence}"),
    }
    changed
}

async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, ServeError> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|source| ServeError::Address {
        address,
        setting,
        source,
    })
}

async fn until_closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}
