//! XML documents that come as bodies: read whole, because they are small, and checked against what
//! the client claimed before anything acts on them.
//!
//! Whoever has no key must not fill the memory: a document is read only when the signature
//! was verified and the caller may do what is asked ([`Document::read`]). Whoever has one shares a
//! bound with all others.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::HeaderMap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ingest::{Claims, IngestError};
use super::payload::PayloadError;
use super::request_body::RequestBody;
use super::signature::key::unhex;

/// Longest document that lists things, in bytes: 1,000 keys of 1,024 bytes, each as six-byte
/// entities.
pub const LIST: usize = 8 << 20;

/// Longest other document, in bytes.
pub const SETTING: usize = 64 << 10;

/// Bytes of all documents together that requests hold at a time, but for those of at most
/// [`SETTING`], which are no more than a connection's own buffers.
const TOGETHER: usize = 32 << 20;

/// How long a document may take to come, and to wait until there is room for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is too long.
    #[error("this document has at most {most} bytes")]
    TooLong {
        /// How many bytes it may have.
        most: usize,
    },
    /// Others left no room for it.
    #[error("too many long documents are being handled: repeat the request")]
    Busy,
    /// Its CDATA sections hold more markup than there is room for as text.
    #[error("there is too much markup in the CDATA sections of the document: escape it")]
    Cdata,
    /// It is not what was announced.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl From<PayloadError> for DocumentError {
    fn from(refusal: PayloadError) -> Self {
        Self::Ingest(refusal.into())
    }
}

/// The bound that all documents share.
#[derive(Debug, Clone)]
pub struct Room {
    bytes: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(TOGETHER)),
            patience: PATIENCE,
        }
    }
}

impl Room {
    /// Room for a document; it is taken up until what this answers is dropped.
    async fn take(&self, length: usize) -> Result<Option<OwnedSemaphorePermit>, DocumentError> {
        if length <= SETTING {
            return Ok(None);
        }
        let length = u32::try_from(length).map_err(|_| DocumentError::Busy)?;
        let taken = self.bytes.clone().acquire_many_owned(length);
        match tokio::time::timeout(self.patience, taken).await {
            Ok(Ok(taken)) => Ok(Some(taken)),
            _ => Err(DocumentError::Busy),
        }
    }
}

/// The document of a request. It travels in the request's extensions, and takes up its room until
/// they are dropped.
#[derive(Clone)]
pub struct Document {
    state: Arc<Mutex<State>>,
    /// How long the client says it is.
    length: Option<usize>,
}

enum State {
    Unread(Unread),
    Read {
        bytes: Option<Bytes>,
        _room: Option<OwnedSemaphorePermit>,
    },
    /// It is being read, or could not be.
    Gone,
}

struct Unread {
    body: RequestBody,
    most: usize,
    sha256: Option<[u8; 32]>,
    claims: Claims,
    room: Room,
}

/// s3s asked for the bytes before it let the request in.
#[derive(Debug, thiserror::Error)]
#[error("the document was not read: nobody may send one in this way")]
struct NotRead;

impl Document {
    /// Sets a body aside, which is a document of at most `most` bytes.
    pub fn new(
        body: RequestBody,
        most: usize,
        headers: &HeaderMap,
        claims: Claims,
        room: &Room,
    ) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let length = match text("content-length") {
            Some(length) => length.parse().ok(),
            None => body.length().and_then(|it| it.try_into().ok()),
        };
        let unread = Unread {
            body,
            most,
            // Nonsense was refused with the signature.
            sha256: text("x-amz-content-sha256").and_then(unhex),
            claims,
            room: room.clone(),
        };
        Self {
            state: Arc::new(Mutex::new(State::Unread(unread))),
            length,
        }
    }

    /// Reads the document, and checks what its client claimed of it.
    pub async fn read(&self) -> Result<(), DocumentError> {
        let state = std::mem::replace(&mut *self.state.lock(), State::Gone);
        if let State::Unread(unread) = state {
            let length = self.length.ok_or(PayloadError::NoLength)?;
            let read = unread.read(length).await?;
            *self.state.lock() = read;
        }
        Ok(())
    }

    /// The body for s3s: the bytes, once they were read.
    pub fn for_s3s(&self) -> s3s::Body {
        if self.length == Some(0) {
            return s3s::Body::empty();
        }
        let document = self.clone();
        let bytes = stream::once(async move { document.take().ok_or(NotRead) });
        s3s::Body::http_body_unsync(Body::from_stream(bytes))
    }

    fn take(&self) -> Option<Bytes> {
        match &mut *self.state.lock() {
            State::Read { bytes, .. } => bytes.take(),
            State::Unread(_) | State::Gone => None,
        }
    }
}

impl Unread {
    async fn read(self, length: usize) -> Result<State, DocumentError> {
        let Self {
            body,
            most,
            sha256,
            claims,
            room,
        } = self;
        if length > most {
            return Err(DocumentError::TooLong { most });
        }
        let room = room.take(length).await?;
        let bytes = collect(&body, length).await?;
        if let Some(claimed) = sha256 {
            let computed: [u8; 32] = Sha256::digest(&bytes).into();
            if claimed != computed {
                return Err(IngestError::Sha256Mismatch.into());
            }
        }
        claims.check(&bytes)?;
        Ok(State::Read {
            bytes: Some(cdata_as_text(bytes)?),
            _room: room,
        })
    }
}

/// Reads just as many bytes as were announced: no more room was taken.
async fn collect(body: &RequestBody, length: usize) -> Result<Bytes, PayloadError> {
    if length == 0 {
        return Ok(Bytes::new());
    }
    let collected = tokio::time::timeout(PATIENCE, collect_up_to(body, length)).await;
    let bytes = collected.map_err(|_| PayloadError::TimedOut)??;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(PayloadError::Incomplete)
    }
}

async fn collect_up_to(body: &RequestBody, length: usize) -> Result<Bytes, PayloadError> {
    let mut reader = body.reader();
    let mut bytes = BytesMut::new();
    while bytes.len() <= length {
        match reader.next().await.map_err(|_| PayloadError::Incomplete)? {
            Some(more) => bytes.extend_from_slice(&more),
            None => break,
        }
    }
    Ok(bytes.freeze())
}

/// A document without CDATA sections: s3s reads nothing in their place, and XML means text. It keeps
/// its length, which was announced to s3s; so each section has room for three or four escapes.
fn cdata_as_text(document: Bytes) -> Result<Bytes, DocumentError> {
    const START: &str = "<![CDATA[";
    let mut rest = match std::str::from_utf8(&document) {
        Ok(text) if text.contains(START) => text,
        _ => return Ok(document),
    };
    let mut plain = String::with_capacity(document.len());
    while let Some((before, section)) = rest.split_once(START) {
        // One that does not end is for s3s to refuse.
        let Some((content, after)) = section.split_once("]]>") else {
            break;
        };
        plain.push_str(before);
        for letter in content.chars() {
            match letter {
                '&' => plain.push_str("&amp;"),
                '<' => plain.push_str("&lt;"),
                letter => plain.push(letter),
            }
            if plain.len() > document.len() {
                return Err(DocumentError::Cdata);
            }
        }
        rest = after;
    }
    plain.push_str(rest);
    let room = document.len().checked_sub(plain.len());
    let room = room.ok_or(DocumentError::Cdata)?;
    plain.extend(std::iter::repeat_n(' ', room));
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn request_body(bytes: impl Into<Body>) -> RequestBody {
        RequestBody::new(bytes.into())
    }

    async fn ask(
        body: &'static str,
        name: &'static str,
        value: &'static str,
    ) -> Result<Option<Bytes>, DocumentError> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a value"));
        let claims = Claims::read(&headers)?;
        let room = Room::default();
        let document = Document::new(request_body(body), SETTING, &headers, claims, &room);
        document.read().await.map(|()| document.take())
    }

    fn long(length: usize, room: &Room) -> Document {
        let body = request_body(vec![b' '; length]);
        let (headers, claims) = (HeaderMap::new(), Claims::default());
        Document::new(body, LIST, &headers, claims, room)
    }

    #[tokio::test]
    async fn claims_are_checked() {
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let hello = Ok(Some(Bytes::from_static(b"hello")));
        assert_eq!(ask("hello", "x-amz-content-sha256", hash).await, hello);
        let mismatch = Err(DocumentError::Ingest(IngestError::Sha256Mismatch));
        assert_eq!(ask("hallo", "x-amz-content-sha256", hash).await, mismatch);
        assert_eq!(ask("", "x-amz-content-sha256", hash).await, mismatch);
        let unsigned = ask("hello", "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        assert_eq!(unsigned.await, hello);
        let digest = Err(DocumentError::Ingest(IngestError::BadDigest("Content-MD5")));
        assert_eq!(
            ask("hallo", "content-md5", "XUFAKrxLKna5cZ2REBfFkg==").await,
            digest
        );
    }

    #[test]
    fn cdata_is_text() {
        let of = |text: &'static str| {
            let plain = cdata_as_text(Bytes::from_static(text.as_bytes()));
            plain.map(|plain| {
                assert_eq!(plain.len(), text.len());
                String::from_utf8_lossy(&plain).trim_end().to_owned()
            })
        };
        assert_eq!(of("<a>b</a>").as_deref(), Ok("<a>b</a>"));
        let text = of("<a><![CDATA[<&>]]>c<![CDATA[]]></a>");
        assert_eq!(text.as_deref(), Ok("<a>&lt;&amp;>c</a>"));
        assert_eq!(of("<a><![CDATA[x").as_deref(), Ok("<a><![CDATA[x"));
        let much = of("<a><![CDATA[&&&&&&]]></a>");
        assert_eq!(much, Err(DocumentError::Cdata));
    }

    #[tokio::test]
    async fn the_announced_length_counts() {
        let incomplete: Result<_, DocumentError> = Err(PayloadError::Incomplete.into());
        assert_eq!(ask("hello", "content-length", "6").await, incomplete);
        assert_eq!(ask("hello", "content-length", "4").await, incomplete);
        let most = SETTING;
        let long = ask("hello", "content-length", "65537").await;
        assert_eq!(long, Err(DocumentError::TooLong { most }));
        let unknown = ask("hello", "content-length", "?").await;
        assert_eq!(unknown, Err(PayloadError::NoLength.into()));
    }

    #[tokio::test]
    async fn long_documents_wait_for_room() {
        let room = Room::default();
        let held: Vec<_> = (0..TOGETHER / LIST).map(|_| long(LIST, &room)).collect();
        for document in &held {
            assert_eq!(document.read().await, Ok(()));
        }
        let next = long(SETTING + 1, &room);
        let mut waiting = Box::pin(next.read());
        assert!((&mut waiting).now_or_never().is_none());
        // One that is no longer than a connection's buffers need not wait.
        assert_eq!(long(SETTING, &room).read().await, Ok(()));
        // The room is given back with the last handle, not with the bytes.
        assert!(held[0].take().is_some());
        assert!((&mut waiting).now_or_never().is_none());
        drop(held);
        assert_eq!(waiting.await, Ok(()));
    }

    #[tokio::test]
    async fn a_long_document_is_refused_when_there_is_no_room_for_long() {
        let room = Room {
            patience: Duration::from_millis(10),
            ..Room::default()
        };
        let held: Vec<_> = (0..TOGETHER / LIST).map(|_| long(LIST, &room)).collect();
        for document in &held {
            assert_eq!(document.read().await, Ok(()));
        }
        let next = long(LIST, &room);
        assert_eq!(next.read().await, Err(DocumentError::Busy));
        assert_eq!(next.take(), None);
    }
}
