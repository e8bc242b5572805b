//! Nodes: each has a disk, the volume's replica on it, and a link to the head.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::RngExt;
use rand::seq::IteratorRandom as _;
use volumed_core::head::HeadEvent;
use volumed_core::message::{Answer, ExtentFile, Message};
use volumed_core::replica::{DiskOp, DiskOpId, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::rules::Rules;
use volumed_core::space::DiskSpace;
use volumed_core::{ByteCount, DiskNumber, ExtentIndex};

use super::super::Broken;
use super::super::disk::{SimDisk, changes_files};
use super::super::extent::region_of;
use super::{Checked, Queue, Rig, VOLUME, Way};

pub(super) struct Node {
    disk: SimDisk,
    space: Arc<DiskSpace>,
    /// Nothing while the node is down.
    replica: Option<Replica>,
    /// Whether the head can reach it.
    linked: bool,
    messages: Queue<Message>,
    pub answers: Queue<Answer>,
    running: Vec<(DiskOpId, DiskOp)>,
}

impl Node {
    pub fn new(number: DiskNumber, broken: Broken) -> Self {
        let space = Arc::new(DiskSpace::default());
        space.set_limit(ByteCount(1 << 30));
        let mut node = Self {
            disk: SimDisk::new(broken),
            space,
            replica: None,
            linked: true,
            messages: Queue::new(),
            answers: Queue::new(),
            running: Vec::new(),
        };
        node.start(number, &BTreeSet::new(), broken);
        node
    }

    pub fn ways(&self, number: DiskNumber, ways: &mut Vec<Way>) {
        if !self.messages.is_empty() {
            ways.push(Way::Message(number));
        }
        if !self.answers.is_empty() {
            ways.push(Way::Answer(number));
        }
        ways.extend((0..self.running.len()).map(|at| Way::Disk(number, at)));
    }

    fn is_well(&self) -> bool {
        self.replica.is_some() && self.linked && !self.disk.failed()
    }

    fn stop(&mut self) {
        self.replica = None;
        self.running.clear();
        self.unlink();
    }

    fn unlink(&mut self) {
        self.linked = false;
        self.messages.clear();
        self.answers.clear();
    }

    /// The files of extents that were placed while the node was stale.
    fn create_missing(&mut self, placed: &BTreeSet<ExtentFile>) {
        for file in placed {
            if self.disk.files_of(*file).is_none() {
                self.disk.create(*file);
            }
        }
    }

    fn start(&mut self, number: DiskNumber, placed: &BTreeSet<ExtentFile>, broken: Broken) {
        self.disk.restart();
        self.disk.collect(placed);
        self.space.give_back(u64::MAX);
        self.space.release(u64::MAX);
        let rules = Rules::without(broken.rule());
        let found = self.disk.recover(placed);
        let space = Arc::clone(&self.space);
        self.replica = Replica::keeping(rules, VOLUME, number, space, found).ok();
        self.linked = true;
    }
}

impl Rig {
    pub(super) fn node(&mut self, number: DiskNumber) -> Result<&mut Node, String> {
        self.nodes.get_mut(&number).ok_or("no such node".to_owned())
    }

    pub(super) fn is_well(&self, number: DiskNumber) -> bool {
        self.nodes.get(&number).is_some_and(Node::is_well)
    }

    /// An extent's files are made where its replicas are in sync, or can be reached: elsewhere, before the
    /// disk joins.
    pub(super) fn create(&mut self, file: ExtentFile, number: DiskNumber) {
        let stale = self.stale.contains(&number);
        if let Some(node) = self.nodes.get_mut(&number)
            && (node.is_well() || !stale)
        {
            node.disk.create(file);
        }
    }

    /// A message goes on its way. Where the link broke, nothing is sent on the next one before the head
    /// has heard of it.
    pub(super) fn send(&mut self, message: Message) -> Checked {
        let disk = message.disk;
        let broke = self.unnoticed.contains(&disk);
        let node = self.node(disk)?;
        if node.linked && !broke {
            node.messages.push_back(message);
            return Ok(());
        }
        let Message {
            volume, epoch, op, ..
        } = message;
        node.answers
            .push_back(Answer::of_absent(volume, disk, epoch, op));
        Ok(())
    }

    pub(super) fn deliver(&mut self, disk: DiskNumber) -> Checked {
        match self.node(disk)?.messages.pop_front() {
            Some(message) => self.replica_event(disk, ReplicaEvent::Message(message)),
            None => Ok(()),
        }
    }

    fn replica_event(&mut self, disk: DiskNumber, event: ReplicaEvent) -> Checked {
        let node = self.node(disk)?;
        let Some(replica) = &mut node.replica else {
            return Ok(());
        };
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut effects = Vec::new();
            replica.handle(event, &mut effects);
            for effect in effects {
                match effect {
                    ReplicaEffect::Answer(answer) if node.linked => node.answers.push_back(answer),
                    ReplicaEffect::Answer(_)
                    | ReplicaEffect::DamageChanged
                    | ReplicaEffect::Scrubbed { .. } => {}
                    ReplicaEffect::Disk(id, op) => node.running.push((id, op)),
                    ReplicaEffect::Recall => events.push(ReplicaEvent::Recalled),
                }
            }
        }
        Ok(())
    }

    /// A disk carries an operation out, or fails to.
    pub(super) fn run(&mut self, number: DiskNumber, at: usize) -> Checked {
        let (id, op) = self.node(number)?.running.swap_remove(at);
        // A resync, or a copy, is many operations: few would come to their end.
        let of_agreement = matches!(op, DiskOp::Digest { .. } | DiskOp::Replace { .. });
        let of_copy = matches!(op, DiskOp::Fetch { .. } | DiskOp::Store { .. });
        let spared = of_agreement && self.rng.random_bool(0.9)
            || of_copy && self.spread.moves && self.rng.random_bool(0.98);
        let strike = self.weather.strike(&op, &mut self.rng).filter(|_| !spared);
        self.troubled |= strike.is_some();
        let node = self.nodes.get_mut(&number).ok_or("no such node")?;
        let result = match strike {
            None => node.disk.apply(&op),
            Some(strike) => node.disk.strike(&op, strike, &mut self.rng),
        };
        if changes_files(&op) && self.rng.random_bool(0.05) && !self.stale.contains(&number) {
            let files = self.placed.files(number, true);
            self.nodes[&number].disk.check_marks(&files)?;
        }
        self.replica_event(number, ReplicaEvent::Done(id, result))
    }

    /// A node is killed, loses power, or cannot be reached any more; what was on its way to it arrives or
    /// not.
    pub(super) fn harm_a_node(&mut self) {
        let Some(number) = self.nodes.keys().copied().choose(&mut self.rng) else {
            return;
        };
        self.troubled = true;
        match self.rng.random_range(0..3) {
            0 => self.stop_node(number, true),
            1 => self.stop_node(number, false),
            _ => {
                if let Some(node) = self.nodes.get_mut(&number) {
                    node.unlink();
                }
            }
        }
        self.unnoticed.insert(number);
    }

    fn stop_node(&mut self, number: DiskNumber, power: bool) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        let running = std::mem::take(&mut node.running);
        let running: Vec<_> = running.into_iter().map(|(_, op)| op).collect();
        if power {
            node.disk.cut_power(&running, &mut self.rng);
        } else {
            // What a thread had begun comes to its end, or was not begun.
            for op in running {
                if self.rng.random_bool(0.5) {
                    let _ = node.disk.apply(&op);
                }
            }
        }
        let may_lose = self.stale.contains(&number) && !self.is_including(number);
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        if may_lose && self.rng.random_bool(0.1) {
            node.disk.lose_a_file(&mut self.rng);
        }
        if self.weather.bad_log > 0.0 && self.rng.random_bool(self.weather.bad_log) {
            node.disk.damage_log();
        }
        node.stop();
    }

    pub(super) fn cut_all_power(&mut self) {
        self.troubled = true;
        for number in self.numbers() {
            self.stop_node(number, true);
        }
        self.repair();
    }

    /// A node loses power, and is back before anybody noticed.
    pub(super) fn restart_a_node(&mut self) {
        if let Some(number) = self.nodes.keys().copied().choose(&mut self.rng) {
            self.restart(number);
        }
    }

    pub(super) fn restart(&mut self, number: DiskNumber) {
        self.troubled = true;
        self.stop_node(number, true);
        self.repair_node(number);
    }

    /// All nodes but some that are in sync are gone for a while.
    pub(super) fn leave_few(&mut self) {
        self.troubled = true;
        let in_sync = self.nodes.keys().filter(|it| !self.stale.contains(it));
        let Some(left) = in_sync.copied().choose(&mut self.rng) else {
            return;
        };
        for number in self.numbers() {
            if number != left && self.rng.random_bool(0.8) {
                self.stop_node(number, false);
            }
        }
    }

    pub(super) fn repair_a_node(&mut self) {
        let ill = self.nodes.iter().filter(|(_, node)| !node.is_well());
        if let Some(number) = ill.map(|it| *it.0).choose(&mut self.rng) {
            self.repair_node(number);
        }
    }

    /// Every node is well again.
    pub(super) fn repair(&mut self) {
        for number in self.numbers() {
            if !self.nodes[&number].is_well() {
                self.repair_node(number);
            }
        }
    }

    fn repair_node(&mut self, number: DiskNumber) {
        let (files, broken) = (self.placed.files(number, false), self.broken);
        let running = !self.nodes[&number].is_well() && self.nodes[&number].replica.is_some();
        if running && self.nodes[&number].disk.failed() {
            self.stop_node(number, false);
            self.unnoticed.insert(number);
        }
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        if node.replica.is_none() {
            node.start(number, &files, broken);
        }
        // A new link: what was on the old one is gone, which the head hears of first.
        node.unlink();
        node.linked = true;
        self.unnoticed.insert(number);
    }

    /// What the node's daemon does each second: disks that the head does without join it.
    pub(super) fn join_nodes(&mut self) -> Checked {
        for number in self.numbers() {
            let has = self.head.as_ref().is_some_and(|head| head.serves(number));
            if !has && !self.unnoticed.contains(&number) && self.nodes[&number].is_well() {
                let mut files = self.placed.files(number, false);
                let since = self.fell_behind.get(&number);
                files.retain(|file| since.is_none_or(|since| file.alloc > *since));
                self.node(number)?.create_missing(&files);
                self.tell(HeadEvent::Join(number))?;
            }
        }
        Ok(())
    }

    /// V10: some blocks rot on the disk that reads go to.
    pub(super) fn rot_where_it_is_read(&mut self) -> BTreeSet<(ExtentIndex, u32)> {
        let home = self.nodes.get_mut(&self.home);
        let Some(node) = home.filter(|_| self.spread.replicas > 1) else {
            return BTreeSet::new();
        };
        let disk = &mut node.disk;
        (0..20).filter_map(|_| disk.rot(&mut self.rng)).collect()
    }

    /// V4: a disk that is to be called in sync differs from no other in a region that nobody has marked.
    pub(super) fn check_included(&self, disk: DiskNumber) -> Checked {
        for file in self.placed.files(disk, true) {
            let placed = &self.placed.extents[&file.extent];
            let with = placed.in_sync(&self.stale).chain([disk]);
            let logs: Option<Vec<_>> = with.map(|it| self.nodes[&it].disk.logged()).collect();
            let Some(logs) = logs else { continue };
            let clean = |(extent, block): &(ExtentIndex, u32)| {
                let region = region_of(*extent, *block);
                logs.iter().all(|log| !log.contains(&region))
            };
            let held = |disk: DiskNumber| {
                let mut held = self.nodes[&disk].disk.contents(&BTreeSet::from([file]));
                held.retain(|at, bytes| clean(at) && bytes.iter().any(|byte| *byte != 0));
                held
            };
            let included = held(disk);
            if let Some(other) = placed.in_sync(&self.stale).find(|it| held(*it) != included) {
                return Err(format!(
                    "V4: {disk} is to be in sync, and differs from {other}"
                ));
            }
        }
        Ok(())
    }

    /// V3: all is quiet, and every replica in sync holds the same.
    pub(super) fn compare_replicas(&self) -> Checked {
        for (&extent, placed) in &self.placed.extents {
            let alloc = placed.alloc;
            let file = BTreeSet::from([ExtentFile { extent, alloc }]);
            let nonzero = |disk: DiskNumber| {
                let mut contents = self.nodes[&disk].disk.contents(&file);
                contents.retain(|_, bytes| bytes.iter().any(|byte| *byte != 0));
                contents
            };
            let contents: Vec<_> = placed.in_sync(&self.stale).map(nonzero).collect();
            if contents.windows(2).any(|pair| pair[0] != pair[1]) {
                return Err("V3: the replicas differ".to_owned());
            }
        }
        Ok(())
    }
}
