//! The versions of a bucket that has none: each object is its own, with the id `null`.

use s3d_bucket::ListRequest;
use s3s::dto::{
    ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion, ObjectVersionStorageClass,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::listing::{Names, limit, lines};
use super::operations::Operations;

/// The id of the only version of an object.
pub const NULL: &str = "null";

/// Length of the version ids that S3 gives out.
const ID_LENGTH: usize = 32;

/// A version id that names no version here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It has the form of one.
    #[error("the specified version does not exist")]
    Missing,
    /// It is empty.
    #[error("version id cannot be the empty string")]
    Empty,
    /// It has another form.
    #[error("invalid version id specified")]
    Malformed,
    /// A marker within a key that was not named.
    #[error("a version-id marker cannot be specified without a key marker")]
    NoKey,
}

/// Whether a request means the version that there is.
pub fn check(version_id: Option<&str>) -> Result<(), VersionError> {
    match version_id {
        None | Some(NULL) => Ok(()),
        Some("") => Err(VersionError::Empty),
        Some(id) if id.len() == ID_LENGTH && id.bytes().all(is_of_id) => Err(VersionError::Missing),
        Some(_) => Err(VersionError::Malformed),
    }
}

/// Whether a delete means the version that there is. One that names another finds it gone.
pub fn check_deleted(version_id: Option<&str>) -> Result<bool, VersionError> {
    match check(version_id) {
        Ok(()) => Ok(true),
        Err(VersionError::Missing) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl Operations {
    /// A page of the versions in a bucket.
    pub(super) async fn versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = &request.input;
        let limit = limit(input.max_keys)?;
        let names = Names::of(input.encoding_type.as_ref())?;
        let delimiter = input.delimiter.clone().filter(|it| !it.is_empty());
        let key_marker = input.key_marker.clone().filter(|it| !it.is_empty());
        let version_marker = input.version_id_marker.as_deref().unwrap_or_default();
        if key_marker.is_none() && !version_marker.is_empty() {
            return Err(VersionError::NoKey.into());
        }
        // A key has one version: behind it comes the next key, whichever version is named.
        let wanted = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: delimiter.clone(),
            after: key_marker.clone(),
            limit: limit.unsigned_abs() as usize,
        };
        let mut page = self.page(&request, wanted).await?;
        let next = page.next.take();
        let (objects, prefixes) = lines(page, names, Some(bucket(&request)?));
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket.clone()),
            prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
            key_marker: Some(names.write(key_marker.as_deref().unwrap_or_default())),
            version_id_marker: Some(version_marker.to_owned()),
            max_keys: Some(limit),
            is_truncated: Some(next.is_some()),
            next_version_id_marker: next.as_ref().map(|_| NULL.to_owned()),
            next_key_marker: next.map(|it| names.write(&it)),
            versions: Some(objects.into_iter().map(version).collect()),
            common_prefixes: Some(prefixes),
            delimiter: delimiter.map(|it| names.write(&it)),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectVersionsOutput::default()
        }))
    }
}

fn version(object: s3s::dto::Object) -> ObjectVersion {
    ObjectVersion {
        checksum_algorithm: object.checksum_algorithm,
        checksum_type: object.checksum_type,
        e_tag: object.e_tag,
        is_latest: Some(true),
        key: object.key,
        last_modified: object.last_modified,
        owner: object.owner,
        restore_status: None,
        size: object.size,
        storage_class: Some(ObjectVersionStorageClass::from_static(
            ObjectVersionStorageClass::STANDARD,
        )),
        version_id: Some(NULL.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_null_version_is_there() {
        assert_eq!(check(None), Ok(()));
        assert_eq!(check(Some("null")), Ok(()));
        assert_eq!(check(Some("")), Err(VersionError::Empty));
        assert_eq!(check(Some("1")), Err(VersionError::Malformed));
        let id = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH";
        assert_eq!(check(Some(id)), Err(VersionError::Missing));
    }
}
