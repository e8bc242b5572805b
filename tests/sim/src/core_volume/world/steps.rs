//! What is on its way arrives, in any order but that of a link.

use std::collections::{BTreeMap, VecDeque};

use rand::RngExt;
use volumed_core::head::{HeadEffect, HeadEvent, Moment};
use volumed_core::message::{Answer, Message};
use volumed_core::replica::{DiskFault, DiskOp, DiskOpId, DiskResult, ReplicaEffect, ReplicaEvent};
use volumed_core::{DiskNumber, ExtentIndex};

use super::super::disk::changes_files;
use super::super::weather::Strike;
use super::store::Placing;
use super::{Checked, World};

impl World {
    /// Something that is on its way arrives; false if nothing is.
    pub fn step(&mut self) -> Result<bool, String> {
        self.time += 1;
        self.rot();
        let links = nonempty(&self.links);
        let answers = nonempty(&self.answers);
        let unread: Vec<usize> = (0..self.connections.len())
            .filter(|&at| !self.connections[at].sent.is_empty())
            .collect();
        let counts = [
            links.len(),
            answers.len(),
            self.running.len(),
            self.ended.len(),
            self.placing.len(),
            unread.len(),
        ];
        let total: usize = counts.iter().sum();
        if total == 0 {
            return Ok(false);
        }
        let mut pick = self.rng.random_range(0..total);
        let mut kind = 0;
        while pick >= counts[kind] {
            pick -= counts[kind];
            kind += 1;
        }
        match kind {
            0 => self.deliver(links[pick].0, links[pick].1)?,
            1 => {
                let answers = self.answers.get_mut(&answers[pick]);
                if let Some(answer) = answers.and_then(VecDeque::pop_front) {
                    self.head_event(HeadEvent::Answer(answer))?;
                }
            }
            2 => {
                let (number, id, op) = self.running.swap_remove(pick);
                self.run(number, id, op)?;
            }
            3 => {
                let (number, id, op, result) = self.ended.swap_remove(pick);
                self.told(number, &op, &result);
                self.replica_event(number, ReplicaEvent::Done(id, result))?;
            }
            4 => self.place_step(pick)?,
            _ => self.read_request(unread[pick])?,
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

    /// A disk carries an operation out, or fails to.
    fn run(&mut self, number: DiskNumber, id: DiskOpId, op: DiskOp) -> Checked {
        let disk = self.disks.get_mut(&number).ok_or("no such disk")?;
        let result = match self.weather.strike(&op, &mut self.rng) {
            None => disk.apply(&op),
            Some(strike) => {
                match strike {
                    Strike::Refused(DiskFault::Exhausted) => self.troubles.exhausted = true,
                    Strike::Refused(DiskFault::NoSpace) | Strike::HalfWay(DiskFault::NoSpace) => {
                        self.troubles.full = true;
                    }
                    _ => self.troubles.io = true,
                }
                disk.strike(&op, strike, &mut self.rng)
            }
        };
        if changes_files(&op) {
            self.check_marks()?;
        }
        self.check_changed(number, &op)?;
        self.ended.push((number, id, op, result));
        Ok(())
    }

    pub(super) fn deliver(&mut self, epoch: u64, number: DiskNumber) -> Checked {
        let link = self.links.get_mut(&(epoch, number));
        match link.and_then(VecDeque::pop_front) {
            Some(message) => {
                let asked = (number, message.epoch, message.op);
                self.unanswered.insert(asked, lost_answer(&message));
                self.replica_event(number, ReplicaEvent::Message(message))
            }
            None => Ok(()),
        }
    }

    pub(super) fn replica_event(&mut self, number: DiskNumber, event: ReplicaEvent) -> Checked {
        let Some(replica) = self.replicas.get_mut(&number) else {
            return Ok(());
        };
        let mut effects = Vec::new();
        replica.handle(event, &mut effects);
        for effect in effects {
            match effect {
                ReplicaEffect::Answer(answer) => {
                    self.check_answer(&answer)?;
                    let asked = (number, answer.epoch, answer.op);
                    self.unanswered.remove(&asked);
                    let link = (answer.epoch.0, number);
                    self.answers.entry(link).or_default().push_back(answer);
                }
                ReplicaEffect::Disk(id, op) => self.running.push((number, id, op)),
                ReplicaEffect::DamageChanged | ReplicaEffect::Scrubbed { .. } => {}
                ReplicaEffect::Recall => self.recall(number)?,
            }
        }
        self.check_accounts(number)?;
        self.check_readable(number)
    }

    pub(super) fn head_event(&mut self, event: HeadEvent) -> Checked {
        let Some(head) = &mut self.head else {
            return Ok(());
        };
        let mut effects = Vec::new();
        head.handle(Moment(self.time + self.skew), event, &mut effects);
        for effect in effects {
            match effect {
                HeadEffect::Send(message) => {
                    let link = (message.epoch.0, message.disk);
                    self.links.entry(link).or_default().push_back(message);
                }
                HeadEffect::Reply(id, reply) => self.replied(id, reply)?,
                HeadEffect::Place(extents) => self.place(extents),
                HeadEffect::Unplace(files) => self.placing.push(Placing::Removal(files)),
                HeadEffect::Started(outcome) => self.started = Some(outcome),
                HeadEffect::Settled(outcome) => self.settled = Some(outcome),
                ref other @ (HeadEffect::Exclude(..)
                | HeadEffect::Include(_)
                | HeadEffect::Resync(..)
                | HeadEffect::Compared(..)
                | HeadEffect::Lost(_)) => {
                    return Err(format!("V4: the last in sync: {other:?}"));
                }
                HeadEffect::Copy(..)
                | HeadEffect::Switch(..)
                | HeadEffect::GiveUp(..)
                | HeadEffect::Mend(..) => {
                    return Err("nothing is copied or lost here".to_owned());
                }
            }
        }
        self.check_bound()
    }

    fn place(&mut self, extents: Vec<ExtentIndex>) {
        let placements = extents.into_iter().map(|extent| (extent, self.choose()));
        let placements = placements.collect();
        self.placing.push(Placing::Files(placements));
    }

    /// A replica is about to hear how an operation ended.
    fn told(&mut self, number: DiskNumber, op: &DiskOp, result: &DiskResult) {
        if let Some(told) = self.told.get_mut(&number) {
            told.hear(op, result);
        }
    }
}

/// What is said of a message that a node took with it.
fn lost_answer(message: &Message) -> Answer {
    Answer::of_absent(message.volume, message.disk, message.epoch, message.op)
}

fn nonempty<T>(queues: &BTreeMap<(u64, DiskNumber), VecDeque<T>>) -> Vec<(u64, DiskNumber)> {
    queues
        .iter()
        .filter(|(_, queue)| !queue.is_empty())
        .map(|(&link, _)| link)
        .collect()
}
