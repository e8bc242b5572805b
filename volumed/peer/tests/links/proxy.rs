//! A network between two nodes, which can go wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, tcp};
use tokio::task::JoinHandle;

use crate::rig::loopback;

/// Forwards connections to an address.
pub struct Proxy {
    pub address: SocketAddr,
    network: Arc<Network>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Network {
    /// Bytes that still pass, towards the replicas and towards the heads, before the connection is cut.
    left: [AtomicU64; 2],
    passed: [AtomicU64; 2],
    /// Everything that is sent is lost, and nobody is told.
    dead: AtomicBool,
}

impl Proxy {
    /// Cuts its first connection when so many bytes have passed in one of the directions.
    pub async fn start(to: SocketAddr, left: [u64; 2]) -> Self {
        let socket = loopback().await;
        let address = socket.local_addr().unwrap();
        let network = Arc::new(Network {
            left: left.map(AtomicU64::new),
            passed: Default::default(),
            dead: AtomicBool::new(false),
        });
        let forwarded = Arc::clone(&network);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = socket.accept().await.unwrap();
                if let Ok(far) = TcpStream::connect(to).await {
                    tokio::spawn(forward(near, far, Arc::clone(&forwarded)));
                }
            }
        });
        Self {
            address,
            network,
            task,
        }
    }

    /// Bytes that passed towards the replicas, and towards the heads.
    pub fn passed(&self) -> [u64; 2] {
        [0, 1].map(|way| self.network.passed[way].load(Ordering::Relaxed))
    }

    /// From now on nothing passes, on connections that are there, and on new ones.
    pub fn die(&self) {
        self.network.dead.store(true, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(near: TcpStream, far: TcpStream, network: Arc<Network>) {
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pass(near_in, far_out, &network, 0) => {}
        () = pass(far_in, near_out, &network, 1) => {}
    }
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    network: &Network,
    way: usize,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if network.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let left = network.left[way].load(Ordering::Relaxed);
        let passing = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        network.passed[way].fetch_add(passing as u64, Ordering::Relaxed);
        if to.write_all(&bytes[..passing]).await.is_err() {
            return;
        }
        if passing < count {
            // Once only: the next connection lasts.
            network.left[way].store(u64::MAX, Ordering::Relaxed);
            return;
        }
        network.left[way].store(left - passing as u64, Ordering::Relaxed);
    }
}
