//! A TCP listener that serves HTTP/1.1, with TLS or without.

mod certificates;
mod connections;
mod proxy;
mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ProtocolVersion;
use s3d_front::TlsVersion;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use connections::Admitted;
use proxy::{HeaderError, Origin};

use crate::workers::Workers;

pub use connections::{ConnectionLimits, Connections};
pub use proxy::{NotANetwork, Proxies, network};
pub use tls::{Tls, TlsError, TlsFiles};

/// How long a client may take to agree on TLS, and a proxy to say whose a connection is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long answers under way may take once the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Pause when no connection can be accepted, such as when there are too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Headers of one request: AWS's own SDKs send up to 20, and metadata of 2 KiB fits into some hundred
/// more. Together they have at most 400 KiB, which is hyper's bound.
const MAX_HEADERS: usize = 512;

/// What a connection too many is told, if it can be told without TLS.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error(
        "{address} is in use by another program: stop it, or choose another address with {flag} \
         (environment: {variable})"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// The environment variable that sets it.
        variable: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address} ({flag}): {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// An address that is listened on.
#[derive(Debug)]
pub struct Listener(TcpListener);

/// How connections are served; listeners may share it.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Counts the connections and bounds them.
    pub connections: Arc<Connections>,
    /// The certificate; without it HTTP is plain.
    pub tls: Option<Tls>,
    /// The proxies whose connections begin with a PROXY header.
    pub proxies: Proxies,
    /// The threads among which connections are dealt out.
    pub workers: Arc<Workers>,
    /// How long a client may take to send a request's headers, or keep a connection idle.
    pub idle_time: Duration,
}

impl Listener {
    /// Begins to listen. `flag` and `variable` set the address.
    pub async fn bind(
        address: SocketAddr,
        flag: &'static str,
        variable: &'static str,
    ) -> Result<Self, ListenError> {
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ListenError::InUse {
                address,
                flag,
                variable,
            }),
            Err(source) => Err(ListenError::Refused {
                address,
                flag,
                source,
            }),
        }
    }

    /// The address, with the port that the system chose if it was asked to.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The socket, for another protocol.
    pub fn into_socket(self) -> TcpListener {
        self.0
    }

    /// Serves until `stop` closes, then finishes what is in flight.
    pub async fn serve(self, router: Router, serving: Serving, mut stop: watch::Receiver<()>) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                _ = stop.changed() => break,
            };
            match accepted {
                Ok((stream, peer)) => match serving.admit(peer) {
                    Some(admitted) => {
                        let connection = Connection {
                            peer,
                            router: router.clone(),
                            serving: serving.clone(),
                            watcher: graceful.watcher(),
                            admitted,
                        };
                        connection.deal_out(stream);
                    }
                    None => serving.turn_away(&stream),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
        drop(self.0);
        if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some answers were still under way and are cut off");
        }
    }
}

impl Serving {
    /// Counts a connection; `None` if it is one too many. Those of a proxy are its clients', who are
    /// known only once their headers are read.
    fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        let admitted = self.connections.admit()?;
        if self.proxies.contain(peer.ip()) {
            Some(admitted)
        } else {
            admitted.count_for(peer.ip())
        }
    }

    /// Says to a client without TLS that its connection is one too many.
    fn turn_away(&self, stream: &TcpStream) {
        if self.tls.is_none() {
            // Whether the socket takes it or not, the connection is closed.
            let _ = stream.try_write(TOO_MANY);
        }
    }
}

/// A connection that was accepted, and what is needed to serve it.
struct Connection {
    peer: SocketAddr,
    router: Router,
    serving: Serving,
    watcher: Watcher,
    admitted: Admitted,
}

impl Connection {
    /// Has the connection served by the worker whose turn it is.
    fn deal_out(self, stream: TcpStream) {
        // A socket belongs to the runtime that it was made on.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "cannot hand a connection over"),
        };
        let workers = self.serving.workers.clone();
        workers.next().spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => self.accept(stream).await,
                Err(error) => tracing::warn!(%error, "cannot take a connection over"),
            }
        });
    }

    async fn accept(mut self, mut stream: TcpStream) {
        // Without it an answer waits for the client's delayed acknowledgement: 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the connection is gone already");
            return;
        }
        let mut origin = Origin::new(self.peer, None);
        if self.serving.proxies.contain(self.peer.ip()) {
            let Some(named) = self.origin(&mut stream).await else {
                return;
            };
            let Some(admitted) = self.admitted.count_for(named.address.ip()) else {
                return self.serving.turn_away(&stream);
            };
            (self.admitted, origin) = (admitted, named);
        }
        let Some(tls) = &self.serving.tls else {
            return self.serve(stream, origin).await;
        };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => {
                origin.tls = Some(tls_version(&stream));
                self.serve(stream, origin).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, client = %origin.address, "no TLS was agreed on");
            }
            Err(_) => tracing::debug!(client = %origin.address, "no TLS was agreed on in time"),
        }
    }

    /// Whose this connection from a proxy is; `None`, and a line in the log, if the proxy does not say.
    async fn origin(&self, stream: &mut TcpStream) -> Option<Origin> {
        let header = proxy::read_header(stream, self.peer);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, header).await {
            Ok(Ok(origin)) => return Some(origin),
            // A proxy that only looks whether the port is open sends nothing at all.
            Ok(Err(HeaderError::Broken(error))) => {
                tracing::debug!(%error, proxy = %self.peer, "no PROXY header");
            }
            Ok(Err(error)) => tracing::warn!(%error, proxy = %self.peer, "a connection is refused"),
            Err(_) => tracing::warn!(proxy = %self.peer, "no PROXY header came in time"),
        }
        None
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: Origin,
    ) {
        let (router, _admitted) = (self.router, self.admitted);
        let service = service_fn(|request| answer(router.clone(), request, origin));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.serving.idle_time)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

fn tls_version(stream: &TlsStream<TcpStream>) -> TlsVersion {
    let (_, session) = stream.get_ref();
    TlsVersion(match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    })
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    origin: Origin,
) -> Result<Response<Body>, Infallible> {
    // Attempts to sign in are limited by address, and bucket policies ask for both.
    request.extensions_mut().insert(ConnectInfo(origin.address));
    if let Some(tls) = origin.tls {
        request.extensions_mut().insert(tls);
    }
    router.oneshot(request).await
}

#[cfg(test)]
mod tests;
