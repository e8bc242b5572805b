//! Which replicas the machine has: disks come and go while it runs.

use std::time::Duration;

use volumed_core::ExtentIndex;
use volumed_core::message::{Answer, ExtentFile, Message};
use volumed_core::placement::{Candidate, Placement};
use volumed_core::replica::{Damage, DiskOpId, DiskResult, ReplicaEffect, ReplicaEvent};
use volumed_core::unflushed::Incarnations;

use super::{
    Arc, BTreeSet, Deed, DiskNumber, HeadEvent, Held, Input, Machine, Placements, PoolDisk, State,
    VecDeque, in_sync,
};

/// How long a disk of another node may take to join a head.
const JOINING: Duration = Duration::from_secs(5);

impl Machine {
    /// Takes a replica in, in place of the one on a disk with the same number. A head that runs, and
    /// has extents on neither, may place some on the disk from now on.
    pub fn put_replica(self: &Arc<Self>, held: Held) {
        let (deeds, unanswered) = {
            let mut state = self.state.lock();
            let disk = held.on.number;
            state.scrubbing.remove(&disk);
            state.replicas.insert(disk, held);
            let unanswered = state.hosted.leave(disk);
            let leave = Input::Head(HeadEvent::Leave(disk));
            (state.feed(self.now(), leave), unanswered)
        };
        drop(unanswered);
        self.perform(deeds);
        self.join_disks();
    }

    /// The disk leaves the pool, and holds nothing of the volume.
    pub async fn drop_replica(self: &Arc<Self>, disk: DiskNumber) {
        self.idle_on(disk).await;
        let deeds = {
            let mut state = self.state.lock();
            state.scrubbing.remove(&disk);
            state.replicas.remove(&disk);
            state.feed(self.now(), Input::Head(HeadEvent::Leave(disk)))
        };
        self.perform(deeds);
    }

    /// Whether the volume's replica with the disk's number is on this very disk.
    pub fn is_on(&self, on: &Arc<PoolDisk>) -> bool {
        let state = self.state.lock();
        let held = state.replicas.get(&on.number);
        held.is_some_and(|held| Arc::ptr_eq(&held.on, on))
    }

    /// Of the disks on which there is a replica.
    pub fn incarnations(&self) -> Incarnations {
        let state = self.state.lock();
        let of = |held: &Held| {
            let disk = &held.on.disk;
            (held.on.number, (!disk.failed()).then(|| disk.incarnation()))
        };
        state.replicas.values().map(of).collect()
    }

    /// Waits until nothing is being placed or removed.
    pub async fn placed(&self) {
        self.until(|state| state.placing == 0).await;
    }

    /// Waits until nothing runs on a disk.
    pub async fn idle_on(&self, disk: DiskNumber) {
        let idle = |state: &mut State| {
            let held = state.replicas.get(&disk);
            held.is_none_or(|held| held.replica.is_idle())
        };
        self.until(idle).await;
    }

    /// Has the head take in the disks that it was not started with, as far as they are well: all of this node's,
    /// and those of others that hold something of the volume.
    pub fn join_disks(self: &Arc<Self>) {
        let deeds = {
            let mut state = self.state.lock();
            let Some(head) = &state.head else { return };
            let others = self.node.others.as_ref();
            let well = state
                .replicas
                .values()
                .filter(|held| !held.on.disk.failed());
            let here = well.map(|held| held.on.number).filter(|&it| !head.has(it));
            let reached = |disk: &DiskNumber| others.is_some_and(|others| others.reaches(*disk));
            let away = head.away().into_iter().filter(reached);
            let new: BTreeSet<_> = here.chain(away).collect();
            let (stale, new): (Vec<_>, Vec<_>) =
                new.into_iter().partition(|it| head.does_without(*it));
            let stale = stale.into_iter().filter(|it| !head.serves(*it));
            let stale: Vec<_> = stale.collect();
            for disk in stale {
                if state.rejoining.insert(disk) {
                    let machine = Arc::clone(self);
                    self.node.runtime.spawn(in_sync::rejoin(machine, disk));
                }
            }
            new.into_iter()
                .flat_map(|disk| state.feed(self.now(), Input::Head(HeadEvent::Join(disk))))
                .collect()
        };
        self.perform(deeds);
    }

    /// The disks on which the head may place extents.
    pub fn candidates(&self) -> Vec<Candidate> {
        let own = self.node.own().map_or(0, |own| own.0.into());
        let away = self.node.others.iter().flat_map(|others| others.disks());
        let state = self.state.lock();
        let Some(head) = &state.head else {
            return Vec::new();
        };
        let here = state.replicas.values().map(|held| &held.on);
        let usable = |on: &&Arc<PoolDisk>| {
            let draining = self.node.disks.is_draining(on.number);
            head.has(on.number) && !on.disk.failed() && !draining
        };
        let here = here.filter(usable).map(|on| Candidate {
            disk: on.number,
            node: own,
            free: on.disk.space().free(),
        });
        let away = away.filter(|it| !head.does_without(it.disk));
        let away = away.map(|it| Candidate {
            disk: it.disk,
            node: it.node.0.into(),
            free: it.free,
        });
        here.chain(away).collect()
    }

    /// Extents that need something by what their placement says, so many at most.
    pub fn needed_replicas<T>(
        &self,
        need: impl Fn(&Placement) -> Option<T>,
        most: usize,
    ) -> Vec<(ExtentFile, T)> {
        let state = self.state.lock();
        let Some(head) = &state.head else {
            return Vec::new();
        };
        let of_extent = |(extent, placed): (ExtentIndex, &Placement)| {
            let alloc = placed.alloc;
            need(placed).map(|needed| (ExtentFile { extent, alloc }, needed))
        };
        let placed = head.placed_from(ExtentIndex(0));
        placed.filter_map(of_extent).take(most).collect()
    }

    /// The sum of what is counted of each placed extent, if there is a head.
    pub fn sum_of_placed(&self, count: impl Fn(&Placement) -> u64) -> Option<u64> {
        let state = self.state.lock();
        let placed = state.head.as_ref()?.placed_from(ExtentIndex(0));
        Some(placed.map(|(_, placed)| count(placed)).sum())
    }

    /// Whether extents may be placed on the disk.
    pub fn has_disk(&self, disk: DiskNumber) -> bool {
        let state = self.state.lock();
        state.head.as_ref().is_some_and(|head| head.has(disk))
    }

    /// Has a disk join the head; whether it did.
    pub async fn joined(self: &Arc<Self>, disk: DiskNumber) -> bool {
        if self.has_disk(disk) {
            return self.note(disk).await;
        }
        self.head_event(HeadEvent::Join(disk));
        let joined = |state: &mut State| {
            let head = state.head.as_ref();
            head.is_none_or(|head| head.has(disk) || !head.joins(disk))
        };
        let _ = tokio::time::timeout(JOINING, self.until(joined)).await;
        self.has_disk(disk) && self.note(disk).await
    }
}

impl Machine {
    /// V10: what is damaged on another node is made good from here.
    pub fn repair(self: &Arc<Self>, damage: &Damage) {
        let regions: BTreeSet<_> = damage.regions().collect();
        for region in regions {
            self.head_event(HeadEvent::Repair(region));
        }
    }
}

impl State {
    /// The disks that a head is started with: it cannot do without those that hold something of the
    /// volume, and does without others that failed, or are on other nodes.
    pub(super) fn needed(&self, placements: &Placements) -> BTreeSet<DiskNumber> {
        let holds = |disk| placements.placed.values().any(|placed| placed.is_on(disk));
        let replicas = self.replicas.iter();
        let here = replicas
            .filter(|(number, held)| !held.on.disk.failed() || holds(**number))
            .map(|(&number, _)| number);
        let placed = placements
            .placed
            .values()
            .flat_map(|placed| &placed.replicas);
        let reached = |disk: &DiskNumber| {
            let others = self.others.as_ref();
            !self.replicas.contains_key(disk) && others.is_some_and(|others| others.reaches(*disk))
        };
        let away: BTreeSet<_> = placed.map(|(disk, _)| *disk).collect();
        here.chain(away.into_iter().filter(reached)).collect()
    }

    /// What was begun before the disk was taken back means nothing to its new replica.
    pub(super) fn done(
        &mut self,
        on: &Arc<PoolDisk>,
        id: DiskOpId,
        result: DiskResult,
        inputs: &mut VecDeque<Input>,
    ) {
        let held = self.replicas.get(&on.number);
        if held.is_some_and(|held| Arc::ptr_eq(&held.on, on)) {
            self.feed_replica(on.number, ReplicaEvent::Done(id, result), inputs);
        }
    }

    pub(super) fn feed_replica(
        &mut self,
        disk: DiskNumber,
        event: ReplicaEvent,
        inputs: &mut VecDeque<Input>,
    ) {
        let Some(held) = self.replicas.get_mut(&disk) else {
            if let ReplicaEvent::Message(message) = event {
                let Message {
                    volume, epoch, op, ..
                } = message;
                let answer = Answer::of_absent(volume, disk, epoch, op);
                inputs.push_back(Input::Head(HeadEvent::Answer(answer)));
            }
            return;
        };
        let mut effects = Vec::new();
        held.replica.handle(event, &mut effects);
        // Before anything else, or messages would overtake each other.
        inputs.push_front(Input::Effects(disk, effects));
    }

    /// V10: what is damaged on one replica is made good from another.
    fn repairs(&self, disk: DiskNumber) -> Vec<Input> {
        let Some(held) = self.replicas.get(&disk) else {
            return Vec::new();
        };
        let regions: BTreeSet<_> = held.replica.damage().regions().collect();
        let repair = |region| Input::Head(HeadEvent::Repair(region));
        regions.into_iter().map(repair).collect()
    }

    pub(super) fn take_effects(
        &mut self,
        disk: DiskNumber,
        effects: Vec<ReplicaEffect>,
        inputs: &mut VecDeque<Input>,
        deeds: &mut VecDeque<Deed>,
    ) {
        for effect in effects {
            match effect {
                ReplicaEffect::Answer(answer) => match self.hosted.reply_to(&answer) {
                    Some(reply) => deeds.push_back(Deed::Answer(reply, answer)),
                    None => inputs.push_back(Input::Head(HeadEvent::Answer(answer))),
                },
                ReplicaEffect::Disk(id, op) => {
                    let on = self.replicas.get(&disk).map(|held| Arc::clone(&held.on));
                    deeds.extend(on.map(|on| Deed::Disk(on, id, op)));
                }
                ReplicaEffect::Scrubbed { blocks, .. } => {
                    if let Some(tell) = self.scrubbing.remove(&disk) {
                        let _ = tell.send(blocks);
                    }
                }
                ReplicaEffect::DamageChanged => {
                    deeds.push_back(Deed::KeepDamage(disk));
                    inputs.extend(self.repairs(disk));
                }
                ReplicaEffect::Recall => deeds.push_back(Deed::Recall(disk)),
            }
        }
    }
}
