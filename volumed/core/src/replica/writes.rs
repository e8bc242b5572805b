//! Writes and zeroes: space is taken before anything is changed.

use crate::BLOCK_SIZE;
use crate::message::{Ask, ExtentFile, Message, ReplicaError};
use crate::rules::Rule;
use crate::sums::{HOLE, allocated};

use super::regions::Span;
use super::{Bytes, DiskAnswer, DiskFault, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

impl Replica {
    pub(super) fn change(
        &mut self,
        file: ExtentFile,
        span: Span,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let before = self.regions.pin(span);
        let holes = before.len() as u32 - allocated(&before);
        let (op, needed) = match &message.ask {
            Ask::Write {
                clear: true,
                durable,
                ..
            }
            | Ask::Zero {
                keep: false,
                durable,
                ..
            } if holes as usize == before.len() && !self.is_damaged(span) => {
                self.regions.unpin(span);
                // The holes may still be in the page cache alone.
                let files = if *durable { vec![file] } else { Vec::new() };
                return self.plain(message, DiskOp::Sync { files }, effects);
            }
            Ask::Write {
                offset,
                data,
                durable,
                ..
            } => {
                let (first, last) = partial(span, *offset, data.len(), &before);
                let op = DiskOp::Write {
                    file,
                    offset: *offset,
                    data: data.clone(),
                    durable: *durable,
                    first,
                    last,
                };
                (op, holes)
            }
            &Ask::Zero {
                offset,
                length,
                durable,
                keep,
                ..
            } => {
                let op = DiskOp::Zero {
                    file,
                    offset,
                    length,
                    durable,
                    keep,
                };
                (op, if keep { holes } else { 0 })
            }
            _ => return,
        };
        self.begin_change(span, message, (op, needed), effects);
    }

    /// Takes the blocks that a change of a pinned span needs, then begins it.
    pub(super) fn begin_change(
        &mut self,
        span: Span,
        message: Message,
        (op, needed): (DiskOp, u32),
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let needed = needed * u32::from(self.rules.kept(Rule::Reserve));
        if !self.held.need(needed) {
            self.regions.unpin(span);
            return self.answer(&message, Err(ReplicaError::NoSpace), effects);
        }
        self.note_change(span);
        self.start(
            Doing::Change {
                message,
                pinned: span,
                needed,
            },
            op,
            effects,
        );
    }

    pub(super) fn changed(
        &mut self,
        message: &Message,
        span: Span,
        needed: u32,
        result: DiskResult,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let before = allocated(&self.regions.pin(span));
        self.regions.unpin(span);
        self.held.needed(needed);
        let outcome = match result {
            Ok(DiskAnswer::Sums(sums)) => {
                self.regions.set(span, &sums);
                self.found_well(span, effects);
                self.stored(message, span, effects);
                let now = allocated(&sums);
                let before = if self.rules.kept(Rule::GiveBack) {
                    before
                } else {
                    before.min(now)
                };
                self.held.wrote(span.extent, before, now);
                Ok(Bytes::new())
            }
            Ok(_) => Err(ReplicaError::Disk),
            Err(fault) => {
                match fault {
                    DiskFault::Corrupt(block) => {
                        self.found_damaged(span.extent, block, effects);
                    }
                    DiskFault::Exhausted => {}
                    _ if self.rules.kept(Rule::HalfWritten) => self.regions.suspect(span),
                    _ => {}
                }
                Err(fault.to_replica())
            }
        };
        self.regions.unpin(span);
        self.finish(message, outcome, effects);
        self.retry_if_freed(effects);
    }
}

/// The sums of the first and the last block if they are covered only in part.
fn partial(span: Span, offset: u32, length: usize, before: &[u32]) -> (Option<u32>, Option<u32>) {
    let block = BLOCK_SIZE as u32;
    let (from_start, to_end) = (offset % block, (offset + length as u32) % block);
    let single = span.count == 1;
    let sum = |at: Option<&u32>| Some(at.copied().unwrap_or(HOLE));
    let first = if from_start != 0 || (single && to_end != 0) {
        sum(before.first())
    } else {
        None
    };
    let last = if !single && to_end != 0 {
        sum(before.last())
    } else {
        None
    };
    (first, last)
}
