//! Nodes on loopback addresses of their own, with real etcd; their registry is one SQLite store.

#![allow(dead_code)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use volumed_cluster::{
    CERTIFICATE_LIFE, Cluster, Keeper, NodeId, NodeName, Place, Ports, Presence, Registry, Signer,
    StoreRegistry, TOKEN_LIFE, invite, join,
};

/// They lie below those that the system gives to clients.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// A port that nobody listens on, and that was not given before.
fn free_port(ip: IpAddr) -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(101);
    let free = (0..PORTS.len()).find_map(|_| {
        let next = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = (PORTS.start + next % PORTS.len() as u32) as u16;
        let free = TcpListener::bind(SocketAddr::new(ip, port)).is_ok();
        free.then_some(port)
    });
    free.expect("loopback has a free port")
}

/// The place of a node at 127.0.0.`number`.
pub fn place(number: u8) -> Place {
    let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, number));
    let ports = Ports {
        cluster: free_port(ip),
        etcd_client: free_port(ip),
        etcd_peer: free_port(ip),
        ..Ports::default()
    };
    Place::new(vec![ip], ports).unwrap()
}

pub fn name(number: u8) -> NodeName {
    format!("node-{number}").parse().unwrap()
}

/// A node with its daemon's part of etcd.
pub struct Running {
    pub data: TempDir,
    pub cluster: Arc<Cluster>,
    pub keeper: Keeper,
}

impl Running {
    fn new(data: TempDir, cluster: Cluster) -> Self {
        let cluster = Arc::new(cluster);
        let keeper = Keeper::new(cluster.clone(), data.path(), None).unwrap();
        Self {
            data,
            cluster,
            keeper,
        }
    }

    pub fn process(&self) -> Option<u32> {
        self.keeper.member()?.process()
    }
}

/// Nodes that joined one after the other.
pub struct Rack {
    pub nodes: Vec<Running>,
    /// Nodes whose daemons are stopped, for so long that others may take their places.
    pub gone: Vec<(NodeId, TempDir)>,
    pub registry: Arc<StoreRegistry>,
    _store: TempDir,
}

impl Rack {
    /// One node, whose etcd begins.
    pub async fn found() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (cluster, node) = Cluster::found(data.path(), name(1), place(1)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meta.db");
        let store = volumed_meta::open(&file);
        let registry = Arc::new(StoreRegistry::new(store.await.unwrap()));
        registry.found(&node).await.unwrap();
        let mut first = Running::new(data, cluster);
        first.keeper.begin().unwrap();
        let signer = Signer::new(first.cluster.clone(), registry.clone(), CERTIFICATE_LIFE);
        let at = first.cluster.own().place.cluster();
        let listener = tokio::net::TcpListener::bind(at).await.unwrap();
        tokio::spawn(signer.serve(listener));
        Self {
            nodes: vec![first],
            gone: Vec::new(),
            registry,
            _store: folder,
        }
    }

    /// One more node.
    pub async fn join(&mut self) {
        let number = self.nodes.len() as u8 + 1;
        let first = &self.nodes[0].cluster;
        let token = invite(first, &*self.registry, TOKEN_LIFE).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let joined = join(data.path(), &token, name(number), place(number));
        let joined = joined.await.unwrap();
        self.nodes.push(Running::new(data, joined));
    }

    /// One round of every node. What does not come to anything is tried again, as the daemon does.
    pub async fn round(&mut self) {
        let presence = |node| {
            if self.gone.iter().any(|(gone, _)| *gone == node) {
                Presence::Gone
            } else {
                Presence::Here
            }
        };
        for node in &mut self.nodes {
            let round = node.keeper.round(&*self.registry, presence);
            // As a task of the daemon would.
            let round: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(round);
            if let Err(error) = round.await {
                println!("{}: {error}", node.cluster.own().name);
            }
        }
    }

    /// Rounds until the members that vote are as many as that, and everybody answers.
    pub async fn until_voters(&mut self, count: usize) {
        let begun = Instant::now();
        loop {
            self.round().await;
            let memberships = Box::pin(self.nodes[0].keeper.members().memberships()).await;
            let memberships = memberships.unwrap_or_default();
            let answering = |member: &&volumed_cluster::Membership| {
                member.part == volumed_cluster::Part::Voter { answers: true }
            };
            let voters = memberships.iter().filter(answering).count();
            if voters == count && memberships.len() == count {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "there are {memberships:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Stops the daemon of a node for long.
    pub async fn lose(&mut self, index: usize) {
        let node = self.nodes.remove(index);
        node.keeper.stop().await;
        self.gone.push((node.cluster.own().node, node.data));
    }

    /// Starts the daemons that were stopped, which know what is in their folders.
    pub fn come_back(&mut self) {
        for (_, data) in self.gone.drain(..) {
            let cluster = Cluster::open(data.path()).unwrap().unwrap();
            self.nodes.push(Running::new(data, cluster));
        }
    }

    pub async fn stop(self) {
        for node in self.nodes {
            node.keeper.stop().await;
        }
    }
}

/// For whatever a busy machine takes its time for.
pub const PATIENCE: Duration = Duration::from_mins(2);

pub async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How a client of etcd shows itself as the node whose daemon has its state in `data`.
pub fn etcd_options(data: &Path, at: SocketAddr) -> etcd_client::ConnectOptions {
    let text = |name: &str| std::fs::read_to_string(data.join("cluster").join(name)).unwrap();
    let own = etcd_client::Identity::from_pem(text("node.crt"), text("node.key"));
    let tls = etcd_client::TlsOptions::new()
        .domain_name(at.ip().to_string())
        .ca_certificate(etcd_client::Certificate::from_pem(text("ca.crt")))
        .identity(own);
    etcd_client::ConnectOptions::new()
        .with_tls(tls)
        .with_timeout(Duration::from_secs(5))
        .with_connect_timeout(Duration::from_secs(5))
}
