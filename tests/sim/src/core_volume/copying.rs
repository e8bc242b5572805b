//! Extents that are copied from disk to disk while their volume is read and written: the head, two
//! replicas whose messages arrive at once as in the daemon, the node that has extents moved, and a store
//! that takes its time. Now and then a disk is gone for good.

mod clients;
mod lost;
mod mover;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_core::head::{
    CopyProgress, Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId,
};
use volumed_core::message::ExtentFile;
use volumed_core::placement::Role;
use volumed_core::replica::{DiskOp, DiskOpId, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::rules::Rules;
use volumed_core::space::DiskSpace;
use volumed_core::{
    BLOCK_SIZE, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, IoError, LostBlocks,
    VolumeId,
};

use super::Broken;
use super::disk::{SimDisk, changes_files};
use super::model::Model;
use super::moves::{Move, Moves};
use super::placed::Placed;
use super::requests::some_request;
use super::weather::Weather;
use clients::Asked;
use store::Storing;

const VOLUME: VolumeId = VolumeId(7);
const EXTENTS: u64 = 2;
const MOST_OPEN: usize = 8;

type Checked = Result<(), String>;

enum Input {
    Head(HeadEvent),
    Replica(DiskNumber, ReplicaEvent),
}

struct Rig {
    rng: SmallRng,
    model: Model,
    weather: Weather,
    broken: Broken,
    disks: BTreeMap<DiskNumber, SimDisk>,
    spaces: BTreeMap<DiskNumber, Arc<DiskSpace>>,
    replicas: BTreeMap<DiskNumber, Replica>,
    head: Option<Head>,
    epoch: u64,
    running: Vec<(DiskNumber, DiskOpId, DiskOp)>,
    placed: Placed,
    /// What the store says is lost.
    lost: BTreeMap<ExtentIndex, LostBlocks>,
    revision: u64,
    storing: Vec<Storing>,
    moves: Moves,
    asked: BTreeMap<RequestId, Asked>,
    next_request: u64,
    time: u64,
    started: Option<Result<(), IoError>>,
    /// Blocks that rotted.
    harmed: BTreeSet<(ExtentIndex, u32)>,
    /// Those of them that an unclean stop may have had summed anew: their bytes count as good then.
    doubtful: BTreeSet<(ExtentIndex, u32)>,
}

/// Lives `lives` lives of one volume whose extents are moved between two disks, each ended by a power
/// cut, a kill or another head, under the seed; then empties a disk. Answers how many extents were moved,
/// or which rule was broken.
pub fn move_extents(seed: u64, lives: u32, broken: Broken) -> Result<usize, String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let weather = Weather::some(&mut rng);
    let mut rig = Rig::new(rng, broken);
    rig.boot()?;
    for life in 1..=lives {
        rig.weather = weather;
        rig.one_life()
            .map_err(|wrong| format!("life {life}: {wrong}"))?;
    }
    rig.weather = Weather::default();
    rig.heal().map_err(|wrong| format!("at the end: {wrong}"))?;
    Ok(rig.moves.done)
}

fn empty_space() -> Arc<DiskSpace> {
    let space = DiskSpace::default();
    space.set_limit(ByteCount(1 << 30));
    Arc::new(space)
}

impl Rig {
    fn new(rng: SmallRng, broken: Broken) -> Self {
        let numbers = [DiskNumber(0), DiskNumber(1)];
        let space = |disk| (disk, empty_space());
        Self {
            rng,
            model: Model::new(true),
            weather: Weather::default(),
            broken,
            disks: numbers.map(|disk| (disk, SimDisk::new(broken))).into(),
            spaces: numbers.map(space).into(),
            replicas: BTreeMap::new(),
            head: None,
            epoch: 0,
            running: Vec::new(),
            placed: Placed::default(),
            lost: BTreeMap::new(),
            revision: 1,
            storing: Vec::new(),
            moves: Moves::default(),
            asked: BTreeMap::new(),
            next_request: 0,
            time: 0,
            started: None,
            harmed: BTreeSet::new(),
            doubtful: BTreeSet::new(),
        }
    }

    fn has_failed(&self) -> bool {
        self.disks.values().any(SimDisk::failed)
    }

    /// The process starts: copies that an earlier one began come to nothing.
    fn boot(&mut self) -> Checked {
        self.placed.forget_copies();
        for number in self.disks.keys().copied().collect::<Vec<_>>() {
            let files = self.placed.files(number, false);
            let disk = self.disks.get_mut(&number).ok_or("no such disk")?;
            disk.restart();
            disk.collect(&files);
            let space = Arc::clone(&self.spaces[&number]);
            space.give_back(u64::MAX);
            space.release(u64::MAX);
            let rules = Rules::without(self.broken.rule());
            let found = disk.recover(&files);
            let replica = Replica::keeping(rules, VOLUME, number, space, found);
            let replica = replica.map_err(|error| error.to_string())?;
            self.replicas.insert(number, replica);
        }
        self.begin_head()
    }

    fn begin_head(&mut self) -> Checked {
        loop {
            match self.try_head()? {
                Ok(()) => break,
                Err(_) if self.has_failed() => {
                    self.die(false);
                    return self.boot();
                }
                Err(_) if !self.weather.is_fine() => {}
                Err(error) => return Err(format!("the head cannot start: {error}")),
            }
        }
        // A copy that was under way begins anew.
        for (&extent, placed) in &self.placed.extents {
            let alloc = placed.alloc;
            for &(to, _) in placed.replicas.iter().filter(|it| it.1 == Role::Incoming) {
                let file = ExtentFile { extent, alloc };
                let left = self.moves.left(Move { file, from: to, to });
                self.storing.push(Storing::Copy(left));
            }
        }
        Ok(())
    }

    fn try_head(&mut self) -> Result<Result<(), IoError>, String> {
        self.epoch += 1;
        let start = HeadStart {
            volume: VOLUME,
            epoch: Epoch(self.epoch),
            size: ByteCount(EXTENTS * EXTENT_SIZE),
            quota: None,
            settings: HeadSettings {
                max_dirty: 64,
                clean_after: 300,
            },
            disks: self.disks.keys().copied().collect(),
            extents: self.placed.extents.clone(),
            lost: self.lost.clone(),
            stale: BTreeSet::new(),
            fell_behind: BTreeMap::new(),
            incarnations: BTreeMap::new(),
        };
        self.head = Some(Head::keeping(Rules::without(self.broken.rule()), start));
        self.started = None;
        self.feed(Input::Head(HeadEvent::Start))?;
        loop {
            if let Some(outcome) = self.started.take() {
                return Ok(outcome);
            }
            if !self.step()? {
                return Err("V13: the head does not start".to_owned());
            }
        }
    }

    fn one_life(&mut self) -> Checked {
        for _ in 0..self.rng.random_range(50..1500) {
            match self.rng.random_range(0..100) {
                0..12 if self.asked.len() < MOST_OPEN => {
                    let request = some_request(&mut self.rng, EXTENTS);
                    self.submit(request)?;
                }
                12..15 => self.begin_copy(),
                15..40 => self.copy_on()?,
                40 => {
                    self.time += 100;
                    self.join_disks()?;
                    self.feed(Input::Head(HeadEvent::Tick))?;
                }
                _ => {
                    self.step()?;
                }
            }
        }
        match self.rng.random_range(0..6) {
            0 | 1 => self.die(true),
            5 => {
                self.die(false);
                self.lose_a_disk();
            }
            2 => self.die(false),
            3 if !self.has_failed() => return self.change_head(),
            _ => {
                self.drain()?;
                if !self.has_failed() {
                    return Ok(());
                }
                self.die(false);
            }
        }
        self.boot()?;
        self.read_everything()
    }

    /// Something that is on its way comes to its end; false if nothing is.
    fn step(&mut self) -> Result<bool, String> {
        self.time += 1;
        self.rot();
        let (disks, store) = (self.running.len(), self.storing.len());
        let total = disks + store + self.moves.paused();
        if total == 0 {
            return Ok(false);
        }
        let pick = self.rng.random_range(0..total);
        if pick < disks {
            let (number, id, op) = self.running.swap_remove(pick);
            let disk = self.disks.get_mut(&number).ok_or("no such disk")?;
            // A copy is hundreds of operations: few would come to their end.
            let of_copy = matches!(op, DiskOp::Fetch { .. } | DiskOp::Store { .. });
            let spared = of_copy && self.rng.random_bool(0.95);
            let result = match self.weather.strike(&op, &mut self.rng) {
                None => disk.apply(&op),
                Some(_) if spared => disk.apply(&op),
                Some(strike) => disk.strike(&op, strike, &mut self.rng),
            };
            // Not each time: it looks at every block.
            if changes_files(&op) && self.rng.random_bool(0.1) {
                for (&number, disk) in &self.disks {
                    disk.check_marks(&self.placed.files(number, true))?;
                }
            }
            self.feed(Input::Replica(number, ReplicaEvent::Done(id, result)))?;
        } else if pick < disks + store {
            let storing = self.storing.swap_remove(pick - disks);
            self.store(storing)?;
        } else {
            self.copy_on()?;
        }
        Ok(true)
    }

    fn rot(&mut self) {
        if self.weather.rot == 0.0 || !self.rng.random_bool(self.weather.rot) {
            return;
        }
        for disk in self.disks.values_mut() {
            self.harmed.extend(disk.rot(&mut self.rng));
        }
    }

    fn feed(&mut self, input: Input) -> Checked {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            match input {
                Input::Replica(number, event) => {
                    let replica = self.replicas.get_mut(&number).ok_or("no replica")?;
                    let mut effects = Vec::new();
                    replica.handle(event, &mut effects);
                    for effect in effects {
                        match effect {
                            ReplicaEffect::Answer(answer) => {
                                inputs.push_back(Input::Head(HeadEvent::Answer(answer)));
                            }
                            ReplicaEffect::Disk(id, op) => self.running.push((number, id, op)),
                            ReplicaEffect::DamageChanged | ReplicaEffect::Scrubbed { .. } => {}
                            ReplicaEffect::Recall => {
                                inputs.push_back(Input::Head(HeadEvent::Recall(number)));
                                let recalled = ReplicaEvent::Recalled;
                                inputs.push_back(Input::Replica(number, recalled));
                            }
                        }
                    }
                }
                Input::Head(event) => {
                    let Some(head) = &mut self.head else {
                        continue;
                    };
                    let mut effects = Vec::new();
                    head.handle(Moment(self.time), event, &mut effects);
                    for effect in effects {
                        self.effect(effect, &mut inputs)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn effect(&mut self, effect: HeadEffect, inputs: &mut VecDeque<Input>) -> Checked {
        match effect {
            HeadEffect::Send(message) => {
                let disk = message.disk;
                inputs.push_back(Input::Replica(disk, ReplicaEvent::Message(message)));
            }
            HeadEffect::Reply(id, reply) => self.replied(id, reply)?,
            HeadEffect::Place(extents) => self.storing.push(Storing::Place(extents)),
            HeadEffect::Unplace(files) => self.storing.push(Storing::Remove(files)),
            HeadEffect::Mend(op, extent, blocks) => {
                self.storing.push(Storing::Mend(op, extent, blocks));
            }
            HeadEffect::Switch(file, to) => {
                self.storing
                    .push(Storing::Copy(self.moves.switch(file, to)));
            }
            HeadEffect::Copy(extent, progress) => {
                let failed = matches!(progress, CopyProgress::Failed(_));
                if failed && self.weather.is_fine() && self.placed.extents.contains_key(&extent) {
                    return Err(format!("V13: {progress:?}, and nothing is wrong"));
                }
                let noting = self.moves.goes(extent, progress);
                self.storing.extend(noting.map(Storing::Copy));
            }
            HeadEffect::Started(outcome) => self.started = Some(outcome),
            HeadEffect::Exclude(..)
            | HeadEffect::Include(_)
            | HeadEffect::Resync(..)
            | HeadEffect::Compared(..)
            | HeadEffect::GiveUp(..)
            | HeadEffect::Lost(_) => {
                return Err("V4: the last in sync".to_owned());
            }
            HeadEffect::Settled(_) => return Err("nobody settles".to_owned()),
        }
        Ok(())
    }

    /// As the daemon does each second: a disk that could not promise while it held nothing joins.
    fn join_disks(&mut self) -> Checked {
        let head = self.head.as_ref();
        let left = self.disks.keys().copied();
        let left = left.filter(|disk| head.is_some_and(|head| !head.serves(*disk)));
        for disk in left.collect::<Vec<_>>() {
            self.feed(Input::Head(HeadEvent::Join(disk)))?;
        }
        Ok(())
    }

    /// Another head takes over, whose requests to the store have come to their end.
    fn change_head(&mut self) -> Checked {
        while !self.storing.is_empty() {
            let storing = self.storing.swap_remove(0);
            self.store(storing)?;
        }
        self.model.change_head();
        self.forget_the_head();
        self.begin_head()
    }

    fn die(&mut self, power: bool) {
        let running = std::mem::take(&mut self.running);
        if power || self.has_failed() {
            self.model.cut_power();
        } else {
            self.model.change_head();
        }
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
        self.doubtful.extend(&self.harmed);
        self.lose_the_store();
        self.forget_the_head();
    }

    fn forget_the_head(&mut self) {
        self.moves.forget();
        self.asked.clear();
        self.head = None;
    }

    /// Lets everything come to its end, and checks the accounts of both disks.
    fn drain(&mut self) -> Checked {
        self.join_disks()?;
        while self.step()? {}
        if !self.asked.is_empty() || self.moves.len() > 0 {
            let (asked, copies) = (self.asked.len(), self.moves.len());
            return Err(format!(
                "V13: {asked} requests and {copies} copies never end"
            ));
        }
        if self.has_failed() {
            return Ok(());
        }
        for (number, disk) in &self.disks {
            let held = disk.allocated(&self.placed.files(*number, false));
            let counted = self.replicas[number].allocated();
            let used = self.spaces[number].used().0 / BLOCK_SIZE;
            if counted != held || used != held {
                return Err(format!(
                    "V12: {held} blocks are held, {counted} counted, {used} accounted"
                ));
            }
        }
        Ok(())
    }

    /// V13: once nothing goes wrong any more, everything works, and a disk can be emptied.
    fn heal(&mut self) -> Checked {
        self.drain()?;
        if self.has_failed() {
            self.die(false);
            self.boot()?;
        }
        self.copy_what_rotted()?;
        self.write_harmed()?;
        self.write_lost()?;
        self.read_everything()?;
        for _ in 0..EXTENTS * 2 {
            self.begin_copy_from(DiskNumber(0));
            self.drain()?;
        }
        if !self.placed.files(DiskNumber(0), false).is_empty() {
            return Err("V13: a disk cannot be emptied".to_owned());
        }
        self.read_everything()
    }

    /// V10: what rotted, and was not summed anew, is no better in its copy.
    fn copy_what_rotted(&mut self) -> Checked {
        let rotted = self.harmed.difference(&self.doubtful);
        let rotted: BTreeSet<_> = rotted.map(|(extent, _)| *extent).collect();
        for extent in &rotted {
            self.begin_copy_of_extent(*extent);
            self.drain()?;
        }
        if rotted.is_empty() {
            return Ok(());
        }
        self.read_everything()
    }
}
