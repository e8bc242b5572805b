//! The rules that the simulation breaks, one at a time, to prove that it would notice.

/// A rule, by the step that keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// V1: a replica refuses every epoch but the one that it promised.
    Fence,
    /// V1: a promise is durable before it is answered.
    PromiseDurable,
    /// V1: a promise waits for what an older head began.
    PromiseWaits,
    /// V1: a replica that promised holds what the store places on it, and nothing else.
    Reconcile,
    /// V3: pieces that share a block happen as they came.
    Order,
    /// V3: a write ends when every in-sync replica has it.
    EveryReplica,
    /// V3: a flush waits for the syncs that run.
    RunningSyncs,
    /// V3: a sync that failed is not the last of its extents.
    FailedSync,
    /// V3: what was dirty when a head begins counts as unsynced.
    DirtyAtStart,
    /// V4: what one in-sync replica refused is not acknowledged.
    OneRefuses,
    /// V4: nothing is acknowledged before a replica that lacks it is recorded stale.
    RecordStale,
    /// V4: the last in-sync replica is never recorded stale.
    LastInSync,
    /// V4: of an extent that gives replicas up, the last one in sync stays.
    LastStays,
    /// V4: a replica that is being given up is none on which others are excluded.
    LeavingIsNone,
    /// V3: what was resynced is durable before its disk counts as in sync.
    ResyncDurable,
    /// V4: a replica notes what others miss before it is unmarked.
    NoteMissed,
    /// V4: a disk that falls behind misses what was marked then, too.
    MissedBefore,
    /// V4: who comes in sync, or gets an extent, knows what others missed of it.
    ShareMissed,
    /// V4: a stale disk that lost a file is resynced as a whole.
    LostFiles,
    /// V6: replicas are made equal where they were dirty before anybody is served.
    AgreeFirst,
    /// V6: what one gave the others is durable there before anybody is served.
    AgreeDurably,
    /// V6: they are made equal where a change failed.
    AgreeAfter,
    /// V6: those on their way to be in sync are made equal there, too.
    FollowersBehind,
    /// V7: one that lost what was not flushed follows one that did not.
    RestartedIsNoSource,
    /// V9: a head does not go on with a disk that lost what was not flushed, and is the last in sync.
    LastMayLack,
    /// V10: a block that is damaged on one replica is made good from another.
    ReadRepair,
    /// V5: a region is marked before it is written.
    MarkBeforeWrite,
    /// V5: a region that is being unmarked is marked anew before it is written.
    MarkAnew,
    /// V5: a region that was written while it was cleaned stays marked.
    Touched,
    /// V5: a region that a replica could not settle stays marked.
    Unsettled,
    /// V5: the sums of a region are in its file before it is unmarked.
    StoreSettled,
    /// V5: sums that changed while they were stored are stored again.
    StoreAnew,
    /// V5: sums are stored once at a time.
    StoreAlone,
    /// V10: sums are forgotten only once their file has them.
    StoreEvicted,
    /// V5: the slots of the log are written in turn.
    SlotsInTurn,
    /// V5: a log of which nothing can be read names every region.
    DamagedLog,
    /// V5: no more regions are dirty than the bound allows.
    Bound,
    /// V3: a part of an extent is copied while nothing else of it is under way.
    CopyAlone,
    /// V3: what was copied already is changed in both places.
    CopyBoth,
    /// V3: a copy that may differ is given up.
    CopyGivenUp,
    /// V3: so is one whose disk left, which may have lost what it had.
    CopyLeft,
    /// V3: a disk that joins has removed what it is not to hold before it gets anything.
    RemovedFirst,
    /// V5: a copy is durable before it is the replica.
    CopySettled,
    /// V5: a copy has the marks of its regions before it is the replica.
    CopyMarks,
    /// V10: a block that is damaged is so in its copy, too.
    CopyDamage,
    /// V7: a replica refuses a head that counts on what was lost.
    SameIncarnation,
    /// V8: after a failed sync nothing is acknowledged.
    FailedDisk,
    /// V9: a token ends with what may have lost something.
    TokenDies,
    /// V10: a region that was dirty at an unclean stop is summed anew before its sums count.
    SumAnew,
    /// V10: so is one in which a write failed half way.
    HalfWritten,
    /// V10: what was lost with a disk is not read.
    LostRead,
    /// V10: nothing is merged with what was lost.
    LostMerge,
    /// V3: what replaces lost blocks is durable before they are called well.
    MendDurable,
    /// V3: lost blocks are called well before who replaced them is answered.
    MendNoted,
    /// V11: nothing is remembered of an extent that was freed.
    Forget,
    /// V12: space is taken before anything is written.
    Reserve,
    /// V12: space that a trim frees is given back.
    GiveBack,
    /// V12: a head passes over answers to another one.
    OwnAnswers,
    /// V13: a head of a volume that holds nothing begins without a disk that is in sync.
    NothingHeld,
    /// V13: who waits for the marks of another goes on once they are there.
    WakeWriters,
    /// V13: who waits for the sums of a region goes on once they are there.
    WakeReaders,
    /// V14: what has to be summed anew is not read past the replica.
    ReadableSums,
    /// V14: nor is anything after a failed sync.
    ReadableDisk,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 63] = [
        Self::Fence,
        Self::PromiseDurable,
        Self::PromiseWaits,
        Self::Reconcile,
        Self::Order,
        Self::EveryReplica,
        Self::RunningSyncs,
        Self::FailedSync,
        Self::DirtyAtStart,
        Self::OneRefuses,
        Self::RecordStale,
        Self::LastInSync,
        Self::LastStays,
        Self::LeavingIsNone,
        Self::ResyncDurable,
        Self::NoteMissed,
        Self::MissedBefore,
        Self::ShareMissed,
        Self::LostFiles,
        Self::AgreeFirst,
        Self::AgreeDurably,
        Self::AgreeAfter,
        Self::FollowersBehind,
        Self::RestartedIsNoSource,
        Self::LastMayLack,
        Self::ReadRepair,
        Self::MarkBeforeWrite,
        Self::MarkAnew,
        Self::Touched,
        Self::Unsettled,
        Self::StoreSettled,
        Self::StoreAnew,
        Self::StoreAlone,
        Self::StoreEvicted,
        Self::SlotsInTurn,
        Self::DamagedLog,
        Self::Bound,
        Self::CopyAlone,
        Self::CopyBoth,
        Self::CopyGivenUp,
        Self::CopyLeft,
        Self::RemovedFirst,
        Self::CopySettled,
        Self::CopyMarks,
        Self::CopyDamage,
        Self::SameIncarnation,
        Self::FailedDisk,
        Self::TokenDies,
        Self::SumAnew,
        Self::HalfWritten,
        Self::LostRead,
        Self::LostMerge,
        Self::MendDurable,
        Self::MendNoted,
        Self::Forget,
        Self::Reserve,
        Self::GiveBack,
        Self::OwnAnswers,
        Self::NothingHeld,
        Self::WakeWriters,
        Self::WakeReaders,
        Self::ReadableSums,
        Self::ReadableDisk,
    ];
}

/// Which rules a machine keeps: all, unless the feature `breakable` is on and one is left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    #[cfg(feature = "breakable")]
    broken: Option<Rule>,
}

impl Rules {
    /// All rules but one.
    #[cfg(feature = "breakable")]
    pub const fn without(broken: Option<Rule>) -> Self {
        Self { broken }
    }

    /// Whether a rule is kept.
    #[cfg(feature = "breakable")]
    pub(crate) fn kept(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    #[cfg(not(feature = "breakable"))]
    #[expect(clippy::unused_self, reason = "it has nothing to say")]
    pub(crate) const fn kept(self, _: Rule) -> bool {
        true
    }
}
