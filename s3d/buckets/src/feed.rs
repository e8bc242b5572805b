//! A bucket's change feed as server-sent events, for the REST API and for S3.
//!
//! Each event is `id: <sequence>`, `event: put|attributes|delete|rename-prefix` and `data: <JSON>`; of
//! a renamed prefix `key` is the old one and `to` the new one. A reader who
//! sends the last id that it saw, as browsers do in `Last-Event-ID`, misses nothing; one that asks
//! for what is no longer kept is refused. The feed is read page by page, and the next page only when
//! the client took the last one: a slow reader holds one page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use s3d_bucket::{Bucket, ChangesError, Event, EventKind};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Buckets;

/// Events that are read at a time.
const PAGE: usize = 256;

/// How often a silent feed says that it is there, so that neither end takes the other for gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long after the feed was read it is read again at the earliest: of a burst of changes the first is sent at
/// once, and those behind it together. Reading and sending cost more than an event, also when the events are of
/// other prefixes than the reader's.
const PACE: Duration = Duration::from_millis(5);

/// What a reader follows.
#[derive(Debug, Clone, Default)]
pub struct FeedRequest {
    /// The sequence number behind which to begin; `None`: behind what has happened by now.
    pub after: Option<u64>,
    /// Only keys that start with it.
    pub prefix: String,
}

/// Ends the feeds of all buckets.
pub struct FeedsEnd(watch::Sender<bool>);

impl Default for FeedsEnd {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Buckets {
    /// The events of a bucket, from now on until it is closed or this process stops: then the client
    /// comes back with the last id that it saw. Refuses what is no longer kept.
    pub async fn follow(
        &self,
        bucket: Arc<Bucket>,
        request: FeedRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + Send + use<>, ChangesError> {
        follow(bucket, request, self.feeds_end.0.subscribe()).await
    }

    /// Ends all that is followed: the process stops, and answers without an end would hold it up.
    pub fn end_feeds(&self) {
        self.feeds_end.0.send_replace(true);
    }

    /// Until [`Buckets::end_feeds`] is called.
    pub fn until_feeds_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut end = self.feeds_end.0.subscribe();
        async move {
            // That the sender is gone means the same.
            let _ = end.wait_for(|ended| *ended).await;
        }
    }

    pub(super) fn allow_feeds(&self) {
        self.feeds_end.0.send_replace(false);
    }
}

async fn follow(
    bucket: Arc<Bucket>,
    request: FeedRequest,
    end: watch::Receiver<bool>,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + Send + use<>, ChangesError> {
    let mut changed = bucket.watch_changes();
    let now = *changed.borrow_and_update();
    let after = request.after.unwrap_or(now);
    // What is no longer kept is refused before the answer begins.
    bucket.changes(after, &request.prefix, 1).await?;
    let reader = Reader {
        bucket,
        changed,
        after,
        prefix: request.prefix,
        end,
        // At once: the client knows where it begins.
        heartbeat: Instant::now(),
        not_before: Instant::now(),
    };
    Ok(stream::unfold(reader, |mut reader| async {
        let text = reader.next().await?;
        Some((Ok(text), reader))
    }))
}

struct Reader {
    bucket: Arc<Bucket>,
    changed: watch::Receiver<u64>,
    /// Every event up to this was sent, or is not asked for.
    after: u64,
    prefix: String,
    /// True: there is nothing more to come.
    end: watch::Receiver<bool>,
    /// When to say something again.
    heartbeat: Instant,
    /// When to read at the earliest.
    not_before: Instant,
}

impl Reader {
    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        while Instant::now() < self.heartbeat {
            if *self.end.borrow() {
                return None;
            }
            if Instant::now() < self.not_before {
                let (until, end) = (self.not_before, &mut self.end);
                let _ = timeout_at(until, end.wait_for(|end| *end)).await;
                continue;
            }
            self.changed.mark_unchanged();
            // It fell behind what is kept, or the bucket was closed: coming back tells which.
            let page = self
                .bucket
                .changes(self.after, &self.prefix, PAGE)
                .await
                .ok()?;
            self.after = page.through;
            let now = Instant::now();
            self.not_before = if page.more { now } else { now + PACE };
            if !page.events.is_empty() {
                self.heartbeat = now + HEARTBEAT;
                let text: String = page.events.iter().map(text).collect();
                return Some(text.into());
            }
            if !page.more {
                // A closed bucket is found out above.
                let (heartbeat, end) = (self.heartbeat, &mut self.end);
                tokio::select! {
                    _ = timeout_at(heartbeat, self.changed.changed()) => {}
                    _ = end.wait_for(|end| *end) => {}
                }
            }
        }
        self.heartbeat = Instant::now() + HEARTBEAT;
        // Without data it is no event, but the client goes on from here when it comes back.
        Some(format!(": still here\nid: {}\n\n", self.after).into())
    }
}

#[derive(Serialize)]
struct Data<'e> {
    sequence: u64,
    /// In milliseconds since 1970.
    time: u64,
    key: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'e str>,
}

fn text(event: &Event) -> String {
    let (name, etag, size, to) = match &event.kind {
        EventKind::Put { etag, size } => ("put", Some(etag), Some(*size), None),
        EventKind::Attributes { etag, size } => ("attributes", Some(etag), Some(*size), None),
        EventKind::Deleted => ("delete", None, None, None),
        EventKind::PrefixRenamed { to } => ("rename-prefix", None, None, Some(to)),
    };
    let data = Data {
        sequence: event.sequence,
        time: event.time.0,
        key: event.key.as_str(),
        etag: etag.map(String::as_str),
        size,
        to: to.map(String::as_str),
    };
    // JSON escapes line breaks: the data is one line.
    let data = serde_json::to_string(&data).expect("an event is plain data");
    format!("id: {}\nevent: {name}\ndata: {data}\n\n", event.sequence)
}

#[cfg(test)]
mod tests {
    use s3d_bucket::{Key, Timestamp};

    use super::*;

    #[test]
    fn an_event_is_text_of_three_lines() {
        let event = Event {
            sequence: 7,
            time: Timestamp(9),
            key: Key::new("a\nb").unwrap(),
            kind: EventKind::Put {
                etag: "e".into(),
                size: 3,
            },
        };
        let expected = "id: 7\nevent: put\n\
            data: {\"sequence\":7,\"time\":9,\"key\":\"a\\nb\",\"etag\":\"e\",\"size\":3}\n\n";
        assert_eq!(text(&event), expected);
        let renamed = Event {
            key: Key::new("a/").unwrap(),
            kind: EventKind::PrefixRenamed { to: "b/".into() },
            ..event
        };
        let expected = "id: 7\nevent: rename-prefix\n\
            data: {\"sequence\":7,\"time\":9,\"key\":\"a/\",\"to\":\"b/\"}\n\n";
        assert_eq!(text(&renamed), expected);
    }
}
