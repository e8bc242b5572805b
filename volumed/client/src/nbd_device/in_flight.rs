use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::DeviceError;

/// The requests that wait for an answer, by their cookie.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    requests: HashMap<u64, Waiting>,
    last_cookie: u64,
    broken: bool,
}

#[derive(Debug)]
struct Waiting {
    /// How many bytes a good answer carries.
    length: usize,
    reply: oneshot::Sender<Result<Bytes, DeviceError>>,
}

impl InFlight {
    /// A new cookie whose answer goes to `reply`; `None` when the connection is broken.
    pub fn add(
        &mut self,
        length: usize,
        reply: oneshot::Sender<Result<Bytes, DeviceError>>,
    ) -> Option<u64> {
        if self.broken {
            return None;
        }
        self.last_cookie += 1;
        self.requests
            .insert(self.last_cookie, Waiting { length, reply });
        Some(self.last_cookie)
    }

    pub fn length(&self, cookie: u64) -> Option<usize> {
        self.requests.get(&cookie).map(|waiting| waiting.length)
    }

    pub fn remove(&mut self, cookie: u64) -> Option<oneshot::Sender<Result<Bytes, DeviceError>>> {
        self.requests.remove(&cookie).map(|waiting| waiting.reply)
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// From now on nothing is added; whoever waits learns it by the dropping of its sender.
    pub fn break_all(&mut self) {
        self.broken = true;
        self.requests.clear();
    }
}
