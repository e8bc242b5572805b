//! How fast the background reads and writes, and how long it waits for clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use volumed_core::{ByteCount, DiskNumber};

use crate::volumes::Shared;

/// A busy disk is left to its clients for so long before each piece of an extent that moves.
const YIELD: Duration = Duration::from_millis(50);

/// How long an extent is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// As long as the disk that it is on is drained.
    WhileDrained,
    /// Until the daemon stops.
    UntilStop,
}

/// How fast an extent is moved.
pub(crate) struct Pace {
    pub shared: Arc<Shared>,
    pub from: DiskNumber,
    /// Bytes in a second, at most.
    pub rate: ByteCount,
    pub wanted: Wanted,
    /// When the last piece was begun.
    pub last: Instant,
}

impl Pace {
    /// So much was copied: waits until more may be; false if nobody wants that any more.
    pub async fn goes_on(&mut self, bytes: u64) -> bool {
        let pause = at_rate(bytes, self.rate).saturating_sub(self.last.elapsed());
        tokio::time::sleep(pause).await;
        leave_to_clients(&self.shared, self.from, YIELD).await;
        self.last = Instant::now();
        match self.wanted {
            Wanted::WhileDrained => self.shared.drains.is_wanted(self.from),
            Wanted::UntilStop => !self.shared.is_stopping(),
        }
    }
}

/// Waits while clients keep the disk busy, but not for ever.
pub(crate) async fn leave_to_clients(shared: &Arc<Shared>, disk: DiskNumber, most: Duration) {
    let until = Instant::now() + most;
    let busy = || {
        let all = shared.node.disks.all();
        all.get(&disk).is_some_and(|on| on.pool.is_busy())
    };
    while busy() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn at_rate(bytes: u64, rate: ByteCount) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.0.max(1) as f64)
}
