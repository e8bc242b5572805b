use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use volumed_stream::{Caller, Callers, Stream};

use crate::frames::Frames;
use crate::hello::Hello;
use crate::seats::Seats;
use crate::serve::Served;
use crate::{HelloError, Host, Identity, LinkError, LinkId, NodeId, Security, Settings};

/// How long accepting rests after it failed, say for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts links from the heads of other nodes to the replicas of this one.
#[derive(Debug)]
pub struct Listener {
    stop: watch::Sender<bool>,
    seats: Arc<Seats>,
    accepting: JoinHandle<()>,
}

/// What every link needs.
struct Accepting {
    own: Identity,
    security: Security,
    settings: Settings,
    host: Arc<dyn Host>,
    seats: Arc<Seats>,
    callers: Arc<Callers>,
    /// Links so far.
    count: AtomicU64,
}

/// Who called, and what it sent behind its hello.
struct Called {
    stream: Stream,
    node: NodeId,
    input: BytesMut,
}

impl Listener {
    /// Accepts links at a socket. To be called within the runtime that is to run them: one of their own,
    /// since replicas write into the page cache on its threads.
    pub fn start(
        socket: TcpListener,
        own: Identity,
        security: Security,
        settings: Settings,
        host: Arc<dyn Host>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let seats = Arc::new(Seats::default());
        let accepting = Arc::new(Accepting {
            own,
            security,
            settings,
            host,
            seats: Arc::clone(&seats),
            callers: Callers::new(settings.limits.connections_per_address),
            count: AtomicU64::new(0),
        });
        Self {
            stop,
            seats,
            accepting: tokio::spawn(accepting.run(socket, stopped)),
        }
    }

    /// Ends the link of a node, which may have none any more.
    pub fn refuse(&self, node: NodeId) {
        self.seats.clear(node);
    }

    /// Ends all links, and returns when the host was told of each.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.accepting.await.is_err() {
            tracing::error!("accepting links panicked");
        }
    }
}

impl Accepting {
    async fn run(self: Arc<Self>, socket: TcpListener, mut stopped: watch::Receiver<bool>) {
        let mut links = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, from)) => self.admit(socket, from, &mut links),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a link");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while links.try_join_next().is_some() {}
        }
        links.shutdown().await;
    }

    fn admit(self: &Arc<Self>, socket: TcpStream, from: SocketAddr, links: &mut JoinSet<()>) {
        if !self.security.allows(from) {
            tracing::warn!(%from, "refusing a link from another machine: there are no certificates");
            return;
        }
        let Some(caller) = self.callers.admit(from.ip()) else {
            tracing::debug!(%from, "refusing a link: its address has too many");
            return;
        };
        let accepting = Arc::clone(self);
        links.spawn(async move {
            let ended = accepting.serve(socket, from, caller).await;
            tracing::info!(%from, "a link ended: {ended}");
        });
    }

    async fn serve(&self, socket: TcpStream, from: SocketAddr, mut caller: Caller) -> LinkError {
        let answered = timeout(self.settings.times.hello, self.answer(socket, from)).await;
        let Called {
            stream,
            node,
            input,
        } = match answered.unwrap_or(Err(LinkError::Slow(from))) {
            Ok(called) => called,
            Err(error) => return error,
        };
        // Before the hello: whoever has that sends messages.
        let seat = self.seats.take(node).await;
        if let Err(error) = stream.write_all(&Hello::of(self.own).encode()).await {
            return error.into();
        }
        caller.opened();
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let link = LinkId { node, number };
        tracing::info!(%node, %from, "a node linked");
        let host = Arc::clone(&self.host);
        let served = Served::new(link, host, stream, self.settings, seat);
        served.run(Frames::new(input)).await
    }

    /// Finds out who calls.
    async fn answer(&self, socket: TcpStream, from: SocketAddr) -> Result<Called, LinkError> {
        let answered = self.security.answer(socket).await;
        let (stream, certified) = answered.map_err(|source| LinkError::Tls {
            address: from,
            source,
        })?;
        let mut input = BytesMut::new();
        let hello = Hello::read(&stream, &mut input).await;
        let hello = hello.and_then(|hello| hello.check(self.own, certified).map(|()| hello));
        match hello {
            Ok(hello) => Ok(Called {
                stream,
                node: hello.node,
                input,
            }),
            Err(source) => {
                self.say_why(&stream, &source).await;
                Err(LinkError::Hello {
                    address: from,
                    source,
                })
            }
        }
    }

    /// A node that may not have a link finds the reason in this one's hello. A stranger learns nothing.
    async fn say_why(&self, stream: &Stream, refused: &HelloError) {
        if matches!(refused, HelloError::Version(_) | HelloError::Cluster { .. }) {
            // It may have gone.
            let _ = stream.write_all(&Hello::of(self.own).encode()).await;
        }
    }
}
