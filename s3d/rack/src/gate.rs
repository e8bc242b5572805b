//! In front of a service: what is for a bucket that another node serves, or about another node, goes there, as it came.
//!
//! The owner is looked up, the request sent, and its answer handed on. If the owner has changed meanwhile,
//! or is gone, that begins anew, as long as the body can be sent again and there is patience left. So a
//! request waits for a bucket that is taken over. An owner that lives and cannot be reached from here
//! keeps its bucket: the client is asked to come back, at once if that has been so for long.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use futures::future::BoxFuture;
use http::header::{CONNECTION, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use s3d_buckets::{BucketRecord, Status};
use s3d_front::{TlsVersion, drain};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;
use volumed_cluster::NodeNumber;

use crate::busy::busy;
use crate::connections::HopError;
use crate::counters::Outcome;
use crate::label::{Label, Service};
use crate::moved::MOVED;
use crate::owners::Owner;
use crate::rack::Rack;
use crate::repeatable::is_repeatable;
use crate::replay::{Permit, Replay};
use crate::subject::{bucket_of, node_of};

/// Pauses between looks at who serves a bucket, doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// A service, and the way to the same one of the other nodes.
#[derive(Clone)]
pub struct Gate {
    rack: Rack,
    service: Service,
    here: Router,
}

impl Gate {
    /// In front of `here`.
    pub fn new(rack: Rack, service: Service, here: Router) -> Self {
        Self {
            rack,
            service,
            here,
        }
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Some(node) = self.rack.other_node(self.service, &parts) {
            return self.pass_to(node, parts, body).await;
        }
        let Some(bucket) = self.rack.bucket(self.service, &parts).await else {
            return self.answer_here(parts, body).await;
        };
        match self.rack.0.owners.owner(&bucket).await {
            Owner::Here => self.answer_as_owner(&bucket, parts, body).await,
            Owner::Elsewhere(node) => self.pass(&bucket, node, parts, body).await,
        }
    }

    async fn answer_as_owner(
        &self,
        bucket: &BucketRecord,
        parts: Parts,
        body: Body,
    ) -> Response<Body> {
        let method = parts.method.clone();
        let answer = self.rack.as_owner(bucket, self.answer_here(parts, body));
        answer.await.unwrap_or_else(|| busy(self.service, &method))
    }

    async fn answer_here(&self, parts: Parts, body: Body) -> Response<Body> {
        let request = Request::from_parts(parts, body);
        let answer = self.here.clone().oneshot(request).await;
        answer.unwrap_or_else(|never| match never {})
    }

    /// Has a request about another node answered there, or not at all.
    async fn pass_to(&self, node: NodeNumber, mut parts: Parts, body: Body) -> Response<Body> {
        let passing = Passing::begin(self.service, &mut parts, body);
        match passing.send(&self.rack, node, &parts).await {
            Sent::Answered(answer) => passing.finish(answer),
            Sent::Again | Sent::Lost => passing.give_up(self.service, &parts),
        }
    }

    /// Has a request answered by whoever serves its bucket: `first`, as was heard last.
    async fn pass(
        &self,
        bucket: &BucketRecord,
        first: NodeNumber,
        mut parts: Parts,
        body: Body,
    ) -> Response<Body> {
        let passing = Passing::begin(self.service, &mut parts, body);
        let deadline = Instant::now() + self.rack.0.patience;
        let (mut owner, mut pause) = (Owner::Elsewhere(first), PAUSES.0);
        loop {
            let node = match owner {
                Owner::Here => {
                    Label::take(&mut parts.headers);
                    return self
                        .answer_as_owner(bucket, parts, passing.replay.attempt(None))
                        .await;
                }
                Owner::Elsewhere(node) => node,
            };
            match passing.send(&self.rack, node, &parts).await {
                Sent::Answered(answer) => return passing.finish(answer),
                Sent::Again if Instant::now() + pause < deadline => {}
                Sent::Again | Sent::Lost => return passing.give_up(self.service, &parts),
            }
            self.rack.0.owners.forget(bucket);
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            owner = self.rack.0.owners.owner(bucket).await;
        }
    }
}

impl Rack {
    /// The other node that a request is about, if it lives.
    fn other_node(&self, service: Service, parts: &Parts) -> Option<NodeNumber> {
        let name = node_of(&self.0.hosts, service, parts)?;
        let nodes = self.0.nodes.all();
        let node = nodes.iter().find(|it| it.name.to_string() == name)?;
        Some(node.number)
    }

    /// The bucket that a request is about, if one can be used.
    pub(crate) async fn bucket(
        &self,
        service: Service,
        parts: &Parts,
    ) -> Option<Arc<BucketRecord>> {
        let name = bucket_of(&self.0.hosts, service, parts)?;
        // What is wrong with the store is said by the service.
        let bucket = self.0.buckets.find(&name).await.ok()??;
        (bucket.status == Status::Provisioned).then_some(bucket)
    }
}

/// How an attempt to have a request answered ended.
enum Sent {
    Answered(Response<Incoming>),
    /// It did not take effect, or may take effect twice, and can be sent again.
    Again,
    /// It cannot be sent again, or to nobody.
    Lost,
}

/// A request on its way through the hop.
struct Passing {
    replay: Replay,
    /// The client waits for 100 before it sends its body.
    waits: bool,
    /// Whether doing it twice is as good as doing it once.
    repeatable: bool,
}

impl Passing {
    fn begin(service: Service, parts: &mut Parts, body: Body) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let label = Label {
            service,
            client: peer.map_or(unknown, |ConnectInfo(peer)| *peer),
            tls: parts.extensions.get::<TlsVersion>().copied(),
        };
        label.put(&mut parts.headers);
        parts.headers.remove(CONNECTION);
        let expected = parts.headers.get(EXPECT).map(HeaderValue::as_bytes);
        let waits = expected.is_some_and(|it| it.eq_ignore_ascii_case(b"100-continue"));
        Self {
            waits: waits && !body.is_end_stream(),
            replay: Replay::new(body),
            repeatable: is_repeatable(service, parts),
        }
    }

    async fn send(&self, rack: &Rack, node: NodeNumber, parts: &Parts) -> Sent {
        let Some(presence) = rack.0.nodes.get(node) else {
            return Sent::Again;
        };
        let request = self.request(parts);
        let sent = tokio::select! {
            sent = rack.0.connections.send(&presence, request) => sent,
            () = rack.0.nodes.until_gone(node) => Err(HopError::Gone),
        };
        let (outcome, attempt) = match sent {
            Ok(answer) if answer.headers().contains_key(MOVED) => (Outcome::Moved, self.again()),
            Ok(answer) => (Outcome::Answered, Sent::Answered(answer)),
            Err(error) => {
                tracing::debug!(%error, %node, "a request was not answered by another node");
                let attempt = match error {
                    HopError::OutOfReach => Sent::Lost,
                    HopError::Broken(_) | HopError::Gone if !self.repeatable => Sent::Lost,
                    _ => self.again(),
                };
                (Outcome::Failed, attempt)
            }
        };
        rack.0.counters.forwarded(node, outcome);
        attempt
    }

    fn again(&self) -> Sent {
        if self.replay.is_whole() {
            Sent::Again
        } else {
            Sent::Lost
        }
    }

    /// The request once more, as it came.
    fn request(&self, parts: &Parts) -> Request<Body> {
        let permit = self.waits.then(Arc::<Permit>::default);
        let mut request = Request::new(self.replay.attempt(permit.clone()));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        *request.version_mut() = Version::HTTP_11;
        if let Some(permit) = permit {
            hyper::ext::on_informational(&mut request, move |_| permit.give());
        }
        request
    }

    /// The answer as the client gets it.
    fn finish(&self, answer: Response<Incoming>) -> Response<Body> {
        let mut answer = answer.map(Body::new);
        let closes = answer.headers_mut().remove(CONNECTION).is_some();
        answer.headers_mut().remove(TRANSFER_ENCODING);
        if closes {
            self.close(answer.headers_mut());
        }
        answer
    }

    fn give_up(&self, service: Service, parts: &Parts) -> Response<Body> {
        let mut answer = busy(service, &parts.method);
        self.close(answer.headers_mut());
        answer
    }

    /// Closes the client's connection behind the answer, if its body was not read to the end.
    fn close(&self, headers: &mut HeaderMap) {
        let Some(unread) = self.replay.unread() else {
            return;
        };
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        // A client that waits for 100 will not send the rest.
        if !self.waits {
            tokio::spawn(drain(unread));
        }
    }
}

impl tower::Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move { Ok(gate.answer(request).await) })
    }
}
