//! What is on its way arrives, in any order but that of a link.

use std::collections::{BTreeMap, VecDeque};

use rand::RngExt;
use volumed_core::Alloc;
use volumed_core::DiskNumber;
use volumed_core::head::{HeadEffect, HeadEvent, Moment};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{DiskFault, DiskOp, ReplicaEffect, ReplicaEvent};

use super::store::Placing;
use super::{Checked, World};

impl World {
    /// Something that is on its way arrives; false if nothing is.
    pub fn step(&mut self) -> Result<bool, String> {
        self.time += 1;
        let links: Vec<_> = nonempty(&self.links);
        let answers: Vec<_> = nonempty(&self.answers);
        let counts = [
            links.len(),
            answers.len(),
            self.running.len(),
            self.ended.len(),
            self.placing.len(),
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
            0 => self.deliver(links[pick].0, links[pick].1),
            1 => {
                let answer = self
                    .answers
                    .get_mut(&answers[pick])
                    .and_then(VecDeque::pop_front);
                if let Some(answer) = answer {
                    self.head_event(HeadEvent::Answer(answer))?;
                }
            }
            2 => {
                let (number, id, op) = self.running.swap_remove(pick);
                let exhausted = self.is_exhausted(&op);
                let disk = self.disks.get_mut(&number).ok_or("no such disk")?;
                let result = if exhausted {
                    Err(DiskFault::Exhausted)
                } else {
                    disk.apply(&op)
                };
                self.ended.push((number, id, result));
                self.check_marks()?;
            }
            3 => {
                let (number, id, result) = self.ended.swap_remove(pick);
                self.replica_event(number, ReplicaEvent::Done(id, result));
            }
            _ => self.place_step(pick)?,
        }
        Ok(true)
    }

    /// Whether the process finds no descriptor for an operation. What a clean stop is made of is left
    /// alone: it is checked to succeed.
    fn is_exhausted(&mut self, op: &DiskOp) -> bool {
        let refusable = match op {
            DiskOp::Read { .. }
            | DiskOp::Write { .. }
            | DiskOp::Zero { .. }
            | DiskOp::LoadSums { .. }
            | DiskOp::Resum { .. }
            | DiskOp::WriteLog(_) => true,
            DiskOp::Sync { .. }
            | DiskOp::Settle { .. }
            | DiskOp::WritePromise(_)
            | DiskOp::Remove { .. } => false,
        };
        refusable && self.may_be_exhausted && self.rng.random_bool(0.02)
    }

    pub(super) fn deliver(&mut self, epoch: u64, number: DiskNumber) {
        if let Some(message) = self
            .links
            .get_mut(&(epoch, number))
            .and_then(VecDeque::pop_front)
        {
            self.replica_event(number, ReplicaEvent::Message(message));
        }
    }

    fn replica_event(&mut self, number: DiskNumber, event: ReplicaEvent) {
        let Some(replica) = self.replicas.get_mut(&number) else {
            return;
        };
        let mut effects = Vec::new();
        replica.handle(event, &mut effects);
        for effect in effects {
            match effect {
                ReplicaEffect::Answer(answer) => {
                    let link = (answer.epoch.0, number);
                    self.answers.entry(link).or_default().push_back(answer);
                }
                ReplicaEffect::Disk(id, op) => self.running.push((number, id, op)),
            }
        }
    }

    pub(super) fn head_event(&mut self, event: HeadEvent) -> Checked {
        let Some(head) = &mut self.head else {
            return Ok(());
        };
        let mut effects = Vec::new();
        head.handle(Moment(self.time), event, &mut effects);
        for effect in effects {
            match effect {
                HeadEffect::Send(message) => {
                    let link = (message.epoch.0, message.disk);
                    self.links.entry(link).or_default().push_back(message);
                }
                HeadEffect::Reply(id, reply) => self.replied(id, reply)?,
                HeadEffect::Place(extents) => {
                    let alloc = Alloc(self.revision);
                    let disks = self.disks.keys().map(|&disk| (disk, Role::Full));
                    let placement = Placement {
                        alloc,
                        replicas: disks.collect(),
                    };
                    let placements = extents
                        .into_iter()
                        .map(|extent| (extent, placement.clone()));
                    self.placing.push(Placing::Files(placements.collect()));
                }
                HeadEffect::Unplace(files) => self.placing.push(Placing::Removal(files)),
                HeadEffect::Started(outcome) => self.started = Some(outcome),
                HeadEffect::Settled(outcome) => self.settled = Some(outcome),
            }
        }
        Ok(())
    }
}

fn nonempty<T>(queues: &BTreeMap<(u64, DiskNumber), VecDeque<T>>) -> Vec<(u64, DiskNumber)> {
    queues
        .iter()
        .filter(|(_, queue)| !queue.is_empty())
        .map(|(&link, _)| link)
        .collect()
}
