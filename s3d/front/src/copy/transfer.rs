//! Reads an object's bytes to hash them, or to write them to another bucket; in bounded memory.

use std::ops::Range;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use s3d_bucket::{BlobReader, BodyWriter, Bucket, Checksum, ChecksumAlgorithm};
use s3s::S3Result;

use super::source::Source;
use crate::elsewhere::{ElsewhereError, Seen};
use crate::error;
use crate::hashing::{Digests, Hashers, Hashing};
use crate::ingest::{Claims, Ingested};
use crate::operations::Operations;

/// What bytes hash to.
pub struct Digest {
    /// Their MD5 in lower-case hex.
    pub etag: String,
    /// Their checksum, if one was asked for.
    pub checksum: Option<Checksum>,
}

/// Bytes of the source of a copy, one after the other.
pub enum SourceReader {
    /// From a bucket of this node.
    Here(BlobReader),
    /// From one of another node.
    Elsewhere(Body),
}

impl SourceReader {
    async fn next(&mut self) -> Option<S3Result<Bytes>> {
        match self {
            Self::Here(reader) => {
                let bytes = reader.next().await?;
                Some(bytes.map_err(|refusal| error::read(&refusal)))
            }
            Self::Elsewhere(body) => {
                let frame = body.frame().await?;
                let broken = |error: axum::Error| ElsewhereError(error.to_string());
                let bytes = frame.map_err(|it| error::elsewhere(&broken(it)));
                Some(bytes.map(|frame| frame.into_data().unwrap_or_default()))
            }
        }
    }
}

impl Operations {
    /// Begins to read a range of the source.
    pub(super) async fn read_source(
        &self,
        source: &Source,
        range: Range<u64>,
    ) -> S3Result<SourceReader> {
        match &source.object {
            Seen::Here { open, found } => Ok(SourceReader::Here(open.read(found, range))),
            Seen::Elsewhere { node, object } => {
                let (record, key) = (&source.record, &source.key);
                let elsewhere = self.elsewhere()?;
                let body = elsewhere.read(*node, record, key, object, range).await;
                let body = body.map_err(|refusal| error::elsewhere(&refusal))?;
                Ok(SourceReader::Elsewhere(body))
            }
        }
    }

    /// Hashes a range of the source.
    pub(super) async fn digest(
        &self,
        source: &Source,
        range: Range<u64>,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> S3Result<Digest> {
        let reader = self.read_source(source, range).await?;
        read(reader, &self.hashers, algorithm, None).await
    }

    /// Writes a range of the source to `bucket`, and hashes it.
    pub(super) async fn transfer(
        &self,
        source: &Source,
        range: Range<u64>,
        bucket: &Bucket,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> S3Result<Ingested> {
        let mut writer = bucket.writer(Some(range.end - range.start));
        let reader = self.read_source(source, range).await?;
        let Digest { etag, checksum } =
            read(reader, &self.hashers, algorithm, Some(&mut writer)).await?;
        let body = writer.finish().await;
        Ok(Ingested {
            body: body.map_err(|refusal| error::change(&refusal))?,
            etag,
            checksum,
        })
    }
}

async fn read(
    mut reader: SourceReader,
    hashers: &Hashers,
    algorithm: Option<ChecksumAlgorithm>,
    mut writer: Option<&mut BodyWriter>,
) -> S3Result<Digest> {
    let claims = Claims {
        algorithm,
        ..Claims::default()
    };
    let mut hashing = Hashing::new(hashers.clone(), Digests::new(&claims, None));
    while let Some(bytes) = reader.next().await {
        let bytes = bytes?;
        hashing = hashing.push(bytes.clone()).await;
        if let Some(writer) = &mut writer {
            let written = writer.write(bytes).await;
            written.map_err(|refusal| error::change(&refusal))?;
        }
    }
    let (etag, checksum) = hashing.finish().await.finish(&claims, None)?;
    Ok(Digest { etag, checksum })
}
