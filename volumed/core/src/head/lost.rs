//! Blocks that were lost with a disk: nothing of them is read or merged with, and they are well once they
//! are written whole or made zero, durably, and the store says so.

use bytes::Bytes;

use crate::message::OpId;
use crate::rules::{Rule, Rules};
use crate::{IoError, map};

use super::extents::Extents;
use super::piece::{Piece, Work};
use super::{Head, HeadEffect, PlaceFailure};

/// How a piece ended, as the client is told.
type End = Result<Option<Bytes>, IoError>;

impl Extents {
    /// How a piece ends at once that needs what is lost. What covers lost blocks whole is to mend them.
    pub fn meets_lost(&self, rules: Rules, piece: &mut Piece) -> Option<End> {
        let lost = self.lost.get(&piece.extent)?;
        let all = piece.all_blocks();
        if !lost.any_in(&all) {
            return None;
        }
        let whole = piece.whole_blocks();
        let in_part = lost.any_in(&(all.start..whole.start)) || lost.any_in(&(whole.end..all.end));
        match &mut piece.work {
            Work::Read { .. } => rules.kept(Rule::LostRead).then_some(Err(IoError::Lost)),
            // They read neither as zero nor as anything else.
            Work::Map { length, .. } => Some(Ok(Some(map::taken(*length)))),
            Work::Write { .. } | Work::Zero { .. } if in_part && rules.kept(Rule::LostMerge) => {
                Some(Err(IoError::Lost))
            }
            Work::Write { durable, .. } | Work::Zero { durable, .. } => {
                piece.mends = true;
                *durable |= rules.kept(Rule::MendDurable);
                None
            }
            Work::Unplace | Work::Copy(_) | Work::Agree { .. } | Work::Compare { .. } => None,
        }
    }
}

impl Head {
    pub(super) fn mends(&self, op: OpId) -> bool {
        self.pieces.get(&op).is_some_and(|piece| piece.mends)
    }

    /// Every replica has made durable what replaces lost blocks.
    pub(super) fn mend(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let Some(piece) = self.pieces.get(&op) else {
            return;
        };
        effects.push(HeadEffect::Mend(op, piece.extent, piece.whole_blocks()));
        if !self.rules.kept(Rule::MendNoted) {
            self.mended(op, Ok(()), effects);
        }
    }

    pub(super) fn mended(
        &mut self,
        op: OpId,
        result: Result<(), PlaceFailure>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(piece) = self.pieces.get(&op) else {
            return;
        };
        if result.is_err() {
            return self.complete(op, Err(IoError::Io), effects);
        }
        let (extent, blocks) = (piece.extent, piece.whole_blocks());
        if let Some(lost) = self.extents.lost.get_mut(&extent) {
            lost.mend(&blocks);
            if lost.is_empty() {
                self.extents.lost.remove(&extent);
            }
        }
        self.complete(op, Ok(Some(Bytes::new())), effects);
    }
}
