//! Copies: SQLite files with what an etcd holds at one revision.

use std::path::Path;

use tokio::sync::mpsc::{Sender, channel};

use super::EtcdStore;
use super::range::Pages;
use crate::copy::{Copied, CopyError};
use crate::failure::StoreError;
use crate::sqlite::{Piece, write_file};

/// Pages that wait to be written.
const QUEUE: usize = 2;

/// Keys of leases are left out: whoever holds one now is gone when the copy becomes a store.
pub async fn copy(store: &EtcdStore, to: &Path) -> Result<Copied, CopyError> {
    let (pieces, mut received) = channel(QUEUE);
    let to = to.to_owned();
    let broken_off = || StoreError::Unavailable("it was not read to its end".to_owned());
    let writing = tokio::task::spawn_blocking(move || {
        let next = || Ok(received.blocking_recv().ok_or_else(broken_off)?);
        write_file(&to, next)
    });
    let read = read(store, pieces).await;
    let written = writing
        .await
        .map_err(|error| CopyError::Thread(error.into()))?;
    read?;
    written
}

/// Until the end, or until the writer takes no more, which says itself why.
async fn read(store: &EtcdStore, pieces: Sender<Piece>) -> Result<(), StoreError> {
    let mut pages = Pages::of(&store.members, &store.keys, b"", None, usize::MAX);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            let _ = pieces.send(Piece::End(pages.revision().await?)).await;
            return Ok(());
        }
        let lasting = page.into_iter().filter(|found| !found.leased);
        let entries = Piece::Entries(lasting.map(|found| found.entry).collect());
        if pieces.send(entries).await.is_err() {
            return Ok(());
        }
    }
}
