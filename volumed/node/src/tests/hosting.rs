//! Replicas whose head is on another node: a test plays the head, over a real link.

use std::collections::{BTreeMap, BTreeSet};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use volumed_core::placement::{Placement, Role};
use volumed_core::{DiskNumber, Epoch, ExtentIndex, Incarnation, RegionIndex, VolumeId};
use volumed_peer::{ClusterId, Heads, Identity, Listener, NodeId, Peers, Security, Sent, Settings};

use super::*;
use crate::disks::PoolDisk;
use crate::machine::placer::create_files;
use crate::store::placements;

const HERE: NodeId = NodeId(1);
const ELSEWHERE: NodeId = NodeId(2);

fn identity(node: NodeId) -> Identity {
    let cluster = ClusterId(7);
    Identity { cluster, node }
}

/// What the links of the head's node tell.
#[derive(Debug)]
enum Told {
    Answer(Answer),
    Reached,
    Lost(Vec<Sent>),
}

struct Teller(mpsc::UnboundedSender<Told>);

impl Heads for Teller {
    fn answer(&self, _: NodeId, answer: Answer) {
        let _ = self.0.send(Told::Answer(answer));
    }

    fn reached(&self, _: NodeId) {
        let _ = self.0.send(Told::Reached);
    }

    fn lost(&self, _: NodeId, unanswered: Vec<Sent>) {
        let _ = self.0.send(Told::Lost(unanswered));
    }

    fn room(&self, _: NodeId) {}
}

/// A head on another node, and the volume and disk that it speaks to.
struct Head {
    peers: Peers,
    told: mpsc::UnboundedReceiver<Told>,
    volume: VolumeId,
    disk: DiskNumber,
    incarnation: Incarnation,
    epoch: Epoch,
    ops: u64,
}

/// Serves the node's replicas.
async fn serve(volumes: &Volumes) -> (Listener, std::net::SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let host = Arc::new(volumes.hosting());
    let (own, settings) = (identity(HERE), Settings::default());
    let listener = Listener::start(socket, own, Security::Loopback, settings, host);
    (listener, address)
}

impl Head {
    async fn new(address: std::net::SocketAddr, volume: VolumeId, epoch: u64) -> Self {
        let (teller, told) = mpsc::unbounded_channel();
        let (own, heads) = (identity(ELSEWHERE), Arc::new(Teller(teller)));
        let peers = Peers::new(own, Security::Loopback, Settings::default(), heads);
        peers.know(HERE, vec![address]);
        let mut head = Self {
            peers,
            told,
            volume,
            disk: DiskNumber(0),
            incarnation: Incarnation(0),
            epoch: Epoch(epoch),
            ops: 0,
        };
        assert!(matches!(head.told.recv().await, Some(Told::Reached)));
        head
    }

    /// Sends without waiting.
    fn send(&mut self, ask: Ask) {
        self.ops += 1;
        let message = Message {
            volume: self.volume,
            disk: self.disk,
            incarnation: self.incarnation,
            epoch: self.epoch,
            op: OpId(self.ops),
            ask,
        };
        self.peers.send(HERE, message).unwrap();
        self.peers.flush(HERE);
    }

    async fn answer(&mut self) -> Answer {
        match self.told.recv().await {
            Some(Told::Answer(answer)) => answer,
            told => panic!("{told:?} is no answer"),
        }
    }

    async fn ask(&mut self, ask: Ask) -> Result<Bytes, ReplicaError> {
        self.send(ask);
        let answer = self.answer().await;
        assert_eq!(answer.op, OpId(self.ops));
        answer.result
    }

    /// V1, as a head begins.
    async fn promise(&mut self, held: BTreeSet<ExtentFile>) {
        self.send(Ask::Promise);
        let answer = self.answer().await;
        assert!(answer.result.is_ok(), "{answer:?}");
        self.incarnation = answer.incarnation;
        self.ask(reconcile(held)).await.unwrap();
    }
}

fn reconcile(held: BTreeSet<ExtentFile>) -> Ask {
    Ask::Reconcile {
        from: ExtentIndex(0),
        until: None,
        held,
    }
}

fn grant() -> Ask {
    Ask::Grant {
        least: 1,
        most: 1000,
    }
}

fn mark() -> Ask {
    let regions = BTreeSet::from([RegionIndex(0)]);
    Ask::Mark { regions }
}

fn write_of(file: ExtentFile, offset: u32, data: &'static [u8], durable: bool) -> Ask {
    Ask::Write {
        file,
        offset,
        data: Bytes::from_static(data),
        durable,
        clear: false,
    }
}

fn read_of(file: ExtentFile, offset: u32, length: u32) -> Ask {
    Ask::Read {
        file,
        offset,
        length,
    }
}

/// A volume without a head, on the disk of a node.
async fn create(volumes: &Volumes) -> VolumeId {
    let created = volumes.create(&name("v"), EIB, 1, None, None).await;
    created.unwrap().id
}

fn only_disk(volumes: &Volumes) -> Arc<PoolDisk> {
    let all = volumes.shared.node.disks.all();
    all.values().next().cloned().unwrap()
}

/// Places the volume's first extent, as the head's node does.
async fn place(volumes: &Volumes, volume: VolumeId) -> ExtentFile {
    let node = &volumes.shared.node;
    let (extent, alloc) = (ExtentIndex(0), node.now().await.unwrap());
    let file = ExtentFile { extent, alloc };
    let on = only_disk(volumes);
    create_files(volume, &on, vec![file]).await.unwrap();
    let replicas = vec![(on.number, Role::Full)];
    let placed = BTreeMap::from([(extent, Placement { alloc, replicas })]);
    let pages = placements::Pages {
        store: &*node.store,
        volume,
        head: None,
    };
    let added = placements::add(&pages, &placed, &BTreeSet::new()).await;
    added.unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_elsewhere_finds_after_a_kill_what_it_wrote() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let (listener, address) = serve(&volumes).await;
    let mut head = Head::new(address, volume, 1).await;
    head.disk = only_disk(&volumes).number;
    head.promise(BTreeSet::new()).await;
    let file = place(&volumes, volume).await;
    head.ask(Ask::Adopt { file }).await.unwrap();
    head.ask(grant()).await.unwrap();
    head.ask(mark()).await.unwrap();
    let durable = write_of(file, 0, &[7; 8192], true);
    head.ask(durable).await.unwrap();
    let unaligned = write_of(file, 100, b"overwritten", false);
    head.ask(unaligned).await.unwrap();
    let extents = BTreeSet::from([file.extent]);
    head.ask(Ask::Sync { extents }).await.unwrap();
    let mut expected = vec![7; 8192];
    expected[100..111].copy_from_slice(b"overwritten");
    let read = head.ask(read_of(file, 0, 8192)).await;
    assert_eq!(read.unwrap(), expected);
    let view = volumes.show(&name("v")).await.unwrap();
    assert_eq!(view.used, ByteCount(8192));

    listener.stop().await;
    assert!(matches!(head.told.recv().await, Some(Told::Lost(lost)) if lost.is_empty()));
    kill(volumes).await;
    let volumes = start(&folder).await;
    assert!(volumes.shared.all()[0].machine.dirty() > 0);
    let (_listener, address) = serve(&volumes).await;
    let mut next = Head::new(address, volume, 2).await;
    next.disk = head.disk;
    next.promise(BTreeSet::from([file])).await;
    let read = next.ask(read_of(file, 0, 8192)).await;
    assert_eq!(read.unwrap(), expected);
    // V1: the head before is fenced.
    next.epoch = Epoch(1);
    let old = next.ask(write_of(file, 0, b"late", true)).await;
    assert_eq!(old, Err(ReplicaError::Fenced));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_a_volume_that_was_made_elsewhere_waits_in_order_until_it_is_here() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let file = place(&volumes, volume).await;
    // As if another node had made it.
    drop(volumes.shared.volumes.write().remove(&name("v")));
    let (_listener, address) = serve(&volumes).await;
    let mut head = Head::new(address, volume, 1).await;
    let on = only_disk(&volumes);
    head.disk = on.number;
    head.incarnation = on.disk.incarnation();
    let held = BTreeSet::from([file]);
    let asks = [Ask::Promise, reconcile(held), grant(), mark()];
    for ask in asks {
        head.send(ask);
    }
    for _ in 1..=4 {
        assert!(head.answer().await.result.is_ok());
    }
    head.ask(write_of(file, 0, b"hello", true)).await.unwrap();
    let read = head.ask(read_of(file, 0, 5)).await;
    assert_eq!(read.unwrap(), b"hello"[..]);
    let view = volumes.show(&name("v")).await.unwrap();
    assert_eq!((view.id, view.used), (volume, ByteCount(4096)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_or_disk_that_is_not_here_is_an_absent_disk_to_heads_elsewhere() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let (_listener, address) = serve(&volumes).await;
    let mut head = Head::new(address, VolumeId(volume.0 + 1), 1).await;
    head.disk = only_disk(&volumes).number;
    for _ in 0..2 {
        assert_eq!(head.ask(Ask::Promise).await, Err(ReplicaError::Unreachable));
    }
    head.volume = volume;
    assert_eq!(head.ask(Ask::Promise).await, Ok(Bytes::new()));
    head.disk = DiskNumber(99);
    assert_eq!(head.ask(Ask::Promise).await, Err(ReplicaError::Unreachable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_elsewhere_fences_the_one_that_was_here() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"from here", true).await.unwrap();
    let (_listener, address) = serve(&volumes).await;
    let epoch = volumes.show(&name("v")).await.unwrap().epoch.0;
    let mut head = Head::new(address, volume, epoch + 1).await;
    head.disk = only_disk(&volumes).number;
    head.ask(Ask::Promise).await.unwrap();
    let late = write(&export, 0, b"too late", true).await;
    assert_eq!(late, Err(IoError::Gone));
    let placed = placements::load(&*volumes.shared.node.store, volume).await;
    let held = placed.unwrap().on(head.disk);
    let file = held.first().copied().unwrap();
    head.promise(held).await;
    let read = head.ask(read_of(file, 0, 9)).await;
    assert_eq!(read.unwrap(), b"from here"[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_head_was_granted_is_free_again_when_its_link_ends() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let (listener, address) = serve(&volumes).await;
    let mut head = Head::new(address, volume, 1).await;
    let on = only_disk(&volumes);
    head.disk = on.number;
    head.promise(BTreeSet::new()).await;
    head.ask(grant()).await.unwrap();
    assert_eq!(on.disk.space().granted(), 1000);
    listener.stop().await;
    assert_eq!(on.disk.space().granted(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_goes_leaves_what_the_next_one_was_granted() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let (listener, address) = serve(&volumes).await;
    let on = only_disk(&volumes);
    let mut elsewhere = Head::new(address, volume, 1).await;
    elsewhere.disk = on.number;
    elsewhere.promise(BTreeSet::new()).await;
    // The next one is here.
    for next in ["a", "b"] {
        volumes.attach(&name("v"), owner(next)).await.unwrap();
    }
    let view = volumes.show(&name("v")).await.unwrap();
    assert_eq!(view.epoch, Epoch(2));
    let export = open(&volumes, "v@2").await.unwrap();
    write(&export, 0, b"from here", true).await.unwrap();
    let granted = on.disk.space().granted();
    assert!(granted > 0);
    listener.stop().await;
    assert_eq!(on.disk.space().granted(), granted);
    // And the one after it is elsewhere again.
    let (_listener, address) = serve(&volumes).await;
    let mut elsewhere = Head::new(address, volume, 3).await;
    elsewhere.disk = on.number;
    elsewhere.ask(Ask::Promise).await.unwrap();
    elsewhere.incarnation = on.disk.incarnation();
    elsewhere.ask(grant()).await.unwrap();
    let machine = Arc::clone(&volumes.shared.all()[0].machine);
    machine.end_head(false).await;
    assert_eq!(on.disk.space().granted(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_heads_elsewhere_left_alone_closes_its_files() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let volume = create(&volumes).await;
    let file = place(&volumes, volume).await;
    let (_listener, address) = serve(&volumes).await;
    let mut head = Head::new(address, volume, 1).await;
    let on = only_disk(&volumes);
    head.disk = on.number;
    head.promise(BTreeSet::from([file])).await;
    head.ask(grant()).await.unwrap();
    head.ask(mark()).await.unwrap();
    head.ask(write_of(file, 0, b"hello", true)).await.unwrap();
    let extents = BTreeSet::from([file.extent]);
    head.ask(Ask::Sync { extents }).await.unwrap();
    assert_eq!(on.disk.open_extents(), 1);
    for _ in 0..60 {
        volumes.shared.tick();
    }
    assert_eq!(on.disk.open_extents(), 0);
    let read = head.ask(read_of(file, 0, 5)).await;
    assert_eq!(read.unwrap(), b"hello"[..]);
}
