//! Multipart uploads.

use bytes::Bytes;

use super::{BatchPlanner, Planned, Stop, check};
use crate::commit::change::Done;
use crate::commit::view::RowView;
use crate::condition::Condition;
use crate::errors::ChangeError;
use crate::format::rows::{Doomed, Row, Table, object_key, part_key, part_number, upload_key};
use crate::object::{Blob, Key, Object, ObjectPart, Part, Upload, UploadId};
use crate::requests::{Body, Completion, PartAttributes, PartName};

impl<V: RowView> BatchPlanner<'_, V> {
    pub(super) fn create_upload(&mut self, key: &Key, upload: &Upload) -> Done {
        // Unique without drawing lots: the epoch is this owner's alone. Ids sort as they were
        // made, which is the order in which S3 lists the uploads of a key.
        let id = UploadId(format!(
            "u{:016x}{:016x}",
            self.context.epoch, self.context.uploads
        ));
        self.context.uploads += 1;
        self.context.totals = self.context.totals.begin_upload();
        let upload = Upload {
            initiated: self.context.now,
            ..upload.clone()
        };
        self.set(Table::Uploads, upload_key(key, &id), Some(upload.encode()));
        Done::Began(id)
    }

    pub(super) fn put_part(
        &mut self,
        name: &PartName,
        attributes: &PartAttributes,
        body: &Body,
    ) -> Planned<Done> {
        let old = self.begin_part(name, body.length())?;
        let blob = self.take_body(body)?;
        self.replace_part(name, old, attributes, body.length(), blob)
    }

    /// The part that this one replaces, once nothing refuses it any more.
    pub(super) fn begin_part(&mut self, name: &PartName, size: u64) -> Planned<Option<Part>> {
        self.upload(&name.key, &name.upload)?;
        let old = self.get::<Part>(Table::Parts, &part_key(&name.upload, name.number))?;
        let old_size = old.as_ref().map(|part| part.size);
        self.change_totals(self.context.totals.replace_part(old_size, size))?;
        Ok(old)
    }

    pub(super) fn replace_part(
        &mut self,
        name: &PartName,
        old: Option<Part>,
        attributes: &PartAttributes,
        size: u64,
        blob: Blob,
    ) -> Planned<Done> {
        let part = Part {
            size,
            modified: self.context.now,
            etag: attributes.etag.clone(),
            checksum: attributes.checksum.clone(),
            blob,
        };
        let row = part_key(&name.upload, name.number);
        self.set(Table::Parts, row, Some(part.encode()));
        if let Some(old) = old {
            self.release(&old.blob)?;
        }
        Ok(Done::StoredPart(Box::new(part)))
    }

    fn upload(&self, key: &Key, upload: &UploadId) -> Planned<Upload> {
        let found = self.get::<Upload>(Table::Uploads, &upload_key(key, upload))?;
        found.ok_or(Stop::Refused(ChangeError::NoSuchUpload))
    }

    pub(super) fn complete(
        &mut self,
        key: &Key,
        upload: &UploadId,
        completion: &Completion,
        condition: &Condition,
    ) -> Planned<Done> {
        let row = object_key(key);
        let old = self.object(&row)?;
        match self.upload(key, upload) {
            // The condition held when the object was made, and would be met by that object now.
            Err(Stop::Refused(ChangeError::NoSuchUpload)) => {
                return repeated(old, upload, completion);
            }
            found => found?,
        };
        check(condition, old.as_ref())?;
        let parts = self.parts(upload)?;
        let named = named_parts(&parts, completion)?;
        let size = named.iter().map(|(_, part)| part.size).sum();
        let part_bytes = parts.iter().map(|(_, part)| part.size).sum();
        let totals = self.context.totals.end_upload(part_bytes);
        let old_size = old.as_ref().map(|object| object.size);
        self.change_totals(totals.replace_object(old_size, Some(size)))?;
        let mut object = Object {
            size,
            modified: self.context.now,
            sequence: self.sequence(),
            attributes: completion.attributes.clone(),
            upload: Some(upload.clone()),
            parts: named
                .iter()
                .map(|(number, part)| finished(*number, part))
                .collect(),
            blob: Blob::default(),
        };
        let mut slices = Vec::new();
        let named: Vec<u16> = completion.parts.iter().map(|part| part.number).collect();
        // The object takes over the references of the parts that it names; only the parts that
        // were left out are released.
        for (row, part) in parts {
            if named.binary_search(&part_number(&row)?).is_ok() {
                slices.extend(self.take_over(part.blob)?);
            } else {
                self.release(&part.blob)?;
            }
            self.set(Table::Parts, row, None);
        }
        self.set(Table::Uploads, upload_key(key, upload), None);
        object.blob = self.keep(slices);
        self.replace(row, old, object)
    }

    /// The upload goes at once, its parts bit by bit: there may be 10,000.
    pub(super) fn abort(&mut self, key: &Key, upload: &UploadId) -> Planned<Done> {
        self.upload(key, upload)?;
        let parts = self.parts(upload)?;
        let bytes = parts.iter().map(|(_, part)| part.size).sum();
        self.context.totals = self.context.totals.end_upload(bytes);
        self.set(Table::Uploads, upload_key(key, upload), None);
        if !parts.is_empty() {
            self.doom(&Doomed::Upload(upload.clone()));
        }
        Ok(Done::Nothing)
    }

    /// The parts of an upload in the order of their numbers.
    fn parts(&self, upload: &UploadId) -> Planned<Vec<(Bytes, Part)>> {
        let prefix = Bytes::copy_from_slice(upload.0.as_bytes());
        Ok(self.rows.scan(Table::Parts, &prefix, usize::MAX)?)
    }
}

/// The parts that a completion names, if they ascend and are those that are there.
fn named_parts<'p>(
    parts: &'p [(Bytes, Part)],
    completion: &Completion,
) -> Planned<Vec<(u16, &'p Part)>> {
    let mut held = Vec::with_capacity(parts.len());
    for (row, part) in parts {
        held.push((part_number(row)?, part));
    }
    let mut before = 0;
    let named = completion.parts.iter().map(|named| {
        let ascends = std::mem::replace(&mut before, named.number) < named.number;
        let at = held.binary_search_by_key(&named.number, |(number, _)| *number);
        let found = at.ok().map(|at| held[at]);
        found
            .filter(|(_, part)| ascends && part.etag == named.etag)
            .ok_or(Stop::Refused(ChangeError::InvalidPart(named.number)))
    });
    named.collect()
}

fn finished(number: u16, part: &Part) -> ObjectPart {
    let checksum = part.checksum.as_ref();
    ObjectPart {
        number,
        size: part.size,
        checksum: checksum.map(|checksum| checksum.value.clone()),
    }
}

/// What a completion answers whose upload is no more: what it answered before, if the object that it
/// made is still there.
fn repeated(object: Option<Object>, upload: &UploadId, completion: &Completion) -> Planned<Done> {
    let made = |object: &Object| {
        object.upload.as_ref() == Some(upload)
            && object.attributes.etag == completion.attributes.etag
    };
    let object = object.filter(made).ok_or(ChangeError::NoSuchUpload)?;
    Ok(Done::Stored(Box::new(object)))
}
