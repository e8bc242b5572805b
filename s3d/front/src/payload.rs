//! The bytes of a put or a part on their way in.
//!
//! s3s verifies the request's signature; the body is kept from it and decoded here, because it
//! would hold whole chunks in memory (one chunk may be 5 GiB), and does not compare the decoded
//! length with the announced one.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::TRANSFER_ENCODING;

use super::chunked::{Announced, ChunkedError, Decoder};
use super::request_body::BodyReader;
use super::signature::Seed;
use super::signature::chunks::ChunkSigner;
use super::signature::key::unhex;

/// Longest put or part, in bytes: 5 GiB, as in S3.
pub const MAX_LENGTH: u64 = 5 << 30;

/// Bytes that come in smaller pieces are gathered: a piece costs memory and time of its own.
const SMALL_PIECE: usize = 4 << 10;

/// As many of them are given at once.
const GATHERED: usize = 64 << 10;

/// How long a client may send nothing in the middle of a body.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The client did not say how long the body is.
    #[error("say in Content-Length (or x-amz-decoded-content-length) how long the body is")]
    NoLength,
    /// The body is longer than a put may be.
    #[error("a put or a part has at most 5 GiB; this one has {0} bytes")]
    TooLong(u64),
    /// The file of a form is longer than the policy allows.
    #[error("the file is longer than the policy allows: {0} bytes at most")]
    FileTooLong(u64),
    /// The file of a form is shorter than the policy allows.
    #[error("the file is shorter than the policy allows: {0} bytes at least")]
    FileTooShort(u64),
    /// The body ended early, or the connection broke.
    #[error("the body ended before the announced number of bytes")]
    Incomplete,
    /// The client sent nothing for too long.
    #[error("nothing of the body came for {} seconds", PATIENCE.as_secs())]
    TimedOut,
    /// A header about the payload cannot be read.
    #[error("the header {0} is malformed")]
    Header(&'static str),
    /// The aws-chunked framing is wrong.
    #[error(transparent)]
    Chunked(#[from] ChunkedError),
}

/// A body under way.
pub struct Payload {
    body: BodyReader,
    decoder: Option<Decoder>,
    pending: Bytes,
    length: Length,
    given: u64,
    sha256: Option<[u8; 32]>,
}

/// How long a body is.
#[derive(Debug, Clone)]
enum Length {
    /// So many bytes, the client says.
    Announced(u64),
    /// A form does not say; its policy has bounds.
    Bounded(RangeInclusive<u64>),
    /// As long as HTTP's own framing says (`Transfer-Encoding: chunked`), which also says if it ended
    /// early.
    Framed,
}

impl Length {
    fn check_so_far(&self, given: u64) -> Result<(), PayloadError> {
        match self {
            Self::Announced(length) if given > *length => Err(PayloadError::Incomplete),
            Self::Bounded(length) if given > *length.end() => {
                Err(PayloadError::FileTooLong(*length.end()))
            }
            Self::Framed if given > MAX_LENGTH => Err(PayloadError::TooLong(given)),
            _ => Ok(()),
        }
    }

    fn check_whole(&self, given: u64) -> Result<(), PayloadError> {
        match self {
            Self::Announced(length) if given != *length => Err(PayloadError::Incomplete),
            Self::Bounded(length) if given < *length.start() => {
                Err(PayloadError::FileTooShort(*length.start()))
            }
            _ => Ok(()),
        }
    }
}

impl Payload {
    /// Reads from the headers what the body is. `signature`: that of a request signed in its
    /// header, with the secret that signed it.
    pub fn new(
        body: BodyReader,
        headers: &HeaderMap,
        signature: Option<(&Seed, &str)>,
    ) -> Result<Self, PayloadError> {
        let text = |name: &'static str| match headers.get(name) {
            Some(value) => value
                .to_str()
                .map(Some)
                .map_err(|_| PayloadError::Header(name)),
            None => Ok(None),
        };
        let number = |name: &'static str| {
            let number = text(name)?.map(str::parse::<u64>);
            number.transpose().map_err(|_| PayloadError::Header(name))
        };
        let hash = text("x-amz-content-sha256")?.unwrap_or("UNSIGNED-PAYLOAD");
        let chunked = hash.starts_with("STREAMING-");
        let announced = if chunked {
            "x-amz-decoded-content-length"
        } else {
            "content-length"
        };
        let length = match number(announced)? {
            Some(length) if length > MAX_LENGTH => return Err(PayloadError::TooLong(length)),
            Some(length) => Length::Announced(length),
            None if !chunked && headers.contains_key(TRANSFER_ENCODING) => Length::Framed,
            None => return Err(PayloadError::NoLength),
        };
        let sha256 = match hash {
            "UNSIGNED-PAYLOAD" => None,
            _ if chunked => None,
            hash => Some(unhex(hash).ok_or(PayloadError::Header("x-amz-content-sha256"))?),
        };
        let decoder = if let (true, Length::Announced(length)) = (chunked, &length) {
            let announces = hash.ends_with("-TRAILER");
            let trailers = text("x-amz-trailer")?
                .filter(|_| announces)
                .unwrap_or_default();
            let trailers = trailers
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase());
            let trailers = trailers.filter(|name| !name.is_empty()).collect();
            let signer = match hash {
                "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => None,
                _ => Some(signer(signature)?),
            };
            Some(Decoder::new(Announced {
                length: *length,
                trailers,
                signer,
            }))
        } else {
            None
        };
        Ok(Self {
            body,
            decoder,
            pending: Bytes::new(),
            length,
            given: 0,
            sha256,
        })
    }

    /// The file of a form, of so many bytes.
    pub fn of_form(file: BodyReader, length: &RangeInclusive<u64>) -> Self {
        let most = (*length.end()).min(MAX_LENGTH);
        Self {
            body: file,
            decoder: None,
            pending: Bytes::new(),
            length: Length::Bounded(*length.start()..=most),
            given: 0,
            sha256: None,
        }
    }

    /// How many bytes were announced, if that was said.
    pub fn length(&self) -> Option<u64> {
        match self.length {
            Length::Announced(length) => Some(length),
            Length::Bounded(_) | Length::Framed => None,
        }
    }

    /// The SHA-256 that the client signed, if it signed one.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }

    /// The next bytes. They are to be believed only once [`Payload::finish`] answered well.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PayloadError> {
        let first = match self.piece().await? {
            Some(piece) if piece.len() < SMALL_PIECE => piece,
            whole => return Ok(whole),
        };
        let mut gathered = BytesMut::from(first);
        while gathered.len() < GATHERED {
            match self.piece().await? {
                Some(piece) => gathered.extend_from_slice(&piece),
                None => break,
            }
        }
        Ok(Some(gathered.freeze()))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, PayloadError> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(bytes) = decoder.decode(&mut self.pending)?
            {
                return Ok(Some(bytes));
            }
            let Some(bytes) = self.frame().await? else {
                return Ok(None);
            };
            if self.decoder.is_some() {
                self.pending = bytes;
                continue;
            }
            self.given += bytes.len() as u64;
            self.length.check_so_far(self.given)?;
            return Ok(Some(bytes));
        }
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, PayloadError> {
        let next = tokio::time::timeout(PATIENCE, self.body.next()).await;
        let next = next.map_err(|_| PayloadError::TimedOut)?;
        next.map_err(|_| PayloadError::Incomplete)
    }

    /// Ends the body behind its last byte. Answers the trailers, names in lower case.
    pub fn finish(self) -> Result<Vec<(String, String)>, PayloadError> {
        match self.decoder {
            Some(decoder) => Ok(decoder.finish()?),
            None => self.length.check_whole(self.given).map(|()| Vec::new()),
        }
    }
}

fn signer(signature: Option<(&Seed, &str)>) -> Result<ChunkSigner, PayloadError> {
    let (seed, secret) = signature.ok_or(PayloadError::Header("x-amz-content-sha256"))?;
    Ok(ChunkSigner::new(secret, seed))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::request_body::RequestBody;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(*name, value.parse().expect("a header value"));
        }
        map
    }

    fn payload(
        body: &'static str,
        pairs: &[(&'static str, &'static str)],
    ) -> Result<Payload, PayloadError> {
        let body = RequestBody::new(Body::from(body));
        Payload::new(body.reader(), &headers(pairs), None)
    }

    async fn all(mut payload: Payload) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = Vec::new();
        while let Some(more) = payload.next().await? {
            bytes.extend_from_slice(&more);
        }
        payload.finish().map(|_| bytes)
    }

    #[tokio::test]
    async fn a_plain_body_has_the_announced_length() {
        let of = |length| payload("hello", &[("content-length", length)]).expect("well announced");
        assert_eq!(all(of("5")).await, Ok(b"hello".to_vec()));
        assert_eq!(all(of("6")).await, Err(PayloadError::Incomplete));
        assert_eq!(all(of("4")).await, Err(PayloadError::Incomplete));
    }

    #[tokio::test]
    async fn the_file_of_a_form_has_bounds() {
        let of = |bounds| {
            let file = RequestBody::new(Body::from("hello"));
            Payload::of_form(file.reader(), &bounds)
        };
        assert_eq!(of(5..=5).length(), None);
        assert_eq!(all(of(5..=5)).await, Ok(b"hello".to_vec()));
        assert_eq!(all(of(0..=4)).await, Err(PayloadError::FileTooLong(4)));
        assert_eq!(all(of(6..=9)).await, Err(PayloadError::FileTooShort(6)));
    }

    #[tokio::test]
    async fn a_body_may_end_where_its_framing_says() {
        let framed = payload("hello", &[("transfer-encoding", "chunked")]);
        let framed = framed.expect("well framed");
        assert_eq!(framed.length(), None);
        assert_eq!(all(framed).await, Ok(b"hello".to_vec()));
        let length = Length::Framed;
        assert_eq!(length.check_so_far(MAX_LENGTH), Ok(()));
        let more = MAX_LENGTH + 1;
        assert_eq!(length.check_so_far(more), Err(PayloadError::TooLong(more)));
        let chunked = [
            ("transfer-encoding", "chunked"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ];
        let unannounced = payload("", &chunked).err();
        assert_eq!(unannounced, Some(PayloadError::NoLength));
    }

    #[tokio::test]
    async fn an_unsigned_chunked_body_is_decoded() {
        let body = "3\r\nabc\r\n0\r\n\r\n";
        let of = |length| {
            payload(
                body,
                &[
                    ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                    ("x-amz-decoded-content-length", length),
                ],
            )
        };
        assert_eq!(
            all(of("3").expect("well announced")).await,
            Ok(b"abc".to_vec())
        );
        let longer = all(of("4").expect("well announced")).await;
        assert_eq!(longer, Err(PayloadError::Chunked(ChunkedError::Length)));
    }

    #[tokio::test]
    async fn small_pieces_are_gathered() {
        let length = 3 * GATHERED + 5;
        let chunks = "1\r\nx\r\n".repeat(length) + "0\r\n\r\n";
        let length = length.to_string();
        let headers = [
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", length.as_str()),
        ];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().expect("a header value"));
        }
        let body = RequestBody::new(Body::from(chunks));
        let mut payload = Payload::new(body.reader(), &map, None).expect("well announced");
        let mut pieces = Vec::new();
        while let Some(piece) = payload.next().await.expect("well framed") {
            assert!(piece.iter().all(|byte| *byte == b'x'));
            pieces.push(piece.len());
        }
        assert_eq!(pieces, [GATHERED, GATHERED, GATHERED, 5]);
        assert_eq!(payload.finish(), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_announced_is_refused() {
        assert_eq!(payload("", &[]).err(), Some(PayloadError::NoLength));
        let huge = payload("", &[("content-length", "5368709121")]);
        assert_eq!(huge.err(), Some(PayloadError::TooLong(5_368_709_121)));
        let nonsense = payload(
            "",
            &[("content-length", "1"), ("x-amz-content-sha256", "xyz")],
        );
        assert_eq!(
            nonsense.err(),
            Some(PayloadError::Header("x-amz-content-sha256"))
        );
        let unsigned = payload(
            "",
            &[
                ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                ("x-amz-decoded-content-length", "1"),
            ],
        );
        assert_eq!(
            unsigned.err(),
            Some(PayloadError::Header("x-amz-content-sha256"))
        );
    }
}
