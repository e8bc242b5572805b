//! Plans a batch of changes: whether what must hold does, and what becomes of the rows if it does.
//!
//! A batch is planned in order, each change on what those before it left. Planning reads and
//! computes; it changes nothing outside itself, so a batch can be planned again at another address.

mod blobs;
mod copies;
mod objects;
mod patches;
mod prefix;
mod references;
mod renames;
mod space;
#[cfg(test)]
mod tests;
mod uploads;

use std::collections::BTreeMap;
use std::vec::IntoIter;

use bytes::Bytes;

use crate::attributes::Attributes;
use crate::commit::change::{Change, Done, Outcome};
use crate::commit::view::{Overlay, RowView};
use crate::condition::{Condition, Unmet};
use crate::errors::ChangeError;
use crate::format::group::Builder;
use crate::format::redirect::Redirect;
use crate::format::rows::{Mutation, Row, Table};
use crate::index::IndexError;
use crate::object::{Object, SpanId, Timestamp};
use crate::totals::Totals;

/// A planned batch.
pub struct CommitPlan {
    pub group: Builder,
    /// The mutations of each change that has any, in order. Most changes are one record.
    pub records: Vec<Vec<Mutation>>,
    pub outcomes: Vec<Outcome>,
    /// See [`CommitContext`].
    pub first_record: u64,
    pub now: Timestamp,
    /// As they are behind the batch.
    pub totals: Totals,
    /// The same of [`CommitContext::uploads`].
    pub uploads: u64,
}

/// What all changes of a batch share.
#[derive(Debug, Clone, Copy)]
pub struct CommitContext {
    /// Where the group will begin, in bytes from the volume's start.
    pub address: u64,
    /// What is left of the segment there, in bytes. A longer group is planned again elsewhere.
    pub room: u64,
    /// Sequence number of the group's first record.
    pub first_record: u64,
    pub now: Timestamp,
    pub epoch: u64,
    /// How many uploads this owner began.
    pub uploads: u64,
    pub totals: Totals,
    /// Most bytes that the bucket may hold.
    pub quota: Option<u64>,
    /// The pool is full: only what frees space is made.
    pub full: bool,
    /// Most rows that a record moves for a prefix rename.
    pub slice: usize,
}

/// Plans `changes` in order; may block on the view. `pending`: what changes that were planned before
/// make of the rows that the view shows, in order.
pub fn plan<'c, 'p, V: RowView>(
    changes: impl IntoIterator<Item = &'c Change>,
    pending: impl IntoIterator<Item = &'p Mutation>,
    view: &V,
    context: CommitContext,
) -> Result<CommitPlan, IndexError> {
    let mut rows = Overlay::new(view);
    for Mutation { table, key, value } in pending {
        rows.set(*table, key.clone(), value.clone());
    }
    let redirect = match rows.changed(Table::Redirect, &Bytes::new()) {
        Some(row) => row.as_ref().map(|row| Redirect::decode(row)).transpose()?,
        None => view.redirect()?,
    };
    let changes: Vec<&Change> = changes.into_iter().collect();
    let mut planner = BatchPlanner {
        rows,
        etags: etags(&changes),
        redirect,
        context,
        draft: Vec::new(),
        references: BTreeMap::new(),
        group: Builder::default(),
        records: Vec::new(),
    };
    let outcomes = changes
        .into_iter()
        .map(|change| planner.change(change))
        .collect::<Result<_, _>>()?;
    planner.record_totals(context.totals);
    Ok(CommitPlan {
        group: planner.group,
        records: planner.records,
        outcomes,
        first_record: context.first_record,
        now: context.now,
        totals: planner.context.totals,
        uploads: planner.context.uploads,
    })
}

/// The ETags of the objects whose bodies are to be hashed, in their order.
fn etags(changes: &[&Change]) -> IntoIter<String> {
    let bodies = changes.iter().filter_map(|change| change.body_to_hash());
    let digests = s3d_md5::digests(&bodies.cloned().collect::<Vec<_>>());
    let etags = digests.iter().map(hex::encode);
    etags.collect::<Vec<_>>().into_iter()
}

struct BatchPlanner<'v, V> {
    rows: Overlay<'v, V>,
    /// See [`etags`].
    etags: IntoIter<String>,
    /// The prefix rename under way behind the changes planned so far.
    redirect: Option<Redirect>,
    context: CommitContext,
    /// Mutations of the change being planned.
    draft: Vec<Mutation>,
    /// By how many the change being planned alters the slices that name a span.
    references: BTreeMap<SpanId, i64>,
    group: Builder,
    records: Vec<Vec<Mutation>>,
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

impl<V: RowView> BatchPlanner<'_, V> {
    fn change(&mut self, change: &Change) -> Result<Outcome, IndexError> {
        debug_assert!(self.draft.is_empty(), "every change takes its draft along");
        let planned = self.dispatch(change).and_then(|done| {
            self.apply_references()?;
            Ok(done)
        });
        match planned {
            Ok(done) => {
                if !self.draft.is_empty() {
                    self.records.push(std::mem::take(&mut self.draft));
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

    fn dispatch(&mut self, change: &Change) -> Planned<Done> {
        match change {
            Change::Put {
                key,
                attributes,
                body,
                condition,
                ..
            } => {
                let hashed = change.body_to_hash().is_some();
                let attributes = self.with_etag(attributes, hashed);
                self.put(key, attributes, body, condition)
            }
            Change::Append {
                key,
                addition,
                body,
                condition,
            } => self.append(key, addition, body, condition),
            Change::Patch {
                key,
                patch,
                body,
                condition,
            } => self.patch(key, patch, body, condition),
            Change::Copy {
                source,
                key,
                attributes,
                condition,
            } => self.copy(source, key, attributes, condition),
            Change::Rename {
                source,
                key,
                condition,
                token,
            } => self.rename(source, key, condition, token.as_ref()),
            Change::Delete { key, condition } => self.delete(key, condition),
            Change::Attributes {
                key,
                change,
                condition,
            } => self.change_attributes(key, change, condition),
            Change::CreateUpload { key, upload } => Ok(self.create_upload(key, upload)),
            Change::PutPart {
                part,
                attributes,
                body,
            } => self.put_part(part, attributes, body),
            Change::CopyPart {
                source,
                range,
                part,
                attributes,
            } => self.copy_part(source, range.as_ref(), part, attributes),
            Change::Complete {
                key,
                upload,
                completion,
                condition,
            } => self.complete(key, upload, completion, condition),
            Change::Abort { key, upload } => self.abort(key, upload),
            Change::RenamePrefix(rename) => self.rename_prefix(rename),
            Change::MoveSlice => self.move_slice(),
            Change::Release { doomed } => self.release_doomed(doomed),
            Change::Forget { spans, holes } => self.forget(spans, holes),
            Change::Move { spans } => self.move_spans(spans),
        }
    }

    /// Attributes with the next of [`etags`], if their object's body is hashed.
    fn with_etag(&mut self, attributes: &Attributes, hashed: bool) -> Attributes {
        let mut attributes = attributes.clone();
        if hashed {
            attributes.etag = self.etags.next().expect("each such body has one");
        }
        attributes
    }

    fn get<R: Row>(&self, table: Table, key: &Bytes) -> Planned<Option<R>> {
        let (table, row) = self.place(table, key.clone());
        Ok(self.rows.get(table, &row)?)
    }

    fn set(&mut self, table: Table, key: Bytes, value: Option<Bytes>) {
        let (table, row) = self.place(table, key);
        self.set_row(table, row, value);
    }

    /// Where the row of a key lies: objects may be under way to other places (B10).
    fn place(&self, table: Table, key: Bytes) -> (Table, Bytes) {
        let redirect = self.redirect.as_ref().filter(|_| table == Table::Objects);
        let place = redirect.and_then(|redirect| redirect.place(&key));
        place.unwrap_or((table, key))
    }

    fn set_row(&mut self, table: Table, key: Bytes, value: Option<Bytes>) {
        self.rows.set(table, key.clone(), value.clone());
        self.draft.push(Mutation { table, key, value });
    }

    /// Sequence number of the record that the change being planned becomes.
    fn sequence(&self) -> u64 {
        self.context.first_record + self.records.len() as u64
    }

    /// The totals go from here to `next`, if the quota allows it. The last refusal that a change
    /// may meet.
    fn change_totals(&mut self, next: Totals) -> Planned<()> {
        if !self.context.totals.may_become(&next, self.context.quota) {
            return Err(ChangeError::Quota.into());
        }
        self.context.totals = next;
        Ok(())
    }

    /// Writes the totals, if the batch changed them, into its last record: they become durable with
    /// the changes that they count.
    fn record_totals(&mut self, before: Totals) {
        if self.context.totals != before
            && let Some(last) = self.records.last_mut()
        {
            last.push(Mutation {
                table: Table::Totals,
                key: Bytes::new(),
                value: Some(self.context.totals.encode()),
            });
        }
        for record in &self.records {
            self.group.record(record);
        }
    }
}

fn check(condition: &Condition, object: Option<&Object>) -> Result<(), ChangeError> {
    condition.check(object).map_err(|unmet| match unmet {
        Unmet::NoObject => ChangeError::NoSuchKey,
        Unmet::Precondition(precondition) => ChangeError::ConditionFailed(precondition),
    })
}
