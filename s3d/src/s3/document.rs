//! XML documents that come as bodies: read whole, because they are small, and checked against what
//! the client claimed before anything acts on them.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};
use std::time::Duration;

use super::chunk_signer::unhex;
use super::ingest::{Claims, IngestError};
use super::payload::PayloadError;

/// Longest document, in bytes: 1,000 keys of 1,024 bytes, each as six-byte entities.
const MAX_LENGTH: usize = 8 << 20;

/// How long a document may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is too long.
    #[error("a document has at most {MAX_LENGTH} bytes")]
    TooLong,
    /// It is not what was announced.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

/// Reads a document and checks what its client claimed of it.
pub async fn read(body: Body, headers: &HeaderMap, claims: Claims) -> Result<Bytes, DocumentError> {
    let collected = Limited::new(body, MAX_LENGTH).collect();
    let refused = |refusal| DocumentError::Ingest(IngestError::Payload(refusal));
    let collected = tokio::time::timeout(PATIENCE, collected)
        .await
        .map_err(|_| refused(PayloadError::TimedOut))?;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(DocumentError::TooLong);
        }
        Err(_) => return Err(refused(PayloadError::Incomplete)),
    };
    let hash = headers
        .get("x-amz-content-sha256")
        .and_then(|value| value.to_str().ok());
    // What is no hash (UNSIGNED-PAYLOAD, STREAMING-…, nonsense) is for s3s to judge.
    if let Some(claimed) = hash.and_then(unhex) {
        let computed: [u8; 32] = Sha256::digest(&bytes).into();
        if claimed != computed {
            return Err(IngestError::Sha256Mismatch.into());
        }
    }
    claims.check(&bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(
        body: &'static str,
        name: &'static str,
        value: &'static str,
    ) -> Result<Bytes, DocumentError> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a value"));
        read(Body::from(body), &headers, Claims::read(&headers)?).await
    }

    #[tokio::test]
    async fn claims_are_checked() {
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert!(ask("hello", "x-amz-content-sha256", hash).await.is_ok());
        let mismatch = Err(DocumentError::Ingest(IngestError::Sha256Mismatch));
        assert_eq!(ask("hallo", "x-amz-content-sha256", hash).await, mismatch);
        assert!(
            ask("hallo", "x-amz-content-sha256", "UNSIGNED-PAYLOAD")
                .await
                .is_ok()
        );
        let digest = Err(DocumentError::Ingest(IngestError::BadDigest("Content-MD5")));
        assert_eq!(
            ask("hallo", "content-md5", "XUFAKrxLKna5cZ2REBfFkg==").await,
            digest
        );
    }

    #[tokio::test]
    async fn long_documents_are_refused() {
        let long = Body::from(vec![b' '; MAX_LENGTH + 1]);
        assert_eq!(
            read(long, &HeaderMap::new(), Claims::default()).await,
            Err(DocumentError::TooLong)
        );
    }
}
