//! The way of a request: host, signature's form, what is built, body; then s3s.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::{S3Host, VirtualHost};
use s3s::region::Region;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, S3Error, S3Result};
use tower::{Service, ServiceExt};

use super::access::{Access, Secrets};
use super::built::{self, Aim};
use super::document::{self, Document, Room};
use super::error::{self, Refusal};
use super::hashing::Hashers;
use super::host::{Addressing, Hosts};
use super::ingest::Claims;
use super::object_attributes::BareEtag;
use super::odd_region;
use super::operations::Operations;
use super::payload::RawBody;
use super::query::Query;
use super::reading::Answered;
use super::signed::{self, Signed};
use s3d_accounts::Accounts;
use s3d_buckets::Buckets;

/// Serves S3, and hands what is for `s3-api.<domain>` to the REST API.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    hosts: Hosts,
    s3: S3Service,
    api: Router,
    documents: Room,
    /// Sets the request ids of this process apart from those of others.
    start: u64,
    requests: AtomicU64,
}

impl Front {
    /// Serves buckets under `domain`. `start`: any number that other processes are
    /// unlikely to have.
    pub fn new(
        accounts: Arc<Accounts>,
        buckets: Arc<Buckets>,
        domain: &str,
        region: Region,
        api: Router,
        start: u64,
    ) -> Self {
        let hosts = Hosts::new(domain);
        let operations = Operations {
            hashers: Hashers::default(),
            accounts: accounts.clone(),
            buckets: buckets.clone(),
            region,
        };
        let mut builder = S3ServiceBuilder::new(operations);
        builder.set_auth(Secrets(accounts.clone()));
        builder.set_access(Access { accounts, buckets });
        builder.set_host(HostReader(hosts.clone()));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(
            S3Config::default(),
        ))));
        let (s3, requests) = (builder.build(), AtomicU64::new(0));
        Self(Arc::new(Inner {
            hosts,
            s3,
            api,
            documents: Room::default(),
            start,
            requests,
        }))
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08X}{number:08X}", self.0.start as u32);
        let mut response = match self.route(request, &id).await {
            Ok(response) => response,
            Err(mut error) => {
                error.set_request_id(id.as_str());
                refused(error)
            }
        };
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response
    }

    async fn route(&self, request: Request<Body>, id: &str) -> S3Result<Response<Body>> {
        let (mut parts, body) = request.into_parts();
        let addressing = self.0.hosts.read(host(&parts))?;
        if addressing == Addressing::Api {
            let api = self.0.api.clone();
            let answer = api.oneshot(Request::from_parts(parts, body)).await;
            return Ok(answer.unwrap_or_else(|never| match never {}));
        }
        let query = Query::parse(parts.uri.query());
        let signed = signed::read(&query, &mut parts.headers)?;
        let aim = aim(&parts, &addressing)?;
        check_endpoint(&parts, &addressing)?;
        let presigned = matches!(signed, Signed::InQuery { .. });
        let odd = odd_region::is_odd(&signed);
        let anonymous = signed == Signed::Not;
        built::check(&parts.method, aim, &query, presigned, &parts.headers)?;
        let completes = aim == Aim::Object && query.has("uploadId");
        let describes = query.has("acl") || query.has("tagging");
        parts.extensions.insert(addressing);
        parts.extensions.insert(signed);
        let body = self.body_for_s3s(&mut parts, aim, (completes, describes), anonymous, body)?;
        let answer = if odd {
            odd_region::noting(self.ask_twice(parts, body)).await
        } else {
            self.0.s3.call(Request::from_parts(parts, body)).await
        };
        match answer {
            Ok(mut response) => {
                if response.extensions().get::<BareEtag>().is_some() {
                    response = BareEtag::apply(response);
                }
                if let Some(Answered(status)) = response.extensions().get().copied() {
                    *response.status_mut() = status;
                }
                if response.status().is_client_error() || response.status().is_server_error() {
                    response = completed(response, id);
                }
                Ok(response.map(Body::new))
            }
            Err(error) => {
                tracing::error!(?error, "an answer could not be written");
                Ok(status(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }

    /// Asks s3s who signed a request for an odd region, and then for its answer.
    async fn ask_twice(
        &self,
        mut parts: Parts,
        body: s3s::Body,
    ) -> Result<Response<s3s::Body>, HttpError> {
        let question = Request::from_parts(parts.clone(), s3s::Body::empty());
        let mut answer = self.0.s3.call(question).await?;
        let Some(verified) = odd_region::verified(&mut answer) else {
            return Ok(answer);
        };
        odd_region::strip(&mut parts, verified).map_err(|error| HttpError::new(error.into()))?;
        self.0.s3.call(Request::from_parts(parts, body)).await
    }

    /// What s3s gets as the body: nothing for bytes of objects, which travel past it, and documents,
    /// which are read once the request was let in. `completes`: it is the document of a
    /// CompleteMultipartUpload; `describes`: of an ACL or of tags.
    fn body_for_s3s(
        &self,
        parts: &mut Parts,
        aim: Aim,
        (completes, describes): (bool, bool),
        anonymous: bool,
        body: Body,
    ) -> S3Result<s3s::Body> {
        match parts.method {
            Method::PUT if aim == Aim::Object && !describes => {
                parts.extensions.insert(RawBody::new(body));
                Ok(s3s::Body::empty())
            }
            // Nobody in particular may send a document.
            Method::PUT | Method::POST if anonymous => Err(Refusal::Denied.into()),
            Method::PUT | Method::POST => {
                let claims = Claims::read(&parts.headers).map_err(S3Error::from)?;
                let claims = if completes {
                    claims.without_checksum()
                } else {
                    claims
                };
                // Of a bucket, only a list of keys to delete is posted.
                let lists = completes || (parts.method == Method::POST && aim == Aim::Bucket);
                let most = if lists {
                    document::LIST
                } else {
                    document::SETTING
                };
                let room = &self.0.documents;
                let document = Document::new(body, most, &parts.headers, claims, room);
                let for_s3s = document.for_s3s();
                parts.extensions.insert(document);
                Ok(for_s3s)
            }
            _ => Ok(s3s::Body::empty()),
        }
    }
}

fn host(parts: &Parts) -> &str {
    match parts.headers.get(header::HOST) {
        Some(host) => host.to_str().unwrap_or_default(),
        None => parts
            .uri
            .authority()
            .map_or("", |authority| authority.as_str()),
    }
}

/// At what a request is aimed, as s3s will read it too.
fn aim(parts: &Parts, addressing: &Addressing) -> Result<Aim, Refusal> {
    let path = parts.uri.path();
    if path.contains("%00") {
        return Err(Refusal::Path);
    }
    let path = path.strip_prefix('/').ok_or(Refusal::Path)?;
    Ok(match (addressing, path.split_once('/')) {
        (Addressing::VirtualHost { .. }, _) if path.is_empty() => Aim::Bucket,
        (Addressing::VirtualHost { .. }, _) => Aim::Object,
        (_, _) if path.is_empty() => Aim::Service,
        (_, None | Some((_, ""))) => Aim::Bucket,
        (_, Some(_)) => Aim::Object,
    })
}

/// Behind the endpoint of a bucket there is no other. A client in virtual-host style, which sends
/// the key alone, would otherwise be told of a bucket that it never meant.
fn check_endpoint(parts: &Parts, addressing: &Addressing) -> Result<(), Refusal> {
    let Addressing::Endpoint { bucket, .. } = addressing else {
        return Ok(());
    };
    let first = parts.uri.path().split('/').nth(1).unwrap_or_default();
    if first.is_empty() || first == bucket {
        return Ok(());
    }
    Err(Refusal::OtherBucket {
        endpoint: bucket.clone(),
    })
}

/// A refusal of s3s, with what it lacks.
fn completed(response: Response<s3s::Body>, id: &str) -> Response<s3s::Body> {
    response.map(|mut body| {
        let document = body.take_bytes().unwrap_or_default();
        let text = std::str::from_utf8(&document).ok();
        match text.and_then(|text| error::complete(text, id)) {
            Some(text) => text.into(),
            None => document.into(),
        }
    })
}

fn refused(error: S3Error) -> Response<Body> {
    match error.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let front = self.clone();
        Box::pin(async move { Ok(front.answer(request).await) })
    }
}

/// Tells s3s what hosts mean.
struct HostReader(Hosts);

impl S3Host for HostReader {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match self.0.read(host)? {
            Addressing::VirtualHost { bucket, .. } => VirtualHost::new(host).with_bucket(bucket),
            Addressing::Path | Addressing::Endpoint { .. } | Addressing::Api => {
                VirtualHost::new(host)
            }
        })
    }
}
