//! `s3d serve`: puts the server together and takes it apart again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use s3d_accounts::{Accounts, SealError, SecretFileError, random};
use s3d_api::{ApiState, Archives, Endpoint, MailLinks, SigningKeys, Slots};
use s3d_audit::{AuditError, AuditLog};
use s3d_buckets::{BucketSettings, Buckets, NodeVolumes};
use s3d_front::Front;
use s3d_mail::{MailSettingsError, Mailer};
use s3d_rack::{Service, Services};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use volumed_client::admin::AdminClient;
use volumed_cluster::open_store;
use volumed_daemon::{
    ConfigError, Logging, ServiceManager, Signal, Signals, StateFolder, StateFolderError,
};
use volumed_meta::{MetaStore, OpenError};

use crate::config::{Settings, open_extents};
use crate::health::{self, Health};
use crate::listener::{
    ConnectionLimits, Connections, ListenError, Listener, Proxies, Serving, Tls, TlsError,
};
use crate::member::{self, Member, MemberError, gated};
use crate::metrics::Metrics;
use crate::secret_sharing;
use crate::workers::Workers;

/// How long giving the buckets to other nodes may take at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// How long closing the buckets may take at the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

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
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The settings of mail cannot be used any more.
    #[error(transparent)]
    Mail(#[from] MailSettingsError),
    /// The server cannot be one of its cluster.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refused a thread or a signal handler.
    #[error("cannot start the server: {0}")]
    System(#[from] io::Error),
}

/// The addresses, before anything is served.
struct Listeners {
    s3: Listener,
    api: Listener,
    metrics: Option<Listener>,
}

impl Listeners {
    async fn bind(settings: &Settings) -> Result<Self, ListenError> {
        let metrics = match settings.metrics_listen {
            Some(address) => {
                Some(Listener::bind(address, "--metrics-listen", "S3D_METRICS_LISTEN").await?)
            }
            None => None,
        };
        Ok(Self {
            s3: Listener::bind(settings.s3_listen, "--s3-listen", "S3D_S3_LISTEN").await?,
            api: Listener::bind(settings.api_listen, "--api-listen", "S3D_API_LISTEN").await?,
            metrics,
        })
    }
}

/// Runs until SIGTERM or SIGINT, then finishes what is in flight; a second signal ends it at once.
/// `reload` reads the settings again when SIGHUP asks for it.
pub async fn serve(
    settings: &Settings,
    log: &Logging,
    workers: Workers,
    reload: impl Fn() -> Result<Settings, ConfigError>,
) -> Result<(), ServeError> {
    let _folder = StateFolder::open(&settings.data, "s3d")?;
    let mut signals = Signals::catch()?;
    // Before anything else is begun: the usual reason not to start is a port in use.
    let listeners = Listeners::bind(settings).await?;
    let tls = settings.tls.as_ref().map(Tls::load).transpose()?;
    let Ready {
        store,
        member,
        accounts,
    } = tokio::select! {
        ready = Ready::of(settings) => ready?,
        // Nothing is served yet.
        _ = signals.next() => return Ok(()),
    };
    let audit = AuditLog::open(&settings.data.join("audit"))?;
    let patience = Member::patience(member.as_ref());
    let buckets = Buckets::start_among(
        Member::neighbours(member.as_ref()),
        store.clone(),
        accounts.clone(),
        volumes(settings, patience)?,
        bucket_settings(settings),
    );
    let port = listeners.s3.address()?.port();
    let (front, api) = routers(settings, port, accounts, &buckets, audit)?;
    let rack = Member::rack(member.as_ref(), &buckets, &settings.domain)?;
    let metrics = Arc::new(Metrics::among(rack.as_ref()));
    front.observed_by(metrics.clone());
    if let Some(rack) = &rack {
        front.reads_by(Arc::new(rack.clone()));
    }
    let services = services(settings, front, api);
    let serving = serving(settings, tls.clone(), workers);
    let (stop, stopped) = watch::channel(());
    let health = Health {
        metrics: metrics.clone(),
        connections: serving.connections.clone(),
        buckets: buckets.clone(),
        volumed: AdminClient::new(&settings.volumed),
        store,
        location: settings.store.clone(),
        tls: tls.clone(),
        rack: rack.clone(),
        stopped: stopped.clone(),
    };
    let proxies = settings.proxy_from.clone();
    let mut tasks = start(listeners, &services, health, (&serving, proxies), &stopped);
    let member = match member.zip(rack) {
        Some((member, rack)) => {
            Some(member.serve(rack, services, &serving.workers, &stopped, &mut tasks)?)
        }
        None => None,
    };
    warn_of_plain_http(settings);
    tokio::spawn(volumed_daemon::return_memory_regularly());
    let manager = ServiceManager::ready();
    tracing::info!(s3 = %settings.s3_listen, api = %settings.api_listen, "s3d is ready");

    while signals.next().await == Signal::Reload {
        manager.reloading();
        let problem = apply(reload(), log, tls.as_ref()).err();
        manager.reloaded(problem.as_deref());
    }
    manager.stopping();
    tracing::info!("stopping: finishing what is in flight; a second signal quits at once");
    signals.drain(finish(member, stop, tasks, &buckets)).await;
    tracing::info!("stopped");
    Ok(())
}

/// What may have to be waited for: a store whose nodes are away, secrets that another node has.
struct Ready {
    store: Arc<dyn MetaStore>,
    member: Option<Member>,
    accounts: Arc<Accounts>,
}

impl Ready {
    async fn of(settings: &Settings) -> Result<Self, ServeError> {
        let store = open_store(&settings.store).await?;
        let member = Member::enter(settings, &store).await?;
        if let Some(member) = &member {
            member.ensure_secrets(&settings.data).await?;
        }
        let accounts = Accounts::open(store.clone(), &settings.data, settings.accounts)?;
        accounts.check_seal().await?;
        let accounts = Arc::new(accounts);
        if let Some(member) = &member {
            member.follow_secrets(&settings.data, &accounts);
        }
        Ok(Self {
            store,
            member,
            accounts,
        })
    }
}

fn volumes(settings: &Settings, patience: Duration) -> io::Result<Arc<NodeVolumes>> {
    // A new owner at each start: what an earlier one left in a socket never lands (V2).
    let owner = format!("s3d-{:032x}", random::id());
    let volumes = NodeVolumes::new(&settings.volumed, owner, open_extents())?;
    Ok(Arc::new(volumes.with_patience(patience)))
}

/// Gives the buckets up, ends what is in flight and closes what is still open.
async fn finish(
    member: Option<member::Serving>,
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
    buckets: &Buckets,
) {
    if let Some(member) = &member {
        // What cannot be closed in time is taken over once this node has left.
        let _ = timeout(DRAIN_LIMIT, member.rack.drain()).await;
    }
    drop(stop);
    buckets.end_feeds();
    tasks.join_all().await;
    // A volume daemon that stops at the same time is waited for in vain. Nothing is lost: what is not folded
    // is replayed at the next opening (B4).
    if timeout(CLOSE_LIMIT, buckets.close_all()).await.is_err() {
        tracing::warn!(
            "not all buckets were closed in time: they replay their logs at the next opening"
        );
    }
    if let Some(member) = member {
        member.leave().await;
    }
}

fn services(settings: &Settings, front: Front, api: Router) -> Services {
    Services {
        s3: Router::new().fallback_service(front),
        api,
        node: secret_sharing::giving(&settings.data),
    }
}

fn bucket_settings(settings: &Settings) -> BucketSettings {
    BucketSettings {
        max_open: settings.open_buckets,
        replicas: settings.replicas,
        usage_every: Duration::from_secs(settings.usage_seconds),
        ..BucketSettings::default()
    }
}

fn serving(settings: &Settings, tls: Option<Tls>, workers: Workers) -> Serving {
    Serving {
        connections: Connections::new(ConnectionLimits {
            total: settings.max_connections,
            per_address: settings.max_connections_per_address,
        }),
        tls,
        proxies: Proxies::default(),
        workers: Arc::new(workers),
        idle_time: Duration::from_secs(settings.idle_seconds),
    }
}

/// Serves on every address, until `stopped` is closed; S3 to those behind `proxies`, too.
fn start(
    listeners: Listeners,
    services: &Services,
    health: Health,
    (serving, proxies): (&Serving, Proxies),
    stopped: &watch::Receiver<()>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let rack = health.rack.as_ref();
    let s3 = gated(rack, Service::S3, services.s3.clone());
    let api = gated(rack, Service::Api, services.api.clone());
    let mut api = health::readiness(health.clone()).fallback_service(api);
    let metrics = health::metrics(health);
    match listeners.metrics {
        Some(listener) => {
            let plain = Serving {
                tls: None,
                ..serving.clone()
            };
            tasks.spawn(listener.serve(metrics, plain, stopped.clone()));
        }
        None => api = api.merge(metrics),
    }
    let proxied = Serving {
        proxies,
        ..serving.clone()
    };
    tasks.spawn(listeners.s3.serve(s3, proxied, stopped.clone()));
    tasks.spawn(listeners.api.serve(api, serving.clone(), stopped.clone()));
    tasks
}

fn warn_of_plain_http(settings: &Settings) {
    for address in [settings.s3_listen, settings.api_listen] {
        if settings.tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "passwords and data cross the network unencrypted: set tls_certificate and tls_key, \
                 or listen on loopback behind a proxy that speaks TLS"
            );
        }
    }
}

/// What can change while the server runs: the log's level and the certificate. The sentence says what
/// stays as it was, and why.
fn apply(
    reloaded: Result<Settings, ConfigError>,
    log: &Logging,
    tls: Option<&Tls>,
) -> Result<(), String> {
    let applied = reloaded
        .map_err(|error| error.to_string())
        .and_then(|settings| {
            log.set_level(&settings.log_level)
                .map_err(|error| error.to_string())?;
            match (tls, &settings.tls) {
                (Some(tls), Some(files)) => tls.reload(files).map_err(|error| error.to_string()),
                (None, None) => Ok(()),
                _ => Err("turning TLS on or off needs a restart".to_owned()),
            }
        });
    match &applied {
        Ok(()) => tracing::info!(
            "log level and certificate were read again; other settings need a restart"
        ),
        Err(sentence) => tracing::error!("the former settings stay in force: {sentence}"),
    }
    applied
}

/// What the two listeners serve: S3, and the REST API with the console.
fn routers(
    settings: &Settings,
    port: u16,
    accounts: Arc<Accounts>,
    buckets: &Arc<Buckets>,
    audit: AuditLog,
) -> Result<(Front, Router), MailSettingsError> {
    let (domain, region) = (settings.domain.clone(), settings.region.clone());
    let endpoint = Endpoint {
        scheme: settings.scheme(),
        domain,
        port: settings.public_https_port.unwrap_or(port),
    };
    let console = s3d_console::router(&endpoint.origin());
    let console_url = settings.console_url.clone();
    let console_url = console_url.unwrap_or_else(|| endpoint.api());
    let mailer = Mailer::new(settings.mail.as_ref())?;
    let state = ApiState {
        accounts: accounts.clone(),
        buckets: buckets.clone(),
        endpoint,
        audit,
        routers: settings.proxy_from.networks().to_vec(),
        volumed: AdminClient::new(&settings.volumed),
        slots: Slots::new(settings.slots.clone()),
        signing_keys: SigningKeys::default(),
        links: MailLinks::new(mailer, &console_url),
        archives: Archives::default(),
    };
    let api = s3d_api::router(state).merge(console);
    let start = random::id() as u64;
    let front = Front::new(
        accounts,
        buckets.clone(),
        &settings.domain,
        region,
        api.clone(),
        start,
    );
    Ok((front, api))
}
