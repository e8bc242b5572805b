//! The store of one node: one SQLite file, which several processes may have open.
//!
//! All SQLite work of a process is done by one thread of its own, so no runtime ever waits for a
//! disk. What waits for the thread at one time is committed, and synced, as one.

mod apply;
mod batch;
mod copy;
mod leases;
mod replace;
mod request;
mod schema;
mod watch;
mod worker;
mod write;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{self, oneshot};

pub use copy::copy_file;
pub use replace::{ReplaceError, put_away, refuse_if_open, replace};
use request::{Command, Read, Request, Write};
pub use schema::OpenFileError;
use worker::Worker;
pub use write::{Contents, Piece, write_file};

use crate::copy::{Copied, CopyError};
use crate::failure::StoreError;
use crate::limits;
use crate::store::{Entry, Event, MetaStore};
use crate::transaction::{Change, Compare, LeaseId, Outcome, Revision};

/// How many revisions a watcher may be behind.
const REVISIONS_KEPT: u64 = 2_048;

/// A [`MetaStore`] in a SQLite file. Dropping it waits until the file is closed.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the store, or makes a new one readable by its owner only if there is no file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenFileError> {
        Self::open_keeping(path.as_ref(), REVISIONS_KEPT)
    }

    fn open_keeping(path: &Path, revisions_kept: u64) -> Result<Self, OpenFileError> {
        let connection = schema::open(path)?;
        let (commands, received) = mpsc::channel();
        let worker = Worker::new(connection, received, revisions_kept);
        let thread = std::thread::Builder::new()
            .name("meta".into())
            .spawn(move || worker.run())
            .map_err(OpenFileError::Thread)?;
        Ok(Self {
            path: path.to_owned(),
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let ended = || StoreError::Unavailable("the store's thread has ended".into());
        let commands = self.commands.as_ref().ok_or_else(ended)?;
        commands.send(command(answer)).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn read<T>(
        &self,
        read: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Read,
    ) -> Result<T, StoreError> {
        self.ask(|answer| Command::Request(Request::Read(read(answer))))
            .await
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Write,
    ) -> Result<T, StoreError> {
        self.ask(|answer| Command::Request(Request::Write(write(answer))))
            .await
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl MetaStore for SqliteStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.read(Read::Revision).await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let key = key.to_vec();
        self.read(|answer| Read::Get { key, answer }).await
    }

    async fn range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Revision, Vec<Entry>), StoreError> {
        let (prefix, after) = (prefix.to_vec(), after.map(<[u8]>::to_vec));
        self.read(|answer| Read::Range {
            prefix,
            after,
            limit,
            answer,
        })
        .await
    }

    async fn transact(
        &self,
        compares: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<Outcome, StoreError> {
        limits::check(&compares, &changes)?;
        self.write(|answer| Write::Transact {
            compares,
            changes,
            answer,
        })
        .await
    }

    async fn watch(
        &self,
        prefix: &[u8],
        after: Revision,
    ) -> Result<sync::mpsc::Receiver<Event>, StoreError> {
        let prefix = prefix.to_vec();
        self.ask(|answer| Command::Watch {
            prefix,
            after,
            answer,
        })
        .await
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, CopyError> {
        let (from, to) = (self.path.clone(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || copy_file(&from, &to, |_, _| {})).await;
        copied.map_err(|error| CopyError::Thread(error.into()))?
    }

    async fn grant_lease(&self, seconds: u64) -> Result<LeaseId, StoreError> {
        self.write(|answer| Write::GrantLease { seconds, answer })
            .await
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.write(|answer| Write::RenewLease { lease, answer })
            .await
    }

    async fn end_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.write(|answer| Write::EndLease { lease, answer }).await
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
