//! The change feed of a bucket, which Hayrack has and S3 does not.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::timeout;

use crate::client::Client;
use crate::error::{ErrorKind, S3Error};
use crate::request::Request;

/// The server says at least every 15 seconds that it is there.
const SILENCE: Duration = Duration::from_secs(45);

/// Something that happened to an object, or to all whose keys begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object's key; of a prefix that was renamed, what it was before.
    pub key: String,
    /// What the prefix is now; `None`: no prefix was renamed.
    pub to: Option<String>,
    /// Its ETag without quotes; `None`: it was deleted.
    pub etag: Option<String>,
    /// What is stored beside its bytes changed, and they did not.
    pub only_attributes: bool,
}

/// What a feed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something happened.
    Change(Change),
    /// Nothing happened; the feed is there.
    Nothing,
}

/// A feed that is being read.
pub struct Changes {
    body: Incoming,
    received: BytesMut,
    /// Up to where it was read: what to go on behind.
    pub last: Option<u64>,
}

#[derive(Deserialize)]
struct Data {
    key: String,
    to: Option<String>,
    etag: Option<String>,
}

impl Client {
    /// Follows what happens to the keys that begin with `prefix`, behind a sequence number or from now
    /// on. A server that has no feed is an error of the kind `NotImplemented`; when what lies behind
    /// `after` is no longer kept, it is of the kind `NotFound`.
    pub async fn changes(&self, prefix: &str, after: Option<u64>) -> Result<Changes, S3Error> {
        let mut request = Request::bucket(Method::GET)
            .query("changes", "")
            .query("prefix", prefix);
        if let Some(after) = after {
            request = request.query("after", &after.to_string());
        }
        let answer = self.0.begin(&request).await?;
        let content = answer.headers().get(http::header::CONTENT_TYPE);
        let is_feed = content.is_some_and(|it| it == "text/event-stream");
        match answer.status() {
            status if status.is_success() && is_feed => Ok(Changes {
                body: answer.into_body(),
                received: BytesMut::new(),
                last: after,
            }),
            http::StatusCode::GONE => Err(S3Error {
                kind: ErrorKind::NotFound,
                code: "ChangesGone".into(),
                message: "some changes are no longer kept".into(),
            }),
            status if status.is_server_error() && status != http::StatusCode::NOT_IMPLEMENTED => {
                Err(S3Error::unreachable(status))
            }
            _ => Err(S3Error {
                kind: ErrorKind::NotImplemented,
                code: "NotImplemented".into(),
                message: "the server has no change feed".into(),
            }),
        }
    }
}

impl Changes {
    /// The next news; an error when the feed has ended.
    pub async fn next(&mut self) -> Result<News, S3Error> {
        loop {
            if let Some(block) = self.block() {
                return Ok(self.read(&block));
            }
            let frame = timeout(SILENCE, self.body.frame());
            let frame = frame.await.map_err(S3Error::unreachable)?;
            let frame = frame.ok_or_else(|| S3Error::unreachable("the feed ended"))?;
            let frame = frame.map_err(S3Error::unreachable)?;
            if let Ok(data) = frame.into_data() {
                self.received.extend_from_slice(&data);
            }
        }
    }

    /// The next block of lines, if all of it has come.
    fn block(&mut self) -> Option<String> {
        let end = self.received.windows(2).position(|it| it == b"\n\n")?;
        let block = String::from_utf8_lossy(&self.received[..end]).into_owned();
        self.received.advance(end + 2);
        Some(block)
    }

    fn read(&mut self, block: &str) -> News {
        let (id, news) = parse(block);
        self.last = id.or(self.last);
        news
    }
}

/// Reads a block of a stream of server-sent events (HTML Standard, 9.2).
fn parse(block: &str) -> (Option<u64>, News) {
    let (mut id, mut event, mut data) = (None, "", "");
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", it)) => id = it.parse().ok(),
            Some(("event", it)) => event = it,
            Some(("data", it)) => data = it,
            _ => {}
        }
    }
    let news = match serde_json::from_str(data) {
        Ok(Data { key, to, etag }) => News::Change(Change {
            key,
            to,
            etag: etag.filter(|_| event != "delete"),
            only_attributes: event == "attributes",
        }),
        Err(_) => News::Nothing,
    };
    (id, news)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read() {
        let put = "id: 7\nevent: put\ndata: {\"sequence\":7,\"time\":1,\"key\":\"a\\nb\",\"etag\":\"e\",\"size\":3}";
        let change = Change {
            key: "a\nb".into(),
            to: None,
            etag: Some("e".into()),
            only_attributes: false,
        };
        assert_eq!(parse(put), (Some(7), News::Change(change.clone())));
        let delete = "id: 8\nevent: delete\ndata: {\"sequence\":8,\"time\":1,\"key\":\"a\\nb\"}";
        let gone = Change {
            etag: None,
            ..change
        };
        assert_eq!(parse(delete), (Some(8), News::Change(gone.clone())));
        let renamed = "id: 9\nevent: rename-prefix\n\
            data: {\"sequence\":9,\"time\":1,\"key\":\"a/\",\"to\":\"b/\"}";
        let moved = Change {
            key: "a/".into(),
            to: Some("b/".into()),
            ..gone
        };
        assert_eq!(parse(renamed), (Some(9), News::Change(moved)));
        assert_eq!(parse(": still here\nid: 9"), (Some(9), News::Nothing));
        assert_eq!(parse("data: nonsense"), (None, News::Nothing));
    }
}
