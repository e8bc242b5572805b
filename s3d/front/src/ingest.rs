//! Takes a body in: its bytes go to the volume while their digests are computed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use s3d_bucket::{Body, BodyWriter, Bucket, ChangeError, Checksum, ChecksumAlgorithm};

use super::checksum;
use super::hashing::{Digests, Hashers, Hashing};
use super::payload::{Payload, PayloadError};

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The body itself.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The bucket.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// `Content-MD5` is no base64 of 16 bytes.
    #[error("the Content-MD5 you specified is not valid")]
    InvalidMd5,
    /// A checksum is no base64 of the right length.
    #[error("the value of {0} is not valid")]
    InvalidChecksum(&'static str),
    /// More than one checksum, or an algorithm that contradicts it.
    #[error("expecting a single x-amz-checksum- header, of the algorithm that was named")]
    ManyChecksums,
    /// An algorithm that S3 does not know.
    #[error("the checksum algorithm is not one of CRC32, CRC32C, CRC64NVME, SHA1, SHA256")]
    UnknownAlgorithm,
    /// A digest does not match the bytes.
    #[error("the {0} you specified did not match what was received")]
    BadDigest(&'static str),
    /// The signed SHA-256 does not match the bytes.
    #[error("the provided x-amz-content-sha256 header does not match what was computed")]
    Sha256Mismatch,
}

/// What a client said of its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    pub(super) md5: Option<[u8; 16]>,
    pub(super) algorithm: Option<ChecksumAlgorithm>,
    pub(super) value: Option<String>,
}

impl Claims {
    /// Those of a document whose headers have the checksum of something else: in
    /// CompleteMultipartUpload it is the object's.
    pub fn without_checksum(headers: &HeaderMap) -> Result<Self, IngestError> {
        let Some(text) = headers.get("content-md5") else {
            return Ok(Self::default());
        };
        let bytes = STANDARD.decode(text.as_bytes()).ok();
        let md5 = bytes.and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            md5: Some(md5.ok_or(IngestError::InvalidMd5)?),
            ..Self::default()
        })
    }

    /// Reads them from headers.
    pub fn read(headers: &HeaderMap) -> Result<Self, IngestError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut claims = Self::without_checksum(headers)?;
        for algorithm in checksum::ALGORITHMS {
            let Some(value) = headers.get(checksum::header(algorithm)) else {
                continue;
            };
            let value = value.to_str().unwrap_or_default();
            if !checksum::is_value(algorithm, value) {
                return Err(IngestError::InvalidChecksum(checksum::header(algorithm)));
            }
            claims.name(algorithm)?;
            claims.value = Some(value.to_owned());
        }
        for name in text("x-amz-trailer").unwrap_or_default().split(',') {
            let name = name.trim().to_ascii_lowercase();
            let Some(algorithm) = checksum::of_header(&name) else {
                continue;
            };
            if claims.value.is_some() {
                return Err(IngestError::ManyChecksums);
            }
            claims.name(algorithm)?;
        }
        if let Some(name) = text("x-amz-sdk-checksum-algorithm") {
            let algorithm = checksum::of_name(name).ok_or(IngestError::UnknownAlgorithm)?;
            if claims.algorithm.is_some_and(|known| known != algorithm) {
                return Err(IngestError::ManyChecksums);
            }
            claims.algorithm = Some(algorithm);
        }
        Ok(claims)
    }

    fn name(&mut self, algorithm: ChecksumAlgorithm) -> Result<(), IngestError> {
        match self.algorithm.replace(algorithm) {
            None => Ok(()),
            Some(_) => Err(IngestError::ManyChecksums),
        }
    }

    /// Checks the claims of a small body, such as a document.
    pub fn check(self, bytes: &[u8]) -> Result<(), IngestError> {
        let mut digests = Digests::new(&self, None);
        digests.update(bytes);
        digests.finish(&self, None).map(drop)
    }
}

/// A body that was taken in.
pub struct Ingested {
    /// Its bytes, ready to be named by a record.
    pub body: Body,
    /// Its MD5 in lower-case hex.
    pub etag: String,
    /// Its checksum, if the client named an algorithm.
    pub checksum: Option<Checksum>,
}

/// A body that was taken in to be put as an object of its own.
pub enum IngestedObject {
    /// Its ETag is computed when it is put: it is small.
    Small {
        /// Its bytes.
        bytes: Bytes,
        /// Its checksum, if the client named an algorithm.
        checksum: Option<Checksum>,
    },
    /// Its ETag is known.
    Whole(Ingested),
}

impl IngestedObject {
    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Small { bytes, .. } => bytes.is_empty(),
            Self::Whole(taken) => taken.body.length() == 0,
        }
    }
}

/// Takes in a body. When this answers, every claim was found true.
pub async fn ingest(
    bucket: &Bucket,
    hashers: &Hashers,
    payload: Payload,
    claims: Claims,
) -> Result<Ingested, IngestError> {
    let received = receive(bucket, hashers, payload, claims).await?;
    received.finish().await
}

/// Takes in a body that is put as an object of its own; claims as in [`ingest`].
pub async fn ingest_object(
    bucket: &Bucket,
    hashers: &Hashers,
    payload: Payload,
    claims: Claims,
) -> Result<IngestedObject, IngestError> {
    let received = receive(bucket, hashers, payload, claims).await?;
    if received.claims.md5.is_none() && received.writer.is_small() {
        received.finish_small().await
    } else {
        received.finish().await.map(IngestedObject::Whole)
    }
}

async fn receive(
    bucket: &Bucket,
    hashers: &Hashers,
    mut payload: Payload,
    mut claims: Claims,
) -> Result<Received, IngestError> {
    let sha256 = payload.sha256();
    let mut writer = bucket.writer(payload.length());
    let mut hashing = Hashing::new(hashers.clone(), Digests::new(&claims, sha256));
    while let Some(bytes) = payload.next().await? {
        hashing = hashing.push(bytes.clone()).await;
        writer.write(bytes).await?;
    }
    for (name, value) in payload.finish()? {
        let Some(algorithm) = checksum::of_header(&name) else {
            continue;
        };
        if !checksum::is_value(algorithm, &value) {
            return Err(IngestError::InvalidChecksum(checksum::header(algorithm)));
        }
        claims.value = Some(value);
    }
    Ok(Received {
        writer,
        hashing,
        claims,
        sha256,
    })
}

/// A body whose bytes have all come.
struct Received {
    writer: BodyWriter,
    hashing: Hashing,
    claims: Claims,
    sha256: Option<[u8; 32]>,
}

impl Received {
    async fn finish(self) -> Result<Ingested, IngestError> {
        let digests = self.hashing.finish().await;
        let (etag, checksum) = digests.finish(&self.claims, self.sha256)?;
        let body = self.writer.finish().await?;
        Ok(Ingested {
            body,
            etag,
            checksum,
        })
    }

    /// Leaves the MD5 to who puts it. The body must be small.
    async fn finish_small(self) -> Result<IngestedObject, IngestError> {
        let digests = self.hashing.finish_others().await;
        let checksum = digests.finish_others(&self.claims, self.sha256)?;
        match self.writer.finish().await? {
            Body::Small(bytes) => Ok(IngestedObject::Small { bytes, checksum }),
            Body::Stored(_) => unreachable!("a small body stays in memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(pairs: &[(&'static str, &'static str)]) -> Result<Claims, IngestError> {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().expect("a header value"));
        }
        Claims::read(&map)
    }

    #[test]
    fn claims_are_checked() {
        let check = |name, value, bytes: &[u8]| claims(&[(name, value)])?.check(bytes);
        assert_eq!(
            check("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", b"hello"),
            Ok(())
        );
        assert_eq!(
            check("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", b"hallo"),
            Err(IngestError::BadDigest("Content-MD5"))
        );
        assert_eq!(
            check("content-md5", "abc", b""),
            Err(IngestError::InvalidMd5)
        );
        assert_eq!(check("x-amz-checksum-crc32", "NhCmhg==", b"hello"), Ok(()));
        assert_eq!(
            check("x-amz-checksum-crc32", "NhCmhg==", b"hallo"),
            Err(IngestError::BadDigest("x-amz-checksum-crc32"))
        );
        assert_eq!(
            check("x-amz-checksum-crc32", "NhCmhgAA", b""),
            Err(IngestError::InvalidChecksum("x-amz-checksum-crc32"))
        );
    }

    #[test]
    fn claims_that_contradict_each_other_are_refused() {
        let crc = ("x-amz-checksum-crc32", "NhCmhg==");
        let sha = ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        assert_eq!(claims(&[crc, sha]), Err(IngestError::ManyChecksums));
        let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
        assert_eq!(claims(&[crc, trailer]), Err(IngestError::ManyChecksums));
        let named = |name| ("x-amz-sdk-checksum-algorithm", name);
        assert_eq!(
            claims(&[crc, named("SHA1")]),
            Err(IngestError::ManyChecksums)
        );
        assert_eq!(claims(&[named("MD4")]), Err(IngestError::UnknownAlgorithm));
        assert!(claims(&[crc, named("CRC32")]).is_ok());
        assert!(claims(&[trailer, named("crc32")]).is_ok());
    }
}
