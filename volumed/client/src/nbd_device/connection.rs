use std::io;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use volumed_nbd::client::{Replies, Request, encode};
use volumed_nbd::{NbdError, Violation};
use volumed_socket::Incoming;

use super::Reply;
use super::in_flight::InFlight;
use super::outgoing::Outgoing;
use crate::DeviceError;

/// What callers, the reading and the writing task share.
#[derive(Debug)]
pub(super) struct Connection {
    stream: volumed_socket::Outgoing,
    in_flight: Mutex<InFlight>,
    queue: Mutex<Queue>,
    /// Tells the writing task that the socket was full.
    blocked: Notify,
}

/// Whoever finds `writing` false sets it and writes for everybody until the queue is empty.
#[derive(Debug, Default)]
struct Queue {
    outgoing: Outgoing,
    writing: bool,
    /// What was being written when the socket was full; goes before `outgoing`.
    unsent: Outgoing,
}

impl Connection {
    pub fn new(stream: volumed_socket::Outgoing) -> Self {
        Self {
            stream,
            in_flight: Mutex::default(),
            queue: Mutex::default(),
            blocked: Notify::new(),
        }
    }

    /// Sends a request; its answer, or the end of the connection, arrives at the reply.
    pub fn submit(&self, request: Request, pieces: &[Bytes]) -> Reply {
        let (sender, reply) = oneshot::channel();
        let length = match request {
            Request::Read { length, .. } => length as usize,
            _ => 0,
        };
        let Some(cookie) = lock(&self.in_flight).add(length, sender) else {
            return reply;
        };
        self.send(encode(cookie, request), pieces);
        reply
    }

    /// Tells the server that nothing more comes, if the socket takes it at once.
    pub fn say_goodbye(&self) {
        self.send(encode(0, Request::Disconnect), &[]);
    }

    pub fn is_broken(&self) -> bool {
        lock(&self.in_flight).is_broken()
    }

    /// Whether it goes on, as the socket says now.
    pub fn stands(&self) -> bool {
        !self.is_broken() && !self.stream.has_ended()
    }

    fn send(&self, header: [u8; volumed_nbd::client::REQUEST_LENGTH], pieces: &[Bytes]) {
        {
            let mut queue = lock(&self.queue);
            queue.outgoing.push(header, pieces);
            if queue.writing {
                return;
            }
            queue.writing = true;
        }
        self.write_queue(Outgoing::default());
    }

    /// Writes `batch` and then the queue. The caller has set `writing`.
    fn write_queue(&self, mut batch: Outgoing) {
        loop {
            match batch.write_to(&self.stream) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    lock(&self.queue).unsent = batch;
                    self.blocked.notify_one();
                    return;
                }
                Err(_) => return self.break_all(),
            }
            let mut queue = lock(&self.queue);
            if queue.outgoing.is_empty() {
                queue.writing = false;
                return;
            }
            batch.append(&mut queue.outgoing);
        }
    }

    fn break_all(&self) {
        lock(&self.in_flight).break_all();
    }

    /// Hands every answer that is here whole to whom it belongs.
    fn deliver(&self, replies: &mut Replies) -> Result<(), Violation> {
        while let Some(answer) =
            replies.next_answer(|cookie| lock(&self.in_flight).length(cookie))?
        {
            let sender = lock(&self.in_flight).remove(answer.cookie);
            if let Some(sender) = sender {
                // The caller may have stopped waiting; the call is done all the same.
                let _ = sender.send(answer.result.map_err(device_error));
            }
        }
        Ok(())
    }
}

/// Takes answers until the connection ends.
pub(super) async fn receive(connection: Arc<Connection>, stream: Incoming, mut replies: Replies) {
    // Also when the runtime drops this task, nobody may wait for answers that cannot come.
    let _end = BreakOnDrop(connection.clone());
    loop {
        if connection.deliver(&mut replies).is_err() {
            return;
        }
        match stream.read(replies.input()).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Writes what callers could not because the socket was full.
pub(super) async fn send_rest(connection: Arc<Connection>) {
    loop {
        connection.blocked.notified().await;
        if connection.stream.writable().await.is_err() {
            return connection.break_all();
        }
        let rest = std::mem::take(&mut lock(&connection.queue).unsent);
        connection.write_queue(rest);
    }
}

struct BreakOnDrop(Arc<Connection>);

impl Drop for BreakOnDrop {
    fn drop(&mut self) {
        self.0.break_all();
    }
}

/// The one place where the protocol's errors become the device's.
fn device_error(error: NbdError) -> DeviceError {
    match error {
        NbdError::NoSpace => DeviceError::NoSpace,
        NbdError::Invalid | NbdError::Overflow | NbdError::Unsupported => DeviceError::Invalid,
        NbdError::Io | NbdError::NoMemory | NbdError::Permission => DeviceError::Io,
        NbdError::Shutdown => DeviceError::Disconnected,
    }
}

/// A thread that panicked holding the lock left nothing half done in these small structures.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
