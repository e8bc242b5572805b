//! Staying in the cluster: the node's lease is renewed, and under it stands what the node says of itself.

use std::sync::{Arc, Weak};
use std::time::Duration;

use volumed_meta::{Change, StoreError};

use super::lease::RENEWAL;
use super::others::Others;
use super::presence::{Presence, PresentDisk, presence_key};
use crate::store::records::{VERSION, encode};
use crate::view::DiskState;
use crate::volumes::Shared;

/// How often it is looked whether the lease stands.
const LOOK: Duration = Duration::from_millis(200);

/// How often a node says what has changed little.
const REFRESH: u32 = 30;

/// Renews the lease until the volumes are gone or stop.
pub(crate) async fn stay(shared: Weak<Shared>, others: Arc<Others>) {
    let mut said = None;
    let mut rounds = 0;
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.has_stopped() {
            return;
        }
        rounds += 1;
        if let Err(error) = round(&shared, &others, &mut said, rounds % REFRESH == 0).await {
            tracing::warn!(%error, left = ?others.lease.left(), "the node's lease is not renewed");
        }
        drop(shared);
        tokio::time::sleep(RENEWAL).await;
    }
}

async fn round(
    shared: &Shared,
    others: &Others,
    said: &mut Option<Presence>,
    refresh: bool,
) -> Result<(), StoreError> {
    let store = &*shared.node.store;
    match others.lease.renew(store).await {
        Err(StoreError::LeaseEnded) => {
            // Before there is another one: whoever else took a volume over, these heads do not know.
            shared.abandon_heads();
            others.lease.take(store).await?;
            *said = None;
        }
        renewed => renewed?,
    }
    let now = shared.presence();
    let differs = said.as_ref().is_none_or(|it| now.differs_much(it));
    if differs || (refresh && said.as_ref() != Some(&now)) {
        say(shared, others, &now).await?;
        *said = Some(now);
    }
    Ok(())
}

/// Puts what the node says of itself under its lease.
pub(crate) async fn say(
    shared: &Shared,
    others: &Others,
    presence: &Presence,
) -> Result<(), StoreError> {
    let lease = others.lease.id().ok_or(StoreError::LeaseEnded)?;
    let put = Change::PutLeased(presence_key(others.own.number), encode(presence), lease);
    shared.node.store.transact(Vec::new(), vec![put]).await?;
    Ok(())
}

/// V1: ends the node's heads once the lease has ended.
pub(crate) async fn end_when_it_ends(shared: Weak<Shared>, others: Arc<Others>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if others.lease.stands() || shared.has_stopped() {
            continue;
        }
        shared.abandon_heads();
    }
}

impl Shared {
    /// V1: this node serves no volume any more, whatever is under way.
    fn abandon_heads(&self) {
        let served = self.all().into_iter().filter(|it| it.machine.has_head());
        for volume in served {
            tracing::warn!(volume = %volume.name, "the node's lease has ended: it does not serve the volume any more");
            let epoch = volume.machine.head_epoch();
            volume.machine.abandon();
            let ending = self.node.others.as_ref().map(|others| others.ending());
            self.node.runtime.spawn(async move {
                volume.abandon().await;
                drop(ending);
                if let Some(epoch) = epoch {
                    volume.leave(epoch).await;
                }
            });
        }
    }

    /// What the node says of itself now.
    pub(crate) fn presence(&self) -> Presence {
        let disks = self.node.disks.all();
        let present = disks.values().map(|on| {
            let view = self.view(on);
            let usable = view.state == DiskState::Online && view.drain.is_none();
            PresentDisk {
                number: on.number.0,
                id: on.disk.id().to_string(),
                capacity: view.capacity.0,
                used: view.used.0,
                free: if usable { view.free.0 } else { 0 },
                draining: view.drain.is_some(),
                waits: view.drain.is_some_and(|drain| drain.waits()),
            }
        });
        let served = self.all().into_iter().filter(|it| it.machine.has_head());
        Presence {
            version: VERSION,
            disks: present.collect(),
            served: served.count() as u32,
        }
    }
}
