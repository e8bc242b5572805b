//! Connections to the other nodes' s3ds, kept for the next request.
//!
//! HTTP/1.1: one request at a time on each. A connection is driven on the thread that made it and used
//! there again, so that a small request wakes no other thread up.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustix::net::sockopt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use volumed_cluster::{NodeId, PeerTls};

use crate::presence::Presence;
use crate::reach::Reach;

/// What both ends of the hop call what they speak (ALPN).
pub const PROTOCOL: &[u8] = b"hayrack-s3d/1";

/// Headers of one message on the hop: more than a client may send, since the hop adds its own.
pub const MAX_HEADERS: usize = 520;

/// How long another node may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the system of the other end may be silent.
const SILENCE: Duration = Duration::from_secs(6);

/// How long a connection is kept unused: less than the other end keeps it.
const KEPT: Duration = Duration::from_secs(20);

/// Unused connections that a thread keeps to one node.
const MOST: usize = 64;

/// Connections to the other nodes.
pub struct Connections {
    tls: PeerTls,
    configs: Mutex<HashMap<NodeId, Arc<ClientConfig>>>,
    unused: Mutex<HashMap<(ThreadId, NodeId), Vec<Unused>>>,
    reach: Reach,
}

struct Unused {
    sender: SendRequest<Body>,
    since: Instant,
}

/// Why a node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum HopError {
    /// Nobody accepted a connection: nothing was sent.
    #[error("the node cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// Nobody has accepted a connection for long, and none was tried now: nothing was sent.
    #[error("the node lives and has not been reached for long")]
    OutOfReach,
    /// The node died before there was an answer: whether the request took effect is unknown.
    #[error("the node died before it answered")]
    Gone,
    /// The connection was closed before the request was on it.
    #[error("the connection was closed before the request was sent")]
    Unsent,
    /// The connection broke before there was an answer: whether the request took effect is unknown.
    #[error("the connection broke before the answer: {0}")]
    Broken(hyper::Error),
}

/// Has a connection break whose other end says nothing any more, also in the middle of a body.
pub fn notice_silence(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE / 2)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE / 6)?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    sockopt::set_tcp_user_timeout(stream, SILENCE.as_millis() as u32)?;
    Ok(())
}

impl Connections {
    /// By certificates of this node. A node that lives may be out of reach for so long until it is seldom tried.
    pub fn new(tls: PeerTls, out_of_reach: Duration) -> Arc<Self> {
        Arc::new(Self {
            tls,
            configs: Mutex::default(),
            unused: Mutex::default(),
            reach: Reach::new(out_of_reach),
        })
    }

    /// Sends a request to a node, and waits for the head of the answer.
    pub async fn send(
        self: &Arc<Self>,
        to: &Presence,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, HopError> {
        let mut sender = match self.take(to.node) {
            Some(sender) => sender,
            None => self.connect_if_due(to).await?,
        };
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| {
            if error.is_canceled() {
                HopError::Unsent
            } else {
                HopError::Broken(error)
            }
        })?;
        self.keep(to.node, sender);
        Ok(answer)
    }

    /// Keeps no connection to these nodes any longer.
    pub fn drop_those_to(&self, nodes: &std::collections::BTreeSet<NodeId>) {
        self.unused
            .lock()
            .retain(|(_, node), _| !nodes.contains(node));
    }

    /// An unused connection of this thread.
    fn take(&self, node: NodeId) -> Option<SendRequest<Body>> {
        let mut unused = self.unused.lock();
        let of_node = unused.get_mut(&(thread::current().id(), node))?;
        while let Some(Unused { sender, since }) = of_node.pop() {
            if sender.is_ready() && since.elapsed() < KEPT {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection once its answer was read.
    fn keep(self: &Arc<Self>, node: NodeId, mut sender: SendRequest<Body>) {
        if sender.is_ready() {
            return self.put(node, sender);
        }
        let connections = self.clone();
        tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                connections.put(node, sender);
            }
        });
    }

    fn put(&self, node: NodeId, sender: SendRequest<Body>) {
        let mut unused = self.unused.lock();
        let of_node = unused.entry((thread::current().id(), node)).or_default();
        // The oldest ones come first.
        let old = of_node
            .iter()
            .take_while(|it| it.since.elapsed() >= KEPT)
            .count();
        let many = (of_node.len() + 1).saturating_sub(MOST);
        of_node.drain(..old.max(many));
        let since = Instant::now();
        of_node.push(Unused { sender, since });
    }

    async fn connect_if_due(&self, to: &Presence) -> Result<SendRequest<Body>, HopError> {
        let begun = Instant::now();
        if !self.reach.begins(to, begun) {
            return Err(HopError::OutOfReach);
        }
        let connected = self.connect(to).await;
        self.reach.ended(to, begun, connected.is_ok());
        Ok(connected?)
    }

    async fn connect(&self, to: &Presence) -> io::Result<SendRequest<Body>> {
        match timeout(PATIENCE, self.handshake(to)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn handshake(&self, to: &Presence) -> io::Result<SendRequest<Body>> {
        let stream = TcpStream::connect(to.forward).await?;
        stream.set_nodelay(true)?;
        notice_silence(&stream)?;
        let connector = TlsConnector::from(self.config(to.node)?);
        let name = ServerName::IpAddress(to.forward.ip().into());
        let stream = connector.connect(name, stream).await?;
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another node broke");
            }
        });
        Ok(sender)
    }

    fn config(&self, node: NodeId) -> io::Result<Arc<ClientConfig>> {
        let mut configs = self.configs.lock();
        if let Some(config) = configs.get(&node) {
            return Ok(config.clone());
        }
        let config = self.tls.client(node, PROTOCOL).map_err(io::Error::other)?;
        configs.insert(node, config.clone());
        Ok(config)
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connections")
            .finish_non_exhaustive()
    }
}
