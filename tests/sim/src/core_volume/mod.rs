//! A volume's head and replicas on simulated disks that lose power and fail, and a model that says
//! what the volume may hold.

mod copying;
mod disk;
mod extent;
mod life;
mod model;
mod moves;
mod placed;
mod replicated;
mod requests;
mod weather;
mod world;

pub use copying::move_extents;
pub use life::{Volume, live};
pub use replicated::{Fared, rebuild, replicate};
pub use volumed_core::rules::Rule;

/// What is broken on purpose, to see that it is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Broken {
    /// Nothing.
    #[default]
    Nothing,
    /// A rule of head or replica.
    Rule(Rule),
    /// What is around them: they rely on a disk, or on the node, that does not keep its word.
    Lie(Lie),
}

impl Broken {
    fn rule(self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Nothing | Self::Lie(_) => None,
        }
    }

    fn is(self, lie: Lie) -> bool {
        self == Self::Lie(lie)
    }
}

/// What a disk, or the node, does that it must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// V2: the old owner's connections are still read when the new one is answered.
    ReadsOldConnections,
    /// V3: a durable write is answered while it is only in the page cache.
    DurableWriteEarly,
    /// V3: a sync is answered and not done.
    FlushSkipped,
    /// V4: a removal of which the store did not tell the outcome is taken for one that failed.
    GuessesRemoval,
    /// V5: the dirty log is never written.
    MarksSkipped,
    /// V5: a region becomes clean though its sums are only in the page cache.
    CleanWithoutSums,
    /// V6: a region is summed anew from the page cache, which is not made durable.
    ResumWithoutSync,
    /// V4: a copy's record of which the store did not tell the outcome is taken for one as before.
    GuessesSwitch,
    /// V7: a disk gets extents before the store knows its incarnation.
    PlacesUnnoted,
    /// V8: a sync that failed is tried again, and then finds nothing to do.
    SyncRetried,
    /// V10: what is read is not compared with its sum.
    ReadUnchecked,
    /// V10: nor is what an unaligned write is merged with.
    MergeUnchecked,
    /// V11: a new extent holds what an older one left.
    ForeignBytes,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ReadsOldConnections,
        Self::DurableWriteEarly,
        Self::FlushSkipped,
        Self::GuessesRemoval,
        Self::MarksSkipped,
        Self::CleanWithoutSums,
        Self::ResumWithoutSync,
        Self::GuessesSwitch,
        Self::PlacesUnnoted,
        Self::SyncRetried,
        Self::ReadUnchecked,
        Self::MergeUnchecked,
        Self::ForeignBytes,
    ];
}
