//! Two nodes: one with heads, one with replicas.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::time::timeout;
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId};
use volumed_core::{Alloc, DiskNumber, Epoch, ExtentIndex, Incarnation, VolumeId};
use volumed_peer::{
    ClusterId, Identity, Limits, Listener, NodeId, Peers, Security, Settings, Times,
};

use crate::heads::Recorder;
use crate::replicas::{Mode, Replicas};

pub const CLUSTER: ClusterId = ClusterId(0xc1);
/// Where heads are.
pub const HEADS: NodeId = NodeId(0xa);
/// Where replicas are.
pub const REPLICAS: NodeId = NodeId(0xb);

/// Longer than anything takes, also on a machine that is short of everything.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Quick to connect again, and patient with who is silent.
pub const SETTINGS: Settings = Settings {
    times: Times {
        ping: Duration::from_secs(2),
        silence: Duration::from_mins(10),
        hello: Duration::from_mins(1),
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(50),
    },
    limits: Limits {
        room: 32 << 20,
        most: 128 << 20,
        hosted: 64 << 20,
        connections_per_address: 64,
    },
};

pub fn identity(node: NodeId) -> Identity {
    Identity {
        cluster: CLUSTER,
        node,
    }
}

/// The node with heads.
pub struct Calling {
    pub peers: Arc<Peers>,
    pub heads: Arc<Recorder>,
}

/// The node with replicas.
pub struct Hosting {
    pub listener: Listener,
    pub replicas: Arc<Replicas>,
    pub address: SocketAddr,
}

pub fn call(security: Security, settings: Settings) -> Calling {
    let heads = Arc::new(Recorder::default());
    let peers = Peers::new(identity(HEADS), security, settings, heads.clone());
    let peers = Arc::new(peers);
    Calling { peers, heads }
}

pub async fn host(security: Security, settings: Settings, mode: Mode) -> Hosting {
    let socket = loopback().await;
    let address = socket.local_addr().unwrap();
    let replicas = Replicas::new(mode);
    let own = identity(REPLICAS);
    let listener = Listener::start(socket, own, security, settings, replicas.clone());
    Hosting {
        listener,
        replicas,
        address,
    }
}

/// Two nodes with a link between them.
pub async fn linked(settings: Settings, mode: Mode) -> (Calling, Hosting) {
    let hosting = host(Security::Loopback, settings, mode).await;
    let calling = call(Security::Loopback, settings);
    calling.link(hosting.address).await;
    (calling, hosting)
}

impl Calling {
    /// Waits until there is a link.
    pub async fn link(&self, address: SocketAddr) {
        self.peers.know(REPLICAS, vec![address]);
        self.heads.until_reached(1).await;
    }

    /// Sends at once; answers whether it was taken.
    pub fn send(&self, message: Message) -> bool {
        let sent = self.peers.send(REPLICAS, message).is_ok();
        self.peers.flush(REPLICAS);
        sent
    }

    /// Waits until the link is down for this reason.
    pub async fn until_down(&self, why: &str) {
        let sentence = || {
            let status = self.peers.status();
            let why = status.first().and_then(|link| link.why.clone());
            why.map(|why| why.to_string())
        };
        let told = async {
            while !sentence().is_some_and(|said| said.contains(why)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(PATIENCE, told).await;
        assert!(in_time.is_ok(), "{:?} is not {why}", sentence());
    }
}

pub async fn loopback() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// What must come.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

pub fn message(volume: u64, op: u64, ask: Ask) -> Message {
    Message {
        volume: VolumeId(volume),
        disk: DiskNumber(7),
        incarnation: Incarnation(8),
        epoch: Epoch(9),
        op: OpId(op),
        ask,
    }
}

/// A write of so many bytes.
pub fn write(volume: u64, op: u64, length: usize) -> Message {
    let file = ExtentFile {
        extent: ExtentIndex(1),
        alloc: Alloc(2),
    };
    let data = Bytes::from(vec![op as u8; length]);
    let ask = Ask::Write {
        file,
        offset: 0,
        data,
        durable: true,
        clear: false,
    };
    message(volume, op, ask)
}

/// A read of so many bytes.
pub fn read(volume: u64, op: u64, length: u32) -> Message {
    let file = ExtentFile {
        extent: ExtentIndex(1),
        alloc: Alloc(2),
    };
    let ask = Ask::Read {
        file,
        offset: 0,
        length,
    };
    message(volume, op, ask)
}

/// What a replica answers to it: bytes that tell answers apart.
pub fn answer(message: &Message) -> Answer {
    let length = match &message.ask {
        Ask::Read { length, .. } => *length as usize,
        _ => 8,
    };
    let name = (message.op.0 ^ (message.volume.0 << 32)).to_le_bytes();
    let data: Vec<u8> = name.into_iter().cycle().take(length).collect();
    Answer {
        volume: message.volume,
        disk: message.disk,
        incarnation: message.incarnation,
        epoch: message.epoch,
        op: message.op,
        allocated: message.op.0,
        granted: 1,
        result: Ok(data.into()),
    }
}
