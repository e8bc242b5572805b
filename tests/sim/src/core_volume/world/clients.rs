//! What clients ask and are answered: each owner has a few connections, and a new owner has others.

use std::collections::VecDeque;

use rand::RngExt;
use volumed_core::head::{HeadEvent, RequestId};
use volumed_core::{IoError, Reply, Request};

use super::super::model::SECTOR;
use super::super::requests::{is_durable, range_of};
use super::{Checked, World};

const CONNECTIONS: usize = 3;

/// A connection to the volume.
pub(super) struct Connection {
    owner: u64,
    /// What was sent on it and not read yet.
    pub sent: VecDeque<Request>,
}

/// A request that is not answered.
pub(super) struct Asked {
    owner: u64,
    request: Request,
    since: u64,
}

impl World {
    /// The owner opens its connections.
    pub(super) fn connect(&mut self) {
        let owner = self.owner;
        let fresh = || Connection {
            owner,
            sent: VecDeque::new(),
        };
        self.connections
            .extend(std::iter::repeat_with(fresh).take(CONNECTIONS));
    }

    /// Requests that are not answered.
    pub fn open_requests(&self) -> usize {
        let sent = self
            .connections
            .iter()
            .map(|connection| connection.sent.len());
        sent.sum::<usize>() + self.asked.len()
    }

    /// A client sends a request, on one of its connections.
    pub fn send(&mut self, request: Request) {
        let last = self.connections.len();
        let own = last.saturating_sub(CONNECTIONS)..last;
        if !own.is_empty() {
            let at = self.rng.random_range(own);
            self.connections[at].sent.push_back(request);
        }
    }

    /// The node reads a request from a connection.
    pub(super) fn read_request(&mut self, at: usize) -> Checked {
        let connection = &mut self.connections[at];
        let owner = connection.owner;
        let Some(request) = connection.sent.pop_front() else {
            return Ok(());
        };
        if owner != self.owner {
            return Err(format!(
                "V2: a request of owner {owner} is read when the volume is owner {}'s",
                self.owner
            ));
        }
        let number = self.next_request;
        self.next_request += 1;
        self.model.ask(number, &request);
        let id = RequestId(number);
        self.asked.insert(
            id,
            Asked {
                owner,
                request: request.clone(),
                since: self.time,
            },
        );
        self.head_event(HeadEvent::Request(id, request))
    }

    pub(super) fn replied(&mut self, id: RequestId, reply: Reply) -> Checked {
        let Some(asked) = self.asked.remove(&id) else {
            return Err(format!("request {} is answered twice", id.0));
        };
        if asked.owner != self.owner {
            return Err("V2: a request of an old owner ends under the new one".to_owned());
        }
        let request = asked.request;
        if let Err(error) = reply {
            self.check_excuse(error, &request)?;
        }
        let range = match (&request, reply) {
            (Request::Read { offset, .. }, Ok(bytes)) => {
                return self.model.read(id.0, offset / SECTOR, &bytes);
            }
            (Request::Map { offset, length, .. }, Ok(answer)) => {
                return self.check_map(id, (*offset, *length), answer);
            }
            (Request::Flush, Ok(_)) => {
                self.model.flushed(asked.since);
                return self.check_held(0..u64::MAX);
            }
            (Request::Read { .. } | Request::Map { .. } | Request::Flush, Err(_)) => return Ok(()),
            (request, reply) => {
                let range = range_of(request);
                if reply == Err(IoError::NoSpace) && !self.troubles.full {
                    return self.refused(id, asked.since, &range);
                }
                if !matches!(request, Request::Write { .. }) {
                    self.trimmed = self.time;
                }
                let (well, durable) = (reply.is_ok(), is_durable(request));
                self.model
                    .answered(id.0, range.clone(), durable, well, self.time)?;
                range
            }
        };
        self.check_held(range)
    }

    /// An error must have a reason.
    fn check_excuse(&self, error: IoError, request: &Request) -> Checked {
        // A sync that was refused is an I/O error to a flush.
        if matches!(request, Request::Flush) && self.troubles.any() {
            return Ok(());
        }
        let range = range_of(request);
        let full = error == IoError::NoSpace && (self.small || self.quota.is_some());
        let gone = self.has_failed() || self.is_stale() || self.is_harmed(&range);
        let broken = error == IoError::Io && gone;
        if full || broken || self.troubles.excuse(error) {
            return Ok(());
        }
        Err(format!("V13: {error}, and nothing is wrong: {request:?}"))
    }
}
