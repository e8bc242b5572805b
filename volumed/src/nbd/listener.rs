use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::connection::serve;
use super::exports::Exports;
use crate::descriptors;
use crate::metrics::Metrics;

/// A connection, and its share of those that may be open.
type Accepted = (UnixStream, OwnedSemaphorePermit);

/// What a socket may hold on its way, in bytes, as far as the system allows.
const SOCKET_BUFFER: usize = 512 << 10;

/// How long accepting rests after it failed, say for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections and spreads them over threads, each with a runtime of its own, so that a
/// cached read is answered on the thread that received it.
#[derive(Debug)]
pub struct Listener {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Starts `threads` threads that serve who connects to `socket`.
    pub fn start<E: Exports>(
        socket: UnixListener,
        exports: &Arc<E>,
        threads: usize,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(false);
        let mut started = Vec::new();
        let mut lanes = Vec::new();
        for number in 0..threads.max(1) {
            let (lane, connections) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let lane_context = (exports.clone(), metrics.clone());
            let stopped = stopped.clone();
            let work = move || runtime.block_on(serve_lane(connections, lane_context, stopped));
            let name = format!("nbd-{number}");
            started.push(std::thread::Builder::new().name(name).spawn(work)?);
            lanes.push(lane);
        }
        tokio::spawn(accept(
            tokio::net::UnixListener::from_std(socket)?,
            lanes,
            Arc::new(Semaphore::new(descriptors::connections())),
            metrics.clone(),
            stopped,
        ));
        Ok(Self {
            stop,
            threads: started,
        })
    }

    /// Accepts and reads no more, and returns when what is in flight was answered.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an NBD thread panicked");
            }
        }
    }
}

async fn accept(
    socket: tokio::net::UnixListener,
    lanes: Vec<mpsc::UnboundedSender<Accepted>>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut turn = lanes.iter().cycle();
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            accepted = socket.accept() => accepted.and_then(|(stream, _)| stream.into_std()),
        };
        match (accepted, turn.next()) {
            (Ok(stream), Some(lane)) => {
                let Ok(permit) = room.clone().try_acquire_owned() else {
                    // Dropped: waiting in line, it would look like a daemon that hangs.
                    metrics.refused_connections.inc();
                    if !std::mem::replace(&mut full, true) {
                        tracing::warn!(
                            "refusing NBD connections: as many are open as the limit of files allows"
                        );
                    }
                    continue;
                };
                full = false;
                enlarge_buffer(&stream);
                // A lane ends only when everything does.
                let _ = lane.send((stream, permit));
            }
            (Err(error), _) => {
                tracing::warn!(%error, "cannot accept an NBD connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Ok(_), None) => return,
        }
    }
}

async fn serve_lane<E: Exports>(
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    (exports, metrics): (Arc<E>, Arc<Metrics>),
    stopped: watch::Receiver<bool>,
) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut served = JoinSet::new();
            while let Some((stream, permit)) = connections.recv().await {
                let (exports, metrics) = (exports.clone(), metrics.clone());
                let mut stopped = stopped.clone();
                served.spawn_local(async move {
                    let _permit = permit;
                    let stopped = async {
                        let _ = stopped.wait_for(|stopped| *stopped).await;
                    };
                    let stream = match tokio::net::UnixStream::from_std(stream) {
                        Ok(stream) => stream,
                        Err(error) => return tracing::warn!(%error, "lost an NBD connection"),
                    };
                    metrics.connections.inc();
                    let served = serve(stream, &*exports, &metrics, stopped).await;
                    metrics.connections.dec();
                    match served {
                        Ok(()) => tracing::debug!("an NBD client left"),
                        Err(error) => tracing::info!(%error, "dropped an NBD client"),
                    }
                });
                while served.try_join_next().is_some() {}
            }
            while served.join_next().await.is_some() {}
        })
        .await;
}

/// A larger buffer only saves waiting: it does no harm if the system says no.
fn enlarge_buffer(stream: &UnixStream) {
    if setsockopt(stream, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = setsockopt(stream, sockopt::SndBuf, &SOCKET_BUFFER);
    }
}
