//! An archive on its way: objects are read one after the other, as fast as the client takes them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use s3d_bucket::{Bucket, Key};
use s3d_buckets::BucketRecord;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

use super::chosen::{Chosen, check_owner, list, objects};
use super::error::ArchiveError;
use super::zip::{DIRECTORY_LIMIT, Zip};

/// Chunks, of 1 MiB at most, that wait for the client.
const AHEAD: usize = 2;

/// The body of an answer; `permit` is given back behind its last byte, or when it is given up.
pub fn body(
    bucket: Arc<Bucket>,
    record: Arc<BucketRecord>,
    chosen: Chosen,
    permit: OwnedSemaphorePermit,
) -> Body {
    let (chunks, mut sent) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let sending = Sending {
            bucket,
            record,
            chosen,
            chunks: chunks.clone(),
            zip: Zip::default(),
        };
        let sent = sending.run().await;
        // It may be long until a client that stalls takes the error.
        drop(permit);
        let error = match sent {
            Ok(()) | Err(Stop::Left) => return,
            Err(Stop::Stalled) => io::Error::from(io::ErrorKind::TimedOut),
            Err(Stop::Failed(error)) => io::Error::other(error),
        };
        tracing::warn!(%error, "an archive ends before its end");
        // The connection breaks: what the client has must not look whole.
        let _ = chunks.send(Err(error)).await;
    });
    Body::from_stream(stream::poll_fn(move |context| sent.poll_recv(context)))
}

/// How long a client may take none of it: others wait for their turn.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why an archive is not sent to its end.
#[derive(Debug)]
enum Stop {
    /// The client went away.
    Left,
    /// It takes no more.
    Stalled,
    Failed(ArchiveError),
}

impl<E: Into<ArchiveError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Sending {
    bucket: Arc<Bucket>,
    record: Arc<BucketRecord>,
    chosen: Chosen,
    chunks: Sender<io::Result<Bytes>>,
    zip: Zip,
}

impl Sending {
    async fn run(mut self) -> Result<(), Stop> {
        for key in std::mem::take(&mut self.chosen.keys) {
            self.object(&key).await?;
        }
        for prefix in std::mem::take(&mut self.chosen.prefixes) {
            let mut after = None;
            loop {
                let page = list(&self.bucket, &prefix, after).await?;
                for (key, _) in objects(page.entries) {
                    self.object(&key).await?;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        let end = std::mem::take(&mut self.zip).finish();
        self.send(end.into()).await
    }

    /// One object; one that is gone by now is left out.
    async fn object(&mut self, key: &Key) -> Result<(), Stop> {
        let Some(found) = self.bucket.find(key).await? else {
            return Ok(());
        };
        check_owner(&self.record, key, &found)?;
        if self.zip.directory_length() > DIRECTORY_LIMIT {
            return Err(ArchiveError::TooMany.into());
        }
        let name = self.chosen.name_of(key);
        let (mut member, header) = self.zip.begin(&name, found.size, found.modified);
        self.send(header.into()).await?;
        let mut reader = self.bucket.read(&found, 0..found.size);
        while let Some(chunk) = reader.next().await {
            let chunk = chunk?;
            member.add(&chunk);
            self.send(chunk).await?;
        }
        let descriptor = self.zip.end(&member);
        self.send(descriptor.into()).await
    }

    async fn send(&self, chunk: Bytes) -> Result<(), Stop> {
        match timeout(PATIENCE, self.chunks.send(Ok(chunk))).await {
            Ok(sent) => sent.map_err(|_| Stop::Left),
            Err(_) => Err(Stop::Stalled),
        }
    }
}
