//! What a bucket holds, counted exactly.

use serde::{Deserialize, Serialize};

/// What a bucket holds. Bytes are those that clients sent: a copy counts in full, whatever it shares
/// with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Objects.
    pub objects: u64,
    /// Bytes of all objects.
    pub object_bytes: u64,
    /// Multipart uploads under way.
    pub uploads: u64,
    /// Bytes of all parts of the uploads under way.
    pub part_bytes: u64,
}

impl Totals {
    /// What counts against the quota: the bytes of objects and of parts.
    pub fn bytes(&self) -> u64 {
        self.object_bytes + self.part_bytes
    }

    /// Whether the bucket may go from here to `next` under `quota`, in bytes. What shrinks it, or
    /// leaves it as large as it is, always may.
    pub(crate) fn may_become(&self, next: &Self, quota: Option<u64>) -> bool {
        next.bytes() <= self.bytes() || quota.is_none_or(|quota| next.bytes() <= quota)
    }

    /// An object of `new` bytes in place of one of `old` bytes; `None` is no object.
    pub(crate) fn replace_object(mut self, old: Option<u64>, new: Option<u64>) -> Self {
        self.objects = self.objects - u64::from(old.is_some()) + u64::from(new.is_some());
        self.object_bytes = self.object_bytes - old.unwrap_or(0) + new.unwrap_or(0);
        self
    }

    /// The same for a part.
    pub(crate) fn replace_part(mut self, old: Option<u64>, new: u64) -> Self {
        self.part_bytes = self.part_bytes - old.unwrap_or(0) + new;
        self
    }

    pub(crate) fn begin_upload(mut self) -> Self {
        self.uploads += 1;
        self
    }

    /// An upload with `bytes` of parts is no more.
    pub(crate) fn end_upload(mut self, bytes: u64) -> Self {
        self.uploads -= 1;
        self.part_bytes -= bytes;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(object_bytes: u64, part_bytes: u64) -> Totals {
        Totals {
            object_bytes,
            part_bytes,
            ..Totals::default()
        }
    }

    #[test]
    fn a_quota_stops_growth_and_nothing_else() {
        let full = of(60, 40);
        assert!(full.may_become(&of(61, 40), None));
        assert!(full.may_become(&of(61, 40), Some(101)));
        assert!(!full.may_become(&of(61, 40), Some(100)));
        for under in [of(100, 0), of(60, 39)] {
            assert!(full.may_become(&under, Some(10)));
        }
    }
}
