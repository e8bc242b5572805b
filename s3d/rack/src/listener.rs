//! Where the other nodes' requests come in: TLS 1.3, with certificates of the cluster on both sides.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use volumed_cluster::{NodeId, peer};

use s3d_buckets::BucketRecord;

use crate::busy::busy;
use crate::connections::{MAX_HEADERS, PROTOCOL, notice_silence};
use crate::label::{Label, Service};
use crate::moved::moved;
use crate::objects::objects;
use crate::rack::Rack;

/// How long a node may take to agree on TLS.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may be idle: longer than the other end keeps it.
const IDLE: Duration = Duration::from_mins(1);

/// How long answers under way may take once the server stops.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

/// Pause when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The services that other nodes' requests are for.
#[derive(Clone)]
pub struct Services {
    /// S3.
    pub s3: Router,
    /// The REST API.
    pub api: Router,
    /// What nodes ask of each other in their own name, beside objects.
    pub node: Router,
}

/// Serves the other nodes.
#[derive(Clone)]
pub struct HopServer {
    rack: Rack,
    services: Services,
    acceptor: TlsAcceptor,
    /// The thread whose turn it is to serve a connection.
    next: Arc<dyn Fn() -> Handle + Send + Sync>,
}

impl HopServer {
    /// Serves `services`; connections are dealt out to the runtimes that `next` names.
    pub fn new(
        rack: Rack,
        services: Services,
        next: Arc<dyn Fn() -> Handle + Send + Sync>,
    ) -> io::Result<Self> {
        let node = services.node.merge(objects(rack.clone()));
        let services = Services { node, ..services };
        let config = rack.0.cluster.tls().server(PROTOCOL);
        let acceptor = TlsAcceptor::from(config.map_err(io::Error::other)?);
        Ok(Self {
            rack,
            services,
            acceptor,
            next,
        })
    }

    /// Serves until `stop` closes, then finishes what is in flight.
    pub async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<()>) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.changed() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.deal_out(stream, peer, graceful.watcher()),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of another node");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if timeout(DRAIN_PATIENCE, graceful.shutdown()).await.is_err() {
            tracing::warn!("some answers to other nodes were still under way and are cut off");
        }
    }

    fn deal_out(&self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        // A socket belongs to the runtime that it was made on.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "cannot hand a connection over"),
        };
        let server = self.clone();
        (self.next)().spawn(async move {
            let accepted = async {
                let stream = TcpStream::from_std(stream)?;
                stream.set_nodelay(true)?;
                notice_silence(&stream)?;
                server.acceptor.accept(stream).await
            };
            match timeout(HANDSHAKE_PATIENCE, accepted).await {
                Ok(Ok(stream)) => {
                    let Some(node) = peer(stream.get_ref().1) else {
                        return;
                    };
                    server.serve_node(node, TokioIo::new(stream), watcher).await;
                }
                Ok(Err(error)) => tracing::warn!(%error, %address, "no node of the cluster"),
                Err(_) => tracing::debug!(%address, "no TLS was agreed on in time"),
            }
        });
    }

    async fn serve_node(
        self,
        node: NodeId,
        stream: TokioIo<tokio_rustls::server::TlsStream<TcpStream>>,
        watcher: Watcher,
    ) {
        let mut removed = self.rack.0.cluster.identity().trust.removed();
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.answer(node, request.map(Body::new)).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_headers(MAX_HEADERS)
            .serve_connection(stream, service);
        let served = tokio::select! {
            served = watcher.watch(connection) => served,
            _ = removed.wait_for(|removed| removed.contains(&node)) => return,
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection of another node broke");
        }
    }

    async fn answer(self, node: NodeId, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        self.rack.count_received(node);
        let Some(label) = Label::take(&mut parts.headers) else {
            return status(StatusCode::BAD_REQUEST);
        };
        let bucket = self.rack.bucket(label.service, &parts).await;
        if let Some(bucket) = &bucket
            && !self.rack.keeps(bucket).await
        {
            return moved(&body);
        }
        parts.extensions.insert(ConnectInfo(label.client));
        if let Some(tls) = label.tls {
            parts.extensions.insert(tls);
        }
        let service = match label.service {
            Service::S3 => self.services.s3,
            Service::Api => self.services.api,
            Service::Node => self.services.node,
        };
        let method = parts.method.clone();
        let answer = service.oneshot(Request::from_parts(parts, body));
        let answer = match &bucket {
            Some(bucket) => self.rack.as_owner(bucket, answer).await,
            None => Some(answer.await),
        };
        answer.map_or_else(
            || busy(label.service, &method),
            |answer| answer.unwrap_or_else(|never| match never {}),
        )
    }
}

impl Rack {
    /// Whether the bucket is this node's: not while its volume daemon hangs, so that another one looks for it anew.
    async fn keeps(&self, bucket: &BucketRecord) -> bool {
        self.0.lease.stands() && self.0.owners.keeps(bucket).await
    }

    fn count_received(&self, node: NodeId) {
        let nodes = self.0.nodes.all();
        if let Some(presence) = nodes.iter().find(|it| it.node == node) {
            self.0.counters.received(presence.number);
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
