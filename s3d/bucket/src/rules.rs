//! The rules that the simulation breaks, one at a time, to prove that it would notice.

/// A rule, by what breaking it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// B1: a body is durable before its record is written.
    BodyBeforeRecord,
    /// B1: the session of a body's flush is taken before its first run is written.
    SessionBeforeWrite,
    /// B1: a body that a lost connection may have taken is read back.
    ReadBack,
    /// B2: a group is durable before its changes are answered.
    GroupBeforeAnswer,
    /// B3: a checkpoint says how far the log is in it.
    CheckpointPosition,
    /// B4: groups that may have been on their way are written again durably before the bucket is
    /// served.
    ReplayRewrites,
    /// B4: all of them are, not only the last one.
    ReplayRewritesAll,
    /// B5: a fold whose connection broke is done again.
    FoldAgain,
    /// B6: a span that is named elsewhere is not freed.
    SharedSpan,
    /// B7: only what redb holds as freed is TRIMmed.
    FoldBeforeTrim,
    /// B7: what a read under way may need is not TRIMmed.
    Pins,
    /// B7: blocks that something lives in are not TRIMmed.
    Neighbours,
    /// B8: the mark is durable before anything beyond the old one is written.
    MarkBeforeWrite,
    /// B8: what a body has claimed is not swept.
    ClaimsInSweep,
    /// B8: a log that redb does not hold is not swept.
    LogInSweep,
    /// B8: only a span that still lies where it was read is moved.
    ConditionalMove,
    /// B9: a sync of the index flushes.
    IndexFlush,
    /// B10: what is put under the old prefix of a rename replaces nothing that did not move yet.
    ArrivalsApart,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::BodyBeforeRecord,
        Self::SessionBeforeWrite,
        Self::ReadBack,
        Self::GroupBeforeAnswer,
        Self::CheckpointPosition,
        Self::ReplayRewrites,
        Self::ReplayRewritesAll,
        Self::FoldAgain,
        Self::SharedSpan,
        Self::FoldBeforeTrim,
        Self::Pins,
        Self::Neighbours,
        Self::MarkBeforeWrite,
        Self::ClaimsInSweep,
        Self::LogInSweep,
        Self::ConditionalMove,
        Self::IndexFlush,
        Self::ArrivalsApart,
    ];
}

/// Whether a rule is kept.
#[cfg(not(feature = "breakable"))]
pub const fn kept(_: Rule) -> bool {
    true
}

#[cfg(feature = "breakable")]
pub use breakable::{break_on_this_thread, kept};

#[cfg(feature = "breakable")]
mod breakable {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// Whether a rule is kept on this thread.
    pub fn kept(rule: Rule) -> bool {
        BROKEN.get() != Some(rule)
    }

    /// Has buckets on this thread break a rule, or none from now on.
    pub fn break_on_this_thread(rule: Option<Rule>) {
        BROKEN.set(rule);
    }
}
