//! Space is taken before anything of a request is sent (V12): on every replica, for all its pieces,
//! and within the volume's quota. What does not fit changes nothing.
//!
//! Each disk grants the head blocks ahead of what it needs. A piece takes as many of them as it has
//! blocks, and the disk's answer tells how many were holes and are gone; so where there is room, taking
//! space sends nothing. Where there seems to be none, requests go one by one: the disks are asked for
//! more, then how many holes there really are, and what is on its way is waited for. Only then is one
//! refused.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, Bytes};

use crate::message::{Answer, Ask, OpId, ReplicaError};
use crate::rules::{Rule, Rules};
use crate::{DiskNumber, ExtentIndex, IoError};

use super::piece::{Stage, to_client};
use super::round::Then;
use super::{Head, HeadEffect};

/// Blocks that a disk is asked for beyond what is needed, so that it is not asked often: 16 MiB.
const AHEAD: u64 = 4096;

/// The volume's part of a disk's account, as far as the head knows.
#[derive(Debug, Default)]
struct Account {
    /// Blocks that take space.
    allocated: u64,
    /// Blocks granted that take no space yet.
    granted: u64,
    /// Those of them that pieces on their way may need.
    reserved: u64,
    /// Those of them that are being given back.
    returning: u64,
}

impl Account {
    fn spare(&self) -> u64 {
        self.granted
            .saturating_sub(self.reserved)
            .saturating_sub(self.returning)
    }
}

/// A request that waits for space.
#[derive(Debug)]
struct Claim {
    /// Its pieces, and how many blocks each needs at most.
    pieces: Vec<(OpId, u32)>,
    tried: Tried,
    /// Answers that are on their way.
    asked: usize,
    /// A replica could not be asked: it could not be written either.
    failed: Option<IoError>,
}

/// What was done to find room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Nothing,
    Granting,
    Counting,
}

#[derive(Debug)]
pub(super) struct Space {
    /// Blocks that may take space on all disks together.
    rules: Rules,
    quota: Option<u64>,
    accounts: BTreeMap<DiskNumber, Account>,
    /// In order: nobody overtakes the first.
    claims: VecDeque<Claim>,
    /// Whether space was reserved since the clock last ticked.
    used: bool,
}

impl Space {
    pub fn new(rules: Rules, quota: Option<u64>) -> Self {
        Self {
            rules,
            quota,
            accounts: BTreeMap::new(),
            claims: VecDeque::new(),
            used: false,
        }
    }

    /// Blocks that take space, on all disks together.
    pub fn allocated(&self) -> u64 {
        self.accounts.values().map(|it| it.allocated).sum()
    }

    /// The volume may hold so much from now on.
    pub fn limit(&mut self, quota: Option<u64>) {
        self.quota = quota;
    }

    /// The disk's replica is gone, and holds nothing of the volume.
    pub fn leave(&mut self, disk: DiskNumber) {
        self.accounts.remove(&disk);
    }

    /// The disks granted the first claim what they have.
    pub fn granted(&mut self, result: Result<(), ReplicaError>) {
        let Some(claim) = self.claims.front_mut() else {
            return;
        };
        claim.asked -= 1;
        if let Err(error) = result {
            claim.failed = Some(to_client(error));
        }
    }

    /// So many blocks of a piece of the first claim are holes.
    pub fn counted(&mut self, op: OpId, result: Result<Bytes, ReplicaError>) {
        let Some(claim) = self.claims.front_mut() else {
            return;
        };
        claim.asked -= 1;
        let piece = claim.pieces.iter_mut().find(|(piece, _)| *piece == op);
        match (piece, result.map(|mut holes| holes.try_get_u32_le())) {
            (Some((_, blocks)), Ok(Ok(holes))) => *blocks = holes.min(*blocks),
            (_, Err(error)) => claim.failed = Some(to_client(error)),
            _ => claim.failed = Some(IoError::Io),
        }
    }

    /// A disk answered something that so many blocks were reserved or given back for.
    pub fn answered(&mut self, answer: &Answer, reserved: u32, returned: u64) {
        let account = self.accounts.entry(answer.disk).or_default();
        account.allocated = answer.allocated;
        account.granted = answer.granted;
        account.reserved = account.reserved.saturating_sub(reserved.into());
        account.returning = account.returning.saturating_sub(returned);
    }

    /// Reserves `blocks` on each of the disks, or none.
    fn reserve(&mut self, disks: impl Iterator<Item = DiskNumber> + Clone, blocks: u32) -> bool {
        let needed = u64::from(blocks);
        let spare = |disk| self.accounts.get(&disk).map_or(0, Account::spare);
        let fits = disks.clone().all(|disk| needed <= spare(disk)) && self.in_quota(&disks, needed);
        if !fits && self.rules.kept(Rule::Reserve) {
            return false;
        }
        for disk in disks {
            self.accounts.entry(disk).or_default().reserved += needed;
        }
        true
    }

    /// What takes no more space may be above a quota that was lowered.
    fn in_quota(&self, disks: &(impl Iterator<Item = DiskNumber> + Clone), blocks: u64) -> bool {
        let Some(quota) = self.quota else { return true };
        let accounts = self.accounts.values();
        let taken: u64 = accounts.map(|it| it.allocated + it.reserved).sum();
        let needed = blocks * disks.clone().count() as u64;
        needed == 0 || taken + needed <= quota
    }

    fn release(&mut self, disks: impl Iterator<Item = DiskNumber>, blocks: u32) {
        for disk in disks {
            let account = self.accounts.entry(disk).or_default();
            account.reserved = account.reserved.saturating_sub(blocks.into());
        }
    }

    /// What the claims need at most, on any disk.
    fn claimed(&self) -> u64 {
        let pieces = self.claims.iter().flat_map(|claim| &claim.pieces);
        pieces.map(|(_, blocks)| u64::from(*blocks)).sum()
    }

    fn nothing_reserved(&self) -> bool {
        self.accounts.values().all(|account| account.reserved == 0)
    }
}

impl Head {
    /// A piece is ready to be sent but for its space, which is taken once all of its request are.
    pub(super) fn claim(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let Some(piece) = self.pieces.get_mut(&op) else {
            return;
        };
        piece.stage = Stage::Claiming;
        let blocks = piece.block_count();
        let request = piece.request.and_then(|id| self.requests.get_mut(&id));
        let Some(pending) = request else {
            return;
        };
        if let Some(error) = pending.error {
            return self.complete(op, Err(error), effects);
        }
        if pending.claims == 1 && self.space.claims.is_empty() && self.reserve(op, blocks) {
            return self.advance(op, effects);
        }
        let request = self.pieces.get(&op).and_then(|piece| piece.request);
        let Some(pending) = request.and_then(|id| self.requests.get_mut(&id)) else {
            return;
        };
        pending.claiming.push((op, blocks));
        if pending.claiming.len() == pending.claims {
            self.space.claims.push_back(Claim {
                pieces: std::mem::take(&mut pending.claiming),
                tried: Tried::Nothing,
                asked: 0,
                failed: None,
            });
        }
    }

    /// Reserves space for a piece that claims it.
    fn reserve(&mut self, op: OpId, blocks: u32) -> bool {
        self.space.used = true;
        let Some(piece) = self.pieces.get_mut(&op) else {
            return false;
        };
        let Some(placement) = self.extents.get(piece.extent) else {
            return false;
        };
        let reserved = self.space.reserve(self.extents.in_sync(placement), blocks);
        if reserved {
            piece.reserved = Some(blocks);
            piece.stage = Stage::Ordering;
        }
        reserved
    }

    /// A piece that was not sent needs no space.
    pub(super) fn release(&mut self, extent: ExtentIndex, blocks: u32) {
        if let Some(placement) = self.extents.get(extent) {
            let disks = self.extents.in_sync(placement);
            self.space.release(disks, blocks);
        }
    }

    /// Finds room for the first claim, then for the next.
    pub(super) fn serve_claims(&mut self, effects: &mut Vec<HeadEffect>) {
        while let Some(mut claim) = self.space.claims.pop_front() {
            let error = match claim.failed {
                _ if claim.asked > 0 => return self.space.claims.push_front(claim),
                Some(error) => error,
                None if self.reserve_all(&claim.pieces) => {
                    self.ready.extend(claim.pieces.iter().map(|(op, _)| *op));
                    continue;
                }
                None => {
                    self.look_for_room(&mut claim, effects);
                    let passing = !self.space.nothing_reserved() || self.copies.is_leaving();
                    if claim.asked > 0 || passing {
                        return self.space.claims.push_front(claim);
                    }
                    IoError::NoSpace
                }
            };
            for (op, _) in claim.pieces {
                self.complete(op, Err(error), effects);
            }
        }
    }

    fn reserve_all(&mut self, pieces: &[(OpId, u32)]) -> bool {
        let full = pieces
            .iter()
            .position(|&(op, blocks)| !self.reserve(op, blocks));
        for &(op, blocks) in full.map(|at| &pieces[..at]).unwrap_or_default() {
            if let Some(piece) = self.pieces.get_mut(&op) {
                piece.stage = Stage::Claiming;
                piece.reserved = None;
                let extent = piece.extent;
                self.release(extent, blocks);
            }
        }
        full.is_none()
    }

    /// Asks the disks for more, or how many holes there really are.
    fn look_for_room(&mut self, claim: &mut Claim, effects: &mut Vec<HeadEffect>) {
        if claim.tried == Tried::Nothing {
            claim.tried = Tried::Granting;
            self.ask_for_grants(claim, effects);
        }
        if claim.tried == Tried::Granting && claim.asked == 0 {
            claim.tried = Tried::Counting;
            self.ask_for_holes(claim, effects);
        }
    }

    fn ask_for_grants(&mut self, claim: &mut Claim, effects: &mut Vec<HeadEffect>) {
        let mut needed: BTreeMap<DiskNumber, u64> = BTreeMap::new();
        for (op, blocks) in &claim.pieces {
            let piece = self.pieces.get(op);
            let placement = piece.and_then(|piece| self.extents.get(piece.extent));
            let disks = placement.map(|placement| self.extents.in_sync(placement));
            for disk in disks.into_iter().flatten() {
                *needed.entry(disk).or_default() += u64::from(*blocks);
            }
        }
        let asks = needed.into_iter().filter_map(|(disk, needed)| {
            let spare = self.space.accounts.get(&disk).map_or(0, Account::spare);
            let least = needed.saturating_sub(spare);
            let most = least + AHEAD;
            (least > 0).then_some((disk, Ask::Grant { least, most }))
        });
        let asks: Vec<_> = asks.collect();
        if !asks.is_empty() {
            claim.asked = 1;
            self.begin_round(Then::Grant, asks, effects);
        }
    }

    /// One replica tells for all: they are equal (V3).
    fn ask_for_holes(&mut self, claim: &mut Claim, effects: &mut Vec<HeadEffect>) {
        for &(op, _) in &claim.pieces {
            let Some(piece) = self.pieces.get(&op) else {
                continue;
            };
            let Some(placement) = self.extents.get(piece.extent) else {
                continue;
            };
            let ask = piece.holes(placement.alloc);
            let disks = self.extents.in_sync(placement);
            let asks: Vec<_> = disks.map(|disk| (disk, ask.clone())).collect();
            if !asks.is_empty() {
                claim.asked += 1;
                self.ask_one(Then::Holes(op), asks, effects);
            }
        }
    }

    /// Gives back what was granted and nobody needs, on one disk or on all.
    pub(super) fn give_back(&mut self, only: Option<DiskNumber>, effects: &mut Vec<HeadEffect>) {
        let claimed = self.space.claimed();
        let mut returned = Vec::new();
        for (&disk, account) in &mut self.space.accounts {
            let blocks = account.spare().saturating_sub(claimed);
            if blocks > 0 && only.is_none_or(|only| only == disk) {
                account.returning += blocks;
                returned.push((disk, blocks));
            }
        }
        for (disk, blocks) in returned {
            let asks = vec![(disk, Ask::GiveBack { blocks })];
            self.begin_round(Then::GaveBack(blocks), asks, effects);
        }
    }

    /// If nobody needed space since the clock last ticked, what was granted may serve others.
    pub(super) fn give_back_idle(&mut self, effects: &mut Vec<HeadEffect>) {
        if !std::mem::take(&mut self.space.used) {
            self.give_back(None, effects);
        }
    }
}
