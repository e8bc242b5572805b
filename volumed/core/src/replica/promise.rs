//! Promising an epoch (V1), and which extents are held.

use std::collections::BTreeSet;

use crate::ExtentIndex;
use crate::format::PromiseRecord;
use crate::message::{Ask, ExtentFile, Message};
use crate::rules::Rule;
use crate::unfound;

use super::{Bytes, DiskOp, Doing, Replica, ReplicaEffect};

impl Replica {
    pub(super) fn promise(&mut self, message: Message, effects: &mut Vec<ReplicaEffect>) {
        if message.epoch != self.promised {
            self.missed.head_ended(self.promised);
        }
        // From here on the older epoch is refused, whether or not the write comes to its end.
        self.promised = message.epoch;
        // What an older head began must not change anything once the new one reads.
        if !self.doing.is_empty() && self.rules.kept(Rule::PromiseWaits) {
            self.promising = Some(message);
            return;
        }
        if !self.rules.kept(Rule::PromiseDurable) {
            let marks = crate::marks::pack(self.log.marked());
            return self.answer(&message, Ok(marks), effects);
        }
        self.give_back_grant();
        self.promise_sequence += 1;
        let record = PromiseRecord {
            sequence: self.promise_sequence,
            volume: self.volume,
            epoch: message.epoch,
        };
        self.start(
            Doing::Promise { message },
            DiskOp::WritePromise(record),
            effects,
        );
    }

    /// Holds of a range what the store places here and nothing else.
    pub(super) fn reconcile(&mut self, message: Message, effects: &mut Vec<ReplicaEffect>) {
        let Ask::Reconcile {
            from,
            until,
            held: placed,
        } = &message.ask
        else {
            return;
        };
        if !self.rules.kept(Rule::Reconcile) {
            return self.answer(&message, Ok(Bytes::new()), effects);
        }
        let told_of = |file: &ExtentFile| until.is_none_or(|until| file.extent < until);
        let held = self.held.from(*from).take_while(told_of);
        let gone: Vec<_> = held.filter(|file| !placed.contains(file)).collect();
        for file in gone {
            self.forget(file, effects);
            self.start(Doing::Unlink, DiskOp::Remove { file }, effects);
        }
        // An extent that was only made anew keeps its marks: the head counts on them.
        let here: BTreeSet<_> = placed.iter().map(|file| file.extent).collect();
        let told_of =
            |extent: ExtentIndex| extent >= *from && until.is_none_or(|until| extent < until);
        self.log
            .retain(|extent| !told_of(extent) || here.contains(&extent));
        for &file in placed {
            // One that was received may be a replica by now, which nobody came to say.
            if !self.holds(file) || self.held.is_incoming(file.extent) {
                if !self.holds(file) {
                    self.unfound.insert(file);
                }
                self.adopt(file, effects);
                // Its files may be what could not be found, or read, when the disk was looked at: what
                // they held must not go with an empty extent.
                self.held.doubt(file.extent);
            }
        }
        // A copy that comes next may have the same name as one that goes.
        if self.is_unlinking() && self.rules.kept(Rule::RemovedFirst) {
            return self.reconciled.push(message);
        }
        self.answer(&message, Ok(self.unfound_among(&message.ask)), effects);
    }

    /// Those of a reconciliation whose files were not found.
    fn unfound_among(&self, ask: &Ask) -> Bytes {
        let Ask::Reconcile { held, .. } = ask else {
            return Bytes::new();
        };
        let unfound = held.iter().filter(|file| self.unfound.contains(file));
        unfound::pack(unfound.map(|file| file.extent))
    }

    fn is_unlinking(&self) -> bool {
        self.doing.values().any(|it| matches!(it, Doing::Unlink))
    }

    /// The files of an extent are gone: who was told to hold something else may go on after the last one.
    pub(super) fn unlinked(&mut self, effects: &mut Vec<ReplicaEffect>) {
        if self.is_unlinking() {
            return;
        }
        for message in std::mem::take(&mut self.reconciled) {
            self.answer(&message, Ok(self.unfound_among(&message.ask)), effects);
        }
    }

    /// The extent's files are there, and empty: what the log says of an older extent in this place
    /// makes no region of it suspect. Or they were received, and are the extent's from now on.
    pub(super) fn adopt(&mut self, file: ExtentFile, effects: &mut Vec<ReplicaEffect>) {
        if self.held.has(file) && self.held.keep(file.extent) {
            return;
        }
        if !self.holds(file) && self.rules.kept(Rule::Forget) {
            self.regions.forget(file.extent);
            self.forget_damage(file.extent, effects);
        }
        self.held.insert(file);
    }

    pub(super) fn forget(&mut self, file: ExtentFile, effects: &mut Vec<ReplicaEffect>) {
        self.held.remove(file.extent);
        self.unfound.remove(&file);
        self.missed.forget(file.extent);
        if self.rules.kept(Rule::Forget) {
            self.regions.forget(file.extent);
        }
        self.forget_damage(file.extent, effects);
    }

    pub(super) fn remove(
        &mut self,
        file: ExtentFile,
        message: Message,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        // Otherwise another one has its place by now.
        if self
            .held
            .get(file.extent)
            .is_none_or(|held| held.file == file)
        {
            self.forget(file, effects);
            self.log.forget(file.extent);
        }
        self.plain(message, DiskOp::Remove { file }, effects);
    }
}
