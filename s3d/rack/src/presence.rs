//! What an s3d says of itself to the others, for as long as it lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use s3d_records::put_leased;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use volumed_cluster::{NodeId, NodeName, NodeNumber};
use volumed_meta::{LeaseId, MetaStore, StoreError};

/// `s3d/nodes/<number>`: the presence of a node, under a lease.
pub const PREFIX: &str = "s3d/nodes/";

/// Seconds without a word of it after which a node counts as gone.
const LEASE: u64 = 4;

/// How often its lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// An s3d that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Its node's number.
    pub number: NodeNumber,
    /// Its node's id: its certificate must be this node's.
    pub node: NodeId,
    /// What people call its node.
    pub name: NodeName,
    /// Where the other nodes forward requests to.
    pub forward: SocketAddr,
    /// When it was started, in seconds since 1970.
    pub started: u64,
    /// How many buckets it has open.
    pub buckets: usize,
    /// It gives its buckets up and takes no others.
    pub draining: bool,
}

/// The key of a node's presence.
pub fn key(number: NodeNumber) -> String {
    format!("{PREFIX}{number}")
}

/// Keeps a presence in the store as it changes. Once there is none any more, it is gone for the others at
/// once.
pub async fn announce(store: Arc<dyn MetaStore>, mut presence: watch::Receiver<Option<Presence>>) {
    let mut turn = interval(RENEW_EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lease = None;
    while presence.borrow().is_some() {
        let changed = tokio::select! {
            changed = presence.changed() => match changed {
                Ok(()) => true,
                Err(_) => break,
            },
            _ = turn.tick() => false,
        };
        let said = say(&*store, lease, changed, &mut presence).await;
        lease = match said {
            Ok(lease) => Some(lease),
            Err(StoreError::LeaseEnded) => {
                tracing::warn!("this node was taken for gone: it was not heard of in time");
                turn.reset_immediately();
                None
            }
            // The lease may still be there, and is renewed or found out to have ended.
            Err(error) => {
                tracing::warn!(%error, "this node cannot be announced to the others");
                lease.filter(|_| !changed)
            }
        };
    }
    if let Some(lease) = lease
        && let Err(error) = store.end_lease(lease).await
    {
        tracing::warn!(%error, "the other nodes take this one for there a moment longer");
    }
}

async fn say(
    store: &dyn MetaStore,
    lease: Option<LeaseId>,
    changed: bool,
    presence: &mut watch::Receiver<Option<Presence>>,
) -> Result<LeaseId, StoreError> {
    let (lease, is_new) = match lease {
        Some(lease) => {
            store.renew_lease(lease).await?;
            (lease, false)
        }
        None => (store.grant_lease(LEASE).await?, true),
    };
    if changed || is_new {
        let now = presence.borrow_and_update().clone();
        let change = now.map(|now| put_leased(key(now.number), &now, lease));
        store.transact(vec![], Vec::from_iter(change)).await?;
    }
    Ok(lease)
}
