//! Multipart uploads.

use md5::{Digest, Md5};
use s3d_bucket::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Completion, Key, NamedPart, Part,
    Timestamp, Upload, UploadId, UploadState,
};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::attributes;
use super::checksum::{self, CombineError};
use super::chunk_signer::hex;
use super::conditions::write_condition;
use super::error;
use super::ingest::{Claims, ingest};
use super::operations::Operations;
use super::writing::payload;

/// Least bytes of a part that is not the last.
const MIN_PART: u64 = 5 << 20;

/// Highest number of a part.
const MAX_NUMBER: u16 = 10_000;

/// Why an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// No such upload.
    #[error("the specified multipart upload does not exist: it may have been completed or aborted")]
    NoSuchUpload,
    /// No such part, or another one.
    #[error("part {0} was not uploaded, or its ETag or checksum is another")]
    InvalidPart(u16),
    /// The parts are not in ascending order.
    #[error("the parts must be listed in ascending order of their numbers")]
    Order,
    /// A part that is not the last is too small.
    #[error("part {number} has {size} bytes: every part but the last has at least 5 MiB")]
    TooSmall {
        /// The part's number.
        number: u16,
        /// Its length in bytes.
        size: u64,
    },
    /// No part was named.
    #[error("an upload is completed with at least one part")]
    NoParts,
    /// A part's number is out of range.
    #[error("the part number must be between 1 and 10,000")]
    PartNumber,
    /// The object's checksum is another.
    #[error("the checksum you specified is not that of the object")]
    Checksum,
    /// The object has another length.
    #[error("the parts have {size} bytes together, not what x-amz-mp-object-size says")]
    Size {
        /// Length of the parts together, in bytes.
        size: u64,
    },
    /// The checksum type does not fit the algorithm, or the upload.
    #[error("the checksum type does not fit the algorithm that the upload uses")]
    Kind,
    /// The checksums of the parts do not become one.
    #[error(transparent)]
    Combine(#[from] CombineError),
}

fn number(number: i32) -> Result<u16, MultipartError> {
    let number = u16::try_from(number)
        .ok()
        .filter(|number| (1..=MAX_NUMBER).contains(number));
    number.ok_or(MultipartError::PartNumber)
}

/// An upload id that a bucket may have given out: 32 hex digits.
pub fn upload_id(text: &str) -> Result<UploadId, MultipartError> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 32 && text.bytes().all(digits) {
        return Ok(UploadId(text.to_owned()));
    }
    Err(MultipartError::NoSuchUpload)
}

fn kind(text: &str) -> Result<ChecksumKind, MultipartError> {
    [ChecksumKind::FullObject, ChecksumKind::Composite]
        .into_iter()
        .find(|kind| checksum::kind_name(*kind) == text)
        .ok_or(MultipartError::Kind)
}

/// The checksum that an upload asks for.
fn upload_checksum(
    input: &CreateMultipartUploadInput,
) -> S3Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let asked = input
        .checksum_type
        .as_ref()
        .map(|it| kind(it.as_str()))
        .transpose()?;
    let Some(algorithm) = &input.checksum_algorithm else {
        return if asked.is_some() {
            Err(MultipartError::Kind.into())
        } else {
            Ok(None)
        };
    };
    let algorithm = checksum::of_name(algorithm.as_str())
        .ok_or(super::ingest::IngestError::UnknownAlgorithm)?;
    let kind = checksum::kind_of_upload(algorithm, asked).ok_or(MultipartError::Kind)?;
    Ok(Some((algorithm, kind)))
}

impl Operations {
    /// Begins an upload.
    pub(super) async fn begin_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let checksum = upload_checksum(input)?;
        let attributes = attributes::read(&request.headers)?;
        let open = self.buckets.open(bucket(&request)?).await?;
        // The bucket sets the time.
        let upload = Upload {
            initiated: Timestamp::default(),
            attributes,
            checksum,
        };
        let id = open.create_upload(key, upload).await;
        let id = id.map_err(|refusal| error::change(&refusal))?;
        let named = |name: &'static str| name.to_owned();
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(id.0),
            checksum_algorithm: checksum.map(|(it, _)| named(checksum::name(it)).into()),
            checksum_type: checksum.map(|(_, it)| named(checksum::kind_name(it)).into()),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    /// Stores a part.
    pub(super) async fn store_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let (id, number) = (upload_id(&input.upload_id)?, number(input.part_number)?);
        let claims = Claims::read(&request.headers)?;
        let payload = payload(&request)?;
        let open = self.buckets.open(bucket(&request)?).await?;
        let taken = ingest(&open, payload, claims).await?;
        let (etag, checksum) = (taken.etag.clone(), taken.checksum.clone());
        let stored = open
            .put_part(key, id, number, taken.etag, taken.checksum, taken.body)
            .await;
        stored.map_err(|refusal| error::change(&refusal))?;
        let e_tag = Some(ETag::Strong(etag));
        let output = UploadPartOutput {
            e_tag,
            ..UploadPartOutput::default()
        };
        let mut response = S3Response::new(output);
        if let Some(checksum) = &checksum {
            attributes::write_checksum(&mut response.headers, checksum);
            response.headers.remove("x-amz-checksum-type");
        }
        Ok(response)
    }

    /// Makes an object of an upload's parts.
    pub(super) async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let id = upload_id(&input.upload_id)?;
        let condition = write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let named = input
            .multipart_upload
            .as_ref()
            .and_then(|it| it.parts.as_deref());
        let named = named_parts(named.unwrap_or_default())?;
        let open = self.buckets.open(bucket(&request)?).await?;
        let state = open
            .upload(&key, &id)
            .await
            .map_err(|refusal| error::read(&refusal))?;
        let state = state.ok_or(MultipartError::NoSuchUpload)?;
        let attributes = finished(&state, &named, input)?;
        let completion = Completion {
            parts: named,
            attributes,
        };
        let stored = open.complete_upload(key, id, completion, condition).await;
        let stored = stored.map_err(|refusal| error::change(&refusal))?.object;
        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            e_tag: Some(ETag::Strong(stored.attributes.etag)),
            ..CompleteMultipartUploadOutput::default()
        };
        if let Some(checksum) = stored.attributes.checksum {
            output.checksum_type = Some(checksum::kind_name(checksum.kind).to_owned().into());
            *output_field(&mut output, checksum.algorithm) = Some(checksum.value);
        }
        Ok(S3Response::new(output))
    }

    /// Forgets an upload.
    pub(super) async fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = &request.input;
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let id = upload_id(&input.upload_id)?;
        let open = self.buckets.open(bucket(&request)?).await?;
        open.abort_upload(key, id)
            .await
            .map_err(|refusal| error::change(&refusal))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

fn output_field(
    output: &mut CompleteMultipartUploadOutput,
    algorithm: ChecksumAlgorithm,
) -> &mut Option<String> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => &mut output.checksum_crc32,
        ChecksumAlgorithm::Crc32c => &mut output.checksum_crc32c,
        ChecksumAlgorithm::Crc64Nvme => &mut output.checksum_crc64nvme,
        ChecksumAlgorithm::Sha1 => &mut output.checksum_sha1,
        ChecksumAlgorithm::Sha256 => &mut output.checksum_sha256,
    }
}

fn claimed(input: &CompleteMultipartUploadInput, algorithm: ChecksumAlgorithm) -> Option<&String> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => input.checksum_crc32.as_ref(),
        ChecksumAlgorithm::Crc32c => input.checksum_crc32c.as_ref(),
        ChecksumAlgorithm::Crc64Nvme => input.checksum_crc64nvme.as_ref(),
        ChecksumAlgorithm::Sha1 => input.checksum_sha1.as_ref(),
        ChecksumAlgorithm::Sha256 => input.checksum_sha256.as_ref(),
    }
}

/// The parts as the client names them, in ascending order.
fn named_parts(parts: &[CompletedPart]) -> Result<Vec<NamedPart>, MultipartError> {
    let mut named: Vec<NamedPart> = Vec::with_capacity(parts.len());
    for part in parts {
        let number = number(part.part_number.unwrap_or_default())?;
        if named.last().is_some_and(|last| last.number >= number) {
            return Err(MultipartError::Order);
        }
        let etag = part
            .e_tag
            .as_ref()
            .ok_or(MultipartError::InvalidPart(number))?;
        let checksum = [
            &part.checksum_crc32,
            &part.checksum_crc32c,
            &part.checksum_crc64nvme,
            &part.checksum_sha1,
            &part.checksum_sha256,
        ];
        let checksum = checksum.into_iter().flatten().next().cloned();
        named.push(NamedPart {
            number,
            etag: etag.value().to_owned(),
            checksum,
        });
    }
    if named.is_empty() {
        Err(MultipartError::NoParts)
    } else {
        Ok(named)
    }
}

/// The attributes of the finished object, if the parts are those that the client means.
fn finished(
    state: &UploadState,
    named: &[NamedPart],
    input: &CompleteMultipartUploadInput,
) -> Result<Attributes, MultipartError> {
    let parts = found(state, named)?;
    let size = parts.iter().map(|(_, part)| part.size).sum();
    if input
        .mpu_object_size
        .is_some_and(|claimed| u64::try_from(claimed) != Ok(size))
    {
        return Err(MultipartError::Size { size });
    }
    let checksum = match state.upload.checksum {
        Some((algorithm, kind)) => {
            let parts = parts.iter();
            let parts = parts.map(|(number, part)| (*number, part.size, part.checksum.as_ref()));
            Some(checksum::of_parts(algorithm, kind, parts)?)
        }
        None => None,
    };
    check_claims(input, checksum.as_ref())?;
    let etag = etag_of(&parts)?;
    Ok(Attributes {
        etag,
        checksum,
        ..state.upload.attributes.clone()
    })
}

fn found<'s>(
    state: &'s UploadState,
    named: &[NamedPart],
) -> Result<Vec<(u16, &'s Part)>, MultipartError> {
    let mut parts = Vec::with_capacity(named.len());
    for (at, name) in named.iter().enumerate() {
        let missing = MultipartError::InvalidPart(name.number);
        let place = state
            .parts
            .binary_search_by_key(&name.number, |(number, _)| *number);
        let part = &state.parts[place.map_err(|_| missing.clone())?].1;
        let known = part.checksum.as_ref().map(|checksum| &checksum.value);
        let contradicts =
            name.checksum.is_some() && known.is_some() && known != name.checksum.as_ref();
        if part.etag != name.etag || contradicts {
            return Err(missing);
        }
        if at + 1 < named.len() && part.size < MIN_PART {
            return Err(MultipartError::TooSmall {
                number: name.number,
                size: part.size,
            });
        }
        parts.push((name.number, part));
    }
    Ok(parts)
}

fn check_claims(
    input: &CompleteMultipartUploadInput,
    checksum: Option<&Checksum>,
) -> Result<(), MultipartError> {
    if let Some(asked) = &input.checksum_type
        && Some(kind(asked.as_str())?) != checksum.map(|checksum| checksum.kind)
    {
        return Err(MultipartError::Kind);
    }
    for algorithm in checksum::ALGORITHMS {
        let Some(claimed) = claimed(input, algorithm) else {
            continue;
        };
        let computed = checksum.filter(|checksum| checksum.algorithm == algorithm);
        let computed = computed.ok_or(MultipartError::Kind)?;
        // SDKs send a composite checksum with and without the number of parts.
        let value = &computed.value;
        let bare = value
            .rsplit_once('-')
            .map_or(value.as_str(), |(bare, _)| bare);
        if claimed != value && claimed != bare {
            return Err(MultipartError::Checksum);
        }
    }
    Ok(())
}

/// The MD5 of the parts' MD5s, and how many there are.
fn etag_of(parts: &[(u16, &Part)]) -> Result<String, MultipartError> {
    let mut md5 = Md5::new();
    for (number, part) in parts {
        let digits = part.etag.as_bytes().chunks_exact(2);
        let bytes: Option<Vec<u8>> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        md5.update(bytes.ok_or(MultipartError::InvalidPart(*number))?);
    }
    Ok(format!("{}-{}", hex(&md5.finalize()), parts.len()))
}

#[cfg(test)]
mod tests {
    use s3d_bucket::Blob;

    use super::*;

    const MD5_OF_A: &str = "0cc175b9c0f1b6a831c399e269772661";

    fn part(size: u64) -> Part {
        Part {
            size,
            modified: Timestamp(0),
            etag: MD5_OF_A.into(),
            checksum: Some(Checksum {
                algorithm: ChecksumAlgorithm::Crc32,
                value: "NhCmhg==".into(),
                kind: ChecksumKind::FullObject,
            }),
            blob: Blob::default(),
        }
    }

    fn state(sizes: &[u64], checksum: Option<(ChecksumAlgorithm, ChecksumKind)>) -> UploadState {
        let parts = (1..)
            .zip(sizes)
            .map(|(number, size)| (number, part(*size)))
            .collect();
        UploadState {
            upload: Upload {
                checksum,
                ..Upload::default()
            },
            parts,
        }
    }

    fn named(numbers: &[u16]) -> Vec<NamedPart> {
        let named = |number: &u16| NamedPart {
            number: *number,
            etag: MD5_OF_A.into(),
            checksum: None,
        };
        numbers.iter().map(named).collect()
    }

    fn input() -> CompleteMultipartUploadInput {
        CompleteMultipartUploadInput::default()
    }

    #[test]
    fn the_etag_is_that_of_aws() {
        // md5(md5("a") md5("a")) computed with coreutils.
        let attributes = finished(&state(&[MIN_PART, 1], None), &named(&[1, 2]), &input());
        let etag = attributes.map(|attributes| attributes.etag);
        let digest = hex(&Md5::digest(
            [Md5::digest(b"a"), Md5::digest(b"a")].concat(),
        ));
        assert_eq!(etag, Ok(format!("{digest}-2")));
    }

    #[test]
    fn parts_must_be_there_large_and_meant() {
        let of = |sizes: &[u64], numbers: &[u16]| {
            finished(&state(sizes, None), &named(numbers), &input()).map(drop)
        };
        assert_eq!(
            of(&[MIN_PART - 1, 1], &[1, 2]),
            Err(MultipartError::TooSmall {
                number: 1,
                size: MIN_PART - 1
            })
        );
        assert_eq!(of(&[1], &[1]), Ok(()));
        assert_eq!(of(&[1], &[2]), Err(MultipartError::InvalidPart(2)));
        let mut other = named(&[1]);
        other[0].etag = "x".into();
        assert_eq!(
            finished(&state(&[1], None), &other, &input()).map(drop),
            Err(MultipartError::InvalidPart(1))
        );
        let mut other = named(&[1]);
        other[0].checksum = Some("AAAAAA==".into());
        assert_eq!(
            finished(&state(&[1], None), &other, &input()).map(drop),
            Err(MultipartError::InvalidPart(1))
        );
    }

    #[test]
    fn what_the_client_says_of_the_object_is_checked() {
        let crc = Some((ChecksumAlgorithm::Crc32, ChecksumKind::FullObject));
        let of = |input: &CompleteMultipartUploadInput| {
            finished(&state(&[5], crc), &named(&[1]), input).map(drop)
        };
        let claims = |value: &str| CompleteMultipartUploadInput {
            checksum_crc32: Some(value.into()),
            ..input()
        };
        assert_eq!(of(&claims("NhCmhg==")), Ok(()));
        assert_eq!(of(&claims("AAAAAA==")), Err(MultipartError::Checksum));
        let sized = |size| CompleteMultipartUploadInput {
            mpu_object_size: Some(size),
            ..input()
        };
        assert_eq!(of(&sized(5)), Ok(()));
        assert_eq!(of(&sized(6)), Err(MultipartError::Size { size: 5 }));
        assert_eq!(of(&sized(-5)), Err(MultipartError::Size { size: 5 }));
        let sha = CompleteMultipartUploadInput {
            checksum_sha1: Some("x".into()),
            ..input()
        };
        assert_eq!(of(&sha), Err(MultipartError::Kind));
    }

    #[test]
    fn numbers_and_order_are_checked() {
        let part = |part_number| CompletedPart {
            part_number: Some(part_number),
            e_tag: Some(ETag::Strong("x".into())),
            ..CompletedPart::default()
        };
        let of = |numbers: &[i32]| {
            named_parts(
                &numbers
                    .iter()
                    .map(|number| part(*number))
                    .collect::<Vec<_>>(),
            )
            .map(drop)
        };
        assert_eq!(of(&[1, 2, 10_000]), Ok(()));
        assert_eq!(of(&[2, 1]), Err(MultipartError::Order));
        assert_eq!(of(&[1, 1]), Err(MultipartError::Order));
        assert_eq!(of(&[]), Err(MultipartError::NoParts));
        for number in [0, -1, 10_001, 65_537] {
            assert_eq!(of(&[number]), Err(MultipartError::PartNumber), "{number}");
        }
        assert!(upload_id(&"0f".repeat(16)).is_ok());
        for text in ["", "x", &"0F".repeat(16), &"0g".repeat(16), &"0".repeat(33)] {
            assert_eq!(upload_id(text), Err(MultipartError::NoSuchUpload), "{text}");
        }
    }
}
