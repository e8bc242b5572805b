//! Copies within the bucket: no byte moves, spans and blobs gain references (B6).

use std::ops::Range;

use super::{BatchPlanner, Planned, check};
use crate::attributes::Attributes;
use crate::commit::change::Done;
use crate::commit::view::RowView;
use crate::condition::{Condition, Unmet};
use crate::errors::ChangeError;
use crate::format::rows::object_key;
use crate::object::{Key, Object};
use crate::requests::{CopyAttributes, CopySource, PartAttributes, PartName};

impl<V: RowView> BatchPlanner<'_, V> {
    pub(super) fn copy(
        &mut self,
        source: &CopySource,
        key: &Key,
        attributes: &CopyAttributes,
        condition: &Condition,
    ) -> Planned<Done> {
        let source = self.source(source)?;
        let row = object_key(key);
        let old = self.object(&row)?;
        check(condition, old.as_ref())?;
        self.count_object(old.as_ref(), Some(source.size))?;
        // Retained before the old object is released: it may be the source itself.
        self.share(&source.blob)?;
        let object = Object {
            modified: self.context.now,
            sequence: self.sequence(),
            attributes: copied(source.attributes, attributes),
            upload: None,
            ..source
        };
        self.replace(row, old, object)
    }

    pub(super) fn copy_part(
        &mut self,
        source: &CopySource,
        range: Option<&Range<u64>>,
        name: &PartName,
        attributes: &PartAttributes,
    ) -> Planned<Done> {
        let source = self.source(source)?;
        let range = range.cloned().unwrap_or(0..source.size);
        if range.start > range.end || range.end > source.size {
            return Err(ChangeError::InvalidRange.into());
        }
        let size = range.end - range.start;
        let slices = self.slices(&source.blob, range)?;
        let old = self.begin_part(name, size)?;
        self.retain_slices(&slices);
        let blob = self.keep(slices);
        self.replace_part(name, old, attributes, size, blob)
    }

    pub(super) fn source(&self, source: &CopySource) -> Planned<Object> {
        let object = self.object(&object_key(&source.key))?;
        let object = object.ok_or(ChangeError::NoSuchSource)?;
        match source.condition.check(Some(&object)) {
            Ok(()) => Ok(object),
            Err(Unmet::NoObject) => Err(ChangeError::NoSuchSource.into()),
            Err(Unmet::Precondition(unmet)) => {
                Err(ChangeError::SourceConditionFailed(unmet).into())
            }
        }
    }
}

fn copied(source: Attributes, given: &CopyAttributes) -> Attributes {
    let given = given.clone();
    Attributes {
        etag: given.etag.unwrap_or(source.etag),
        headers: given.headers.unwrap_or(source.headers),
        metadata: given.metadata.unwrap_or(source.metadata),
        tags: given.tags.unwrap_or(source.tags),
        acl: given.acl,
        owner: given.owner,
        checksum: given.checksum.or(source.checksum),
    }
}
