//! What the next start is told of the extents, so that it need not look at each.

use crate::format::HeldRecord;

use super::Replica;

impl Replica {
    /// What the extents hold as of the newest record of the dirty log; nothing while the next one is being
    /// written. An extent that has marks may change without another record, and one that is being copied
    /// here has none: both are left out.
    pub fn note(&self) -> Option<HeldRecord> {
        if self.failed || self.log.is_writing() {
            return None;
        }
        let marked = |extent| self.log.marks(extent);
        let settled = self.held.counts().filter(|(file, _)| !marked(file.extent));
        Some(HeldRecord {
            volume: self.volume,
            sequence: self.log.sequence(),
            extents: settled.collect(),
        })
    }
}
