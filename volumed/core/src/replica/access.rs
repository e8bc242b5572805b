//! Whatever is about blocks waits until the sums of every region that it touches are known and count.

use std::collections::BTreeSet;

use crate::RegionIndex;
use crate::message::{Ask, ExtentFile, Message, ReplicaError};
use crate::rules::Rule;

use super::regions::{Span, Touch};
use super::{DiskAnswer, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

impl Replica {
    /// What is about a part of an extent waits until the sums of every region that it touches are known
    /// and count.
    pub(super) fn touch(&mut self, message: Message, effects: &mut Vec<ReplicaEffect>) {
        let Some((file, offset, length)) = message.ask.part() else {
            return;
        };
        if !self.holds(file) {
            return self.answer(&message, Err(ReplicaError::NoExtent), effects);
        }
        let span = Span::new(file.extent, offset, length);
        let mut ready = true;
        for region in span.regions() {
            match self.regions.touch(region) {
                Touch::Ready => {}
                Touch::Wait => ready = false,
                Touch::Load { suspect } => {
                    ready = false;
                    self.load(file, region, suspect, effects);
                }
            }
        }
        // Zeroes note their sums in the file by themselves: a page on its way there would come last.
        let noting = matches!(message.ask, Ask::Zero { .. });
        if !ready || noting && self.regions.is_storing(&span.regions().collect()) {
            self.waiting.push(message);
            return;
        }
        match &message.ask {
            Ask::Read { .. } => self.read(file, span, offset, length, message, effects),
            Ask::Map { .. } => {
                let sums = self.regions.pin(span);
                self.regions.unpin(span);
                let runs = crate::map::of_sums(&sums, offset - span.start(), length);
                self.answer(&message, Ok(runs), effects);
            }
            Ask::Holes { .. } => {
                let sums = self.regions.pin(span);
                self.regions.unpin(span);
                let holes = span.count - crate::sums::allocated(&sums);
                self.answer(&message, Ok(holes.to_le_bytes().to_vec().into()), effects);
            }
            Ask::Sums { .. } => {
                let sums = self.regions.pin(span);
                self.regions.unpin(span);
                let sums: Vec<u8> = sums.into_iter().flat_map(u32::to_le_bytes).collect();
                self.answer(&message, Ok(sums.into()), effects);
            }
            Ask::Fetch { .. } => self.fetch(file, span, message, effects),
            Ask::Store { .. } => self.store(file, span, message, effects),
            Ask::Digest { .. } => self.digest(file, span, message, effects),
            Ask::Replace { .. } => self.replace(file, span, message, effects),
            _ => self.change(file, span, message, effects),
        }
    }

    pub(super) fn load(
        &mut self,
        file: ExtentFile,
        region: RegionIndex,
        suspect: bool,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let op = if suspect {
            DiskOp::Resum {
                file,
                region,
                before: self.regions.known(region),
                damaged: self.damaged_in(region),
            }
        } else {
            DiskOp::LoadSums { file, region }
        };
        self.start(Doing::Load { file, region }, op, effects);
    }

    pub(super) fn read(
        &mut self,
        file: ExtentFile,
        span: Span,
        offset: u32,
        length: u32,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let expected = self.regions.pin(span);
        let op = DiskOp::Read {
            file,
            offset: span.start(),
            expected,
        };
        let skip = (offset - span.start()) as usize;
        let doing = Doing::Read {
            message,
            skip,
            length: length as usize,
            pinned: span,
        };
        self.start(doing, op, effects);
    }

    pub(super) fn loaded(
        &mut self,
        region: RegionIndex,
        result: DiskResult,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let (page, before, lost) = match result {
            Ok(DiskAnswer::Page { page }) => (page, None, Vec::new()),
            Ok(DiskAnswer::Summed { page, before, lost }) => (page, Some(before), lost),
            Ok(_) => return self.load_failed(region, ReplicaError::Disk, effects),
            Err(fault) => return self.load_failed(region, fault.to_replica(), effects),
        };
        for block in lost {
            self.found_damaged(region.extent(), block, effects);
        }
        let now = crate::sums::allocated(&page[..]);
        if let Some(before) = before {
            self.held.recounted(region.extent(), before, now);
        }
        self.regions.loaded(region, page);
        self.make_room(effects);
    }

    /// The regions whose sums somebody waits for, beside others: those that are there stay.
    pub(super) fn wanted(&self) -> BTreeSet<RegionIndex> {
        self.waiting.iter().flat_map(Message::regions).collect()
    }

    /// A region whose sums cannot be read fails those who wait for it; the next one tries again. The
    /// others of a settle are settled without it: it stays in the log (V5).
    fn load_failed(
        &mut self,
        region: RegionIndex,
        error: ReplicaError,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        self.regions.load_failed(region);
        // A settle waits for suspect regions alone. Leaving out one that is not, since somebody could
        // not read it, would unmark what was not made durable (V5).
        let suspect = self.regions.is_suspect(region);
        // What passes soon is better tried again whole.
        let passing = error == ReplicaError::Exhausted;
        for message in &mut self.waiting {
            if let Ask::Settle { regions } = &mut message.ask
                && suspect
                && !passing
                && regions.remove(&region)
            {
                self.log.leave_unsettled(region);
            }
        }
        let fails = |message: &Message| {
            message.touches(region) || suspect && passing && message.settles(region)
        };
        let (failed, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(fails);
        self.waiting = waiting;
        let failed: Vec<Message> = failed;
        for message in failed {
            self.answer(&message, Err(error), effects);
        }
    }

    /// A region that is to be summed anew waits until nobody uses it.
    pub(super) fn retry_if_freed(&mut self, effects: &mut Vec<ReplicaEffect>) {
        if !self.waiting.is_empty() && self.rules.kept(Rule::WakeReaders) {
            self.retry(effects);
        }
    }

    pub(super) fn retry(&mut self, effects: &mut Vec<ReplicaEffect>) {
        for message in std::mem::take(&mut self.waiting) {
            self.message(message, effects);
        }
    }
}

impl Message {
    fn settles(&self, region: RegionIndex) -> bool {
        matches!(&self.ask, Ask::Settle { regions } if regions.contains(&region))
    }

    fn touches(&self, region: RegionIndex) -> bool {
        self.regions().any(|touched| touched == region)
    }

    /// The regions whose sums it needs.
    fn regions(&self) -> impl Iterator<Item = RegionIndex> {
        let part = self.ask.part().into_iter();
        part.flat_map(|(file, offset, length)| Span::new(file.extent, offset, length).regions())
    }
}
