//! A flush makes every answered write durable, and waits for every running sync that covers one
//! (V3); a failed sync puts its extents back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::message::{Ask, MOST_LISTED, OpId};
use crate::rules::{Rule, Rules};
use crate::{DiskNumber, ExtentIndex, IoError, RegionIndex};

use super::round::Then;
use super::{Head, HeadEffect, RequestId};

#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// Extents with answered writes that no sync was begun for.
    unsynced: BTreeSet<ExtentIndex>,
    running: BTreeMap<OpId, BTreeSet<ExtentIndex>>,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    request: RequestId,
    syncs: BTreeSet<OpId>,
    failed: bool,
}

impl Flushes {
    /// What was dirty when the head began may have been answered by an earlier one and not synced.
    pub fn new(rules: Rules, dirty: &BTreeSet<RegionIndex>) -> Self {
        Self {
            unsynced: dirty
                .iter()
                .filter(|_| rules.kept(Rule::DirtyAtStart))
                .map(|region| region.extent())
                .collect(),
            ..Self::default()
        }
    }

    pub fn wrote(&mut self, extent: ExtentIndex) {
        self.unsynced.insert(extent);
    }

    pub fn forget(&mut self, extent: ExtentIndex) {
        self.unsynced.remove(&extent);
    }
}

impl Head {
    pub(super) fn flush(&mut self, request: RequestId, effects: &mut Vec<HeadEffect>) {
        let mut syncs: BTreeSet<OpId> = self.flushes.running.keys().copied().collect();
        if !self.rules.kept(Rule::RunningSyncs) {
            syncs.clear();
        }
        while !self.flushes.unsynced.is_empty() {
            syncs.extend(self.begin_sync(effects));
        }
        if syncs.is_empty() {
            return effects.push(HeadEffect::Reply(request, Ok(Bytes::new())));
        }
        self.requests.insert(
            request,
            super::Pending {
                remaining: 1,
                error: None,
                claims: 0,
                claiming: Vec::new(),
                parts: Vec::new(),
                most_runs: None,
            },
        );
        self.flushes.waiting.push(Waiting {
            request,
            syncs,
            failed: false,
        });
    }

    /// Begins to sync as many extents as a message may list.
    fn begin_sync(&mut self, effects: &mut Vec<HeadEffect>) -> Option<OpId> {
        let unsynced = &mut self.flushes.unsynced;
        let rest = match unsynced.iter().nth(MOST_LISTED).copied() {
            Some(next) => unsynced.split_off(&next),
            None => BTreeSet::new(),
        };
        let extents = std::mem::replace(unsynced, rest);
        let mut by_disk: BTreeMap<DiskNumber, BTreeSet<ExtentIndex>> = BTreeMap::new();
        for &extent in &extents {
            let Some(placed) = self.extents.get(extent) else {
                continue;
            };
            let joining = self.members.joining().filter(|disk| placed.is_on(*disk));
            for disk in self.extents.in_sync(placed).chain(joining) {
                by_disk.entry(disk).or_default().insert(extent);
            }
        }
        if by_disk.is_empty() {
            return None;
        }
        let asks = by_disk
            .into_iter()
            .map(|(disk, extents)| (disk, Ask::Sync { extents }));
        let sync = self.begin_round(Then::Sync, asks.collect(), effects);
        self.flushes.running.insert(sync, extents);
        Some(sync)
    }

    pub(super) fn synced(&mut self, sync: OpId, well: bool, effects: &mut Vec<HeadEffect>) {
        let Some(extents) = self.flushes.running.remove(&sync) else {
            return;
        };
        if !well && self.rules.kept(Rule::FailedSync) {
            self.flushes.unsynced.extend(extents);
        }
        for waiting in &mut self.flushes.waiting {
            waiting.failed |= waiting.syncs.remove(&sync) && !well;
        }
        let requests = &mut self.requests;
        self.flushes.waiting.retain(|waiting| {
            if waiting.syncs.is_empty() {
                let reply = if waiting.failed {
                    Err(IoError::Io)
                } else {
                    Ok(Bytes::new())
                };
                requests.remove(&waiting.request);
                effects.push(HeadEffect::Reply(waiting.request, reply));
            }
            !waiting.syncs.is_empty()
        });
    }
}
