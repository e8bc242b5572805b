//! The thread that carries the index's I/O of every bucket (B9).
//!
//! redb blocks its threads until the device answers. What takes the answers must therefore never
//! wait for redb: it is a runtime of its own, on a thread that runs nothing else.

use std::io;
use std::path::Path;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use volumed_client::{ConnectError, NbdDevice};

#[derive(Debug)]
pub struct IndexIo {
    runtime: Handle,
    /// Dropping it ends the thread.
    _end: oneshot::Sender<()>,
}

impl IndexIo {
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("index-io".into())
            .spawn(move || runtime.block_on(ended))?;
        Ok(Self {
            runtime: handle,
            _end: end,
        })
    }

    /// A connection whose answers this thread takes.
    pub async fn connect(&self, socket: &Path, export: &str) -> Result<NbdDevice, ConnectError> {
        let (socket, export) = (socket.to_owned(), export.to_owned());
        let connecting = self
            .runtime
            .spawn(async move { NbdDevice::connect(&socket, &export).await });
        match connecting.await {
            Ok(connected) => connected,
            Err(error) => Err(ConnectError::Broken(io::Error::other(error))),
        }
    }
}
