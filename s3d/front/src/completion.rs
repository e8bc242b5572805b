//! What becomes of an upload's parts when it is completed.

use s3d_bucket::{Attributes, Checksum, ChecksumAlgorithm, NamedPart, Object, Part, UploadState};
use s3d_md5::Md5;
use s3s::dto::{CompleteMultipartUploadInput, CompletedPart};

use super::checksum;
use super::signature::key::hex;
use super::upload::{MultipartError, kind, number};

/// Least bytes of a part that is not the last.
const MIN_PART: u64 = 5 << 20;

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
pub fn named_parts(parts: &[CompletedPart]) -> Result<Vec<NamedPart>, MultipartError> {
    let mut named: Vec<NamedPart> = Vec::with_capacity(parts.len());
    for part in parts {
        let number = number(part.part_number.unwrap_or_default())?;
        match named.last() {
            Some(last) if last.number > number => return Err(MultipartError::Order),
            // A part that was sent again is meant as it was listed last.
            Some(last) if last.number == number => drop(named.pop()),
            _ => {}
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
pub fn finished(
    state: &UploadState,
    named: &[NamedPart],
    input: &CompleteMultipartUploadInput,
) -> Result<Attributes, MultipartError> {
    let parts = found(state, named)?;
    check_size(input, parts.iter().map(|(_, part)| part.size).sum())?;
    let checksum = match state.upload.checksum {
        Some((algorithm, kind)) => {
            let parts = parts.iter();
            let parts = parts.map(|(number, part)| (*number, part.size, part.checksum.as_ref()));
            Some(checksum::of_parts(algorithm, kind, parts)?)
        }
        None => None,
    };
    check_claims(input, checksum.as_ref())?;
    let etag = etag_of(named)?;
    Ok(Attributes {
        etag,
        checksum,
        ..state.upload.attributes.clone()
    })
}

/// Whether a completion is the one that made `object`, which its upload did: its answer was lost,
/// and it is sent again.
pub fn check_repeated(
    object: &Object,
    named: &[NamedPart],
    input: &CompleteMultipartUploadInput,
) -> Result<(), MultipartError> {
    let numbers = named.iter().map(|part| part.number);
    let same = numbers.eq(object.parts.iter().map(|part| part.number));
    if !same || etag_of(named).as_ref() != Ok(&object.attributes.etag) {
        return Err(MultipartError::NoSuchUpload);
    }
    check_size(input, object.size)?;
    check_claims(input, object.attributes.checksum.as_ref())
}

fn check_size(input: &CompleteMultipartUploadInput, size: u64) -> Result<(), MultipartError> {
    match input.mpu_object_size {
        Some(claimed) if u64::try_from(claimed) != Ok(size) => Err(MultipartError::Size { size }),
        _ => Ok(()),
    }
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
fn etag_of(parts: &[NamedPart]) -> Result<String, MultipartError> {
    let mut md5 = Md5::new();
    for part in parts {
        let digits = part.etag.as_bytes().chunks_exact(2);
        let bytes: Option<Vec<u8>> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        md5.update(&bytes.ok_or(MultipartError::InvalidPart(part.number))?);
    }
    Ok(format!("{}-{}", hex(&md5.finish()), parts.len()))
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;
    use s3d_bucket::{Blob, ChecksumKind, Timestamp, Upload};
    use s3s::dto::ETag;

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
        let of_one = md5::Md5::digest(b"a");
        let digest = hex(&md5::Md5::digest([of_one, of_one].concat()));
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
    fn of_a_part_that_is_listed_twice_the_last_counts() {
        let part = |number, etag: &str| CompletedPart {
            part_number: Some(number),
            e_tag: Some(ETag::Strong(etag.into())),
            ..CompletedPart::default()
        };
        let parts = [part(1, "a"), part(1, "b"), part(2, "c")];
        let named = named_parts(&parts).expect("in order");
        let etags: Vec<_> = named.iter().map(|part| part.etag.as_str()).collect();
        assert_eq!(etags, ["b", "c"]);
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
        assert_eq!(of(&[2, 1, 2]), Err(MultipartError::Order));
        assert_eq!(of(&[]), Err(MultipartError::NoParts));
        for number in [0, -1, 10_001, 65_537] {
            assert_eq!(of(&[number]), Err(MultipartError::PartNumber), "{number}");
        }
    }
}
