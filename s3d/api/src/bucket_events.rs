//! `/api/v1/bucket-events`: the caller's buckets, again whenever something about them changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::future::BoxFuture;
use futures::stream;
use tokio::time::{Instant, sleep};

use super::ApiState;
use super::buckets::BucketsView;
use super::caller::Caller;
use super::error::ApiError;

/// How often the records are looked at; they are few, and most of them in memory.
const LOOK: Duration = Duration::from_millis(500);

/// How often a silent stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// After this the client comes back, and proves again who it is.
const LIFETIME: Duration = Duration::from_mins(1);

/// Your buckets as server-sent events: `event: buckets` with all of them as `listBuckets` answers, at once
/// and after each change
#[utoipa::path(
    get, path = "/api/v1/bucket-events", operation_id = "followBuckets",
    responses((status = 200, body = String, content_type = "text/event-stream"), ApiError)
)]
pub async fn follow(State(state): State<ApiState>, caller: Caller) -> Result<Response, ApiError> {
    let now = Instant::now();
    let mut follower = Follower {
        end: Box::pin(state.buckets.until_feeds_end()),
        state,
        caller,
        shown: String::new(),
        heartbeat: now + HEARTBEAT,
        until: now + LIFETIME,
    };
    // What is wrong is said before the stream begins.
    let first = follower.look().await?.unwrap_or_default();
    let rest = stream::unfold(follower, |mut follower| async {
        let text = follower.next().await?;
        Some((Ok::<_, Infallible>(text), follower))
    });
    let events = futures::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

struct Follower {
    state: ApiState,
    caller: Caller,
    /// What the client saw last.
    shown: String,
    /// When to say something again.
    heartbeat: Instant,
    until: Instant,
    /// Ready when this process stops.
    end: BoxFuture<'static, ()>,
}

impl Follower {
    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<String> {
        while Instant::now() < self.until {
            tokio::select! {
                () = sleep(LOOK) => {}
                () = &mut self.end => return None,
            }
            // The client comes back and is told.
            if let Some(event) = self.look().await.ok()? {
                return Some(event);
            }
            if Instant::now() >= self.heartbeat {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(":\n\n".to_owned());
            }
        }
        None
    }

    /// The event that shows what has changed since the last look.
    async fn look(&mut self) -> Result<Option<String>, ApiError> {
        let view = BucketsView::read(&self.state, &self.caller, None).await?;
        let data = serde_json::to_string(&view).unwrap_or_default();
        if data == self.shown {
            return Ok(None);
        }
        self.heartbeat = Instant::now() + HEARTBEAT;
        self.shown = data;
        Ok(Some(format!(
            "retry: 1000\nevent: buckets\ndata: {}\n\n",
            self.shown
        )))
    }
}
