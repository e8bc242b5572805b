//! Nodes on loopback that speak real TLS.

mod handshakes;
mod joining;
mod records;
mod renewing;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use volumed_meta::MetaStore;

use crate::{
    CERTIFICATE_LIFE, Cluster, JoinError, JoinToken, NodeName, Place, Ports, Registry, Signer,
    StoreRegistry, TOKEN_LIFE, invite, join, now,
};

/// A node's name.
pub fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

/// A place on loopback that nobody connects to, except at `cluster`.
pub fn place(cluster: u16) -> Place {
    let ports = Ports {
        cluster,
        ..Ports::default()
    };
    Place::new(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ports).unwrap()
}

/// A cluster of one, whose signer listens.
struct Founder {
    data: TempDir,
    cluster: Arc<Cluster>,
    store: Arc<dyn MetaStore>,
    registry: Arc<StoreRegistry>,
    address: SocketAddr,
    listening: AbortHandle,
}

impl Founder {
    /// Certificates that it signs live `life` seconds.
    async fn with_life(life: u64) -> Self {
        let data = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let found = Cluster::found(data.path(), name("first"), place(address.port()));
        let (cluster, node) = found.unwrap();
        let store = volumed_meta::open(&data.path().join("meta.db"))
            .await
            .unwrap();
        let registry = Arc::new(StoreRegistry::new(store.clone()));
        registry.found(&node).await.unwrap();
        let cluster = Arc::new(cluster);
        let signer = Signer::new(cluster.clone(), registry.clone(), life);
        let listening = tokio::spawn(signer.serve(listener)).abort_handle();
        Self {
            data,
            cluster,
            store,
            registry,
            address,
            listening,
        }
    }

    async fn new() -> Self {
        Self::with_life(CERTIFICATE_LIFE).await
    }

    /// A token that is good for an hour.
    async fn token(&self) -> JoinToken {
        let invited = invite(&self.cluster, &*self.registry, TOKEN_LIFE);
        invited.await.unwrap()
    }

    async fn token_until(&self, expires: u64) -> JoinToken {
        let token = JoinToken::draw(&[self.address], self.cluster.fingerprint(), expires);
        let offered = self.registry.offer(token.key(), expires, now()).await;
        offered.unwrap();
        token
    }

    /// A node with its data in `data`, at a place that counts from 1.
    async fn join(&self, data: &Path, number: u16) -> Result<Cluster, JoinError> {
        let token = self.token().await;
        join(data, &token, name(&format!("node-{number}")), place(number)).await
    }
}

impl Drop for Founder {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
