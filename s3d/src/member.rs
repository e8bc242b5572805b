//! This server as one of several: who the others are, and what comes from them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use s3d_accounts::Accounts;
use s3d_accounts::secrets::SecretsError;
use s3d_buckets::{Alone, Buckets, Neighbours};
use s3d_rack::{Gate, HopServer, Nodes, OUT_OF_REACH, PATIENCE, Parts, Rack, Service, Services};
use s3d_records::RecordError;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use volumed_client::admin::{AdminClient, AdminError};
use volumed_cluster::{Cluster, ClusterError};
use volumed_meta::MetaStore;

use crate::config::Settings;
use crate::listener::{ListenError, Listener};
use crate::secret_sharing::SecretSharing;
use crate::workers::Workers;

/// Where other nodes forward requests to, unless the settings say otherwise.
const PORT: u16 = 10_813;

/// How long a volume daemon may be away: long enough to be started anew. After that another node takes its
/// buckets, as soon as its lease has ended.
const VOLUMED_PATIENCE: Duration = Duration::from_secs(5);

/// Why this server is not one of a cluster.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The cluster's folder cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The address for other nodes cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The cluster's secrets cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The other nodes cannot be read from the metadata store.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// A server in a cluster, before it serves.
pub struct Member {
    /// volumed's state folder.
    data: PathBuf,
    volumed: AdminClient,
    cluster: Arc<Cluster>,
    nodes: Arc<Nodes>,
    listener: Listener,
    address: SocketAddr,
    store: Arc<dyn MetaStore>,
}

/// A server in a cluster that serves.
pub struct Serving {
    /// The other nodes.
    pub rack: Rack,
    announced: JoinHandle<()>,
}

impl Member {
    /// Of the cluster that this node's volumed is in; `None` if it is in none, or the settings do not say
    /// where its state is.
    pub async fn enter(
        settings: &Settings,
        store: &Arc<dyn MetaStore>,
    ) -> Result<Option<Self>, MemberError> {
        let Some(data) = settings.cluster.clone() else {
            return Ok(None);
        };
        let Some(cluster) = Cluster::open(&data)? else {
            return Ok(None);
        };
        let own = cluster.own();
        let usual = SocketAddr::new(own.place.addresses[0], PORT);
        let address = settings.forward_listen.unwrap_or(usual);
        Ok(Some(Self {
            data,
            volumed: AdminClient::new(&settings.volumed),
            nodes: Nodes::following(own.number, store.clone()).await?,
            listener: Listener::bind(address, "--forward-listen", "S3D_FORWARD_LISTEN").await?,
            cluster: Arc::new(cluster),
            address,
            store: store.clone(),
        }))
    }

    /// How long what was asked of a bucket waits for a volume daemon that is away.
    pub fn patience(member: Option<&Self>) -> Duration {
        match member {
            Some(_) => VOLUMED_PATIENCE,
            None => s3d_buckets::PATIENCE,
        }
    }

    /// The other nodes, for the buckets.
    pub fn neighbours(member: Option<&Self>) -> Arc<dyn Neighbours> {
        match member {
            Some(member) => member.nodes.clone(),
            None => Arc::new(Alone),
        }
    }

    /// How this node comes by the cluster's secrets.
    fn sharing(&self, folder: &Path) -> SecretSharing {
        SecretSharing {
            cluster: self.cluster.clone(),
            nodes: self.nodes.clone(),
            store: self.store.clone(),
            folder: folder.to_owned(),
        }
    }

    /// Until the cluster's secrets are in `folder`, this server's own.
    pub async fn ensure_secrets(&self, folder: &Path) -> Result<(), MemberError> {
        Ok(self.sharing(folder).ensure().await?)
    }

    /// Has the secrets in `folder` replaced when another node replaces its own.
    pub fn follow_secrets(&self, folder: &Path, accounts: &Arc<Accounts>) {
        let (sharing, accounts) = (self.sharing(folder), accounts.clone());
        tokio::spawn(async move { sharing.follow(&accounts).await });
    }

    /// The other nodes, for requests.
    pub fn rack(
        member: Option<&Self>,
        buckets: &Arc<Buckets>,
        domain: &str,
    ) -> io::Result<Option<Rack>> {
        let Some(member) = member else {
            return Ok(None);
        };
        Ok(Some(Rack::new(Parts {
            cluster: member.cluster.clone(),
            nodes: member.nodes.clone(),
            buckets: buckets.clone(),
            domain,
            // With the port that the system chose, if it was asked to.
            forward: SocketAddr::new(member.address.ip(), member.listener.address()?.port()),
            patience: PATIENCE,
            out_of_reach: OUT_OF_REACH,
        })))
    }

    /// Serves the other nodes until `stopped` is closed, and shows this one to them.
    pub fn serve(
        self,
        rack: Rack,
        services: Services,
        workers: &Arc<Workers>,
        stopped: &watch::Receiver<()>,
        tasks: &mut JoinSet<()>,
    ) -> io::Result<Serving> {
        let workers = workers.clone();
        let next = Arc::new(move || workers.next().clone());
        let server = HopServer::new(rack.clone(), services, next)?;
        tasks.spawn(server.serve(self.listener.into_socket(), stopped.clone()));
        let announced = rack.clone();
        let store = self.store.clone();
        let announced = tokio::spawn(async move { announced.announce(store).await });
        let looking_after = rack.clone();
        let volumed = self.volumed;
        let ask = move || {
            let volumed = volumed.clone();
            async move { Ok::<_, AdminError>(volumed.lease().await?.left) }
        };
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = looking_after.look_after(&self.data, self.store) => {}
                () = looking_after.keep_lease(ask) => {}
                _ = stopped.changed() => {}
            }
        });
        Ok(Serving { rack, announced })
    }
}

impl Serving {
    /// Nothing is served here any more: the others need not wait for this node's lease to end.
    pub async fn leave(self) {
        self.rack.leave();
        // It says itself what goes wrong.
        let _ = self.announced.await;
    }
}

/// A service behind the way to the same one of the other nodes, if there are some.
pub fn gated(rack: Option<&Rack>, service: Service, here: Router) -> Router {
    match rack {
        Some(rack) => Router::new().fallback_service(Gate::new(rack.clone(), service, here)),
        None => here,
    }
}
