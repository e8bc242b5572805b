//! Releases what doomed blobs and uploads name, a bounded number of rows at a time (B6, B7): however
//! large an object is, deleting it writes a short record and keeps nobody waiting.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::commit::change::{Change, Done};
use crate::commit::messages::{Message, Submission};
use crate::errors::ClosedError;
use crate::format::rows::{Doomed, Table};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::shared::Shared;

/// Releases what is doomed, in a full pool only the first of it: the space that comes back lets the
/// index record the rest.
pub async fn release(
    shared: &Arc<Shared>,
    messages: &mpsc::WeakSender<Message>,
) -> Result<(), ClosedError> {
    while let Some(doomed) = shared.index.read(first_doomed).await? {
        // A read that began before may not have looked up all slices yet.
        shared.pins.wait_for_earlier().await;
        loop {
            match step(messages, doomed.clone()).await {
                Some(Done::Released { more: true }) if shared.reserve.is_held() => {}
                // Refused or not, it goes on once rows were folded.
                Some(Done::Released { more: true }) | None => return Ok(()),
                Some(_) => break,
            }
        }
    }
    Ok(())
}

fn first_doomed(reader: &Reader) -> Result<Option<Doomed>, IndexError> {
    let row = reader.cursor(Table::Doomed)?.next()?;
    let doomed = row.map(|(key, _)| Doomed::from_key(&key)).transpose()?;
    Ok(doomed)
}

async fn step(messages: &mpsc::WeakSender<Message>, doomed: Doomed) -> Option<Done> {
    let (answer, done) = oneshot::channel();
    let change = Box::new(Change::Release { doomed });
    let submission = Submission { change, answer };
    messages
        .upgrade()?
        .send(Message::Submit(submission))
        .await
        .ok()?;
    done.await.ok()?.ok()
}
