//! The body of a request on its way past s3s.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt;
use parking_lot::Mutex;

/// The body of a request. What its reader leaves unread comes back here, so that the front can read
/// on after a refusal.
#[derive(Clone, Default)]
pub struct RequestBody(Arc<Mutex<Option<Body>>>);

impl RequestBody {
    /// Wraps a body.
    pub fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// How long the body is, if its framing says so.
    pub fn length(&self) -> Option<u64> {
        let body = self.0.lock();
        body.as_ref().and_then(|body| body.size_hint().exact())
    }

    /// Begins to read; a second reader finds nothing.
    pub fn reader(&self) -> BodyReader {
        BodyReader {
            body: self.0.lock().take().unwrap_or_default(),
            home: self.clone(),
        }
    }

    /// What nobody read, unless all was.
    pub fn unread(&self) -> Option<Body> {
        let body = self.0.lock().take();
        body.filter(|body| !body.is_end_stream())
    }
}

/// Reads a body.
pub struct BodyReader {
    body: Body,
    home: RequestBody,
}

/// The client's connection broke.
#[derive(Debug, thiserror::Error)]
#[error("the connection broke in the middle of the body")]
pub struct Broken;

impl BodyReader {
    /// The next bytes, if there are any.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(_)) => {
                    self.body = Body::empty();
                    return Err(Broken);
                }
                // HTTP's own trailers mean nothing in S3.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                    _ => {}
                },
            }
        }
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        *self.home.0.lock() = Some(std::mem::take(&mut self.body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> RequestBody {
        let pieces = ["abc", "de"].map(|piece| Ok::<_, Broken>(Bytes::from(piece)));
        RequestBody::new(Body::from_stream(futures::stream::iter(pieces)))
    }

    #[tokio::test]
    async fn what_was_not_read_comes_back() {
        let body = body();
        let mut reader = body.reader();
        let first = reader.next().await.expect("bytes");
        assert_eq!(first.as_deref(), Some(b"abc".as_slice()));
        assert!(body.unread().is_none());
        drop(reader);
        let rest = body.unread().expect("a rest").collect().await;
        assert_eq!(rest.expect("bytes").to_bytes(), "de");
    }

    #[tokio::test]
    async fn of_a_body_that_was_read_nothing_does() {
        let body = RequestBody::new(Body::from("abc"));
        assert_eq!(body.length(), Some(3));
        let mut reader = body.reader();
        while reader.next().await.expect("bytes").is_some() {}
        drop(reader);
        assert!(body.unread().is_none());
    }
}
