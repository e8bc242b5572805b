//! What safe code cannot do: reading into memory that holds nothing yet, and watching a descriptor for
//! one direction.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Appends what there is to read, as far as `buffer` has room; answers how many bytes that were.
///
/// Safe code would have to fill the room with zeroes first, up to 1 MiB for each read.
pub fn read(source: &UnixStream, buffer: &mut BytesMut) -> io::Result<usize> {
    let (filled, _) = rustix::io::read(source, buffer.spare_capacity_mut())?;
    let count = filled.len();
    let length = buffer.len() + count;
    // SAFETY: the first `count` bytes of the room were filled just now.
    unsafe { buffer.set_len(length) };
    Ok(count)
}

/// Has the runtime watch a socket.
pub fn watch(stream: Arc<UnixStream>, interest: Interest) -> io::Result<AsyncFd<Arc<UnixStream>>> {
    // SAFETY: the socket owns its descriptor, which stays open and the same as long as the socket
    // is held.
    let watched = unsafe { AsyncFd::register_with_interest(stream, interest) };
    watched.map_err(io::Error::from)
}
