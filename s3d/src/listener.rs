//! A TCP listener that serves HTTP/1.1.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

/// How long a client may take to send a request's headers, or keep a connection idle.
const HEADER_PATIENCE: Duration = Duration::from_secs(75);

/// How long answers under way may take once the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// Pause when no connection can be accepted, such as when there are too many open files.
const BREATH: Duration = Duration::from_millis(50);

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

    /// Serves until `stop` closes, then finishes what is in flight.
    pub async fn serve(self, router: Router, mut stop: watch::Receiver<()>) {
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                _ = stop.changed() => break,
            };
            match accepted {
                Ok((stream, peer)) => serve_connection(stream, peer, &router, &connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
        drop(self.0);
        if tokio::time::timeout(LAST_ANSWERS, connections.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some answers were still under way and are cut off");
        }
    }
}

fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: &Router,
    connections: &GracefulShutdown,
) {
    // Without it an answer waits for the client's delayed acknowledgement: 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection is gone already");
        return;
    }
    // Attempts to sign in are limited by address.
    let service = router
        .clone()
        .map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
    });
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn bind() -> Listener {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Listener::bind(any, "--s3-listen", "S3D_S3_LISTEN")
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_what_changes_it() {
        let address = bind().await;
        let address = (address.address().unwrap(), address);
        let again = Listener::bind(address.0, "--s3-listen", "S3D_S3_LISTEN").await;
        let sentence = again.unwrap_err().to_string();
        for part in [&address.0.to_string(), "--s3-listen", "S3D_S3_LISTEN"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }

    #[tokio::test]
    async fn an_answer_under_way_is_finished_at_the_end() {
        let listener = bind().await;
        let address = listener.address().unwrap();
        let (stop, stopped) = watch::channel(());
        let (asked, was_asked) = tokio::sync::oneshot::channel();
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Some(asked)));
        let (go, gone) = watch::channel(());
        let answer = move || {
            let mut gone = gone.clone();
            asked.lock().unwrap().take().unwrap().send(()).unwrap();
            async move {
                let _ = gone.changed().await;
                "done"
            }
        };
        let router = Router::new().route("/", get(answer));
        let serving = tokio::spawn(listener.serve(router, stopped));
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        was_asked.await.unwrap();
        drop(stop);
        // The listener is closed, but the answer still comes.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        drop(go);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("done"), "{text}");
        serving.await.unwrap();
    }
}
