//! GetObjectAttributes.

use http::{HeaderMap, Response};
use s3d_bucket::{ChecksumAlgorithm, Key, Object};
use s3s::dto::{
    Checksum, ETag, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    ObjectAttributes, ObjectPart, StorageClass,
};
use s3s::{Body, S3Request, S3Response, S3Result};

use super::access::{self, ObjectUse};
use super::attributes::timestamp;
use super::checksum;
use super::error;
use super::listing::limit;
use super::operations::Operations;
use super::refusal::Refusal;
use super::versions;

/// The document shows the ETag without quotes, unlike every other one; s3s writes quotes.
#[derive(Debug, Clone, Copy)]
pub struct BareEtag;

impl BareEtag {
    /// The answer without the quotes of its ETag.
    pub fn apply(answer: Response<Body>) -> Response<Body> {
        answer.map(|mut body| {
            let document = body.take_bytes().unwrap_or_default();
            Self::write(&String::from_utf8_lossy(&document)).into()
        })
    }

    fn write(document: &str) -> String {
        document
            .replacen("<ETag>\"", "<ETag>", 1)
            .replacen("\"</ETag>", "</ETag>", 1)
    }
}

const KNOWN: [&str; 5] = [
    ObjectAttributes::ETAG,
    ObjectAttributes::CHECKSUM,
    ObjectAttributes::OBJECT_PARTS,
    ObjectAttributes::STORAGE_CLASS,
    ObjectAttributes::OBJECT_SIZE,
];

/// The attributes that `x-amz-object-attributes` asks for, which has them in one line or several.
fn wanted(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let lines = headers.get_all("x-amz-object-attributes").iter();
    let lines = lines.map(|line| line.to_str().unwrap_or_default());
    let names: Vec<_> = lines
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    if names.is_empty() || !names.iter().all(|name| KNOWN.contains(&name.as_str())) {
        return Err(Refusal::Argument("invalid attribute name specified"));
    }
    Ok(names)
}

impl Operations {
    /// Gives what is known of an object, as far as it is asked for.
    pub(super) async fn object_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let input = &request.input;
        versions::check(input.version_id.as_deref())?;
        let wanted = wanted(&request.headers)?;
        let wants = |name: &str| wanted.iter().any(|it| it == name);
        let limit = limit(input.max_parts)?;
        let marker = input.part_number_marker.unwrap_or_default();
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let open = self.open(&request).await?;
        let object = access::find(&open, &request, &key, ObjectUse::READ_ATTRIBUTES).await?;
        let mut output = GetObjectAttributesOutput {
            last_modified: Some(timestamp(object.modified)),
            ..GetObjectAttributesOutput::default()
        };
        if wants(ObjectAttributes::ETAG) {
            output.e_tag = Some(ETag::Strong(object.attributes.etag.clone()));
        }
        if wants(ObjectAttributes::CHECKSUM) {
            output.checksum = object.attributes.checksum.as_ref().map(whole);
        }
        if wants(ObjectAttributes::OBJECT_PARTS) && !object.parts.is_empty() {
            output.object_parts = Some(parts(&object, marker, limit));
        }
        if wants(ObjectAttributes::STORAGE_CLASS) {
            output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
        }
        if wants(ObjectAttributes::OBJECT_SIZE) {
            output.object_size = i64::try_from(object.size).ok();
        }
        let mut response = S3Response::new(output);
        response.extensions.insert(BareEtag);
        Ok(response)
    }
}

fn whole(checksum: &s3d_bucket::Checksum) -> Checksum {
    let mut shown = Checksum {
        checksum_type: Some(checksum::kind_name(checksum.kind).to_owned().into()),
        ..Checksum::default()
    };
    let field = match checksum.algorithm {
        ChecksumAlgorithm::Crc32 => &mut shown.checksum_crc32,
        ChecksumAlgorithm::Crc32c => &mut shown.checksum_crc32c,
        ChecksumAlgorithm::Crc64Nvme => &mut shown.checksum_crc64nvme,
        ChecksumAlgorithm::Sha1 => &mut shown.checksum_sha1,
        ChecksumAlgorithm::Sha256 => &mut shown.checksum_sha256,
    };
    *field = Some(checksum.value.clone());
    shown
}

/// At most `limit` parts behind the number `marker`.
fn parts(object: &Object, marker: i32, limit: i32) -> GetObjectAttributesParts {
    let algorithm = object.attributes.checksum.as_ref().map(|it| it.algorithm);
    let mut rest = object
        .parts
        .iter()
        .filter(|part| i32::from(part.number) > marker);
    let page: Vec<_> = rest
        .by_ref()
        .take(limit.unsigned_abs() as usize)
        .map(|it| part(it, algorithm))
        .collect();
    GetObjectAttributesParts {
        is_truncated: Some(rest.next().is_some()),
        max_parts: Some(limit),
        next_part_number_marker: Some(page.last().and_then(|it| it.part_number).unwrap_or(0)),
        part_number_marker: Some(marker),
        parts: Some(page),
        total_parts_count: i32::try_from(object.parts.len()).ok(),
    }
}

fn part(part: &s3d_bucket::ObjectPart, algorithm: Option<ChecksumAlgorithm>) -> ObjectPart {
    let mut shown = ObjectPart {
        part_number: Some(i32::from(part.number)),
        size: i64::try_from(part.size).ok(),
        ..ObjectPart::default()
    };
    let field = match algorithm {
        None => return shown,
        Some(ChecksumAlgorithm::Crc32) => &mut shown.checksum_crc32,
        Some(ChecksumAlgorithm::Crc32c) => &mut shown.checksum_crc32c,
        Some(ChecksumAlgorithm::Crc64Nvme) => &mut shown.checksum_crc64nvme,
        Some(ChecksumAlgorithm::Sha1) => &mut shown.checksum_sha1,
        Some(ChecksumAlgorithm::Sha256) => &mut shown.checksum_sha256,
    };
    field.clone_from(&part.checksum);
    shown
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn attributes_come_in_one_line_or_several() {
        let mut headers = HeaderMap::new();
        assert!(wanted(&headers).is_err());
        let name = "x-amz-object-attributes";
        headers.append(name, HeaderValue::from_static("ETag, ObjectSize"));
        headers.append(name, HeaderValue::from_static("Checksum"));
        let names = wanted(&headers).expect("all are known");
        assert_eq!(names, ["ETag", "ObjectSize", "Checksum"]);
        headers.append(name, HeaderValue::from_static("Color"));
        assert!(wanted(&headers).is_err());
    }

    #[test]
    fn the_etag_has_no_quotes() {
        assert_eq!(
            BareEtag::write("<A><ETag>\"ab\"</ETag><B>\"</B></A>"),
            "<A><ETag>ab</ETag><B>\"</B></A>"
        );
    }
}
