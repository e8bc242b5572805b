//! `GET /bucket?changes`: the change feed of a bucket for those who have its keys. S3 has nothing like
//! it; the stream is that of the REST API, and what it takes is the right to list the bucket.

use std::sync::Arc;

use futures::StreamExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use s3d_accounts::Accounts;
use s3d_bucket::ChangesError;
use s3d_buckets::BucketRecord;
use s3d_buckets::Buckets;
use s3d_buckets::feed::FeedRequest;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::access::Access;
use super::context::RequestContext;
use super::error;
use super::query::Query;
use super::resource::ResourceKind;

/// Its name in logs, metrics and policies' eyes.
pub const OPERATION: &str = "ListChanges";

/// Whether a request asks for it.
pub fn is_asked(method: &Method, resource: ResourceKind, query: &Query<'_>) -> bool {
    *method == Method::GET && resource == ResourceKind::Bucket && query.has("changes")
}

/// What is to be followed: `prefix`, and `after`, unless `Last-Event-ID` says more.
pub fn request(query: &Query<'_>, headers: &HeaderMap) -> S3Result<FeedRequest> {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = seen.or_else(|| query.only("after"));
    let after = after.map(str::parse).transpose().map_err(|_| {
        S3Error::with_message(
            S3ErrorCode::InvalidArgument,
            "after, or Last-Event-ID, has to be a sequence number",
        )
    })?;
    Ok(FeedRequest {
        after,
        prefix: query.only("prefix").unwrap_or_default().to_owned(),
    })
}

/// Who follows a feed, as it was let in.
pub struct Follower {
    pub accounts: Arc<Accounts>,
    pub access: Access,
    pub parts: Parts,
    pub context: RequestContext,
}

impl Follower {
    /// Whether the same would be let in now. What cannot be found out ends the feed: the client comes back.
    async fn may_go_on(&self) -> bool {
        let mut context = self.context.clone();
        (context.caller, context.bucket) = (None, None);
        if let Some(signer) = &mut context.signer {
            let Ok(Some(key)) = self.accounts.key(&signer.key.id).await else {
                return false;
            };
            signer.key = key;
        }
        let listing = self
            .access
            .check_listing(&mut context, &self.parts, OPERATION);
        listing.await.is_ok()
    }
}

/// The feed of a bucket, from now on until the bucket is closed, or the follower may not list it any more.
pub async fn follow(
    buckets: &Arc<Buckets>,
    record: &Arc<BucketRecord>,
    request: FeedRequest,
    follower: Follower,
) -> S3Result<Response<s3s::Body>> {
    let bucket = buckets.open(record).await.map_err(error::open)?;
    let events = buckets.follow(bucket, request).await.map_err(refused)?;
    let follower = Arc::new(follower);
    let events = events.take_while(move |_| {
        let follower = follower.clone();
        async move { follower.may_go_on().await }
    });
    let body = axum::body::Body::from_stream(events);
    let mut answer = Response::new(s3s::Body::http_body_unsync(body));
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn refused(refusal: ChangesError) -> S3Error {
    match refusal {
        ChangesError::Gone { .. } => {
            let mut gone = S3Error::with_message(
                S3ErrorCode::Custom("ChangesGone".into()),
                format!("{refusal}; follow the bucket from now on, and list it anew"),
            );
            gone.set_status_code(StatusCode::GONE);
            gone
        }
        ChangesError::Read(cause) => error::read(&cause),
    }
}
