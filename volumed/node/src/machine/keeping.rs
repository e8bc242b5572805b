//! What the replicas find damaged is kept in the store.

use std::time::Duration;

use volumed_core::DiskNumber;

use super::{Arc, Machine};
use crate::store::damage::write;

/// How long to wait for a store that is away.
const RETRY: Duration = Duration::from_millis(500);

/// Has the store know what the replica on a disk knows. Until it does, a crash forgets it: whoever
/// reads the block finds it damaged again.
pub(super) async fn keep(machine: Arc<Machine>, disk: DiskNumber) {
    let mut kept = machine.damage.lock().await;
    loop {
        let now = machine.damage_on(disk);
        if kept.get(&disk).cloned().unwrap_or_default() == now {
            return;
        }
        match write(&*machine.node.store, machine.volume, disk, &now).await {
            Ok(()) => {
                kept.insert(disk, now);
            }
            Err(error) => {
                tracing::warn!(volume = %machine.volume, %error, "damage cannot be noted yet");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
