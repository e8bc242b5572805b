//! Putting, deleting and relabelling objects.

use bytes::Bytes;

use super::{BatchPlanner, Planned, check};
use crate::attributes::{AttributeChange, Attributes};
use crate::commit::change::Done;
use crate::commit::view::RowView;
use crate::condition::Condition;
use crate::errors::ChangeError;
use crate::format::rows::{Row, Table, object_key};
use crate::object::{Key, Object};
use crate::requests::Body;

impl<V: RowView> BatchPlanner<'_, V> {
    pub(super) fn object(&self, row: &Bytes) -> Planned<Option<Object>> {
        self.get(Table::Objects, row)
    }

    pub(super) fn put(
        &mut self,
        key: &Key,
        attributes: Attributes,
        body: &Body,
        condition: &Condition,
    ) -> Planned<Done> {
        let row = object_key(key);
        let old = self.object(&row)?;
        check(condition, old.as_ref())?;
        self.count_object(old.as_ref(), Some(body.length()))?;
        let object = Object {
            size: body.length(),
            modified: self.context.now,
            sequence: self.sequence(),
            attributes,
            upload: None,
            parts: Vec::new(),
            blob: self.take_body(body)?,
        };
        self.replace(row, old, object)
    }

    pub(super) fn count_object(&mut self, old: Option<&Object>, new: Option<u64>) -> Planned<()> {
        let old = old.map(|object| object.size);
        self.change_totals(self.context.totals.replace_object(old, new))
    }

    pub(super) fn replace(
        &mut self,
        row: Bytes,
        old: Option<Object>,
        object: Object,
    ) -> Planned<Done> {
        self.set(Table::Objects, row, Some(object.encode()));
        if let Some(old) = old {
            self.release(&old.blob)?;
        }
        Ok(Done::Stored(Box::new(object)))
    }

    pub(super) fn delete(&mut self, key: &Key, condition: &Condition) -> Planned<Done> {
        let row = object_key(key);
        let old = self.object(&row)?;
        check(condition, old.as_ref())?;
        let Some(old) = old else {
            return Ok(Done::Deleted { existed: false });
        };
        self.count_object(Some(&old), None)?;
        self.set(Table::Objects, row, None);
        self.release(&old.blob)?;
        Ok(Done::Deleted { existed: true })
    }

    pub(super) fn change_attributes(
        &mut self,
        key: &Key,
        change: &AttributeChange,
        condition: &Condition,
    ) -> Planned<Done> {
        let row = object_key(key);
        let old = self.object(&row)?;
        check(condition, old.as_ref())?;
        let mut object = old.ok_or(ChangeError::NoSuchKey)?;
        match change {
            AttributeChange::Tags(tags) => object.attributes.tags.clone_from(tags),
            AttributeChange::Acl(acl) => object.attributes.acl.clone_from(acl),
        }
        self.set(Table::Objects, row, Some(object.encode()));
        Ok(Done::Stored(Box::new(object)))
    }
}
