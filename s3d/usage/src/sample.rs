//! What something held at a time.

use serde::{Deserialize, Serialize};

/// What something held at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Sample {
    /// Of objects and of the parts of uploads; of the pool, what volumes hold on disks.
    pub bytes: u64,
    /// Objects; 0 for the pool, which does not know.
    pub objects: u64,
}

impl Sample {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            objects: self.objects.saturating_add(other.objects),
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            objects: self.objects.saturating_sub(other.objects),
        }
    }
}

impl From<(u64, u64)> for Sample {
    fn from((bytes, objects): (u64, u64)) -> Self {
        Self { bytes, objects }
    }
}

impl From<Sample> for (u64, u64) {
    fn from(sample: Sample) -> Self {
        (sample.bytes, sample.objects)
    }
}
