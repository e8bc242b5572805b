//! Plans on rows in memory.

mod addresses;
mod appends;
mod etags;
mod patches;
mod prefixes;
mod renames;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::attributes::AttributeChange;
use crate::commit::change::SpanMove;
use crate::commit::view::Fixed;
use crate::condition::Precondition;
use crate::format::layout::{DATA_ZONE, SEGMENT};
use crate::format::rows::{Doomed, Shares, Span, blob_key, object_key, part_key, span_key};
use crate::object::{Blob, Key, MAX_INLINE_SLICES, Part, SpanSlice, Upload, UploadId};
use crate::requests::{
    Body, Completion, CopyAttributes, CopySource, NamedPart, PartAttributes, PartName,
};

/// Rows that plans are applied to as soon as they are made.
struct Rows {
    fixed: Fixed,
    context: CommitContext,
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

impl Rows {
    fn new() -> Self {
        Self {
            fixed: Fixed(BTreeMap::new()),
            context: CommitContext {
                address: DATA_ZONE,
                room: SEGMENT,
                first_record: 1,
                now: Timestamp(5),
                epoch: 1,
                uploads: 0,
                totals: Totals::default(),
                quota: None,
                full: false,
                slice: 3,
            },
        }
    }

    fn plan(&mut self, changes: &[Change]) -> Vec<Outcome> {
        let plan = plan(changes, [], &self.fixed, self.context).unwrap();
        for mutation in plan.records.iter().flatten() {
            let row = (mutation.table, mutation.key.clone());
            match &mutation.value {
                Some(value) => self.fixed.0.insert(row, value.clone()),
                None => self.fixed.0.remove(&row),
            };
        }
        self.context.first_record += plan.records.len() as u64;
        self.context.address += plan.group.length();
        self.context.uploads = plan.uploads;
        self.context.totals = plan.totals;
        plan.outcomes
    }

    fn one(&mut self, change: Change) -> Outcome {
        self.plan(&[change]).remove(0)
    }

    fn put(&mut self, name: &str, length: usize) -> Object {
        match self.one(put(name, length)) {
            Ok(Done::Stored(object)) => *object,
            other => panic!("{other:?}"),
        }
    }

    fn get<R: Row>(&self, table: Table, key: &Bytes) -> Option<R> {
        let row = self.fixed.get(table, key).unwrap();
        row.map(|row| R::decode(&row).unwrap())
    }

    fn count(&self, table: Table) -> usize {
        self.fixed.0.keys().filter(|(it, _)| *it == table).count()
    }

    fn begin(&mut self, name: &str) -> UploadId {
        let (key, upload) = (key(name), Upload::default());
        match self.one(Change::CreateUpload { key, upload }) {
            Ok(Done::Began(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// An object of so many slices, each of one byte.
    fn object_of(&mut self, name: &str, slices: usize) {
        let source = self.put("bytes", 4);
        let SpanSlice { span, .. } = source.blob_slices()[0];
        let slice = SpanSlice {
            span,
            offset: 1,
            length: 1,
        };
        let shares = Shares(slices as u64 + 1);
        self.fixed
            .0
            .insert((Table::Shares, span_key(span)), shares.encode());
        let id = self.begin(name);
        let mut planner = BatchPlanner {
            rows: Overlay::new(&self.fixed),
            etags: etags(&[]),
            redirect: None,
            context: self.context,
            draft: Vec::new(),
            references: BTreeMap::new(),
            group: Builder::default(),
            records: Vec::new(),
        };
        let blob = planner.keep(vec![slice; slices]);
        let part = Part {
            size: slices as u64,
            modified: Timestamp(5),
            etag: "p".into(),
            checksum: None,
            blob,
        };
        let rows = planner.draft.into_iter();
        let rows = rows.map(|it| ((it.table, it.key), it.value.unwrap()));
        self.fixed.0.extend(rows);
        let row = (Table::Parts, part_key(&id, 1));
        self.fixed.0.insert(row, part.encode());
        self.context.first_record += 1;
        self.context.totals.part_bytes += part.size;
        self.one(complete(name, &id, &[1])).unwrap();
    }
}

impl Object {
    fn blob_slices(&self) -> &[SpanSlice] {
        match &self.blob {
            Blob::Inline(slices) => slices,
            Blob::Stored(_) | Blob::Pieces(_) => panic!("its slices are rows"),
        }
    }
}

fn put(name: &str, length: usize) -> Change {
    Change::Put {
        key: key(name),
        attributes: Attributes {
            etag: name.into(),
            ..Attributes::default()
        },
        body: Body::Small(vec![7; length].into()),
        hashed: false,
        condition: Condition::default(),
    }
}

fn delete(name: &str) -> Change {
    Change::Delete {
        key: key(name),
        condition: Condition::default(),
    }
}

fn source(name: &str) -> CopySource {
    CopySource {
        key: key(name),
        condition: Condition::default(),
    }
}

fn copy(from: &str, to: &str) -> Change {
    Change::Copy {
        source: source(from),
        key: key(to),
        attributes: CopyAttributes::default(),
        condition: Condition::default(),
    }
}

fn copy_part(from: &str, range: std::ops::Range<u64>, to: &str, id: &UploadId) -> Change {
    Change::CopyPart {
        source: source(from),
        range: Some(range),
        part: PartName {
            key: key(to),
            upload: id.clone(),
            number: 1,
        },
        attributes: PartAttributes {
            etag: "p".into(),
            checksum: None,
        },
    }
}

fn complete(name: &str, id: &UploadId, numbers: &[u16]) -> Change {
    let named = |number: &u16| NamedPart {
        number: *number,
        etag: "p".into(),
        checksum: None,
    };
    Change::Complete {
        key: key(name),
        upload: id.clone(),
        completion: Completion {
            parts: numbers.iter().map(named).collect(),
            attributes: Attributes::default(),
        },
        condition: Condition::default(),
    }
}

#[test]
fn a_span_is_freed_when_the_last_copy_goes() {
    let mut rows = Rows::new();
    let object = rows.put("a", 10);
    let span = span_key(object.blob_slices()[0].span);
    rows.one(copy("a", "b")).unwrap();
    rows.one(copy("b", "c")).unwrap();
    assert_eq!(rows.get(Table::Shares, &span), Some(Shares(3)));
    assert_eq!(rows.count(Table::Spans), 1);
    rows.plan(&[delete("a"), delete("c")]);
    assert_eq!(rows.count(Table::Shares), 0);
    assert_eq!(rows.count(Table::Freed), 0);
    rows.one(delete("b")).unwrap();
    assert_eq!(rows.count(Table::Freed), 1);
    assert_eq!(rows.context.totals, Totals::default());
}

#[test]
fn only_a_span_that_lies_where_it_was_read_is_moved() {
    let mut rows = Rows::new();
    let id = rows.put("a", 10).blob_slices()[0].span;
    let offset = |rows: &Rows| {
        rows.get::<Span>(Table::Spans, &span_key(id))
            .unwrap()
            .offset
    };
    let move_from = |from| Change::Move {
        spans: vec![SpanMove {
            id,
            from,
            body: vec![7; 10].into(),
        }],
    };
    let before = offset(&rows);
    rows.one(move_from(before + 1)).unwrap();
    assert_eq!(offset(&rows), before);
    rows.one(move_from(before)).unwrap();
    let moved = offset(&rows);
    assert_ne!(moved, before);
    rows.one(move_from(before)).unwrap();
    assert_eq!(offset(&rows), moved);
    rows.one(delete("a")).unwrap();
    rows.one(move_from(moved)).unwrap();
    assert_eq!(offset(&rows), moved);
}

#[test]
fn a_copy_takes_what_is_not_given_from_its_source() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    let tags = vec![("k".to_owned(), "v".to_owned())];
    let relabel = Change::Attributes {
        key: key("a"),
        change: AttributeChange::Tags(tags.clone()),
        condition: Condition::default(),
    };
    rows.one(relabel).unwrap();
    let metadata = vec![("m".to_owned(), "n".to_owned())];
    let attributes = CopyAttributes {
        metadata: Some(metadata.clone()),
        owner: Some("other".into()),
        ..CopyAttributes::default()
    };
    let onto_itself = Change::Copy {
        source: source("a"),
        key: key("a"),
        attributes,
        condition: Condition::default(),
    };
    rows.one(onto_itself).unwrap();
    let object: Object = rows.get(Table::Objects, &object_key(&key("a"))).unwrap();
    assert_eq!(object.attributes.etag, "a");
    assert_eq!(object.attributes.tags, tags);
    assert_eq!(object.attributes.metadata, metadata);
    assert_eq!(object.attributes.owner.as_deref(), Some("other"));
    assert_eq!((object.size, object.sequence), (10, 3));
    assert_eq!(
        (rows.count(Table::Shares), rows.count(Table::Freed)),
        (0, 0)
    );
}

#[test]
fn conditions_hold_for_source_and_destination_apart() {
    let mut rows = Rows::new();
    let object = rows.put("a", 1);
    let copy_if = |source: Condition, condition: Condition| Change::Copy {
        source: CopySource {
            key: key("a"),
            condition: source,
        },
        key: key("b"),
        attributes: CopyAttributes::default(),
        condition,
    };
    let refused = rows.one(copy_if(Condition::etag("x"), Condition::default()));
    let unmet = Precondition::IfMatch;
    assert_eq!(
        refused.unwrap_err(),
        ChangeError::SourceConditionFailed(unmet)
    );
    let refused = rows.one(copy_if(Condition::seen(&object), Condition::present()));
    assert_eq!(refused.unwrap_err(), ChangeError::NoSuchKey);
    rows.one(copy_if(Condition::etag("a"), Condition::absent()))
        .unwrap();
    let refused = rows.one(copy_if(Condition::default(), Condition::absent()));
    let unmet = Precondition::IfNoneMatch;
    assert_eq!(refused.unwrap_err(), ChangeError::ConditionFailed(unmet));
    let refused = rows.one(copy("nothing", "b"));
    assert_eq!(refused.unwrap_err(), ChangeError::NoSuchSource);
}

#[test]
fn what_was_overwritten_meanwhile_is_not_relabelled() {
    let mut rows = Rows::new();
    let seen = rows.put("a", 1);
    rows.put("a", 1);
    let relabel = |condition| Change::Attributes {
        key: key("a"),
        change: AttributeChange::Acl(None),
        condition,
    };
    let refused = rows.one(relabel(Condition::seen(&seen)));
    let unmet = Precondition::Sequence;
    assert_eq!(refused.unwrap_err(), ChangeError::ConditionFailed(unmet));
    rows.one(relabel(Condition::etag("a"))).unwrap();
}

#[test]
fn any_range_becomes_a_part() {
    let mut rows = Rows::new();
    let object = rows.put("a", 100);
    let span = object.blob_slices()[0].span;
    let id = rows.begin("b");
    let refused = rows.one(copy_part("a", 90..101, "b", &id));
    assert_eq!(refused.unwrap_err(), ChangeError::InvalidRange);
    for range in [7..20, 50..100] {
        rows.one(copy_part("a", range, "b", &id)).unwrap();
    }
    assert_eq!(rows.context.totals.part_bytes, 50);
    rows.one(complete("b", &id, &[1])).unwrap();
    let object: Object = rows.get(Table::Objects, &object_key(&key("b"))).unwrap();
    let slice = SpanSlice {
        span,
        offset: 50,
        length: 50,
    };
    assert_eq!(object.blob_slices(), [slice]);
    rows.one(delete("a")).unwrap();
    assert_eq!(rows.count(Table::Freed), 0, "a slice keeps its whole span");
    rows.one(delete("b")).unwrap();
    assert_eq!(rows.count(Table::Freed), 1);
}

#[test]
fn a_blob_of_many_slices_is_copied_and_deleted_by_its_id() {
    let mut rows = Rows::new();
    let slices = 2 * MAX_INLINE_SLICES + 1;
    rows.object_of("a", slices);
    let object: Object = rows.get(Table::Objects, &object_key(&key("a"))).unwrap();
    let Blob::Stored(id) = object.blob else {
        panic!("so many slices are rows");
    };
    assert_eq!(rows.count(Table::Slices), 3);
    rows.one(copy("a", "b")).unwrap();
    assert_eq!(rows.get(Table::BlobShares, &blob_key(id)), Some(Shares(2)));
    rows.plan(&[delete("a"), delete("bytes")]);
    assert_eq!(rows.count(Table::Doomed), 0);
    rows.one(delete("b")).unwrap();
    let doomed = Doomed::Blob(id);
    let mut steps = 0;
    while rows.count(Table::Doomed) > 0 {
        let doomed = doomed.clone();
        rows.one(Change::Release { doomed }).unwrap();
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!(
        (rows.count(Table::Slices), rows.count(Table::Freed)),
        (0, 1)
    );
    assert_eq!(rows.count(Table::Shares), 0);
    let again = rows.one(Change::Release { doomed });
    assert!(matches!(again, Ok(Done::Released { more: false })));
}

#[test]
fn ranges_of_a_stored_blob_are_found() {
    let mut rows = Rows::new();
    rows.object_of("a", MAX_INLINE_SLICES + 5);
    let id = rows.begin("b");
    let middle = MAX_INLINE_SLICES as u64;
    rows.one(copy_part("a", middle - 3..middle + 2, "b", &id))
        .unwrap();
    let part: Part = rows.get(Table::Parts, &part_key(&id, 1)).unwrap();
    let Blob::Inline(slices) = part.blob else {
        panic!("so few slices are no rows");
    };
    assert_eq!((part.size, slices.len()), (5, 5));
}

#[test]
fn an_aborted_upload_is_released_bit_by_bit() {
    let mut rows = Rows::new();
    rows.put("a", 100);
    let id = rows.begin("b");
    rows.one(copy_part("a", 0..10, "b", &id)).unwrap();
    let (key, upload) = (key("b"), id.clone());
    rows.one(Change::Abort { key, upload }).unwrap();
    assert_eq!(
        (rows.context.totals.uploads, rows.context.totals.part_bytes),
        (0, 0)
    );
    assert_eq!(
        (rows.count(Table::Parts), rows.count(Table::Doomed)),
        (1, 1)
    );
    let doomed = Doomed::Upload(id);
    rows.one(Change::Release { doomed }).unwrap();
    assert_eq!(
        (rows.count(Table::Parts), rows.count(Table::Doomed)),
        (0, 0)
    );
    assert_eq!(rows.count(Table::Shares), 0);
}

#[test]
fn a_quota_is_exact_within_a_batch() {
    let mut rows = Rows::new();
    rows.context.quota = Some(100);
    let outcomes = rows.plan(&[put("a", 60), put("b", 41), put("c", 40), put("d", 1)]);
    let refused: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false, true]);
    assert_eq!(rows.one(put("e", 1)).unwrap_err(), ChangeError::Quota);
    assert_eq!(rows.one(copy("a", "f")).unwrap_err(), ChangeError::Quota);
    let id = rows.begin("g");
    let refused = rows.one(copy_part("a", 0..1, "g", &id));
    assert_eq!(refused.unwrap_err(), ChangeError::Quota);
    // Under the use: what grows is refused, what shrinks is not.
    rows.context.quota = Some(10);
    rows.one(put("a", 59)).unwrap();
    assert_eq!(rows.one(put("a", 60)).unwrap_err(), ChangeError::Quota);
    rows.one(put("empty", 0)).unwrap();
    rows.one(delete("c")).unwrap();
    let totals = Totals {
        objects: 2,
        object_bytes: 59,
        uploads: 1,
        part_bytes: 0,
    };
    assert_eq!(rows.context.totals, totals);
    assert_eq!(rows.get(Table::Totals, &Bytes::new()), Some(totals));
}

#[test]
fn parts_arrive_in_any_order_and_again() {
    let mut rows = Rows::new();
    let id = rows.begin("a");
    let part = |number, length: usize| Change::PutPart {
        part: PartName {
            key: key("a"),
            upload: id.clone(),
            number,
        },
        attributes: PartAttributes {
            etag: "p".into(),
            checksum: None,
        },
        body: Body::Small(vec![7; length].into()),
    };
    rows.plan(&[part(2, 5), part(1, 3), part(2, 4), part(9, 1)]);
    assert_eq!(rows.context.totals.part_bytes, 8);
    let refused = rows.one(complete("a", &id, &[1, 2, 2]));
    assert_eq!(refused.unwrap_err(), ChangeError::InvalidPart(2));
    rows.one(complete("a", &id, &[1, 2])).unwrap();
    let object: Object = rows.get(Table::Objects, &object_key(&key("a"))).unwrap();
    let parts = object.parts.iter().map(|part| (part.number, part.size));
    assert!(parts.eq([(1, 3), (2, 4)]));
    assert_eq!(rows.count(Table::Freed), 2, "one sent again, one left out");
    assert_eq!(rows.context.totals.bytes(), 7);
}
