//! A volume whose every extent is on several nodes, each with a disk: nodes are killed, lose power, cannot
//! be reached and come back while clients read and write; heads take over; and in the end every replica
//! is in sync and holds the same. Where there are more nodes than replicas, extents get more of them, or
//! one in place of another, all the while.

mod clients;
mod fewer;
mod heal;
mod mover;
mod nodes;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_core::head::{
    Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId, ResyncProgress,
};
use volumed_core::rules::Rules;
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, IoError, VolumeId,
};

use super::Broken;
use super::model::{Model, SECTOR};
use super::moves::Moves;
use super::placed::Placed;
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
    placed: Placed,
    spread: Spread,
    /// The node of the head, whose disk is the nearest.
    home: DiskNumber,
    moves: Moves,
    stale: BTreeSet<DiskNumber>,
    /// When those of them fell behind that lack no more than what changed since.
    fell_behind: BTreeMap<DiskNumber, Alloc>,
    /// The incarnation of each disk when it was in sync last, by the store.
    known: BTreeMap<DiskNumber, Incarnation>,
    /// The same as it is.
    relied: BTreeMap<DiskNumber, Incarnation>,
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

/// Over how many nodes a volume is spread.
#[derive(Debug, Clone, Copy)]
struct Spread {
    nodes: u16,
    /// How many replicas each extent is to have.
    replicas: usize,
    /// Whether extents are copied from node to node.
    moves: bool,
}

/// How a volume fared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fared {
    /// How often a replica came back in sync.
    pub included: usize,
    /// How many extents got a replica elsewhere.
    pub copied: usize,
    /// How many gave one up.
    pub given_up: usize,
}

/// Lives `lives` lives of a volume on `nodes` nodes under a seed, each ended by another head, a power cut or
/// a clean stop. Answers how it fared, or which rule was broken.
pub fn replicate(seed: u64, nodes: u16, lives: u32, broken: Broken) -> Result<Fared, String> {
    let spread = Spread {
        nodes,
        replicas: nodes.into(),
        moves: false,
    };
    live(seed, spread, lives, broken)
}

/// The same with three or four nodes, while extents, each on one to three of them, get more replicas, others or fewer.
pub fn rebuild(seed: u64, lives: u32, broken: Broken) -> Result<Fared, String> {
    let nodes = 3 + (seed / 2 % 2) as u16;
    let spread = Spread {
        nodes,
        replicas: 1 + (seed / 4 % 2) as usize,
        moves: true,
    };
    live(seed, spread, lives, broken)
}

fn live(seed: u64, spread: Spread, lives: u32, broken: Broken) -> Result<Fared, String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut weather = Weather::some(&mut rng);
    // Not yet: a model that knows which replica holds a block well.
    weather.rot = 0.0;
    if seed % 5 == 4 {
        weather = Weather::refusing();
    }
    let mut rig = Rig::new(rng, spread, broken);
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
    Ok(Fared {
        included: rig.included,
        copied: rig.moves.done,
        given_up: rig.moves.given_up,
    })
}

impl Rig {
    fn new(rng: SmallRng, spread: Spread, broken: Broken) -> Self {
        let numbers = (0..spread.nodes).map(DiskNumber);
        Self {
            rng,
            model: Model::new(true),
            weather: Weather::default(),
            broken,
            nodes: numbers.map(|it| (it, Node::new(it, broken))).collect(),
            unnoticed: BTreeSet::new(),
            head: None,
            epoch: 0,
            placed: Placed::default(),
            spread,
            home: DiskNumber(0),
            moves: Moves::default(),
            stale: BTreeSet::new(),
            fell_behind: BTreeMap::new(),
            known: BTreeMap::new(),
            relied: BTreeMap::new(),
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
        self.placed.forget_copies();
        self.may_lack = false;
        self.settle_in();
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
            disks: self.counted_on(),
            extents: self.placed.extents.clone(),
            lost: BTreeMap::new(),
            stale: self.stale.clone(),
            fell_behind: self.fell_behind.clone(),
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

    /// What clients may find: what nobody flushed of an extent is lost if every replica that is left of it
    /// has lost it (V7), and then they know that of the whole volume (V9).
    fn open_the_model(&mut self) {
        let Some(head) = &self.head else { return };
        let in_sync = self.nodes.keys().filter(|it| !self.stale.contains(it));
        let now: BTreeMap<_, _> = in_sync
            .filter_map(|disk| Some((*disk, head.incarnation(*disk)?)))
            .collect();
        let kept = |disk: DiskNumber| {
            let before = self.relied.get(&disk);
            now.get(&disk)
                .is_some_and(|now| before.is_none_or(|it| it == now))
        };
        let lost = |extent: &ExtentIndex| {
            let placed = self.placed.extents.get(extent);
            placed.is_some_and(|placed| !placed.in_sync(&self.stale).any(kept))
        };
        let lost: BTreeSet<_> = (0..EXTENTS).map(ExtentIndex).filter(lost).collect();
        if lost.is_empty() {
            self.model.change_head();
        } else {
            let extent = |sector| ExtentIndex(sector * SECTOR / EXTENT_SIZE);
            self.model.lose(|sector| !lost.contains(&extent(sector)));
        }
        self.rely_on(now);
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
                325..375 if self.spread.moves => self.copy_on()?,
                375..385 if self.spread.moves => self.begin_a_move(),
                385..388 if self.spread.moves => self.hurry()?,
                388 if self.spread.moves => self.want_more(),
                391..394 if self.spread.moves => self.give_one_up()?,
                389..391 if self.spread.moves => self.restart_a_target()?,
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
            HeadEffect::Exclude(disk, lacks) => {
                let anew = self.stale.contains(&disk);
                if !anew && !self.troubled && self.weather.is_fine() {
                    return Err(format!("V4: {disk} is called stale, and nothing is wrong"));
                }
                self.storing.push(Storing::Exclude(disk, lacks));
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
            HeadEffect::Switch(file, to) => {
                self.storing
                    .push(Storing::Copy(self.moves.switch(file, to)));
            }
            HeadEffect::GiveUp(file, disk) => self.storing.push(Storing::GiveUp(file, disk)),
            HeadEffect::Copy(extent, progress) => self.copy_goes(extent, progress)?,
            HeadEffect::Mend(..) => return Err("nothing is lost here".to_owned()),
            HeadEffect::Compared(..) => return Err("nobody compares".to_owned()),
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
        self.moves.forget();
        self.resyncing.clear();
        self.unnoticed.clear();
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

type Queue<T> = VecDeque<T>;
