//! A volume as one connection sees it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};
use volumed_core::{ByteCount, Epoch, ExtentIndex, Reply, Request};
use volumed_disk::Permit;

use crate::machine::Machine;
use crate::name::OwnerId;

/// What one request may have read ahead, in bytes.
const MOST_AHEAD: u32 = 32 << 20;

/// A volume as one connection sees it; the volume's owner changes only when every earlier export
/// is dropped (V2), so a connection holds it until its last request is answered.
pub struct Export {
    machine: Arc<Machine>,
    size: Arc<AtomicU64>,
    revoked: watch::Receiver<bool>,
    /// Its end tells that the export is dropped.
    _held: mpsc::Sender<()>,
}

impl Export {
    /// The volume's virtual size now; it may grow.
    pub fn size(&self) -> ByteCount {
        ByteCount(self.size.load(Ordering::Acquire))
    }

    /// Resolves when the volume gets another owner: the connection must stop reading requests,
    /// let those in flight be answered, close and drop its export.
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut revoked = self.revoked.clone();
        async move {
            // An error says that the session is gone, which is as good as revoked.
            let _ = revoked.wait_for(|revoked| *revoked).await;
        }
    }

    /// An extent's data file, for the owner to read by itself as long as it has leave (V14); `None`
    /// when it must not. `permit` is revoked when the extent's disk fails. Blocks.
    pub fn extent_file(&self, extent: ExtentIndex, permit: &Arc<dyn Permit>) -> Option<File> {
        let (disk, file) = self.machine.readable(extent)?;
        disk.revoke_when_failed(permit);
        disk.open_to_read(self.machine.volume, file).ok()
    }

    /// Has the page cache filled with bytes that will be read soon, as far as they can be read past
    /// the machine (V14); calls `done` when that has begun.
    pub fn read_ahead(&self, offset: u64, length: u32, done: impl FnOnce() + Send + 'static) {
        let Some(on) = self.machine.disk_of(ExtentIndex::of(offset)) else {
            return done();
        };
        let machine = Arc::clone(&self.machine);
        on.pool.run(move || {
            machine.read_ahead(offset, length.min(MOST_AHEAD));
            done();
        });
    }

    /// Starts a request; `answer` is called once, before this returns or later from any thread,
    /// and must not block.
    pub fn submit(&self, request: Request, answer: impl FnOnce(Reply) + Send + 'static) {
        self.machine.submit(request, Box::new(answer));
    }
}

/// The time for which a volume has one owner, or none but connections all the same.
pub(crate) struct Session {
    pub epoch: Epoch,
    pub owner: Option<OwnerId>,
    size: Arc<AtomicU64>,
    revoke: watch::Sender<bool>,
    held: mpsc::Sender<()>,
    dropped: mpsc::Receiver<()>,
}

impl Session {
    pub fn new(epoch: Epoch, owner: Option<OwnerId>, size: ByteCount) -> Self {
        let (held, dropped) = mpsc::channel(1);
        Self {
            epoch,
            owner,
            size: Arc::new(AtomicU64::new(size.0)),
            revoke: watch::Sender::new(false),
            held,
            dropped,
        }
    }

    pub fn export(&self, machine: &Arc<Machine>) -> Arc<Export> {
        Arc::new(Export {
            machine: Arc::clone(machine),
            size: Arc::clone(&self.size),
            revoked: self.revoke.subscribe(),
            _held: self.held.clone(),
        })
    }

    /// Lets every export see the volume's new size; the head takes requests up to it already.
    pub fn grow(&self, size: ByteCount) {
        self.size.fetch_max(size.0, Ordering::Release);
    }

    /// Whether anybody holds an export.
    pub fn in_use(&self) -> bool {
        self.held.strong_count() > 1
    }

    /// V2: revokes every export and waits until all are dropped.
    pub async fn end(mut self) {
        let _ = self.revoke.send(true);
        drop(self.held);
        while self.dropped.recv().await.is_some() {}
    }
}
