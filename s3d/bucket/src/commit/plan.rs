//! Plans changes: what must hold does or does not, and what becomes of the rows if it does.
//!
//! A batch is planned in order, each change on what those before it left. Planning reads and
//! computes; it changes nothing outside itself, so a batch can be planned again at another address.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::CHECKED_RUN;
use crate::commit::change::{Change, Done, Outcome, PartAttributes};
use crate::format::crc::crc32c_of_runs;
use crate::format::group::Builder;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{
    Freed, Mutation, Row, Span, Table, object_key, part_key, part_number, span_key, upload_key,
};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::{
    Attributes, Blob, Key, Object, ObjectPart, Part, SpanId, SpanSlice, Timestamp, Upload, UploadId,
};
use crate::requests::{Body, ChangeError, Completion, Condition};

/// A planned batch.
pub struct CommitPlan {
    pub group: Builder,
    pub mutations: Vec<Mutation>,
    pub outcomes: Vec<Outcome>,
}

/// What all changes of a batch share.
#[derive(Debug, Clone, Copy)]
pub struct CommitContext {
    /// Where the group will begin.
    pub address: u64,
    pub now: Timestamp,
    pub epoch: u64,
    /// How many uploads this owner began.
    pub uploads: u64,
}

/// Plans `changes` in order; blocks on the index.
pub fn plan<'c>(
    changes: impl IntoIterator<Item = &'c Change>,
    reader: &Reader,
    context: CommitContext,
) -> Result<CommitPlan, IndexError> {
    let mut planner = BatchPlanner {
        reader,
        context,
        overlay: BTreeMap::new(),
        draft: Vec::new(),
        group: Builder::default(),
        mutations: Vec::new(),
    };
    let outcomes = changes
        .into_iter()
        .map(|change| planner.change(change))
        .collect::<Result<_, _>>()?;
    Ok(CommitPlan {
        group: planner.group,
        mutations: planner.mutations,
        outcomes,
    })
}

struct BatchPlanner<'r> {
    reader: &'r Reader,
    context: CommitContext,
    /// Rows as the changes planned so far leave them.
    overlay: BTreeMap<(Table, Bytes), Option<Bytes>>,
    /// Mutations of the change being planned.
    draft: Vec<Mutation>,
    group: Builder,
    mutations: Vec<Mutation>,
}

/// A change is refused, or the index failed under it.
enum Stop {
    Refused(ChangeError),
    Failed(IndexError),
}

impl From<ChangeError> for Stop {
    fn from(error: ChangeError) -> Self {
        Self::Refused(error)
    }
}

impl<E: Into<IndexError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

type Planned<T> = Result<T, Stop>;

impl BatchPlanner<'_> {
    fn change(&mut self, change: &Change) -> Result<Outcome, IndexError> {
        debug_assert!(self.draft.is_empty(), "every change takes its draft along");
        let planned = match change {
            Change::Put {
                key,
                attributes,
                body,
                condition,
            } => self.put(key, attributes, body, condition),
            Change::Delete { key, condition } => self.delete(key, condition),
            Change::CreateUpload { key, upload } => Ok(self.create_upload(key, upload)),
            Change::PutPart {
                key,
                upload,
                number,
                part,
                body,
            } => self.put_part(key, upload, *number, part, body),
            Change::Complete {
                key,
                upload,
                completion,
                condition,
            } => self.complete(key, upload, completion, condition),
            Change::Abort { key, upload } => self.abort(key, upload),
            Change::Forget { spans } => Ok(self.forget(spans)),
        };
        match planned {
            Ok(done) => {
                if !self.draft.is_empty() {
                    self.group.record(&self.draft);
                    self.mutations.append(&mut self.draft);
                }
                Ok(Ok(done))
            }
            Err(Stop::Refused(error)) => {
                // Refusals come before the first mutation: the overlay needs no undoing.
                assert!(self.draft.is_empty(), "refused after it was begun");
                Ok(Err(error))
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn get<R: Row>(&self, table: Table, key: &Bytes) -> Planned<Option<R>> {
        let value = match self.overlay.get(&(table, key.clone())) {
            Some(value) => value.clone(),
            None => self.reader.get(table, key)?,
        };
        Ok(value.map(|value| R::decode(&value)).transpose()?)
    }

    fn set(&mut self, table: Table, key: Bytes, value: Option<Bytes>) {
        self.overlay.insert((table, key.clone()), value.clone());
        self.draft.push(Mutation { table, key, value });
    }

    fn put(
        &mut self,
        key: &Key,
        attributes: &Attributes,
        body: &Body,
        condition: &Condition,
    ) -> Planned<Done> {
        let row = object_key(key);
        let old = self.get::<Object>(Table::Objects, &row)?;
        check(condition, old.as_ref())?;
        let object = Object {
            size: body.length(),
            modified: self.context.now,
            attributes: attributes.clone(),
            upload: None,
            parts: Vec::new(),
            blob: self.take_body(body)?,
        };
        self.replace(row, old, object)
    }

    fn replace(&mut self, row: Bytes, old: Option<Object>, object: Object) -> Planned<Done> {
        self.set(Table::Objects, row, Some(object.encode()));
        if let Some(old) = old {
            self.release(&old.blob)?;
        }
        Ok(Done::Stored(Box::new(object)))
    }

    fn delete(&mut self, key: &Key, condition: &Condition) -> Planned<Done> {
        let row = object_key(key);
        let old = self.get::<Object>(Table::Objects, &row)?;
        check(condition, old.as_ref())?;
        let Some(old) = old else {
            return Ok(Done::Deleted { existed: false });
        };
        self.set(Table::Objects, row, None);
        self.release(&old.blob)?;
        Ok(Done::Deleted { existed: true })
    }

    fn create_upload(&mut self, key: &Key, upload: &Upload) -> Done {
        // Unique without drawing lots: the epoch is this owner's alone. Ids sort as they were
        // made, which is the order in which S3 lists the uploads of a key.
        let id = UploadId(format!(
            "{:016x}{:016x}",
            self.context.epoch, self.context.uploads
        ));
        self.context.uploads += 1;
        let upload = Upload {
            initiated: self.context.now,
            ..upload.clone()
        };
        self.set(Table::Uploads, upload_key(key, &id), Some(upload.encode()));
        Done::Began(id)
    }

    fn put_part(
        &mut self,
        key: &Key,
        upload: &UploadId,
        number: u16,
        attributes: &PartAttributes,
        body: &Body,
    ) -> Planned<Done> {
        self.upload(key, upload)?;
        let row = part_key(upload, number);
        let old = self.get::<Part>(Table::Parts, &row)?;
        let part = Part {
            size: body.length(),
            modified: self.context.now,
            etag: attributes.etag.clone(),
            checksum: attributes.checksum.clone(),
            blob: self.take_body(body)?,
        };
        self.set(Table::Parts, row, Some(part.encode()));
        if let Some(old) = old {
            self.release(&old.blob)?;
        }
        Ok(Done::Nothing)
    }

    fn upload(&self, key: &Key, upload: &UploadId) -> Planned<Upload> {
        let found = self.get::<Upload>(Table::Uploads, &upload_key(key, upload))?;
        found.ok_or(Stop::Refused(ChangeError::NoSuchUpload))
    }

    fn complete(
        &mut self,
        key: &Key,
        upload: &UploadId,
        completion: &Completion,
        condition: &Condition,
    ) -> Planned<Done> {
        let row = object_key(key);
        let old = self.get::<Object>(Table::Objects, &row)?;
        match self.upload(key, upload) {
            // The condition held when the object was made, and would be met by that object now.
            Err(Stop::Refused(ChangeError::NoSuchUpload)) => {
                return repeated(old, upload, completion);
            }
            found => found?,
        };
        check(condition, old.as_ref())?;
        let mut object = Object {
            size: 0,
            modified: self.context.now,
            attributes: completion.attributes.clone(),
            upload: Some(upload.clone()),
            parts: Vec::with_capacity(completion.parts.len()),
            blob: Blob::default(),
        };
        for named in &completion.parts {
            let part = self
                .get::<Part>(Table::Parts, &part_key(upload, named.number))?
                .filter(|part| part.etag == named.etag)
                .ok_or(ChangeError::InvalidPart(named.number))?;
            object.size += part.size;
            object.parts.push(ObjectPart {
                number: named.number,
                size: part.size,
                checksum: part.checksum.map(|checksum| checksum.value),
            });
            object.blob.slices.extend(part.blob.slices);
        }
        // The object takes over the references of the parts that it names; only the parts that
        // were left out are released.
        let named = completion
            .parts
            .iter()
            .map(|part| part.number)
            .collect::<Vec<_>>();
        self.remove_upload(key, upload, &named)?;
        self.replace(row, old, object)
    }

    fn abort(&mut self, key: &Key, upload: &UploadId) -> Planned<Done> {
        self.upload(key, upload)?;
        self.remove_upload(key, upload, &[])?;
        Ok(Done::Nothing)
    }

    /// Removes an upload with its parts, and releases the bytes of all but the `kept` ones, whose
    /// numbers ascend.
    fn remove_upload(&mut self, key: &Key, upload: &UploadId, kept: &[u16]) -> Planned<()> {
        for (row, part) in self.parts(upload)? {
            if kept.binary_search(&part_number(&row)?).is_err() {
                self.release(&part.blob)?;
            }
            self.set(Table::Parts, row, None);
        }
        self.set(Table::Uploads, upload_key(key, upload), None);
        Ok(())
    }

    /// The parts of an upload, as the index and the changes before this one have them.
    fn parts(&self, upload: &UploadId) -> Planned<BTreeMap<Bytes, Part>> {
        let first = part_key(upload, 0);
        let mut rows = BTreeMap::new();
        let mut cursor = self.reader.cursor(Table::Parts)?;
        cursor.seek(first.clone());
        while let Some((row, value)) = cursor.next()? {
            if !row.starts_with(upload.0.as_bytes()) {
                break;
            }
            rows.insert(row, Some(value));
        }
        for ((_, row), value) in self.overlay.range((Table::Parts, first)..) {
            if !row.starts_with(upload.0.as_bytes()) {
                break;
            }
            rows.insert(row.clone(), value.clone());
        }
        rows.into_iter()
            .filter_map(|(row, value)| value.map(|value| (row, value)))
            .map(|(row, value)| Ok((row, Part::decode(&value)?)))
            .collect()
    }

    fn forget(&mut self, spans: &[SpanId]) -> Done {
        for span in spans {
            let key = span_key(*span);
            self.set(Table::Spans, key.clone(), None);
            self.set(Table::Freed, key, None);
        }
        Done::Nothing
    }

    /// Names the spans of a body, each with one reference.
    fn take_body(&mut self, body: &Body) -> Planned<Blob> {
        let mut slices = Vec::new();
        match body {
            Body::Small(bytes) if bytes.is_empty() => {}
            Body::Small(bytes) => {
                let offset = self.context.address - DATA_ZONE + self.group.body(bytes.clone());
                let sums = crc32c_of_runs(std::slice::from_ref(bytes), CHECKED_RUN as usize);
                let length = bytes.len() as u64;
                slices.push(self.take_span(SpanId(offset), offset, length, sums)?);
            }
            Body::Stored(spans) => {
                for span in spans {
                    let offset = span.claim.address() - DATA_ZONE;
                    let sums = span.sums.clone();
                    slices.push(self.take_span(SpanId(offset), offset, span.length, sums)?);
                }
            }
        }
        Ok(Blob { slices })
    }

    fn take_span(
        &mut self,
        id: SpanId,
        offset: u64,
        length: u64,
        sums: Vec<u32>,
    ) -> Planned<SpanSlice> {
        let key = span_key(id);
        // No address is ever given out twice (B8): better no bucket than one that writes over what
        // it acknowledged.
        if self.remembers(Table::Spans, &key) {
            return Err(Stop::Failed(IndexError(format!(
                "the address {offset} was given out twice"
            ))));
        }
        let span = Span {
            offset,
            length,
            references: 1,
            sums,
        };
        self.set(Table::Spans, key, Some(span.encode()));
        Ok(SpanSlice {
            span: id,
            offset: 0,
            length,
        })
    }

    /// Takes back a blob's references (B6). What nothing names any more is freed (B7).
    fn release(&mut self, blob: &Blob) -> Planned<()> {
        for slice in &blob.slices {
            let key = span_key(slice.span);
            let span = self
                .get::<Span>(Table::Spans, &key)?
                .ok_or_else(|| IndexError("an object names a span that is not there".into()))?;
            if span.references > 1 {
                let span = Span {
                    references: span.references - 1,
                    ..span
                };
                self.set(Table::Spans, key, Some(span.encode()));
            } else {
                self.free(key)?;
            }
        }
        Ok(())
    }

    /// Marks a span freed; its own row stays as it is until it is forgotten.
    fn free(&mut self, key: Bytes) -> Planned<()> {
        if self.remembers(Table::Freed, &key) {
            return Err(Stop::Failed(IndexError("a span was freed twice".into())));
        }
        self.set(Table::Freed, key, Some(Freed.encode()));
        Ok(())
    }

    /// Whether a row is there, or was, as far as memory knows: redb would cost a read each time.
    fn remembers(&self, table: Table, key: &Bytes) -> bool {
        self.overlay.contains_key(&(table, key.clone())) || self.reader.known(table, key).is_some()
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

fn check(condition: &Condition, object: Option<&Object>) -> Result<(), ChangeError> {
    match (condition, object) {
        (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => Ok(()),
        (Condition::Present | Condition::EtagIs(_), None) => Err(ChangeError::NoSuchKey),
        (Condition::EtagIs(etag), Some(object)) if object.attributes.etag == *etag => Ok(()),
        (Condition::Absent | Condition::EtagIs(_), Some(_)) => Err(ChangeError::ConditionFailed),
    }
}
