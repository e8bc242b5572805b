//! The two halves of a connected Unix socket, each of which wakes its task up only for what that waits
//! for.
//!
//! tokio's own asks the kernel for both directions at once, and whenever the peer takes something from
//! a Unix socket, this counts as room to write: a wake-up for each message that was sent.

mod raw;

use std::io::{self, IoSlice, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Room that a full buffer is given, in bytes.
const LEAST_ROOM: usize = 4096;

/// Takes the halves of a socket; to be called within the runtime whose tasks will read.
///
/// # Errors
/// When the socket cannot be made non-blocking, or be watched.
pub fn split(stream: UnixStream) -> io::Result<(Incoming, Outgoing)> {
    stream.set_nonblocking(true)?;
    let stream = Arc::new(stream);
    let watched = raw::watch(stream.clone(), Interest::READABLE)?;
    Ok((Incoming(watched), Outgoing(stream)))
}

/// What the peer sends.
#[derive(Debug)]
pub struct Incoming(AsyncFd<Arc<UnixStream>>);

/// What is sent to the peer. Dropped, it tells the peer that nothing more comes.
#[derive(Debug)]
pub struct Outgoing(Arc<UnixStream>);

impl Incoming {
    /// Waits for bytes, and appends as many to `buffer` as it has room for; 0 when the peer has closed its
    /// end. Nothing is lost when this is dropped while it waits.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        if buffer.capacity() == buffer.len() {
            // Else no bytes would look like the end.
            buffer.reserve(LEAST_ROOM);
        }
        let room = buffer.capacity() - buffer.len();
        loop {
            let mut ready = self.0.readable().await?;
            match raw::read(self.0.get_ref(), buffer) {
                Ok(count) => {
                    // The kernel says so once more when more comes.
                    if count < room {
                        ready.clear_ready();
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Outgoing {
    /// Sends as much as the socket takes at once; answers how many bytes that were.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now, others when the connection broke.
    pub fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(pieces)
    }

    /// Ends both directions, also for who reads.
    ///
    /// # Errors
    /// When the socket is not connected any more.
    pub fn shut_down(&self) -> io::Result<()> {
        self.0.shutdown(std::net::Shutdown::Both)
    }

    /// Whether the peer has ended the connection, or it broke, whatever of it was not read yet.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let look = || {
            // HUP and ERR are reported unasked.
            let mut connection = [PollFd::new(&*self.0, PollFlags::RDHUP)];
            poll(&mut connection, Some(&Timespec::default()))
        };
        retry_on_intr(look) != Ok(0)
    }

    /// Waits until the socket takes something.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub async fn writable(&self) -> io::Result<()> {
        // Watched only while somebody waits, by a descriptor of its own: one is watched once.
        let watched = raw::watch(Arc::new(self.0.try_clone()?), Interest::WRITABLE)?;
        watched.writable().await.map(drop)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // The peer may be gone.
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Incoming, Outgoing, Incoming, Outgoing) {
        let (one, other) = UnixStream::pair().unwrap();
        let ((one_in, one_out), (other_in, other_out)) =
            (split(one).unwrap(), split(other).unwrap());
        (one_in, one_out, other_in, other_out)
    }

    #[tokio::test]
    async fn bytes_arrive_in_order_and_the_end_behind_them() {
        let (_one_in, one_out, other_in, _other_out) = pair();
        let sent: Vec<u8> = (0..3_000_000u32).map(|at| at as u8).collect();
        let sending = async {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                match one_out.try_write(&[IoSlice::new(rest)]) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        one_out.writable().await.unwrap();
                    }
                }
            }
            drop(one_out);
        };
        let receiving = async {
            let mut received = BytesMut::new();
            loop {
                if other_in.read(&mut received).await.unwrap() == 0 {
                    return received;
                }
            }
        };
        let ((), received) = tokio::join!(sending, receiving);
        assert!(received == sent);
    }

    #[tokio::test]
    async fn a_half_that_is_dropped_leaves_the_other_direction() {
        let (one_in, one_out, other_in, other_out) = pair();
        drop(one_out);
        let mut buffer = BytesMut::with_capacity(16);
        assert_eq!(other_in.read(&mut buffer).await.unwrap(), 0);
        other_out.try_write(&[IoSlice::new(b"late")]).unwrap();
        assert_eq!(one_in.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer[..], b"late");
    }
}
