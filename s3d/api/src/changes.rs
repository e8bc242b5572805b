//! `/api/v1/buckets/{name}/changes`: what happens in a bucket, as it happens.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use s3d_accounts::Role;
use s3d_buckets::BucketRecord;
use s3d_buckets::feed::FeedRequest;

use super::ApiState;
use super::caller::Caller;
use super::error::ApiError;
use super::fields::{Fields, Input, Query};
use super::path::Name;

/// Which changes to follow.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FollowChanges {
    /// The sequence number behind which to begin; 0 is before all that is kept. Without it, and
    /// without a Last-Event-ID header, which counts first, only what happens from now on is sent.
    after: Option<u64>,
    /// Only keys that start with this.
    prefix: Option<String>,
}

impl Input for FollowChanges {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            after: fields.number("after"),
            prefix: fields.optional("prefix", Ok::<_, Infallible>),
        })
    }
}

/// What happens in a bucket, as server-sent events whose ids are sequence numbers
#[utoipa::path(
    get, path = "/api/v1/buckets/{name}/changes", operation_id = "followChanges",
    params(("name" = String, Path), FollowChanges),
    responses((status = 200, body = String, content_type = "text/event-stream"), ApiError)
)]
pub async fn follow(
    State(state): State<ApiState>,
    Name(name): Name,
    Query(query): Query<FollowChanges>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let record = followed(&state, &name, parts.clone()).await?;
    let seen = parts
        .headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok());
    let request = FeedRequest {
        after: seen.and_then(|id| id.parse().ok()).or(query.after),
        prefix: query.prefix.unwrap_or_default(),
    };
    let bucket = state.buckets.open(&record).await?;
    let events = state.buckets.follow(bucket, request).await?;
    let follower = Arc::new((state, name, parts));
    let events = events.take_while(move |_| {
        let follower = follower.clone();
        async move {
            let (state, name, parts) = &*follower;
            followed(state, name, parts.clone()).await.is_ok()
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// The bucket, if who sent these may follow it now: sessions end, and members leave.
async fn followed(
    state: &ApiState,
    name: &str,
    mut parts: Parts,
) -> Result<Arc<BucketRecord>, ApiError> {
    let caller = Caller::from_request_parts(&mut parts, state).await?;
    caller.bucket_of(state, name, Role::Viewer).await
}
