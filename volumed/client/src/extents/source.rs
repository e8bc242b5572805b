//! The connection on which the daemon hands out extents' files.

use std::fs::File;
use std::io::{ErrorKind, IoSliceMut, Read, Result, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::wire;

/// How long an answer is waited for. The daemon opens a file for it, so this is never reached
/// but by one that hangs; its bytes can then not be had another way either.
const PATIENCE: Duration = Duration::from_secs(5);

/// At once.
const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Where the files of a volume's extents come from, as long as its attachment stands. The connection
/// is the permit: the daemon shuts it down when the volume gets another owner or a disk fails.
#[derive(Debug)]
pub struct Source {
    stream: UnixStream,
    /// Held from a request to its answer.
    turn: Mutex<()>,
    ended: AtomicBool,
}

impl Source {
    /// Connects, and gets leave to read files. Blocks.
    pub fn connect(socket: &Path, export: &str) -> Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&wire::hello(export))?;
        let mut answer = [0; wire::ANSWER_LENGTH];
        stream.read_exact(&mut answer)?;
        if !wire::granted(answer) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(Self {
            stream,
            turn: Mutex::default(),
            ended: AtomicBool::new(false),
        })
    }

    /// The data file of an extent; `None` when it must be read through the daemon. Blocks.
    pub fn file(&self, extent: u64) -> Option<File> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended() {
            return None;
        }
        let answered = (&self.stream)
            .write_all(&wire::request(extent))
            .and_then(|()| receive(&self.stream));
        answered.unwrap_or_else(|_| {
            self.ended.store(true, Ordering::Release);
            None
        })
    }

    /// Whether what was read from the files before this call may be used (V14).
    pub fn permitted(&self) -> bool {
        if self.ended() {
            return false;
        }
        // The look at the connection must not come before the reading.
        fence(Ordering::Acquire);
        let poll_now = || {
            // Its end is reported unasked, too: HUP.
            let mut connection = [PollFd::new(&self.stream, PollFlags::RDHUP)];
            poll(&mut connection, Some(&NOW))
        };
        let permitted = retry_on_intr(poll_now) == Ok(0);
        if !permitted {
            self.ended.store(true, Ordering::Release);
        }
        permitted
    }

    /// Whether it is of no more use.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// The descriptor of an answer, if it grants one.
fn receive(mut stream: &UnixStream) -> Result<Option<File>> {
    let mut bytes = [0; wire::ANSWER_LENGTH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
    if received == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let descriptor: Option<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .next();
    stream.read_exact(&mut bytes[received..])?;
    match (wire::granted(bytes), descriptor) {
        (true, Some(descriptor)) => Ok(Some(descriptor.into())),
        (true, None) => Err(ErrorKind::InvalidData.into()),
        (false, _) => Ok(None),
    }
}
