//! The way of a request: host, signature, what it is about, what is built; then s3s.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, header};
use s3d_accounts::Accounts;
use s3d_buckets::Buckets;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::{S3Host, VirtualHost};
use s3s::region::Region;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3Result};
use tower::{Service, ServiceExt};
use tracing::Instrument;

use super::access::{Access, NoSecrets};
use super::answer::{self, Asked, Ids};
use super::authentication::authenticate;
use super::changes;
use super::context::{Content, RequestContext};
use super::cors::{CorsError, CrossOrigin};
use super::document::{self, Document, Room};
use super::elsewhere::Elsewhere;
use super::error;
use super::form::{self, is_form};
use super::hashing::Hashers;
use super::host::{Addressing, Hosts};
use super::ingest::Claims;
use super::lenient::LenientHeaders;
use super::observer::{Observer, OperationName, Unobserved};
use super::operations::Operations;
use super::query::Query;
use super::refusal::Refusal;
use super::request_body::RequestBody;
use super::resource::{ResourceKind, bucket_name, check_endpoint};
use super::routes::Routes;
use super::supported;

/// Serves S3, and hands what is for `s3-api.<domain>` to the REST API.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    hosts: Hosts,
    accounts: Arc<Accounts>,
    buckets: Arc<Buckets>,
    s3: S3Service,
    api: Router,
    documents: Room,
    ids: Ids,
    observer: OnceLock<Arc<dyn Observer>>,
    elsewhere: Arc<OnceLock<Arc<dyn Elsewhere>>>,
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
        let access = Access {
            buckets: buckets.clone(),
        };
        let elsewhere = Arc::<OnceLock<_>>::default();
        let operations = Operations {
            hashers: Hashers::default(),
            accounts: accounts.clone(),
            buckets: buckets.clone(),
            region,
            elsewhere: elsewhere.clone(),
        };
        let mut builder = S3ServiceBuilder::new(operations.clone());
        builder.set_auth(NoSecrets);
        builder.set_access(access.clone());
        builder.set_route(Routes { access, operations });
        builder.set_host(HostReader(hosts.clone()));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(
            S3Config::default(),
        ))));
        Self(Arc::new(Inner {
            hosts,
            accounts,
            buckets,
            s3: builder.build(),
            api,
            documents: Room::default(),
            ids: Ids::new(start),
            observer: OnceLock::new(),
            elsewhere,
        }))
    }

    /// Has every answer reported to `observer`.
    pub fn observed_by(&self, observer: Arc<dyn Observer>) {
        // There is one, and it stays.
        let _ = self.0.observer.set(observer);
    }

    /// Has what is copied from buckets of other nodes read by `elsewhere`.
    pub fn reads_by(&self, elsewhere: Arc<dyn Elsewhere>) {
        // There is one, and it stays.
        let _ = self.0.elsewhere.set(elsewhere);
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let addressing = self.0.hosts.read(host(&parts));
        if addressing == Ok(Addressing::Api) {
            let request = Request::from_parts(parts, body);
            let answer = self.0.api.clone().oneshot(request).await;
            let answer = answer.unwrap_or_else(|never| match never {});
            return answer::with_id(answer, &self.0.ids.next());
        }
        let body = RequestBody::new(body);
        let asked = Asked::new(self.0.ids.next(), &parts, body.clone());
        let span = tracing::info_span!("request", id = %asked.id, method = %parts.method);
        let operation = asked.operation.clone();
        let answer = async {
            let (answer, allowed) = match addressing {
                Ok(addressing) => {
                    let allowed = self.cross_origin(&addressing, &parts).await;
                    let answer = self.route(addressing, parts, body, operation).await;
                    (answer, allowed)
                }
                Err(refusal) => (Err(refusal.into()), None),
            };
            let mut answer = answer.unwrap_or_else(answer::of_refusal);
            answer.headers_mut().extend(allowed.unwrap_or_default());
            let observer = self
                .0
                .observer
                .get()
                .map_or(&Unobserved as &dyn Observer, |it| &**it);
            answer::finish(answer, &asked, &self.0.ids, observer)
        };
        answer.instrument(span).await
    }

    async fn route(
        &self,
        addressing: Addressing,
        mut parts: Parts,
        body: RequestBody,
        operation: OperationName,
    ) -> S3Result<Response<s3s::Body>> {
        let resource = ResourceKind::of(&parts.uri, &addressing)?;
        check_endpoint(&parts.uri, &addressing)?;
        if parts.method == Method::OPTIONS {
            return self.preflight(&addressing, &parts).await;
        }
        let posts = parts.method == Method::POST && resource == ResourceKind::Bucket;
        let deletes = || Query::parse(parts.uri.query()).has("delete");
        if posts && is_form(&parts.headers) && !deletes() {
            return self.post_form(addressing, parts, body, operation).await;
        }
        let signer =
            authenticate(&self.0.accounts, &mut parts, &addressing, SystemTime::now()).await?;
        let query = Query::parse(parts.uri.query());
        if changes::is_asked(&parts.method, resource, &query) {
            let mut context = RequestContext {
                addressing,
                operation,
                signer,
                headers: LenientHeaders::take(&mut parts.headers),
                body: Content::Nothing,
                caller: None,
                bucket: None,
            };
            return self.follow_changes(&parts, &mut context).await;
        }
        let presigned = signer.as_ref().is_some_and(|signer| signer.presigned);
        supported::check(&parts.method, resource, &query, presigned, &parts.headers)?;
        let anonymous = signer.is_none();
        let renamed = supported::renamed(&parts.method, resource, &query, &parts.headers);
        let kind = if renamed.is_some() {
            BodyKind::Nothing
        } else {
            BodyKind::of(&parts.method, resource, &query)
        };
        let (body, for_s3s) = self.content(&parts, kind, anonymous, body)?;
        let context = RequestContext {
            addressing,
            operation,
            signer,
            headers: LenientHeaders::take(&mut parts.headers),
            body,
            caller: None,
            bucket: None,
        };
        Ok(self.operate(parts, context, for_s3s).await)
    }

    /// The headers that let the page of another origin see the answer, if a request comes from one
    /// and the bucket lets it.
    async fn cross_origin(&self, addressing: &Addressing, parts: &Parts) -> Option<HeaderMap> {
        // The answer to a preflight says itself what is allowed.
        if parts.method == Method::OPTIONS {
            return None;
        }
        let asked = CrossOrigin::of_request(&parts.method, &parts.headers)?;
        let name = bucket_name(&parts.uri, addressing)?;
        // A bucket that is not found is the request's own trouble.
        let bucket = self.0.buckets.find(name).await.ok()??;
        asked.allowed(&bucket.settings.cors, is_presigned(parts))
    }

    /// What a page of another origin may do, before it does it.
    async fn preflight(
        &self,
        addressing: &Addressing,
        parts: &Parts,
    ) -> S3Result<Response<s3s::Body>> {
        let asked = CrossOrigin::of_preflight(&parts.headers)?;
        let name = bucket_name(&parts.uri, addressing).ok_or(CorsError::NotEnabled)?;
        let found = self.0.buckets.find(name).await.map_err(error::record)?;
        let rules = &found.ok_or(Refusal::NoSuchBucket)?.settings.cors;
        let presigned = is_presigned(parts);
        if rules.is_empty() && !presigned {
            return Err(CorsError::NotEnabled.into());
        }
        let mut answer = Response::new(s3s::Body::empty());
        let allowed = asked
            .allowed(rules, presigned)
            .ok_or(CorsError::NotAllowed)?;
        *answer.headers_mut() = allowed;
        Ok(answer)
    }

    /// Stores what a form brings, as the PutObject that it stands for.
    async fn post_form(
        &self,
        addressing: Addressing,
        mut parts: Parts,
        body: RequestBody,
        operation: OperationName,
    ) -> S3Result<Response<s3s::Body>> {
        let form = form::receive(&self.0.accounts, &mut parts, &addressing, &body).await?;
        supported::check_form(&parts.headers)?;
        let context = RequestContext {
            addressing,
            operation,
            signer: form.signer,
            headers: LenientHeaders::take(&mut parts.headers),
            body: Content::Form {
                file: form.file,
                length: form.length,
            },
            caller: None,
            bucket: None,
        };
        let stored = self.operate(parts, context, s3s::Body::empty()).await;
        Ok(form.reply.of(stored))
    }

    /// Answers with the change feed of a bucket.
    async fn follow_changes(
        &self,
        parts: &Parts,
        context: &mut RequestContext,
    ) -> S3Result<Response<s3s::Body>> {
        if let Some(signer) = &context.signer {
            self.0.accounts.note_use(&signer.key.id);
        }
        let access = Access {
            buckets: self.0.buckets.clone(),
        };
        let bucket = access
            .check_listing(context, parts, changes::OPERATION)
            .await?;
        let query = Query::parse(parts.uri.query());
        let request = changes::request(&query, &parts.headers)?;
        let follower = changes::Follower {
            accounts: self.0.accounts.clone(),
            access,
            parts: parts.clone(),
            context: context.clone(),
        };
        changes::follow(&self.0.buckets, &bucket, request, follower).await
    }

    async fn operate(
        &self,
        mut parts: Parts,
        context: RequestContext,
        body: s3s::Body,
    ) -> Response<s3s::Body> {
        if let Some(signer) = &context.signer {
            self.0.accounts.note_use(&signer.key.id);
        }
        parts.extensions.insert(context);
        let answer = self.0.s3.call(Request::from_parts(parts, body)).await;
        answer::of_s3s(answer)
    }

    /// What the operation gets as the body, and what s3s does: nothing of the bytes of objects, and
    /// documents only once the request was let in.
    fn content(
        &self,
        parts: &Parts,
        kind: BodyKind,
        anonymous: bool,
        body: RequestBody,
    ) -> S3Result<(Content, s3s::Body)> {
        let (most, completes) = match kind {
            BodyKind::Nothing => return Ok((Content::Nothing, s3s::Body::empty())),
            BodyKind::Bytes => return Ok((Content::Bytes(body), s3s::Body::empty())),
            BodyKind::List { completes } => (document::LIST, completes),
            BodyKind::Setting => (document::SETTING, false),
        };
        // Nobody in particular may send a document.
        if anonymous {
            return Err(Refusal::Denied.into());
        }
        let claims = if completes {
            Claims::without_checksum(&parts.headers)
        } else {
            Claims::read(&parts.headers)
        };
        let claims = claims.map_err(S3Error::from)?;
        let document = Document::new(body, most, &parts.headers, claims, &self.0.documents);
        let for_s3s = document.for_s3s();
        Ok((Content::Document(document), for_s3s))
    }
}

/// Whether a request says that it is presigned; whether the signature is right is seen later.
fn is_presigned(parts: &Parts) -> bool {
    let query = Query::parse(parts.uri.query());
    query.has("X-Amz-Signature")
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyKind {
    /// Nothing that anybody reads.
    Nothing,
    /// The bytes of an object or a part.
    Bytes,
    /// A document that lists keys, or parts: that of a CompleteMultipartUpload, whose headers have
    /// the object's checksum and not the document's.
    List { completes: bool },
    /// Another document.
    Setting,
}

impl BodyKind {
    fn of(method: &Method, resource: ResourceKind, query: &Query<'_>) -> Self {
        let object = resource == ResourceKind::Object;
        match *method {
            Method::PUT if object && !supported::DESCRIBING.iter().any(|it| query.has(it)) => {
                Self::Bytes
            }
            Method::PATCH if object => Self::Bytes,
            Method::POST if object && query.has("uploadId") => Self::List { completes: true },
            // Of a bucket, only a list of keys to delete is posted.
            Method::POST if resource == ResourceKind::Bucket => Self::List { completes: false },
            Method::PUT | Method::POST => Self::Setting,
            _ => Self::Nothing,
        }
    }
}

/// The host that a request names, or nothing.
pub fn host(parts: &Parts) -> &str {
    match parts.headers.get(header::HOST) {
        Some(host) => host.to_str().unwrap_or_default(),
        None => parts
            .uri
            .authority()
            .map_or("", |authority| authority.as_str()),
    }
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
