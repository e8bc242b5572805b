//! How fast a link on loopback carries messages, with and without TLS: a head with so many of them under way, and
//! a replica that answers at once. `cargo run --release -p volumed-peer --example rates`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/links/authority.rs"]
mod authority;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpListener;
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId};
use volumed_core::{Alloc, DiskNumber, Epoch, ExtentIndex, Incarnation, VolumeId};
use volumed_peer::{
    ClusterId, Heads, Host, Identity, LinkId, Listener, NodeId, Peers, ReplyTo, Security, Sent,
    Settings,
};

const HEADS: NodeId = NodeId(1);
const REPLICAS: NodeId = NodeId(2);
const MEASURED: Duration = Duration::from_secs(3);

/// What is asked for, its bytes, and how many are under way.
const LOADS: [(&str, bool, usize, u64); 4] = [
    ("write 4 KiB, 1 under way", true, 4 << 10, 1),
    ("write 4 KiB, 32 under way", true, 4 << 10, 32),
    ("write 1 MiB, 4 under way", true, 1 << 20, 4),
    ("read 1 MiB, 4 under way", false, 1 << 20, 4),
];

fn main() {
    println!("| | plain /s | TLS /s | TLS / plain | plain MiB/s | TLS MiB/s |");
    println!("|---|---|---|---|---|---|");
    let authority = authority::Authority::new();
    for (name, writes, length, under_way) in LOADS {
        let mebibytes = |rate: f64| rate * length as f64 / f64::from(1 << 20);
        let plain = measure(
            [Security::Loopback, Security::Loopback],
            writes,
            length,
            under_way,
        );
        let secured = [HEADS, REPLICAS].map(|node| authority.security(node));
        let tls = measure(secured, writes, length, under_way);
        println!(
            "| {name} | {plain:.0} | {tls:.0} | {:.2} | {:.0} | {:.0} |",
            tls / plain,
            mebibytes(plain),
            mebibytes(tls)
        );
    }
}

fn identity(node: NodeId) -> Identity {
    let cluster = ClusterId(1);
    Identity { cluster, node }
}

/// Messages a second.
fn measure([heads, replicas]: [Security; 2], writes: bool, length: usize, under_way: u64) -> f64 {
    let hosting = runtime();
    let address = hosting.block_on(host(replicas));
    let calling = runtime();
    let (reached, when_reached) = channel();
    let load = Arc::new(Load {
        peers: OnceLock::new(),
        ask: ask(writes, length),
        ops: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        reached,
    });
    let peers = calling.block_on(async {
        let heads_here = load.clone();
        Arc::new(Peers::new(
            identity(HEADS),
            heads,
            Settings::default(),
            heads_here,
        ))
    });
    let _ = load.peers.set(peers.clone());
    peers.know(REPLICAS, vec![address]);
    let [hosting, calling] = [hosting, calling].map(drive);
    when_reached.recv().unwrap();
    let began = Instant::now();
    for _ in 0..under_way {
        load.send();
    }
    std::thread::sleep(MEASURED);
    let sent = load.ops.load(Ordering::Relaxed);
    let rate = (sent - under_way) as f64 / began.elapsed().as_secs_f64();
    load.stopped.store(true, Ordering::Relaxed);
    peers.forget(REPLICAS);
    for stop in [hosting, calling] {
        stop.send(()).unwrap();
    }
    rate
}

/// One thread for each node.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn drive(runtime: tokio::runtime::Runtime) -> tokio::sync::oneshot::Sender<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = runtime.block_on(stopped);
    });
    stop
}

async fn host(security: Security) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (own, settings) = (identity(REPLICAS), Settings::default());
    let replica = Arc::new(Replica {
        data: Bytes::from(vec![7; 1 << 20]),
    });
    // It goes on until its runtime ends.
    std::mem::forget(Listener::start(socket, own, security, settings, replica));
    address
}

fn ask(writes: bool, length: usize) -> Ask {
    let file = ExtentFile {
        extent: ExtentIndex(1),
        alloc: Alloc(1),
    };
    if writes {
        Ask::Write {
            file,
            offset: 0,
            data: Bytes::from(vec![7; length]),
            durable: false,
            clear: false,
        }
    } else {
        Ask::Read {
            file,
            offset: 0,
            length: length as u32,
        }
    }
}

/// A head that sends the next message when one is answered.
struct Load {
    peers: OnceLock<Arc<Peers>>,
    ask: Ask,
    ops: AtomicU64,
    stopped: AtomicBool,
    reached: Sender<()>,
}

impl Load {
    fn send(&self) {
        let Some(peers) = self.peers.get() else {
            return;
        };
        let message = Message {
            volume: VolumeId(1),
            disk: DiskNumber(1),
            incarnation: Incarnation(1),
            epoch: Epoch(1),
            op: OpId(self.ops.fetch_add(1, Ordering::Relaxed)),
            ask: self.ask.clone(),
        };
        peers.send(REPLICAS, message).unwrap();
        peers.flush(REPLICAS);
    }
}

impl Heads for Load {
    fn answer(&self, _: NodeId, answer: Answer) {
        assert!(answer.result.is_ok());
        if !self.stopped.load(Ordering::Relaxed) {
            self.send();
        }
    }

    fn reached(&self, _: NodeId) {
        self.reached.send(()).unwrap();
    }

    fn lost(&self, _: NodeId, _: Vec<Sent>) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn room(&self, _: NodeId) {}
}

/// A replica without a disk.
struct Replica {
    data: Bytes,
}

impl Host for Replica {
    fn message(&self, message: Message, reply: ReplyTo) {
        let data = match &message.ask {
            Ask::Read { length, .. } => self.data.slice(..*length as usize),
            _ => Bytes::new(),
        };
        let Message {
            volume,
            disk,
            epoch,
            op,
            ..
        } = message;
        reply.answer(Answer {
            result: Ok(data),
            ..Answer::of_absent(volume, disk, epoch, op)
        });
    }

    fn ended(&self, _: LinkId) {}
}
