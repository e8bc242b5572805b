//! Reads an object's bytes to hash them, or to write them to another bucket; in bounded memory.

use std::ops::Range;

use s3d_bucket::{BodyWriter, Bucket, Checksum, ChecksumAlgorithm};
use s3s::S3Result;

use super::source::Source;
use crate::error;
use crate::hashing::{Digests, Hashers, Hashing};
use crate::ingest::{Claims, Ingested};

/// What bytes hash to.
pub struct Digest {
    /// Their MD5 in lower-case hex.
    pub etag: String,
    /// Their checksum, if one was asked for.
    pub checksum: Option<Checksum>,
}

/// Hashes a range of the source.
pub async fn digest(
    source: &Source,
    range: Range<u64>,
    hashers: &Hashers,
    algorithm: Option<ChecksumAlgorithm>,
) -> S3Result<Digest> {
    read(source, range, hashers, algorithm, None).await
}

/// Writes a range of the source to `bucket`, and hashes it.
pub async fn transfer(
    source: &Source,
    range: Range<u64>,
    bucket: &Bucket,
    hashers: &Hashers,
    algorithm: Option<ChecksumAlgorithm>,
) -> S3Result<Ingested> {
    let mut writer = bucket.writer(Some(range.end - range.start));
    let Digest { etag, checksum } =
        read(source, range, hashers, algorithm, Some(&mut writer)).await?;
    let body = writer.finish().await;
    Ok(Ingested {
        body: body.map_err(|refusal| error::change(&refusal))?,
        etag,
        checksum,
    })
}

async fn read(
    source: &Source,
    range: Range<u64>,
    hashers: &Hashers,
    algorithm: Option<ChecksumAlgorithm>,
    mut writer: Option<&mut BodyWriter>,
) -> S3Result<Digest> {
    let claims = Claims {
        algorithm,
        ..Claims::default()
    };
    let mut hashing = Hashing::new(hashers.clone(), Digests::new(&claims, None));
    let mut reader = source.open.read(&source.object, range);
    while let Some(bytes) = reader.next().await {
        let bytes = bytes.map_err(|refusal| error::read(&refusal))?;
        hashing = hashing.push(bytes.clone()).await;
        if let Some(writer) = &mut writer {
            let written = writer.write(bytes).await;
            written.map_err(|refusal| error::change(&refusal))?;
        }
    }
    let (etag, checksum) = hashing.finish().await.finish(&claims, None)?;
    Ok(Digest { etag, checksum })
}
