//! The thread that owns the connection.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use super::batch;
use super::leases;
use super::request::Command;
use super::watch::Watchers;

/// How often a watched store looks for changes by other processes and for leases that ended.
const POLL: Duration = Duration::from_millis(20);

/// Requests that are committed together, at most.
const MAX_BATCH: usize = 128;

pub struct Worker {
    connection: Connection,
    received: Receiver<Command>,
    revisions_kept: u64,
    watchers: Watchers,
}

impl Worker {
    pub fn new(connection: Connection, received: Receiver<Command>, revisions_kept: u64) -> Self {
        Self {
            connection,
            received,
            revisions_kept,
            watchers: Watchers::default(),
        }
    }

    /// Until every handle is dropped.
    pub fn run(mut self) {
        loop {
            let first = if self.watchers.is_empty() {
                self.received.recv().map_err(RecvTimeoutError::from)
            } else {
                self.received.recv_timeout(POLL)
            };
            match first {
                Ok(first) => self.work(first),
                Err(RecvTimeoutError::Timeout) => self.end_overdue_leases(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.watchers.serve(&self.connection);
        }
    }

    fn work(&mut self, first: Command) {
        let mut requests = Vec::new();
        let waiting = std::iter::once(first).chain(self.received.try_iter());
        for command in waiting.take(MAX_BATCH) {
            match command {
                Command::Request(request) => requests.push(request),
                Command::Watch {
                    prefix,
                    after,
                    answer,
                } => {
                    let receiver = self.watchers.add(&self.connection, prefix, after);
                    let _ = answer.send(receiver);
                }
            }
        }
        batch::run(&mut self.connection, requests, self.revisions_kept);
    }

    fn end_overdue_leases(&mut self) {
        let overdue = leases::any_overdue(&self.connection);
        if !matches!(overdue, Ok(false)) {
            // An empty batch ends them; what fails is tried again at the next tick.
            batch::run(&mut self.connection, Vec::new(), self.revisions_kept);
        }
    }
}
