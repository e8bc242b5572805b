//! Parts of a new file that are sent while it is still written, so that little is left to do when it is
//! flushed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use fused_fs::journal::Record;
use fused_fs::upload;
use fused_s3::{Headers, Part};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::files::{FileState, OpenFile};
use crate::lookup::headers;
use crate::mount::Mount;
use crate::staging::StageFile;

/// Parts of a file that are on their way at one time. Hayrack computes the ETags of so many side by side in about
/// the time of one.
pub const PARALLEL: usize = 8;

/// Bytes of all files together that are on their way at one time, and in memory for it: so many of the shortest
/// parts. A longer part than that goes alone.
const ON_THEIR_WAY: u64 = PARALLEL as u64 * upload::PART;

/// What turns are counted in.
const UNIT: u64 = 1 << 20;

/// An upload to which parts are sent while the file is written.
#[derive(Clone)]
pub struct Early {
    /// The key that it is for.
    pub key: String,
    /// What was stored beside the bytes when it began.
    pub headers: Headers,
    /// Its id, once it has begun; `None` when it could not.
    pub id: Shared<BoxFuture<'static, Option<String>>>,
    parts: BTreeMap<u16, Sent>,
}

/// A part that is sent, or was.
#[derive(Clone)]
struct Sent {
    range: Range<u64>,
    /// `None`: it could not be sent.
    part: Shared<BoxFuture<'static, Option<Part>>>,
    /// Bytes of it were written again since.
    stale: bool,
}

impl Early {
    /// The part with exactly these bytes, if it was sent and they have not changed since.
    pub async fn part(&self, number: u16, range: &Range<u64>) -> Option<Part> {
        let sent = self.parts.get(&number)?;
        if sent.stale || sent.range != *range {
            return None;
        }
        sent.part.clone().await
    }

    /// Bytes were written.
    pub fn written(&mut self, range: &Range<u64>) {
        for sent in self.parts.values_mut() {
            sent.stale |= sent.range.start < range.end && range.start < sent.range.end;
        }
    }
}

impl Mount {
    /// Sends the parts of a file that are whole by now, if all its bytes are new.
    pub fn send_early(self: &Arc<Self>, file: &OpenFile, state: &mut FileState) {
        let Some(staged) = &state.staged else {
            return;
        };
        if staged.stage.needs_base() {
            return;
        }
        loop {
            let sent = state.early.as_ref().map_or(0, |early| early.parts.len());
            let number = sent as u16 + 1;
            let range = upload::part(number);
            // The last part may be shorter, which only a flush knows.
            if range.end >= staged.stage.size() || !staged.stage.has_staged(range.clone()) {
                return;
            }
            if state.early.is_none() {
                state.early = self.begin_early(file, &staged.file);
            }
            let Some(early) = &mut state.early else {
                return;
            };
            let part = self.send(early, number, range.clone(), staged.file.clone());
            let part = part.boxed().shared();
            self.runtime.spawn(part.clone());
            early.parts.insert(
                number,
                Sent {
                    range,
                    part,
                    stale: false,
                },
            );
        }
    }

    fn begin_early(self: &Arc<Self>, file: &OpenFile, staged: &Arc<StageFile>) -> Option<Early> {
        let (key, headers) = {
            let tree = self.tree.lock();
            let node = tree.get(file.ino)?;
            (tree.key(file.ino)?, headers(&node.attributes, &node.others))
        };
        let (mount, staged) = (self.clone(), staged.clone());
        let begin = {
            let (key, headers) = (key.clone(), headers.clone());
            async move {
                let id = mount.client.begin_upload(&key, &headers).await.ok()?;
                staged.record(&[Record::Upload(Some(id.clone()))]).ok()?;
                Some(id)
            }
        };
        Some(Early {
            key,
            headers,
            id: begin.boxed().shared(),
            parts: BTreeMap::new(),
        })
    }

    fn send(
        self: &Arc<Self>,
        early: &Early,
        number: u16,
        range: Range<u64>,
        staged: Arc<StageFile>,
    ) -> impl Future<Output = Option<Part>> + Send + 'static {
        let (mount, key, id) = (self.clone(), early.key.clone(), early.id.clone());
        async move {
            let id = id.await?;
            let length = range.end - range.start;
            let _turn = mount.turn(length).await;
            let bytes = staged.bytes(range.start, length as usize).ok()?;
            let sent = mount.client.put_part(&key, &id, number, bytes).await;
            // A flush sends it again, and says why it cannot.
            sent.ok()
        }
    }

    /// What was sent early is of no use any more.
    pub fn abandon_early(self: &Arc<Self>, state: &mut FileState) {
        let Some(early) = state.early.take() else {
            return;
        };
        // Without it, the upload is aborted at the next mount.
        let _ = state.record(Record::Upload(None));
        let mount = self.clone();
        self.spawn(async move {
            // Parts that arrive behind the abort would be refused; those on their way end first.
            for sent in early.parts.into_values() {
                sent.part.await;
            }
            if let Some(id) = early.id.await {
                let _ = mount.client.abort_upload(&early.key, &id).await;
            }
        });
    }
}

impl Mount {
    /// Waits until bytes may be on their way; they are as long as what this answers lives.
    pub async fn turn(&self, length: u64) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.sending.acquire_many(units(length)).await.ok()
    }
}

/// Turns to send bytes.
pub fn turns() -> Semaphore {
    Semaphore::new(units(u64::MAX) as usize)
}

fn units(length: u64) -> u32 {
    length.min(ON_THEIR_WAY).div_ceil(UNIT) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_of_the_shortest_parts_go_at_once_and_a_long_one_alone() {
        let turns = turns();
        let parts: Vec<_> = (0..PARALLEL)
            .map(|_| turns.try_acquire_many(units(upload::PART)))
            .collect();
        assert!(parts.iter().all(Result::is_ok));
        assert!(turns.try_acquire_many(units(1)).is_err());
        drop(parts);
        let long = turns.try_acquire_many(units(5 << 30));
        assert!(long.is_ok() && turns.available_permits() == 0);
    }
}
