//! Watches that outlive connections.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Event as Told, EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::failure::Failure;
use super::keys::Keys;
use super::members::{LARGEST_ANSWER, Members, PAUSE};
use super::range::{in_etcd, of_etcd};
use crate::store::Event;
use crate::transaction::Revision;

/// Events that wait for a watcher; more wait at the member.
const QUEUE: usize = 256;

/// How long a watch that was lost is tried to be begun again. Then it ends, so that nobody takes its
/// silence for that of a store in which nothing changes.
const GIVE_UP: Duration = Duration::from_secs(10);

/// How long a member has to begin one.
const BEGIN: Duration = Duration::from_secs(2);

/// What is watched, and how far the watcher has come.
struct Watch {
    members: Arc<Members>,
    keys: Keys,
    prefix: Vec<u8>,
    /// All changes up to this one were sent, or are none of the watcher's.
    seen: Revision,
    events: mpsc::Sender<Event>,
}

/// Why a watch goes no further.
enum End {
    /// Nobody listens, or what the watcher has not seen is no longer kept.
    ForGood,
    /// The connection, or the member: another one goes on.
    Lost(String),
    /// All calls go to the nearest member again.
    Returned,
}

/// Sends the changes below `prefix` after the revision `after`, in a task that ends with the receiver
/// or with `store`.
pub fn begin(
    members: Arc<Members>,
    keys: Keys,
    prefix: &[u8],
    after: Revision,
    store: watch::Receiver<()>,
) -> mpsc::Receiver<Event> {
    let (events, receiver) = mpsc::channel(QUEUE);
    let watch = Watch {
        members,
        keys,
        prefix: prefix.to_vec(),
        seen: after,
        events,
    };
    tokio::spawn(watch.run(store));
    receiver
}

impl Watch {
    async fn run(mut self, mut store: watch::Receiver<()>) {
        let events = self.events.clone();
        tokio::select! {
            () = self.follow() => {}
            () = events.closed() => {}
            // It is told nothing, and ends when the store is dropped.
            _ = store.changed() => {}
        }
    }

    async fn follow(&mut self) {
        let mut turn = self.members.turn().await;
        let mut lost = None;
        loop {
            match self.follow_once(turn, &mut lost).await {
                End::ForGood => return,
                End::Lost(text) => {
                    tracing::debug!(error = text, "a watch of etcd is begun again");
                    let since = *lost.get_or_insert_with(Instant::now);
                    if since.elapsed() > GIVE_UP {
                        return;
                    }
                    turn += 1;
                    sleep(PAUSE).await;
                }
                End::Returned => turn = self.members.turn().await,
            }
        }
    }

    /// Until the connection ends; `lost` is taken back once a member answers.
    async fn follow_once(&mut self, turn: usize, lost: &mut Option<Instant>) -> End {
        // A connection of its own: a watcher that does not listen holds up nobody else.
        let (mut stream, created) = match timeout(BEGIN, self.open(turn)).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(end)) => return end,
            Err(_) => return End::Lost("no member began the watch in time".to_owned()),
        };
        *lost = None;
        let mut returns = self.members.returns();
        let mut answer = created;
        loop {
            if let Err(end) = self.take(&answer).await {
                return end;
            }
            let next = tokio::select! {
                next = stream.message() => next,
                _ = returns.changed() => return End::Returned,
            };
            answer = match next {
                Ok(Some(next)) => next,
                Ok(None) => return End::Lost("the member ended the watch".to_owned()),
                Err(error) => return of(error),
            };
        }
    }

    async fn open(&self, turn: usize) -> Result<(WatchStream, WatchResponse), End> {
        let connected = self.members.connect(turn).await;
        let client = connected.map_err(|error| End::Lost(error.to_string()))?;
        let watching = client.watch_client();
        let mut watching = watching.max_decoding_message_size(LARGEST_ANSWER);
        // From what was seen, not from behind it: etcd then says that changes are missing exactly if
        // one that was not seen is. What was seen is passed over.
        let options = WatchOptions::new()
            .with_range(self.keys.end_of(&self.prefix))
            .with_start_revision(in_etcd(self.seen.max(1)))
            .with_progress_notify();
        let begin = self.keys.in_etcd(&self.prefix);
        let mut stream = watching.watch(begin, Some(options)).await.map_err(of)?;
        match stream.message().await {
            Ok(Some(created)) => Ok((stream, created)),
            Ok(None) => Err(End::Lost("the member began no watch".to_owned())),
            Err(error) => Err(of(error)),
        }
    }

    /// An answer has whole revisions.
    async fn take(&mut self, answer: &WatchResponse) -> Result<(), End> {
        if answer.compact_revision() > 0 {
            return Err(End::ForGood);
        }
        if answer.canceled() {
            return Err(End::Lost(answer.cancel_reason().to_owned()));
        }
        let newest = answer
            .header()
            .map_or(0, |header| of_etcd(header.revision()));
        let mut seen = self.seen;
        for told in answer.events() {
            let Some(event) = self.event(told).filter(|event| event.revision > self.seen) else {
                continue;
            };
            seen = event.revision;
            self.events.send(event).await.map_err(|_| End::ForGood)?;
        }
        // A notice of progress: nothing of ours up to there is still to come.
        let is_progress = answer.events().is_empty() && !answer.created();
        self.seen = if is_progress { seen.max(newest) } else { seen };
        Ok(())
    }

    fn event(&self, told: &Told) -> Option<Event> {
        let found = told.kv()?;
        let value = match told.event_type() {
            EventType::Put => Some(found.value().to_vec()),
            EventType::Delete => None,
        };
        Some(Event {
            revision: of_etcd(found.mod_revision()),
            key: self.keys.of_caller(found.key().to_vec()),
            value,
        })
    }
}

fn of(error: etcd_client::Error) -> End {
    match Failure::from(error) {
        Failure::NotBegun(text) | Failure::Lost(text) | Failure::Refused(text) => End::Lost(text),
        Failure::LeaseEnded | Failure::Compacted => End::ForGood,
    }
}
