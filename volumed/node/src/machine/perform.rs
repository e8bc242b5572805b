//! What the machines want done outside of their lock: disks, store, answers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::oneshot;
use volumed_core::message::{Answer, ExtentFile, OpId};
use volumed_core::replica::{DiskOp, DiskOpId, DiskResult, ReplicaEvent};
use volumed_core::{DiskNumber, Epoch, ExtentIndex, Reply};
use volumed_peer::{NodeId, ReplyTo};

use crate::disks::PoolDisk;
use crate::machine::in_sync::{self, InSync};
use crate::machine::{Answered, Input, Machine, Move, Outcome, copying, keeping, mending, placer};

/// What is to be done outside of the lock.
pub(super) enum Deed {
    Disk(Arc<PoolDisk>, DiskOpId, DiskOp),
    Reply(Answered, Reply),
    /// To a head on another node.
    Answer(ReplyTo, Answer),
    Place(Vec<ExtentIndex>),
    Unplace(Vec<ExtentFile>),
    Switch(ExtentFile, Move),
    GiveUp(ExtentFile, DiskNumber),
    KeepDamage(DiskNumber),
    Mend(OpId, ExtentIndex, Range<u32>),
    /// Record who is in sync.
    Record(Epoch, InSync),
    Resync(DiskNumber),
    Recall(DiskNumber),
    Tell(oneshot::Sender<Outcome>, Outcome),
    /// Send what is in line for another node.
    Flush(NodeId),
}

impl Machine {
    pub(super) fn perform(self: &Arc<Self>, mut deeds: VecDeque<Deed>) {
        while let Some(deed) = deeds.pop_front() {
            match deed {
                Deed::Disk(on, id, op) => {
                    if let Some(result) = self.node.work.try_now(&on.disk, self.volume, &op) {
                        let done = Input::Done(on, id, result);
                        deeds.extend(self.state.lock().feed(self.now(), done));
                    } else {
                        self.run_in_pool(&on, id, op);
                    }
                }
                Deed::Reply(answer, reply) => {
                    answer(self.node.checked(reply));
                    self.progress.notify_waiters();
                }
                Deed::Answer(reply, answer) => reply.answer(answer),
                Deed::Place(extents) => {
                    let machine = Arc::clone(self);
                    self.node.runtime.spawn(placer::place(machine, extents));
                }
                Deed::Unplace(files) => {
                    let machine = Arc::clone(self);
                    self.node.runtime.spawn(placer::unplace(machine, files));
                }
                Deed::Switch(file, of) => {
                    let machine = Arc::clone(self);
                    self.node.runtime.spawn(copying::switch(machine, file, of));
                }
                Deed::GiveUp(file, disk) => {
                    let machine = Arc::clone(self);
                    let given_up = copying::give_up(machine, file, disk);
                    self.node.runtime.spawn(given_up);
                }
                Deed::KeepDamage(disk) => {
                    let machine = Arc::clone(self);
                    self.node.runtime.spawn(keeping::keep(machine, disk));
                }
                Deed::Mend(op, extent, blocks) => {
                    let machine = Arc::clone(self);
                    self.node
                        .runtime
                        .spawn(mending::mend(machine, op, extent, blocks));
                }
                Deed::Record(epoch, change) => {
                    let machine = Arc::clone(self);
                    self.node
                        .runtime
                        .spawn(in_sync::record(machine, epoch, change));
                }
                Deed::Resync(disk) => {
                    let machine = Arc::clone(self);
                    self.node.runtime.spawn(in_sync::go_on(machine, disk));
                }
                Deed::Recall(disk) => {
                    self.node.recall(disk);
                    let recalled = Input::Replica(disk, ReplicaEvent::Recalled);
                    deeds.extend(self.state.lock().feed(self.now(), recalled));
                }
                Deed::Flush(node) => {
                    if let Some(others) = &self.node.others {
                        others.flush(node);
                    }
                }
                Deed::Tell(tell, outcome) => {
                    // Whoever asked may have gone.
                    let _ = tell.send(outcome);
                }
            }
        }
    }

    fn run_in_pool(self: &Arc<Self>, on: &Arc<PoolDisk>, id: DiskOpId, op: DiskOp) {
        let (machine, from) = (Arc::clone(self), Arc::clone(on));
        let work = &self.node.work;
        if let Some(file) = on.disk.group_of(self.volume, &op) {
            return on.commit(work, (self.volume, file), op, move |result| {
                machine.ended(from, id, result);
            });
        }
        on.pool.run(move || {
            let result = machine.node.work.run(&from.disk, machine.volume, &op);
            machine.ended(Arc::clone(&from), id, result);
            from.disk.write_back(machine.volume, &op);
        });
    }

    fn ended(self: &Arc<Self>, on: Arc<PoolDisk>, id: DiskOpId, result: DiskResult) {
        let done = Input::Done(on, id, result);
        let deeds = self.state.lock().feed(self.now(), done);
        self.perform(deeds);
        self.progress.notify_waiters();
    }
}
