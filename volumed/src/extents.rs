//! The extents socket: hands the owner of a volume the files of its extents (V14). The protocol is
//! in `client/src/extents/wire.rs`.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, sendmsg, shutdown,
};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use volumed_client::extents::wire;
use volumed_core::ExtentIndex;
use volumed_disk::Permit;
use volumed_node::{Access, Export, ExportName, Volumes};

use crate::descriptors;

/// How long a client may take to say what it wants.
const HELLO_TIME: Duration = Duration::from_secs(10);

/// How long accepting rests after it failed, say for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves who connects, until it is dropped. A connection ends with its volume's attachment, so
/// stopping the volumes ends all of them.
pub async fn serve(socket: std::os::unix::net::UnixListener, volumes: Volumes) -> Result<()> {
    socket.set_nonblocking(true)?;
    let socket = UnixListener::from_std(socket)?;
    let room = Arc::new(Semaphore::new(descriptors::extents_connections()));
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                // Without it, it is closed: an owner reads all the same, through NBD.
                if let Ok(place) = room.clone().try_acquire_owned() {
                    let serving = serve_client(stream, volumes.clone());
                    tokio::spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for extents");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_client(mut stream: UnixStream, volumes: Volumes) {
    let opened = tokio::time::timeout(HELLO_TIME, open(&mut stream, &volumes)).await;
    let served = match opened {
        Ok(Ok(Some(export))) => hand_out(stream, export).await,
        Ok(Ok(None)) => reply(&stream, false, None).await,
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ErrorKind::TimedOut.into()),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for extents ended");
    }
}

/// The export that the client names; `None` when it is not that of an attachment.
async fn open(stream: &mut UnixStream, volumes: &Volumes) -> Result<Option<Arc<Export>>> {
    let mut fixed = [0; wire::HELLO_LENGTH];
    stream.read_exact(&mut fixed).await?;
    let mut name = vec![0; wire::name_length(fixed).map_err(Error::other)?];
    stream.read_exact(&mut name).await?;
    let name = str::from_utf8(&name).ok().map(str::parse::<ExportName>);
    let Some(Ok(name)) = name else {
        return Ok(None);
    };
    // V2: only an attachment has an owner, and ends when there is another.
    if !matches!(name.access, Access::Epoch(_)) {
        return Ok(None);
    }
    Ok(volumes.open(&name).await.ok())
}

/// The connection of an owner, and with it leave to read: it lasts until it is shut down (V14).
#[derive(Debug)]
struct Leave(OwnedWriteHalf);

impl Permit for Leave {
    fn revoke(&self) {
        if let Err(error) = shutdown(self.0.as_ref(), Shutdown::Both) {
            tracing::error!(%error, "leave to read extents' files could not be revoked");
        }
    }
}

/// Answers until the client leaves or the volume gets another owner. Whichever comes, the leave is
/// revoked before the export is given up, for which a new owner waits (V2).
async fn hand_out(stream: UnixStream, export: Arc<Export>) -> Result<()> {
    let (incoming, outgoing) = stream.into_split();
    let leave = Arc::new(Leave(outgoing));
    let outcome = tokio::select! {
        () = export.revoked() => Ok(()),
        ended = answer(incoming, &leave, &export) => ended,
    };
    leave.revoke();
    drop(export);
    match outcome {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        outcome => outcome,
    }
}

/// Answers requests, one after the other, until the connection ends: always an error.
async fn answer(
    mut incoming: OwnedReadHalf,
    leave: &Arc<Leave>,
    export: &Arc<Export>,
) -> Result<()> {
    let stream = leave.0.as_ref();
    reply(stream, true, None).await?;
    loop {
        let mut request = [0; wire::REQUEST_LENGTH];
        incoming.read_exact(&mut request).await?;
        let extent = ExtentIndex(wire::requested(request));
        let (export, permit) = (export.clone(), leave.clone() as Arc<dyn Permit>);
        let file = tokio::task::spawn_blocking(move || export.extent_file(extent, &permit)).await;
        let file = file.map_err(Error::other)?;
        reply(stream, file.is_some(), file.as_ref().map(AsFd::as_fd)).await?;
    }
}

/// Sends an answer, with a descriptor when there is one.
async fn reply(
    stream: &UnixStream,
    granted: bool,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let bytes = wire::answer(granted);
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let slices = [IoSlice::new(&bytes)];
        Ok(sendmsg(
            stream,
            &slices,
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?)
    };
    match stream.async_io(Interest::WRITABLE, send).await? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(ErrorKind::WriteZero.into()),
    }
}
