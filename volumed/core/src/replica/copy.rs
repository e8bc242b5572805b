//! Copying: reading blocks for another replica, comparing them with its, and receiving them from one.

use bytes::Bytes;

use crate::chunk::Chunk;
use crate::message::{Ask, ExtentFile, Message, ReplicaError};
use crate::rules::Rule;
use crate::sums::{HOLE, allocated};

use super::regions::Span;
use super::{BadBlock, DiskAnswer, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

impl Replica {
    /// The files of a copy are there, and empty.
    pub(super) fn receive(&mut self, file: ExtentFile, effects: &mut Vec<ReplicaEffect>) {
        self.forget(file, effects);
        self.held.receive(file);
    }

    pub(super) fn fetch(
        &mut self,
        file: ExtentFile,
        span: Span,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let op = DiskOp::Fetch {
            file,
            offset: span.start(),
            sums: self.regions.pin(span),
        };
        let pinned = span;
        self.start(Doing::Fetch { message, pinned }, op, effects);
    }

    pub(super) fn fetched(
        &mut self,
        message: &Message,
        span: Span,
        result: DiskResult,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        self.regions.unpin(span);
        let outcome = match result {
            Ok(DiskAnswer::Data(chunk)) => {
                self.note_damaged(&chunk, span, effects);
                Ok(chunk)
            }
            Ok(_) => Err(ReplicaError::Disk),
            Err(fault) => Err(fault.to_replica()),
        };
        self.finish(message, outcome, effects);
        self.retry_if_freed(effects);
    }

    /// Writes a chunk of a copy; where something else is than holes, the copy is not what it should be.
    pub(super) fn store(
        &mut self,
        file: ExtentFile,
        span: Span,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let Ask::Store { chunk, .. } = &message.ask else {
            return;
        };
        let before = self.regions.pin(span);
        let chunk = Chunk::unpack(chunk.clone(), before.len());
        let Some(mut chunk) = chunk.filter(|_| allocated(&before) == 0) else {
            self.regions.unpin(span);
            return self.answer(&message, Err(ReplicaError::NoExtent), effects);
        };
        if !self.rules.kept(Rule::CopyDamage) {
            chunk = chunk.summed_anew();
        }
        let needed = allocated(&chunk.sums);
        let offset = span.start();
        let op = DiskOp::Store {
            file,
            offset,
            chunk,
        };
        self.begin_change(span, message, (op, needed), effects);
    }

    pub(super) fn digest(
        &mut self,
        file: ExtentFile,
        span: Span,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let op = DiskOp::Digest {
            file,
            offset: span.start(),
            sums: self.regions.pin(span),
        };
        let pinned = span;
        self.start(Doing::Digest { message, pinned }, op, effects);
    }

    pub(super) fn digested(
        &mut self,
        message: &Message,
        span: Span,
        result: DiskResult,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        self.regions.unpin(span);
        let outcome = match result {
            Ok(DiskAnswer::Data(digests)) => Ok(digests),
            Ok(_) => Err(ReplicaError::Disk),
            Err(fault) => Err(fault.to_replica()),
        };
        self.finish(message, outcome, effects);
        self.retry_if_freed(effects);
    }

    /// Makes blocks what they are elsewhere.
    pub(super) fn replace(
        &mut self,
        file: ExtentFile,
        span: Span,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let Ask::Replace { chunk, .. } = &message.ask else {
            return;
        };
        let before = self.regions.pin(span);
        let Some(chunk) = Chunk::unpack(chunk.clone(), before.len()) else {
            self.regions.unpin(span);
            return self.answer(&message, Err(ReplicaError::NoExtent), effects);
        };
        let filled = before.iter().zip(&chunk.sums);
        let filled = filled.filter(|(before, now)| **before == HOLE && **now != HOLE);
        let needed = filled.count() as u32;
        let offset = span.start();
        let op = DiskOp::Replace {
            file,
            offset,
            chunk,
        };
        self.begin_change(span, message, (op, needed), effects);
    }

    /// A change of the span went well. What was stored may be damaged all the same.
    pub(super) fn stored(
        &mut self,
        message: &Message,
        span: Span,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        if let Ask::Store { chunk, .. } | Ask::Replace { chunk, .. } = &message.ask {
            self.note_damaged(chunk, span, effects);
        }
    }

    fn note_damaged(&mut self, packed: &Bytes, span: Span, effects: &mut Vec<ReplicaEffect>) {
        let chunk = Chunk::unpack(packed.clone(), span.count as usize);
        let damaged = chunk.into_iter().flat_map(|chunk| chunk.found_damaged());
        for (block, found) in damaged {
            let block = span.first + block;
            self.found_damaged(span.extent, BadBlock { block, found }, effects);
        }
    }
}
