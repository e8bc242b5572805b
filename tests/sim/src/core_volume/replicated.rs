//! A volume whose every extent is on several nodes, each with a disk: nodes are killed, lose power, cannot
//! be reached and come back while clients read and write; heads take over; and in the end every replica
//! is in sync and holds the same.

mod clients;
mod nodes;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_core::head::{
    Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId, ResyncProgress,
};
use volumed_core::placement::{Placement, Role};
use volumed_core::rules::Rules;
use volumed_core::{
    BLOCK_SIZE, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, IoError,
    Request, VolumeId,
};

use super::Broken;
use super::model::Model;
use super::requests::some_request;
use super::weather::Weather;
use clients::Asked;
use nodes::Node;
use store::Storing;

const VOLUME: VolumeId = VolumeId(7);
const EXTENTS: u64 = 2;
const MOST_OPEN: usize = 8;

type Checked = Result<(), String>;

struct Rig {
    rng: SmallRng,
    model: Model,
    weather: Weather,
    broken: Broken,
    nodes: BTreeMap<DiskNumber, Node>,
    /// Nodes whose loss the head has yet to hear of.
    unnoticed: BTreeSet<DiskNumber>,
    head: Option<Head>,
    epoch: u64,
    placed: BTreeMap<ExtentIndex, Placement>,
    stale: BTreeSet<DiskNumber>,
    /// The incarnation of each disk when it was in sync last.
    known: BTreeMap<DiskNumber, Incarnation>,
    revision: u64,
    storing: Vec<Storing>,
    /// Disks whose resync waits for leave to go on.
    resyncing: BTreeSet<DiskNumber>,
    asked: BTreeMap<RequestId, Asked>,
    next_request: u64,
    time: u64,
    started: Option<Result<(), IoError>>,
    settled: Option<Result<(), IoError>>,
    /// Sectors of changes that failed: what is read of them must stay.
    failed: Vec<Range<u64>>,
    /// So long are regions idle before they are cleaned; or they never are.
    clean_after: u64,
    /// How often a disk was in sync again.
    included: usize,
    /// The head cannot go on (V9).
    may_lack: bool,
    /// Something went wrong since everything was quiet, so that errors have a reason.
    troubled: bool,
}

/// Lives `lives` lives of a volume on `nodes` nodes under a seed, each ended by another head, a power cut or
/// a clean stop. Answers how often a replica came back in sync, or which rule was broken.
pub fn replicate(seed: u64, nodes: u16, lives: u32, broken: Broken) -> Result<usize, String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut weather = Weather::some(&mut rng);
    // Not yet: a model that knows which replica holds a block well.
    weather.rot = 0.0;
    if seed % 5 == 4 {
        weather = Weather::refusing();
    }
    let mut rig = Rig::new(rng, nodes, broken);
    rig.clean_after = if seed.is_multiple_of(3) {
        300
    } else {
        u64::MAX / 2
    };
    rig.begin_head()?;
    for life in 1..=lives {
        rig.weather = weather;
        rig.one_life()
            .map_err(|wrong| format!("life {life}: {wrong}"))?;
    }
    rig.weather = Weather::default();
    rig.heal().map_err(|wrong| format!("at the end: {wrong}"))?;
    Ok(rig.included)
}

impl Rig {
    fn new(rng: SmallRng, nodes: u16, broken: Broken) -> Self {
        let numbers = (0..nodes).map(DiskNumber);
        Self {
            rng,
            model: Model::new(true),
            weather: Weather::default(),
            broken,
            nodes: numbers.map(|it| (it, Node::new(it, broken))).collect(),
            unnoticed: BTreeSet::new(),
            head: None,
            epoch: 0,
            placed: BTreeMap::new(),
            stale: BTreeSet::new(),
            known: BTreeMap::new(),
            revision: 1,
            storing: Vec::new(),
            resyncing: BTreeSet::new(),
            asked: BTreeMap::new(),
            next_request: 0,
            time: 0,
            started: None,
            settled: None,
            failed: Vec::new(),
            clean_after: 300,
            included: 0,
            may_lack: false,
            troubled: false,
        }
    }

    fn numbers(&self) -> Vec<DiskNumber> {
        self.nodes.keys().copied().collect()
    }

    /// V1: what the head before asked of nodes may still arrive, what it asked of the store does not: the
    /// store knows the new epoch first.
    fn begin_head(&mut self) -> Checked {
        self.lose_the_store();
        self.forget_the_head();
        self.may_lack = false;
        for attempt in 0..1000 {
            if self.try_head()? {
                return Ok(());
            }
            // V13: what has failed is repaired one day.
            self.troubled = true;
            if attempt % 10 == 9 {
                self.repair();
            }
        }
        Err(format!(
            "V13: no head can start, {:?} are stale",
            self.stale
        ))
    }

    fn try_head(&mut self) -> Result<bool, String> {
        self.epoch += 1;
        let start = HeadStart {
            volume: VOLUME,
            epoch: Epoch(self.epoch),
            size: ByteCount(EXTENTS * EXTENT_SIZE),
            quota: None,
            settings: HeadSettings {
                max_dirty: 64,
                clean_after: self.clean_after,
            },
            disks: self.nodes.keys().copied().collect(),
            extents: self.placed.clone(),
            lost: BTreeMap::new(),
            stale: self.stale.clone(),
            incarnations: self.known.clone(),
        };
        self.head = Some(Head::keeping(Rules::without(self.broken.rule()), start));
        self.started = None;
        self.tell(HeadEvent::Start)?;
        let outcome = loop {
            if let Some(outcome) = self.started.take() {
                break outcome;
            }
            if !self.step()? {
                return Err("V13: the head does not start".to_owned());
            }
        };
        if outcome.is_err() {
            self.lose_the_store();
            self.forget_the_head();
            return Ok(false);
        }
        self.open_the_model();
        Ok(true)
    }

    /// What clients may find: what nobody flushed is lost if every replica that is left has lost it (V7).
    fn open_the_model(&mut self) {
        let Some(head) = &self.head else { return };
        let in_sync = self.nodes.keys().filter(|it| !self.stale.contains(it));
        let now: BTreeMap<_, _> = in_sync
            .filter_map(|disk| Some((*disk, head.incarnation(*disk)?)))
            .collect();
        let kept = |(disk, now): (&DiskNumber, &Incarnation)| {
            self.known.get(disk).is_none_or(|known| known == now)
        };
        if now.iter().any(kept) {
            self.model.change_head();
        } else {
            self.model.cut_power();
        }
        self.known.extend(now);
    }

    fn one_life(&mut self) -> Checked {
        let included = self.included;
        for _ in 0..self.rng.random_range(50..1200) {
            if self.may_lack {
                self.begin_head()?;
            }
            // Just when a replica counts again.
            if self.included > included && self.rng.random_bool(0.05) {
                break;
            }
            match self.rng.random_range(0..1000) {
                0..150 if self.asked.len() < MOST_OPEN => {
                    let request = some_request(&mut self.rng, EXTENTS);
                    self.submit(request)?;
                }
                150..250 => self.resync_on()?,
                250..260 => {
                    self.time += 100;
                    self.join_nodes()?;
                    self.tell(HeadEvent::Tick)?;
                }
                260..263 => self.harm_a_node(),
                263..275 => self.repair_a_node(),
                275..325 if self.asked.len() < MOST_OPEN => self.read_what_failed()?,
                _ => {
                    self.step()?;
                }
            }
        }
        match self.rng.random_range(0..10) {
            0..3 => self.cut_all_power(),
            3..5 => self.leave_few(),
            5..7 => self.restart_a_node(),
            7 => return self.settle(),
            _ => {}
        }
        self.begin_head()?;
        self.read_everything()
    }

    fn tell(&mut self, event: HeadEvent) -> Checked {
        let Some(head) = &mut self.head else {
            return Ok(());
        };
        let mut effects = Vec::new();
        head.handle(Moment(self.time), event, &mut effects);
        for effect in effects {
            self.effect(effect)?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: HeadEffect) -> Checked {
        match effect {
            HeadEffect::Send(message) => self.send(message)?,
            HeadEffect::Reply(id, reply) => self.replied(id, reply)?,
            HeadEffect::Place(extents) => self.storing.push(Storing::Place(extents)),
            HeadEffect::Unplace(files) => self.storing.push(Storing::Remove(files)),
            HeadEffect::Exclude(disk) => {
                if !self.troubled && self.weather.is_fine() {
                    return Err(format!("V4: {disk} is called stale, and nothing is wrong"));
                }
                self.storing.push(Storing::Exclude(disk));
            }
            HeadEffect::Include(disk) => self.storing.push(Storing::Include(disk)),
            HeadEffect::Resync(disk, ResyncProgress::Behind(_)) => {
                self.resyncing.insert(disk);
            }
            HeadEffect::Resync(disk, ResyncProgress::Failed) => {
                self.resyncing.remove(&disk);
            }
            HeadEffect::Lost(_) => self.may_lack = true,
            HeadEffect::Started(outcome) => self.started = Some(outcome),
            HeadEffect::Settled(outcome) => self.settled = Some(outcome),
            HeadEffect::Copy(..) | HeadEffect::Switch(..) | HeadEffect::Mend(..) => {
                return Err("nothing is moved or lost here".to_owned());
            }
        }
        Ok(())
    }

    /// Something that is on its way arrives; false if nothing is.
    fn step(&mut self) -> Result<bool, String> {
        self.time += 1;
        let mut ways: Vec<Way> = Vec::new();
        for (&number, node) in &self.nodes {
            node.ways(number, &mut ways);
        }
        ways.extend((0..self.storing.len()).map(Way::Store));
        ways.extend(self.unnoticed.iter().map(|it| Way::Notice(*it)));
        if ways.is_empty() {
            return Ok(false);
        }
        let pick = self.rng.random_range(0..ways.len());
        match ways.swap_remove(pick) {
            Way::Store(at) => {
                let storing = self.storing.swap_remove(at);
                self.store(storing)?;
            }
            Way::Notice(disk) => {
                self.unnoticed.remove(&disk);
                self.tell(HeadEvent::Leave(disk))?;
            }
            Way::Message(disk) => self.deliver(disk)?,
            Way::Answer(disk) => {
                let answer = self.node(disk)?.answers.pop_front();
                if let Some(answer) = answer {
                    self.tell(HeadEvent::Answer(answer))?;
                }
            }
            Way::Disk(disk, at) => self.run(disk, at)?,
        }
        Ok(true)
    }

    fn resync_on(&mut self) -> Checked {
        let waiting: Vec<_> = self.resyncing.iter().copied().collect();
        for disk in waiting {
            self.resyncing.remove(&disk);
            self.tell(HeadEvent::ResyncOn(disk))?;
        }
        Ok(())
    }

    fn forget_the_head(&mut self) {
        self.head = None;
        self.asked.clear();
        self.resyncing.clear();
        self.unnoticed.clear();
    }

    /// Lets everything come to its end.
    fn drain(&mut self) -> Checked {
        for _ in 0..2_000_000 {
            if self.step()? || !self.resyncing.is_empty() {
                self.resync_on()?;
                continue;
            }
            return match self.asked.len() {
                0 => Ok(()),
                open => Err(format!("V13: {open} requests are never answered")),
            };
        }
        Err("V13: it never ends".to_owned())
    }

    fn settle(&mut self) -> Checked {
        self.drain()?;
        self.settled = None;
        self.tell(HeadEvent::Settle)?;
        self.drain()?;
        match self.settled.take() {
            None if self.may_lack => self.begin_head(),
            None => Err("V13: the head never settles".to_owned()),
            Some(Err(error)) if self.weather.is_fine() && !self.troubled => {
                Err(format!("the head cannot settle: {error}"))
            }
            Some(Err(_)) => self.begin_head(),
            Some(Ok(())) => {
                self.model.flushed(self.time);
                self.begin_head()
            }
        }
    }

    /// V13: once nothing goes wrong any more, everything works, and every replica is in sync again.
    fn heal(&mut self) -> Checked {
        self.drain()?;
        self.repair();
        self.begin_head()?;
        self.troubled = false;
        for _ in 0..3 {
            self.time += 1000;
            self.join_nodes()?;
            self.tell(HeadEvent::Tick)?;
            self.drain()?;
        }
        if !self.stale.is_empty() {
            return Err(format!("V13: {:?} stay stale", self.stale));
        }
        self.read_everything()?;
        self.compare_replicas()?;
        self.settle()?;
        self.compare_replicas()?;
        for (extent, block) in self.rot_where_it_is_read() {
            let offset = extent.start() + u64::from(block) * BLOCK_SIZE;
            let length = BLOCK_SIZE as u32;
            self.submit(Request::Read { offset, length })?;
            self.drain()?;
        }
        self.compare_replicas()
    }
}

/// What may happen next.
enum Way {
    Message(DiskNumber),
    Answer(DiskNumber),
    Disk(DiskNumber, usize),
    Store(usize),
    Notice(DiskNumber),
}

/// An extent on all nodes.
fn everywhere(nodes: &BTreeMap<DiskNumber, Node>) -> Vec<(DiskNumber, Role)> {
    nodes.keys().map(|disk| (*disk, Role::Full)).collect()
}

type Queue<T> = VecDeque<T>;
