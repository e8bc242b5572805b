//! What heads of other nodes ask of the replicas on this one: where they connect, and under which certificates.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::runtime::{Builder, Runtime};
use volumed_cluster::{NodeCertificate, PeerTls};
use volumed_node::{Hosting, OwnNode};
use volumed_peer::{Listener, NodeId, Tls};

/// Keeps links from being taken for anything else that nodes say to each other.
const PROTOCOL: &[u8] = b"hayrack-link/1";

/// The cluster's certificates, for links.
pub struct LinkTls {
    tls: PeerTls,
    server: Arc<ServerConfig>,
}

impl LinkTls {
    /// Fails only if TLS cannot be had at all.
    pub fn new(tls: PeerTls) -> Result<Self, rustls::Error> {
        let server = tls.server(PROTOCOL)?;
        Ok(Self { tls, server })
    }
}

impl Tls for LinkTls {
    fn client(
        &self,
        node: NodeId,
        address: SocketAddr,
    ) -> (Arc<ClientConfig>, ServerName<'static>) {
        let node = volumed_cluster::NodeId(node.0);
        let config = self.tls.client(node, PROTOCOL);
        let config = config.expect("TLS that serves calls as well");
        (config, ServerName::IpAddress(address.ip().into()))
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    fn node(&self, certificates: &[CertificateDer<'_>]) -> Option<NodeId> {
        let own = NodeCertificate::read(certificates.first()?).ok()?;
        Some(NodeId(own.node.0))
    }
}

/// Links from other nodes, on threads of their own: replicas write into the page cache on them.
pub struct Links {
    listener: Listener,
    threads: Threads,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    /// Accepts links at `socket`, which bring messages to `host`.
    pub fn start(
        socket: TcpListener,
        own: &OwnNode,
        threads: usize,
        host: Hosting,
    ) -> io::Result<Self> {
        let threads = Threads::start(threads)?;
        let _within = threads.runtime().enter();
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let listener = Listener::start(
            socket,
            own.identity,
            own.security.clone(),
            own.links,
            Arc::new(host),
        );
        Ok(Self { listener, threads })
    }

    /// Ends the link of a node that was removed. Its next one fails, since its certificate counts no more.
    pub fn refuse(&self, node: volumed_cluster::NodeId) {
        self.listener.refuse(NodeId(node.0));
    }

    /// Ends all of them.
    pub async fn stop(self) {
        self.listener.stop().await;
        drop(self.threads);
    }
}

/// A runtime that may be dropped within another one.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(count: usize) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(count)
            .thread_name("link")
            .enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
