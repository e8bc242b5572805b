//! What is asked of a bucket about multipart uploads.

use std::ops::Range;

use super::Bucket;
use crate::attributes::Checksum;
use crate::commit::change::{Change, Done};
use crate::condition::Condition;
use crate::errors::{ChangeError, ReadError};
use crate::format::rows::{Table, upload_key};
use crate::index::listing;
use crate::object::{Key, Part, Upload, UploadId};
use crate::requests::{
    Body, Completion, CopySource, PartAttributes, PartName, Stored, UploadPage, UploadState,
};

impl Bucket {
    /// Begins a multipart upload.
    pub async fn create_upload(&self, key: Key, upload: Upload) -> Result<UploadId, ChangeError> {
        match self.submit(Change::CreateUpload { key, upload }).await? {
            Done::Began(id) => Ok(id),
            _ => unreachable!("beginning an upload answers its id"),
        }
    }

    /// Stores a part, in place of an earlier one of that number.
    pub async fn put_part(
        &self,
        key: Key,
        upload: UploadId,
        number: u16,
        etag: String,
        checksum: Option<Checksum>,
        body: Body,
    ) -> Result<Part, ChangeError> {
        self.store_part(Change::PutPart {
            part: PartName {
                key,
                upload,
                number,
            },
            attributes: PartAttributes { etag, checksum },
            body,
        })
        .await
    }

    /// Stores a range of an object's bytes as a part, all of them without one; no byte moves (B6).
    /// Whoever computed the ETag or a checksum from the source lets the source's condition name the
    /// very object that was read.
    pub async fn copy_part(
        &self,
        source: CopySource,
        range: Option<Range<u64>>,
        part: PartName,
        attributes: PartAttributes,
    ) -> Result<Part, ChangeError> {
        self.store_part(Change::CopyPart {
            source,
            range,
            part,
            attributes,
        })
        .await
    }

    async fn store_part(&self, change: Change) -> Result<Part, ChangeError> {
        match self.submit(change).await? {
            Done::StoredPart(part) => Ok(*part),
            _ => unreachable!("storing a part answers it"),
        }
    }

    /// An upload with all its parts.
    pub async fn upload(
        &self,
        key: &Key,
        upload: &UploadId,
    ) -> Result<Option<UploadState>, ReadError> {
        let id = upload.clone();
        // The parts first: when the upload is still there after them, none of them was missing.
        let parts = self
            .shared
            .index
            .read(move |reader| listing::list_parts(reader, &id));
        let parts = self.shared.looked(parts.await)?;
        let found = self.row::<Upload>(Table::Uploads, upload_key(key, upload));
        Ok(found.await?.map(|upload| UploadState { upload, parts }))
    }

    /// Makes an object of an upload's parts; no byte moves (B6). When that was done before and the
    /// object is still there, answers as it did then, whatever the condition.
    pub async fn complete_upload(
        &self,
        key: Key,
        upload: UploadId,
        completion: Completion,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Complete {
            key,
            upload,
            completion,
            condition,
        })
        .await
    }

    /// Forgets an upload and its parts.
    pub async fn abort_upload(&self, key: Key, upload: UploadId) -> Result<(), ChangeError> {
        let abort = || Change::Abort {
            key: key.clone(),
            upload: upload.clone(),
        };
        self.free(abort).await?;
        Ok(())
    }

    /// A page of the uploads under way.
    pub async fn list_uploads(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<(String, Option<UploadId>)>,
        limit: usize,
    ) -> Result<UploadPage, ReadError> {
        self.check_open()?;
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
        let page = self.shared.index.read(move |reader| {
            listing::list_uploads(reader, &prefix, delimiter.as_deref(), after.as_ref(), limit)
        });
        self.shared.looked(page.await)
    }
}
