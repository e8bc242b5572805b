//! [`BlockDevice`] over NBD on a unix socket.

mod connect;
mod connection;
mod in_flight;
mod outgoing;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use volumed_nbd::client::Request;

pub use connect::{ConnectError, open_export};
use connection::Connection;

use crate::extents::ExtentReader;
use crate::{BlockDevice, DeviceError, Durability, ExtentFiles, Session};

/// The longest TRIM that is sent, in bytes: what fits 32 bits in whole extents of 64 MiB.
const MAX_TRIM: u64 = (4 << 30) - (64 << 20);

/// An export of an NBD server, over one connection with any number of requests in flight.
///
/// A caller writes its request to the socket on its own thread, together with what others queued
/// meanwhile; a task of the runtime that connected takes the answers. When that runtime ends, or
/// the connection breaks, every call answers [`DeviceError::Disconnected`].
#[derive(Debug)]
pub struct NbdDevice {
    connection: Arc<Connection>,
    size: u64,
    max_payload: u32,
    tasks: [tokio::task::AbortHandle; 2],
    extents: Option<ExtentReader>,
}

type Reply = oneshot::Receiver<Result<Bytes, DeviceError>>;

impl NbdDevice {
    /// Connects to the server at `socket` and opens `export`. The tasks of the connection run on
    /// the runtime that this is called on.
    pub async fn connect(socket: &Path, export: &str) -> Result<Self, ConnectError> {
        let (stream, established) = open_export(socket, export).await?;
        let (incoming, outgoing) =
            volumed_socket::split(stream.into_std().map_err(ConnectError::Broken)?)
                .map_err(ConnectError::Broken)?;
        let connection = Arc::new(Connection::new(outgoing));
        let receive = connection::receive(connection.clone(), incoming, established.replies);
        let reader = tokio::spawn(receive);
        let writer = tokio::spawn(connection::send_rest(connection.clone()));
        Ok(Self {
            connection,
            size: established.size,
            max_payload: established.max_payload,
            tasks: [reader.abort_handle(), writer.abort_handle()],
            extents: None,
        })
    }

    /// Reads extents without the daemon, too, where that is possible (V14): the device is of an
    /// attached volume of this node, and `socket` is the daemon's extents socket. Without it the
    /// device only reads slower, so a daemon that has none is no error.
    pub async fn with_extents(mut self, socket: &Path, export: &str, files: ExtentFiles) -> Self {
        self.extents = ExtentReader::connect(socket, export, files).await.ok();
        self
    }

    fn check(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(DeviceError::Invalid),
        }
    }

    /// Sends a WRITE of `pieces`; `length` is their sum and fits one request.
    fn send_write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        length: u32,
        durability: Durability,
    ) -> Reply {
        let fua = durability == Durability::Durable;
        self.connection.submit(
            Request::Write {
                offset,
                length,
                fua,
            },
            pieces,
        )
    }
}

#[async_trait]
impl BlockDevice for NbdDevice {
    fn size(&self) -> u64 {
        self.size
    }

    fn is_connected(&self) -> bool {
        self.connection.stands()
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        self.check(offset, length as u64)?;
        let max = self.max_payload as usize;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let send = |start: usize| {
            let length = (length - start).min(max) as u32;
            self.connection.submit(
                Request::Read {
                    offset: offset + start as u64,
                    length,
                },
                &[],
            )
        };
        if length <= max {
            return answer(send(0)).await;
        }
        let replies: Vec<Reply> = (0..length).step_by(max).map(send).collect();
        let mut whole = BytesMut::with_capacity(length);
        for reply in replies {
            whole.extend_from_slice(&answer(reply).await?);
        }
        Ok(whole.freeze())
    }

    async fn read_unchecked(&self, offset: u64, length: usize) -> Option<Bytes> {
        let extents = self.extents.as_ref()?;
        self.check(offset, length as u64).ok()?;
        let bytes = extents.read(offset, length).await?;
        // The daemon may have died, and then revokes nothing.
        (!self.connection.is_broken()).then_some(bytes)
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let extents = self.extents.as_ref()?;
        self.check(offset, length as u64).ok()?;
        let bytes = extents.read_cached(offset, length)?;
        (!self.connection.is_broken()).then_some(bytes)
    }

    fn read_unchecked_blocking(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let Some(extents) = &self.extents else {
            return false;
        };
        self.check(offset, bytes.len() as u64).is_ok()
            && extents.read_blocking(offset, bytes)
            && !self.connection.is_broken()
    }

    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError> {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        self.check(offset, length as u64)?;
        if length == 0 {
            return Ok(());
        }
        if length <= self.max_payload as usize {
            let reply = self.send_write(offset, pieces, length as u32, durability);
            return answer(reply).await.map(drop);
        }
        let mut replies = Vec::new();
        let mut at = offset;
        for part in split(pieces, self.max_payload as usize) {
            let length: usize = part.iter().map(Bytes::len).sum();
            replies.push(self.send_write(at, &part, length as u32, durability));
            at += length as u64;
        }
        let mut outcome = Ok(());
        for reply in replies {
            outcome = outcome.and(answer(reply).await.map(drop));
        }
        outcome
    }

    async fn flush(&self, _: Session) -> Result<(), DeviceError> {
        answer(self.connection.submit(Request::Flush, &[]))
            .await
            .map(drop)
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        self.check(offset, length)?;
        let (mut at, end) = (offset, offset + length);
        while at < end {
            let length = (end - at).min(MAX_TRIM);
            let request = Request::Trim {
                offset: at,
                length: length as u32,
            };
            answer(self.connection.submit(request, &[])).await?;
            at += length;
        }
        Ok(())
    }
}

impl Drop for NbdDevice {
    fn drop(&mut self) {
        self.connection.say_goodbye();
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn answer(reply: Reply) -> Result<Bytes, DeviceError> {
    reply.await.unwrap_or(Err(DeviceError::Disconnected))
}

/// Cuts `pieces` into parts of `max` bytes (the last may have fewer), without copying.
fn split(pieces: &[Bytes], max: usize) -> Vec<Vec<Bytes>> {
    let mut parts = vec![Vec::new()];
    let mut room = max;
    for piece in pieces {
        let mut rest = piece.clone();
        while !rest.is_empty() {
            if room == 0 {
                parts.push(Vec::new());
                room = max;
            }
            let head = rest.split_to(rest.len().min(room));
            room -= head.len();
            if let Some(part) = parts.last_mut() {
                part.push(head);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_full_and_keep_the_order() {
        let pieces = [
            Bytes::from_static(b"abc"),
            Bytes::new(),
            Bytes::from_static(b"defghij"),
        ];
        let parts: Vec<Vec<u8>> = split(&pieces, 4)
            .into_iter()
            .map(|part| part.concat())
            .collect();
        assert_eq!(parts, [b"abcd".to_vec(), b"efgh".to_vec(), b"ij".to_vec()]);
    }
}
