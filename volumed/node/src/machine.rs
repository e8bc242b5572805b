//! Runs the core's machines of one volume: its head, and its replicas on this node's disks.
//!
//! Messages between them are handed over under one lock, so they arrive in the order in which they
//! were sent; disks, store and answers to clients are dealt with outside of it.

mod checking;
mod comparing;
mod copying;
mod hosted;
mod in_sync;
mod keeping;
mod mending;
mod noting;
mod perform;
pub(crate) mod placer;
mod reading;
pub(crate) mod remote;
mod replicas;
mod space;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, oneshot};
use volumed_core::head::{
    Comparison, Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId,
    ResyncProgress,
};
use volumed_core::replica::{DiskOpId, DiskResult, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::{
    Alloc, ByteCount, DiskId, DiskNumber, Epoch, ExtentIndex, Incarnation, IoError, RegionIndex,
    Reply, Request, VolumeId,
};
use volumed_meta::{Compare, MetaStore, StoreError};

use crate::disks::open_extents::OpenExtents;
use crate::disks::work::DiskWork;
use crate::disks::{Disks, PoolDisk};
use crate::nodes::others::Others;
use crate::store::damage::KeptDamage;
use crate::store::lost::Lost;
use crate::store::placements::Placements;
use copying::Followed;
pub(super) use copying::Move;
use hosted::Hosted;
use in_sync::InSync;
use noting::Notes;
use perform::Deed;

/// What all volumes of the node share.
pub(super) struct Node {
    pub store: Arc<dyn MetaStore>,
    /// What the store's revisions count from.
    pub base: u64,
    pub disks: Disks,
    pub open_extents: OpenExtents,
    pub work: DiskWork,
    pub runtime: tokio::runtime::Handle,
    pub started: Instant,
    /// Of every volume that there is.
    pub machines: Mutex<Vec<Weak<Machine>>>,
    /// This node among others, if it is in a cluster.
    pub others: Option<Arc<Others>>,
    /// The machines that have a head, in a cluster.
    pub served: RwLock<HashMap<VolumeId, Weak<Machine>>>,
}

impl Node {
    /// What a disk of any node is called, as far as is known.
    pub fn disk_id(&self, disk: DiskNumber) -> Option<DiskId> {
        match self.disks.all().get(&disk) {
            Some(on) => Some(on.disk.id()),
            None => self.others.as_ref()?.sight().id_of(disk),
        }
    }

    /// Newer than every extent that was placed before.
    pub async fn now(&self) -> Result<Alloc, StoreError> {
        Ok(Alloc(self.base + self.store.revision().await?))
    }
}

type Answered = Box<dyn FnOnce(Reply) + Send>;
type Outcome = Result<(), IoError>;

/// One volume's machines.
pub(super) struct Machine {
    pub volume: VolumeId,
    replicas: AtomicU8,
    pub node: Arc<Node>,
    pub damage: KeptDamage,
    /// What the store says is lost of the volume.
    pub(super) lost: Mutex<Lost>,
    /// V1: what holds in the store as long as this node serves the volume, in a cluster.
    serving: Mutex<Option<Compare>>,
    state: Mutex<State>,
    /// Something ended.
    progress: Notify,
}

struct State {
    head: Option<Head>,
    replicas: BTreeMap<DiskNumber, Held>,
    answers: HashMap<RequestId, Answered>,
    next_request: u64,
    /// Requests that wait until a node which is behind has room.
    waiting: VecDeque<(RequestId, Request)>,
    /// Placements and removals under way.
    placing: usize,
    started: Option<oneshot::Sender<Outcome>>,
    settled: Option<oneshot::Sender<Outcome>>,
    /// Who waits for the check of a region, by disk.
    scrubbing: BTreeMap<DiskNumber, oneshot::Sender<Option<u32>>>,
    /// Extents that the head copies elsewhere.
    copies: BTreeMap<ExtentIndex, Followed>,
    /// Who waits for the comparison of a region.
    comparing: BTreeMap<RegionIndex, oneshot::Sender<Comparison>>,
    /// Disks that are being resynced, and how many regions may differ.
    resyncs: BTreeMap<DiskNumber, u64>,
    /// Stale disks that are being made ready to join.
    rejoining: BTreeSet<DiskNumber>,
    /// Disks whose incarnation the volume's record has (V7), of a volume with several replicas.
    noted: BTreeMap<DiskNumber, Incarnation>,
    /// Whether the volume has several replicas, or had: its record names incarnations from then on.
    replicated: bool,
    hosted: Hosted,
    notes: Notes,
    others: Option<Arc<Others>>,
}

/// The volume's replica on one disk.
pub(super) struct Held {
    pub on: Arc<PoolDisk>,
    pub replica: Replica,
}

enum Input {
    Head(HeadEvent),
    Replica(DiskNumber, ReplicaEvent),
    /// An operation ended on a disk.
    Done(Arc<PoolDisk>, DiskOpId, DiskResult),
    /// A replica wants this done.
    Effects(DiskNumber, Vec<ReplicaEffect>),
}

impl Machine {
    pub fn new(
        volume: VolumeId,
        replicas: u8,
        node: Arc<Node>,
        replicas_here: BTreeMap<DiskNumber, Held>,
    ) -> Arc<Self> {
        let held = replicas_here.iter();
        let damage = held.map(|(&disk, held)| (disk, held.replica.damage().clone()));
        let damage = KeptDamage::new(damage.collect());
        let state = State {
            head: None,
            replicas: replicas_here,
            answers: HashMap::new(),
            next_request: 0,
            waiting: VecDeque::new(),
            placing: 0,
            started: None,
            settled: None,
            scrubbing: BTreeMap::new(),
            copies: BTreeMap::new(),
            comparing: BTreeMap::new(),
            resyncs: BTreeMap::new(),
            rejoining: BTreeSet::new(),
            noted: BTreeMap::new(),
            replicated: replicas > 1,
            hosted: Hosted::default(),
            notes: Notes::default(),
            others: node.others.clone(),
        };
        let (state, progress) = (Mutex::new(state), Notify::new());
        let machine = Arc::new(Self {
            volume,
            replicas: AtomicU8::new(replicas),
            node,
            damage,
            lost: Mutex::default(),
            serving: Mutex::default(),
            state,
            progress,
        });
        machine.node.machines.lock().push(Arc::downgrade(&machine));
        machine
    }

    /// How many replicas each extent is to have.
    pub fn replicas(&self) -> u8 {
        self.replicas.load(Ordering::Acquire)
    }

    /// Each extent is to have so many from now on.
    pub fn set_replicas(&self, replicas: u8) {
        self.replicas.store(replicas, Ordering::Release);
        self.state.lock().replicated |= replicas > 1;
    }

    /// Makes a head in place of the one before, which must be quiet, and waits until every replica
    /// has promised its epoch (V1).
    pub async fn start_head(
        self: &Arc<Self>,
        epoch: Epoch,
        size: ByteCount,
        quota: Option<ByteCount>,
        placements: Placements,
        incarnations: BTreeMap<DiskNumber, Incarnation>,
    ) -> Outcome {
        let (tell, told) = oneshot::channel();
        self.know_lost(placements.lost.clone());
        self.serve_here();
        let deeds = {
            let mut state = self.state.lock();
            state.replicated |= !incarnations.is_empty();
            let quota = self.blocks(quota, placements.placed.values());
            state.head = Some(Head::new(HeadStart {
                volume: self.volume,
                epoch,
                size,
                quota,
                settings: HeadSettings::for_replicas(self.replicas()),
                disks: state.needed(&placements),
                extents: placements.placed,
                lost: placements.lost,
                stale: placements.stale,
                fell_behind: placements.fell_behind,
                incarnations,
            }));
            state.started = Some(tell);
            state.feed(self.now(), Input::Head(HeadEvent::Start))
        };
        self.perform(deeds);
        let outcome = told.await.unwrap_or(Err(IoError::Io));
        if outcome.is_err() {
            self.drop_head();
        }
        outcome
    }

    /// Makes everything durable and clean.
    pub async fn settle(self: &Arc<Self>) -> Outcome {
        let (tell, told) = oneshot::channel();
        let deeds = {
            let mut state = self.state.lock();
            if state.head.is_none() {
                return Ok(());
            }
            state.settled = Some(tell);
            state.feed(self.now(), Input::Head(HeadEvent::Settle))
        };
        self.perform(deeds);
        told.await.unwrap_or(Err(IoError::Io))
    }

    fn drop_head(&self) {
        self.state.lock().drop_head();
    }

    /// Waits until the head has nothing to do, with `disks` also until nothing runs on the volume's
    /// disks, and drops it before it begins anything.
    pub async fn end_head(&self, disks: bool) {
        let end = |state: &mut State| {
            let quiet = state.is_quiet(disks);
            if quiet {
                state.drop_head();
            }
            quiet
        };
        self.until(end).await;
    }

    /// Regions of this node's replicas that are marked dirty (V5).
    pub fn dirty(&self) -> usize {
        let state = self.state.lock();
        let replicas = state.replicas.values();
        replicas.map(|held| held.replica.dirty().len()).sum()
    }

    /// Nobody uses the volume: gives back files and memory that it can do without.
    pub fn rest(&self) {
        let mut state = self.state.lock();
        state.answers.shrink_to_fit();
        for held in state.replicas.values_mut() {
            held.replica.rest();
            held.on.disk.rest(self.volume);
        }
    }

    /// Waits until no request is unanswered and no extent is being placed; with `disks`, also until
    /// nothing runs on the volume's disks.
    pub async fn quiet(&self, disks: bool) {
        self.until(|state| state.is_quiet(disks)).await;
    }

    async fn until(&self, mut reached: impl FnMut(&mut State) -> bool) {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if reached(&mut self.state.lock()) {
                return;
            }
            progress.await;
        }
    }

    pub fn submit(self: &Arc<Self>, request: Request, answer: Answered) {
        let deeds = {
            let mut state = self.state.lock();
            let id = RequestId(state.next_request);
            state.next_request += 1;
            state.answers.insert(id, answer);
            if !state.has_room() {
                state.waiting.push_back((id, request));
                return;
            }
            state.feed(self.now(), Input::Head(HeadEvent::Request(id, request)))
        };
        self.perform(deeds);
    }

    pub fn has_head(&self) -> bool {
        self.state.lock().head.is_some()
    }

    /// Grants memory for the checksums of so many regions on each disk.
    pub fn keep_sums(&self, regions: usize) {
        for held in self.state.lock().replicas.values_mut() {
            held.replica.keep_sums(regions);
        }
    }

    /// The volume's record says this size now.
    pub fn grow(self: &Arc<Self>, size: ByteCount) {
        self.head_event(HeadEvent::Grow(size));
    }

    /// Time went by.
    pub fn tick(self: &Arc<Self>) {
        self.join_disks();
        self.submit_waiting();
        self.head_event(HeadEvent::Tick);
        self.rest_if_unused();
        self.note_held_now_and_then();
    }

    /// Tells the head how a placement or a removal ended.
    pub fn placing_ended(self: &Arc<Self>, events: Vec<HeadEvent>) {
        for event in events {
            self.head_event(event);
        }
        self.state.lock().placing -= 1;
        self.progress.notify_waiters();
    }

    pub(super) fn head_event(self: &Arc<Self>, event: HeadEvent) {
        let deeds = self.state.lock().feed(self.now(), Input::Head(event));
        self.perform(deeds);
    }

    fn now(&self) -> Moment {
        Moment(self.node.started.elapsed().as_millis() as u64)
    }
}

impl State {
    fn is_quiet(&self, disks: bool) -> bool {
        self.placing == 0
            && self.answers.is_empty()
            && (!disks || self.replicas.values().all(|held| held.replica.is_idle()))
    }

    fn drop_head(&mut self) {
        let head = self.head.take();
        // Who waits for it to begin, or to settle, waits in vain.
        (self.started, self.settled) = (None, None);
        self.copies.clear();
        self.comparing.clear();
        self.resyncs.clear();
        self.waiting.clear();
        self.noted.clear();
        if let Some(epoch) = head.map(|head| head.epoch()) {
            for held in self.replicas.values_mut() {
                held.give_back_grant_of(epoch);
            }
        }
    }

    /// Takes an input to its end among the machines; answers what is left to do outside.
    fn feed(&mut self, now: Moment, input: Input) -> VecDeque<Deed> {
        let mut deeds = VecDeque::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            match input {
                Input::Head(event) => self.feed_head(now, event, &mut inputs, &mut deeds),
                Input::Replica(disk, event) => {
                    self.feed_replica(disk, event, &mut inputs);
                }
                Input::Done(on, id, result) => self.done(&on, id, result, &mut inputs),
                Input::Effects(disk, effects) => {
                    self.take_effects(disk, effects, &mut inputs, &mut deeds);
                }
            }
        }
        deeds
    }

    fn feed_head(
        &mut self,
        now: Moment,
        event: HeadEvent,
        inputs: &mut VecDeque<Input>,
        deeds: &mut VecDeque<Deed>,
    ) {
        let Some(head) = &mut self.head else {
            if let HeadEvent::Request(id, _) = event {
                self.reply(id, Err(IoError::Gone), deeds);
            }
            return;
        };
        let epoch = head.epoch();
        let (mut effects, mut ends) = (Vec::new(), false);
        head.handle(now, event, &mut effects);
        for effect in effects {
            match effect {
                HeadEffect::Send(message) => self.route(message, inputs, deeds),
                HeadEffect::Reply(id, reply) => self.reply(id, reply, deeds),
                HeadEffect::Place(extents) => {
                    self.placing += 1;
                    deeds.push_back(Deed::Place(extents));
                }
                HeadEffect::Unplace(files) => {
                    self.placing += 1;
                    deeds.push_back(Deed::Unplace(files));
                }
                HeadEffect::Mend(op, extent, blocks) => {
                    deeds.push_back(Deed::Mend(op, extent, blocks));
                }
                HeadEffect::Exclude(disk, lacks) => {
                    self.placing += 1;
                    deeds.push_back(Deed::Record(epoch, InSync::Not(disk, lacks)));
                }
                HeadEffect::Include(disk) => {
                    self.placing += 1;
                    let incarnation = self.incarnation(disk);
                    deeds.push_back(Deed::Record(epoch, InSync::Again(disk, incarnation)));
                }
                HeadEffect::Resync(disk, ResyncProgress::Behind(regions)) => {
                    self.resyncs.insert(disk, regions);
                    deeds.push_back(Deed::Resync(disk));
                }
                HeadEffect::Resync(disk, ResyncProgress::Failed) => {
                    self.resyncs.remove(&disk);
                }
                // Whoever attaches next learns what may be lost (V9).
                HeadEffect::Lost(_) => ends = true,
                HeadEffect::Compared(region, found) => self.compared(region, found),
                HeadEffect::Copy(extent, progress) => self.copied(extent, progress),
                HeadEffect::Switch(file, to) => {
                    self.placing += 1;
                    deeds.push_back(self.switch(file, to));
                }
                HeadEffect::GiveUp(file, disk) => {
                    self.placing += 1;
                    deeds.push_back(Deed::GiveUp(file, disk));
                }
                HeadEffect::Started(outcome) => {
                    deeds.extend(self.started.take().map(|tell| Deed::Tell(tell, outcome)));
                }
                HeadEffect::Settled(outcome) => {
                    deeds.extend(self.settled.take().map(|tell| Deed::Tell(tell, outcome)));
                }
            }
        }
        if ends {
            self.abandon_head(deeds);
        }
    }

    fn reply(&mut self, id: RequestId, reply: Reply, deeds: &mut VecDeque<Deed>) {
        if let Some(answer) = self.answers.remove(&id) {
            deeds.push_back(Deed::Reply(answer, reply));
        }
    }
}
