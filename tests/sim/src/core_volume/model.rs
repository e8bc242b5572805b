//! What a volume may hold, sector by sector: the model that the simulation is checked against.

use std::collections::{BTreeMap, BTreeSet};

/// The unit of the model, in bytes.
pub(super) const SECTOR: u64 = 512;

/// Fills a sector; 0 is zeroes.
pub(super) type Stamp = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not answered.
    Open,
    /// Answered at this time.
    Answered(u64),
    /// Answered and durable.
    Durable,
    /// Failed at this time: it may have happened or not.
    Failed(u64),
}

/// When a write failed that no flush surely covers: it was not answered.
const NEVER_COVERED: u64 = u64::MAX;

#[derive(Debug, Clone)]
struct Write {
    request: u64,
    stamp: Stamp,
    state: State,
}

#[derive(Debug, Clone)]
struct Sector {
    /// What it may have held before the writes; one value unless a crash left a choice.
    before: BTreeSet<Stamp>,
    /// In the order in which they were submitted, which is the order in which they happen (V3).
    writes: Vec<Write>,
    /// Writes that failed and that a read did not show, with when they failed. Replicas were made equal then, which a
    /// flush makes durable: before, the loss of power may bring them back.
    undone: Vec<(Stamp, u64)>,
}

impl Default for Sector {
    fn default() -> Self {
        Self {
            before: BTreeSet::from([0]),
            writes: Vec::new(),
            undone: Vec::new(),
        }
    }
}

impl Sector {
    /// What a read that was submitted as `request` may return, and which requests must then fail: an
    /// older value is shown past a write that is not answered only if that write came to nothing.
    fn readable(&self, request: u64) -> BTreeMap<Stamp, BTreeSet<u64>> {
        let mut readable = BTreeMap::new();
        let mut failing = BTreeSet::new();
        let mut may_be = |stamp, failing: &BTreeSet<u64>| {
            readable.entry(stamp).or_insert_with(|| failing.clone());
        };
        let earlier = |write: &&Write| write.request < request;
        for write in self.writes.iter().rev().filter(earlier) {
            may_be(write.stamp, &failing);
            match write.state {
                State::Failed(_) => {}
                State::Open => {
                    failing.insert(write.request);
                }
                State::Answered(_) | State::Durable => return readable,
            }
        }
        for &stamp in &self.before {
            may_be(stamp, &failing);
        }
        readable
    }

    /// What it may hold now: what was answered last, or what came after.
    fn present(&self) -> BTreeSet<Stamp> {
        self.since(|state| matches!(state, State::Answered(_) | State::Durable))
    }

    /// What it may hold after a crash: what was durable last, or what came after.
    fn lasting(&self) -> BTreeSet<Stamp> {
        self.since(|state| state == State::Durable)
    }

    fn since(&self, sure: impl Fn(State) -> bool) -> BTreeSet<Stamp> {
        let last = self.writes.iter().rposition(|write| sure(write.state));
        let stamps = self.writes[last.unwrap_or(0)..].iter().map(|w| w.stamp);
        let before = self.before.iter().copied().filter(|_| last.is_none());
        stamps.chain(before).collect()
    }

    /// A read has shown which of the writes happened that nobody was told of.
    fn settle_on(&mut self, stamp: Stamp) {
        let shown = self.writes.iter().rposition(|write| write.stamp == stamp);
        let hidden = self.writes.drain(shown.map_or(0, |at| at + 1)..);
        self.undone
            .extend(hidden.filter_map(|write| match write.state {
                State::Failed(time) => Some((write.stamp, time)),
                _ => None,
            }));
        if let Some(write) = self.writes.last_mut() {
            if matches!(write.state, State::Failed(_)) {
                write.state = State::Answered(0);
            }
        } else {
            self.before = BTreeSet::from([stamp]);
        }
    }

    /// Only what is durable surely lasts; any later write may have lasted.
    fn cut_power(&mut self) {
        let durable = |write: &Write| write.state == State::Durable;
        if let Some(at) = self.writes.iter().rposition(durable) {
            self.before = BTreeSet::from([self.writes[at].stamp]);
            self.writes.drain(..=at);
        }
        let undone = self.undone.drain(..).map(|(stamp, _)| stamp);
        self.before.extend(undone);
        self.before
            .extend(self.writes.drain(..).map(|write| write.stamp));
    }
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    /// With several replicas a read of one says nothing of what another has of a failed write.
    one_replica: bool,
    sectors: BTreeMap<u64, Sector>,
    /// Requests of which a read showed that a part came to nothing: they may not end well.
    failing: BTreeSet<u64>,
}

impl Model {
    pub fn new(one_replica: bool) -> Self {
        Self {
            one_replica,
            sectors: BTreeMap::new(),
            failing: BTreeSet::new(),
        }
    }

    /// V3: checks what a replica holds of sectors: `now` in its page cache, `durable` on its disk.
    pub fn held(&self, at: u64, now: Stamp, durable: Stamp) -> Result<(), String> {
        let Some(sector) = self.sectors.get(&at) else {
            return Ok(());
        };
        let (present, lasting) = (sector.present(), sector.lasting());
        if !present.contains(&now) {
            return Err(format!(
                "V3: a replica holds {now} in sector {at}, not one of {present:?}"
            ));
        }
        if !lasting.contains(&durable) {
            return Err(format!(
                "V3: {durable} is durable in sector {at}, not one of {lasting:?}"
            ));
        }
        Ok(())
    }

    /// The sectors of a range that were ever written.
    pub fn written_in(&self, sectors: std::ops::Range<u64>) -> Vec<u64> {
        self.sectors.range(sectors).map(|(&at, _)| at).collect()
    }

    pub fn write(&mut self, request: u64, sectors: std::ops::Range<u64>, stamp: Stamp) {
        for sector in sectors {
            let write = Write {
                request,
                stamp,
                state: State::Open,
            };
            self.sectors.entry(sector).or_default().writes.push(write);
        }
    }

    /// A sector that was never written is zero anyway.
    pub fn clear(&mut self, request: u64, sectors: std::ops::Range<u64>) {
        for (_, sector) in self.sectors.range_mut(sectors) {
            sector.writes.push(Write {
                request,
                stamp: 0,
                state: State::Open,
            });
        }
    }

    /// The sectors that were ever written.
    pub fn written(&self) -> Vec<u64> {
        self.sectors.keys().copied().collect()
    }

    pub fn answered(
        &mut self,
        request: u64,
        sectors: std::ops::Range<u64>,
        durable: bool,
        well: bool,
        time: u64,
    ) -> Result<(), String> {
        if self.failing.remove(&request) && well {
            return Err(format!(
                "V3: request {request} ends well, though a read did not see it"
            ));
        }
        for (_, sector) in self.sectors.range_mut(sectors) {
            for write in sector
                .writes
                .iter_mut()
                .filter(|write| write.request == request)
            {
                write.state = match (well, durable) {
                    (false, _) => State::Failed(time),
                    (true, true) => State::Durable,
                    (true, false) => State::Answered(time),
                };
            }
        }
        Ok(())
    }

    /// A request was refused, and changed nothing.
    pub fn refused(&mut self, request: u64, sectors: std::ops::Range<u64>) {
        self.failing.remove(&request);
        for (_, sector) in self.sectors.range_mut(sectors) {
            sector.writes.retain(|write| write.request != request);
        }
    }

    /// A flush that was submitted at `since` was answered.
    pub fn flushed(&mut self, since: u64) {
        for sector in self.sectors.values_mut() {
            sector.undone.retain(|(_, failed)| *failed >= since);
            for write in &mut sector.writes {
                if matches!(write.state, State::Answered(time) if time < since) {
                    write.state = State::Durable;
                }
            }
        }
    }

    /// Checks what a read returned, and remembers it: what was read once is read again (V6).
    pub fn read(&mut self, request: u64, first: u64, bytes: &[u8]) -> Result<(), String> {
        for (at, bytes) in (first..).zip(bytes.chunks(SECTOR as usize)) {
            let stamp = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            if bytes
                .as_chunks::<4>()
                .0
                .iter()
                .any(|word| *word != stamp.to_le_bytes())
            {
                return Err(format!("sector {at} is torn"));
            }
            let sector = self.sectors.entry(at).or_default();
            let readable = sector.readable(request);
            let Some(failing) = readable.get(&stamp) else {
                return Err(format!(
                    "sector {at} holds {stamp}, not one of {:?}",
                    readable.keys()
                ));
            };
            self.failing.extend(failing);
            let settled = |write: &Write| write.request < request && write.state != State::Open;
            if self.one_replica && sector.writes.iter().all(settled) {
                sector.settle_on(stamp);
            }
        }
        Ok(())
    }

    /// Checks that a map, asked for as `request`, may call these sectors a hole.
    pub fn hole(&mut self, request: u64, sectors: std::ops::Range<u64>) -> Result<(), String> {
        for (at, sector) in self.sectors.range(sectors) {
            let readable = sector.readable(request);
            let Some(failing) = readable.get(&0) else {
                return Err(format!(
                    "sector {at} is no hole, it holds one of {:?}",
                    readable.keys()
                ));
            };
            self.failing.extend(failing);
        }
        Ok(())
    }

    /// The power went: only what is durable surely lasts.
    pub fn cut_power(&mut self) {
        for sector in self.sectors.values_mut() {
            sector.cut_power();
        }
    }

    /// The head went, and some disks with it. Where they were kept, what was not durable still is not,
    /// and who wrote it is told that it may be gone like the rest.
    pub fn lose(&mut self, kept: impl Fn(u64) -> bool) {
        for (&at, sector) in &mut self.sectors {
            if !kept(at) {
                sector.cut_power();
                continue;
            }
            for write in &mut sector.writes {
                if write.state != State::Durable {
                    write.state = State::Failed(NEVER_COVERED);
                }
            }
        }
    }

    /// The head went, the disks did not: what was not answered happened or not, and what was not
    /// durable still is not.
    pub fn change_head(&mut self) {
        for sector in self.sectors.values_mut() {
            for write in &mut sector.writes {
                if write.state == State::Open {
                    write.state = State::Failed(NEVER_COVERED);
                }
            }
        }
    }
}
