use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use volumed_stream::{Caller, Callers, Stream};

use super::budget::Budget;
use super::connection::{ConnectionError, Service, serve};
use super::exports::Exports;
use super::handshake::HandshakeError;
use super::metrics::Metrics;
use super::tls::Tls;

/// Where clients come in.
pub struct Sockets {
    /// This node's.
    pub unix: UnixListener,
    /// Others', and who may come there; without [`Tls`] it must be bound to loopback.
    pub tcp: Option<(TcpListener, Option<Tls>)>,
}

/// What clients may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Threads that serve them.
    pub threads: usize,
    /// Bytes that their requests may hold together.
    pub memory: u64,
    /// How long a client that holds some of them may move nothing while others wait for memory; then
    /// it is dropped.
    pub patience: Duration,
    /// Connections that may be open at once.
    pub connections: usize,
    /// Those of one address.
    pub connections_per_address: usize,
}

/// A connection, and its share of those that may be open.
struct Accepted {
    socket: Socket,
    caller: Option<Caller>,
    tls: Option<Tls>,
    _permit: OwnedSemaphorePermit,
}

/// On its way to the thread that serves it.
enum Socket {
    Unix(std::os::unix::net::UnixStream),
    Tcp(std::net::TcpStream),
}

/// What a unix socket may hold on its way, in bytes, as far as the system allows. TCP finds out what
/// it needs by itself.
const SOCKET_BUFFER: usize = 512 << 10;

/// How long accepting rests after it failed, say for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections and spreads them over threads, each with a runtime of its own, so that a
/// cached read is answered on the thread that received it.
#[derive(Debug)]
pub struct Listener {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Starts to serve who connects to the sockets.
    pub fn start<E: Exports>(
        sockets: Sockets,
        exports: &Arc<E>,
        limits: Limits,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        sockets.unix.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(false);
        let service = Service {
            exports: exports.clone(),
            budget: Arc::new(Budget::new(limits.memory, limits.patience)),
            metrics: metrics.clone(),
        };
        let mut threads = Vec::new();
        let mut lanes = Vec::new();
        for number in 0..limits.threads.max(1) {
            let (lane, connections) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (service, stopped) = (service.clone(), stopped.clone());
            let work = move || runtime.block_on(serve_lane(connections, service, stopped));
            let name = format!("nbd-{number}");
            threads.push(std::thread::Builder::new().name(name).spawn(work)?);
            lanes.push(lane);
        }
        let accepting = Accepting {
            lanes,
            turn: 0,
            room: Arc::new(Semaphore::new(limits.connections)),
            metrics: metrics.clone(),
            full: false,
        };
        let unix = tokio::net::UnixListener::from_std(sockets.unix)?;
        let callers = Callers::new(limits.connections_per_address);
        tokio::spawn(accepting.run(unix, sockets.tcp, callers, stopped));
        Ok(Self { stop, threads })
    }

    /// Accepts and reads no more, and returns when what is in flight was answered.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an NBD thread panicked");
            }
        }
    }
}

struct Accepting {
    lanes: Vec<mpsc::UnboundedSender<Accepted>>,
    turn: usize,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    /// Connections are being refused, which was logged.
    full: bool,
}

impl Accepting {
    async fn run(
        mut self,
        unix: tokio::net::UnixListener,
        tcp: Option<(TcpListener, Option<Tls>)>,
        callers: Arc<Callers>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let (tcp, tls) = tcp.map_or((None, None), |(tcp, tls)| (Some(tcp), tls));
        loop {
            let accepted = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                accepted = unix.accept() => accepted.and_then(|(stream, _)| self.take_unix(stream)),
                accepted = accept(tcp.as_ref()) => {
                    accepted.and_then(|(stream, from)| self.take_tcp(stream, from, &callers, tls.clone()))
                }
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "cannot accept an NBD connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn take_unix(&mut self, stream: UnixStream) -> io::Result<()> {
        let stream = stream.into_std()?;
        enlarge_buffer(&stream);
        self.take(Socket::Unix(stream), None, None);
        Ok(())
    }

    fn take_tcp(
        &mut self,
        stream: TcpStream,
        from: SocketAddr,
        callers: &Arc<Callers>,
        tls: Option<Tls>,
    ) -> io::Result<()> {
        let Some(caller) = callers.admit(from.ip()) else {
            self.metrics.refused_connections.inc();
            tracing::debug!(%from, "refusing an NBD connection: its address has too many");
            return Ok(());
        };
        // Answers are sent whole: there is nothing to wait for.
        stream.set_nodelay(true)?;
        self.take(Socket::Tcp(stream.into_std()?), Some(caller), tls);
        Ok(())
    }

    fn take(&mut self, socket: Socket, caller: Option<Caller>, tls: Option<Tls>) {
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            // Dropped: waiting in line, it would look like a daemon that hangs.
            self.metrics.refused_connections.inc();
            if !std::mem::replace(&mut self.full, true) {
                tracing::warn!(
                    "refusing NBD connections: as many are open as the limit of files allows"
                );
            }
            return;
        };
        self.full = false;
        self.turn = (self.turn + 1) % self.lanes.len();
        // A lane ends only when everything does.
        let _ = self.lanes[self.turn].send(Accepted {
            socket,
            caller,
            tls,
            _permit: permit,
        });
    }
}

/// Never ends where there is no socket.
async fn accept(socket: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}

async fn serve_lane<E: Exports>(
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    service: Service<E>,
    stopped: watch::Receiver<bool>,
) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut served = JoinSet::new();
            while let Some(accepted) = connections.recv().await {
                served.spawn_local(serve_accepted(accepted, service.clone(), stopped.clone()));
                while served.try_join_next().is_some() {}
            }
            while served.join_next().await.is_some() {}
        })
        .await;
}

async fn serve_accepted<E: Exports>(
    accepted: Accepted,
    service: Service<E>,
    mut stopped: watch::Receiver<bool>,
) {
    let Accepted {
        socket,
        mut caller,
        tls,
        _permit,
    } = accepted;
    let stream = match socket {
        Socket::Unix(socket) => volumed_socket::split(socket).map(Stream::from),
        Socket::Tcp(socket) => TcpStream::from_std(socket).map(Stream::from),
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "lost an NBD connection"),
    };
    let stopped = async {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let opened = || {
        if let Some(caller) = &mut caller {
            caller.opened();
        }
    };
    let metrics = service.metrics.clone();
    metrics.connections.inc();
    let served = serve(stream, tls.as_ref(), service, opened, stopped).await;
    metrics.connections.dec();
    match served {
        Ok(()) => tracing::debug!("an NBD client left"),
        Err(error) => {
            if matches!(error, ConnectionError::Handshake(HandshakeError::Tls(_))) {
                metrics.refused_tls.inc();
            }
            tracing::info!(%error, "dropped an NBD client");
        }
    }
}

/// A larger buffer only saves waiting: it does no harm if the system says no.
fn enlarge_buffer(stream: &impl AsFd) {
    if setsockopt(stream, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = setsockopt(stream, sockopt::SndBuf, &SOCKET_BUFFER);
    }
}
