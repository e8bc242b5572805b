//! Head, replicas, disks, store and clients of one volume, with everything that is on its way
//! between them.

mod checks;
mod clients;
mod disks;
mod space;
mod steps;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use volumed_core::head::{Head, HeadEvent, HeadSettings, HeadStart, RequestId};
use volumed_core::message::{Answer, Message, OpId};
use volumed_core::placement::Placement;
use volumed_core::replica::{DiskOp, DiskOpId, DiskResult, Replica};
use volumed_core::rules::Rules;
use volumed_core::space::DiskSpace;
use volumed_core::unflushed::Since;
use volumed_core::{ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, IoError, VolumeId};

use super::disk::SimDisk;
use super::model::Model;
use super::weather::Weather;
use super::{Broken, Lie};

use checks::{Told, Troubles};
use clients::{Asked, Connection};
use store::Placing;

const VOLUME: VolumeId = VolumeId(7);
pub(super) const EXTENTS: u64 = 6;
const SIZE: ByteCount = ByteCount(EXTENTS * EXTENT_SIZE);
const MAX_DIRTY: usize = 64;

pub(super) struct World {
    pub rng: SmallRng,
    pub model: Model,
    pub weather: Weather,
    broken: Broken,
    /// On so many disks each extent is.
    copies: usize,
    disks: BTreeMap<DiskNumber, SimDisk>,
    spaces: BTreeMap<DiskNumber, Arc<DiskSpace>>,
    replicas: BTreeMap<DiskNumber, Replica>,
    head: Option<Head>,
    epoch: u64,
    /// How many regions were dirty when the head began.
    dirty_at_start: usize,
    /// One for each head and disk, oldest head first: messages keep their order on a link.
    links: BTreeMap<(u64, DiskNumber), VecDeque<Message>>,
    answers: BTreeMap<(u64, DiskNumber), VecDeque<Answer>>,
    /// What each replica was asked and did not answer: what is said of it when its node dies.
    unanswered: BTreeMap<(DiskNumber, Epoch, OpId), Answer>,
    running: Vec<(DiskNumber, DiskOpId, DiskOp)>,
    ended: Vec<(DiskNumber, DiskOpId, DiskOp, DiskResult)>,
    placed: BTreeMap<ExtentIndex, Placement>,
    revision: u64,
    placing: Vec<Placing>,
    /// Who the volume belongs to now (V2).
    owner: u64,
    connections: Vec<Connection>,
    asked: BTreeMap<RequestId, Asked>,
    next_request: u64,
    time: u64,
    /// How far the node's clock is off, in the same unit.
    skew: u64,
    started: Option<Result<(), IoError>>,
    settled: Option<Result<(), IoError>>,
    troubles: Troubles,
    /// V9: of the client's token.
    since: Since,
    /// Something that was not flushed may have been lost since the head began.
    may_lack: bool,
    /// Disks that lost power since the head began (V7).
    restarted: BTreeSet<DiskNumber>,
    /// Blocks that rotted.
    harmed: BTreeSet<(ExtentIndex, u32)>,
    told: BTreeMap<DiskNumber, Told>,
    /// The account is so small that it fills up.
    small: bool,
    /// Blocks that may take space on all disks together.
    quota: Option<u64>,
    /// Blocks of each disk that another volume was granted and does not need.
    neighbours: BTreeMap<DiskNumber, u64>,
    /// When space was last given back.
    trimmed: u64,
    /// In so many extents, and regions of each, clients write: in few of them requests meet.
    pub places: (u64, u64),
    /// Regions whose sums are kept in memory, beside those in use.
    kept_sums: usize,
}

type Checked = Result<(), String>;

impl World {
    pub fn new(mut rng: SmallRng, (replicas, disks): (u16, u16), broken: Broken) -> Self {
        let small = rng.random_bool(0.2);
        let quota = (rng.random_bool(0.2)).then(|| rng.random_range(30..120) * u64::from(replicas));
        let places = if rng.random_bool(0.3) {
            (2, 2)
        } else {
            (EXTENTS - 1, 16)
        };
        let kept_sums = *[1, 2, 4, 256].choose(&mut rng).unwrap_or(&256);
        let mut world = Self {
            rng,
            model: Model::new(replicas == 1),
            weather: Weather::default(),
            broken,
            copies: replicas.into(),
            disks: BTreeMap::new(),
            spaces: BTreeMap::new(),
            replicas: BTreeMap::new(),
            head: None,
            epoch: 0,
            dirty_at_start: 0,
            links: BTreeMap::new(),
            answers: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            running: Vec::new(),
            ended: Vec::new(),
            placed: BTreeMap::new(),
            revision: 1,
            placing: Vec::new(),
            owner: 0,
            connections: Vec::new(),
            asked: BTreeMap::new(),
            next_request: 0,
            time: 0,
            skew: 0,
            started: None,
            settled: None,
            troubles: Troubles::default(),
            since: Since::default(),
            may_lack: false,
            restarted: BTreeSet::new(),
            harmed: BTreeSet::new(),
            told: BTreeMap::new(),
            small,
            quota,
            neighbours: BTreeMap::new(),
            trimmed: 0,
            places,
            kept_sums,
        };
        for number in 0..disks {
            world.insert_disk(DiskNumber(number));
        }
        world
    }

    /// Whether a sync failed on some disk since the process started (V8).
    pub fn has_failed(&self) -> bool {
        self.disks.values().any(SimDisk::failed)
    }

    /// Whether a disk lost power, and with it what the head counts on (V7).
    pub fn is_stale(&self) -> bool {
        !self.restarted.is_empty()
    }

    /// The process starts: replicas are recovered and leftovers collected.
    pub fn boot(&mut self) -> Checked {
        for number in self.disks.keys().copied().collect::<Vec<_>>() {
            let files = self.files_on(number);
            if let Some(disk) = self.disks.get_mut(&number) {
                disk.restart();
                disk.collect(&files);
            }
            self.recover(number)?;
        }
        self.begin_head()
    }

    /// A new head begins; what the one before sent may still arrive (V1).
    fn begin_head(&mut self) -> Checked {
        self.resume()?;
        loop {
            match self.try_head()? {
                Ok(()) => break,
                Err(_) if self.has_failed() => return self.restart(),
                // Its owner attaches again.
                Err(error) if self.troubles.excuse(error) => {}
                Err(error) => return Err(format!("the head cannot start: {error}")),
            }
        }
        self.connect();
        Ok(())
    }

    fn try_head(&mut self) -> Result<Result<(), IoError>, String> {
        self.epoch += 1;
        let replicas = self.replicas.iter();
        let regions: BTreeSet<_> = replicas.flat_map(|(_, replica)| replica.dirty()).collect();
        self.dirty_at_start = regions.len();
        let start = HeadStart {
            volume: VOLUME,
            epoch: Epoch(self.epoch),
            size: SIZE,
            quota: self.quota,
            settings: HeadSettings {
                max_dirty: MAX_DIRTY,
                clean_after: 300,
            },
            disks: self.needed(),
            extents: self.placed.clone(),
            lost: BTreeMap::new(),
            stale: BTreeSet::new(),
            fell_behind: BTreeMap::new(),
            incarnations: BTreeMap::new(),
        };
        self.head = Some(Head::keeping(Rules::without(self.broken.rule()), start));
        self.started = None;
        self.head_event(HeadEvent::Start)?;
        // As in the daemon: nobody comes between reading the marks and the promise.
        for number in self.disks.keys().copied().collect::<Vec<_>>() {
            self.deliver(self.epoch, number)?;
        }
        loop {
            if let Some(outcome) = self.started.take() {
                return Ok(outcome);
            }
            if !self.step()? {
                return Err("V13: the head does not start".to_owned());
            }
        }
    }

    /// Time goes by, and the clock may jump.
    pub fn tick(&mut self) -> Checked {
        self.time += 100;
        if self.weather.clock > 0.0 && self.rng.random_bool(self.weather.clock) {
            self.skew = [0, 40, 1_000, 1_000_000][self.rng.random_range(0..4)];
        }
        self.join_disks()?;
        self.head_event(HeadEvent::Tick)
    }

    /// Lets everything arrive.
    pub fn drain(&mut self) -> Checked {
        while self.step()? {}
        match self.asked.len() {
            0 => self.check_rest(),
            open => Err(format!("V13: {open} requests are never answered")),
        }
    }

    /// Makes everything durable and clean, as a clean stop does; a failed disk cannot be made so.
    pub fn settle(&mut self) -> Checked {
        self.drain()?;
        if self.has_failed() {
            return self.restart();
        }
        if self.is_stale() {
            self.change_head()?;
        }
        self.settled = None;
        let weather = std::mem::take(&mut self.weather);
        self.head_event(HeadEvent::Settle)?;
        while self.step()? {}
        self.weather = weather;
        match self.settled.take() {
            None => return Err("V13: the head never settles".to_owned()),
            Some(Err(error)) => return Err(format!("the head cannot settle: {error}")),
            Some(Ok(())) => {}
        }
        self.check_clean()?;
        self.model.flushed(self.time);
        Ok(())
    }

    /// The process dies and is started again.
    pub fn restart(&mut self) -> Checked {
        self.die(false);
        self.boot()
    }

    /// The process dies; with `power`, so does the page cache.
    pub fn die(&mut self, power: bool) {
        let running = std::mem::take(&mut self.running);
        // V8: what a failed disk did not make durable may be gone without a power cut.
        self.may_lack |= power || self.has_failed();
        for (&number, disk) in &mut self.disks {
            if power {
                let own = running.iter().filter(|(on, ..)| *on == number);
                let ops: Vec<_> = own.map(|(_, _, op)| op.clone()).collect();
                disk.cut_power(&ops, &mut self.rng);
            }
            if self.weather.bad_log > 0.0 && self.rng.random_bool(self.weather.bad_log) {
                disk.damage_log();
            }
        }
        self.lose_the_store();
        self.ended.clear();
        self.links.clear();
        self.answers.clear();
        self.unanswered.clear();
        self.connections.clear();
        self.asked.clear();
        self.replicas.clear();
        self.head = None;
    }

    /// Another head takes over; what this one sent is still on its way.
    pub fn change_head(&mut self) -> Checked {
        while !self.placing.is_empty() {
            self.place_step(0)?;
        }
        self.connections.clear();
        self.asked.clear();
        self.begin_head()
    }

    /// A new owner attaches (V2): the old one's connections are read no more, what they sent is
    /// answered, and only then does its head begin.
    pub fn attach(&mut self) -> Checked {
        let unread = std::mem::take(&mut self.connections);
        while !self.asked.is_empty() || !self.placing.is_empty() {
            if !self.step()? {
                return Err("V13: the old owner's requests are never answered".to_owned());
            }
        }
        if self.broken.is(Lie::ReadsOldConnections) {
            self.connections = unread;
        }
        self.owner += 1;
        self.begin_head()
    }

    /// One of the extents that are placed.
    pub fn some_extent(&mut self) -> Option<ExtentIndex> {
        let placed: Vec<_> = self.placed.keys().copied().collect();
        placed.choose(&mut self.rng).copied()
    }
}
