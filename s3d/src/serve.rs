//! `s3d serve`: puts the server together and takes it apart again.

use std::io;
use std::sync::Arc;

use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use volumed_meta::{OpenError, SqliteStore};

use crate::config::Settings;
use crate::listener::{ListenError, Listener};
use crate::state_folder::{StateFolder, StateFolderError};
use s3d_accounts::{Accounts, SealError, SecretFileError, random};
use s3d_api::{ApiState, Endpoint};
use s3d_audit::{AuditError, AuditLog};
use s3d_buckets::{BucketSettings, Buckets, NodeVolumes};
use s3d_front::Front;

/// What a process that a signal ends at once answers.
const SIGNALLED: i32 = 130;

/// Why the server did not run to a clean stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state folder cannot be used.
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    /// The metadata store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The server's secrets cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretFileError),
    /// The server's secrets are not those of the metadata store.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The audit log cannot be used.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refused a thread or a signal handler.
    #[error("cannot start the server: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT, then finishes what is in flight; a second signal ends it at once.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    let _folder = StateFolder::open(&settings.data)?;
    let mut signals = Signals::new()?;
    // Before anything else is begun: the usual reason not to start is a port in use.
    let s3 = Listener::bind(settings.s3_listen, "--s3-listen", "S3D_S3_LISTEN").await?;
    let rest = Listener::bind(settings.api_listen, "--api-listen", "S3D_API_LISTEN").await?;
    let store = Arc::new(SqliteStore::open(&settings.store)?);
    let accounts = Accounts::open(store.clone(), &settings.data, settings.accounts)?;
    accounts.check_seal().await?;
    let accounts = Arc::new(accounts);
    let audit = AuditLog::open(&settings.data.join("audit"))?;
    // A new owner at each start: what an earlier one left in a socket never lands (V2).
    let owner = format!("s3d-{:032x}", random::id());
    let volumes = Arc::new(NodeVolumes::new(&settings.volumed, owner)?);
    let buckets = Buckets::start(store, accounts.clone(), volumes, BucketSettings::default());
    let (front, api) = routers(&settings, s3.address()?.port(), accounts, &buckets, audit);

    let (stop, stopped) = watch::channel(());
    let serving_s3 = tokio::spawn(s3.serve(front, stopped.clone()));
    let serving_api = tokio::spawn(rest.serve(api, stopped));
    tracing::info!(s3 = %settings.s3_listen, api = %settings.api_listen, "s3d is ready");

    signals.next().await;
    tracing::info!("stopping: finishing what is in flight; a second signal quits at once");
    drop(stop);
    let stopping = async {
        for ended in [serving_s3.await, serving_api.await] {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener did not stop cleanly");
            }
        }
        buckets.close_all().await;
    };
    tokio::select! {
        () = stopping => {}
        () = signals.next() => std::process::exit(SIGNALLED),
    }
    tracing::info!("stopped");
    Ok(())
}

/// What the two listeners serve: S3, and the REST API.
fn routers(
    settings: &Settings,
    port: u16,
    accounts: Arc<Accounts>,
    buckets: &Arc<Buckets>,
    audit: AuditLog,
) -> (Router, Router) {
    let (domain, region) = (settings.domain.clone(), settings.region.clone());
    let endpoint = Endpoint {
        scheme: "http",
        domain,
        port,
    };
    let state = ApiState {
        accounts: accounts.clone(),
        buckets: buckets.clone(),
        endpoint,
        audit,
    };
    let api = s3d_api::router(state);
    let start = random::id() as u64;
    let front = Front::new(
        accounts,
        buckets.clone(),
        &settings.domain,
        region,
        api.clone(),
        start,
    );
    (Router::new().fallback_service(front), api)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
