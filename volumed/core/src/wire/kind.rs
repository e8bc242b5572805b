//! What a frame's body can be.

use bytes::Bytes;

use crate::message::{Ask, ReplicaError};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a body is, with the number that stands for it and the body's parts in their order.
        /// *File* is extent u64, alloc u64; *list* is ascending and goes to the end of the body.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                $(#[$doc])*
                #[doc = concat!("Number ", stringify!($number), ".")]
                $name = $number,
            )*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub(super) fn numbered(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// [`Ask::Promise`]: nothing.
    Promise = 1,
    /// [`Ask::Reconcile`]: from u64, until u64 (that of the last one is all ones), list of files.
    Reconcile = 2,
    /// [`Ask::Read`]: file, offset u32, length u32.
    Read = 3,
    /// [`Ask::Map`]: file, offset u32, length u32.
    Map = 4,
    /// [`Ask::Write`]: file, offset u32, flags u8 (1 durable, 2 clear), the bytes.
    Write = 5,
    /// [`Ask::Zero`]: file, offset u32, length u32, flags u8 (1 durable, 2 keep).
    Zero = 6,
    /// [`Ask::Sync`]: list of extents, u64 each.
    Sync = 7,
    /// [`Ask::Mark`]: list of regions, u64 each.
    Mark = 8,
    /// [`Ask::Settle`]: list of regions, u64 each.
    Settle = 9,
    /// [`Ask::Unmark`]: list of regions, u64 each.
    Unmark = 10,
    /// [`Ask::Adopt`]: file.
    Adopt = 11,
    /// [`Ask::Remove`]: file.
    Remove = 12,
    /// [`Ask::Holes`]: file, offset u32, length u32.
    Holes = 13,
    /// [`Ask::Grant`]: least u64, most u64.
    Grant = 14,
    /// [`Ask::GiveBack`]: blocks u64.
    GiveBack = 15,
    /// [`Ask::Empty`]: nothing.
    Empty = 16,
    /// [`Ask::Receive`]: file.
    Receive = 17,
    /// [`Ask::Fetch`]: file, offset u32, length u32.
    Fetch = 18,
    /// [`Ask::Store`]: file, offset u32, length u32, the chunk.
    Store = 19,
    /// [`Ask::Digest`]: file, offset u32, length u32.
    Digest = 20,
    /// [`Ask::Replace`]: file, offset u32, length u32, the chunk.
    Replace = 21,
    /// [`Ask::Create`]: flags u8 (1 missing), list of files.
    Create = 22,
    /// [`Ask::Missed`]: nothing.
    Missed = 23,
    /// [`Ask::KeepMissed`]: what was missed, as [packed](crate::missed).
    KeepMissed = 24,
    /// An answer: what was asked for is done; blocks that take space u64, blocks that are granted
    /// u64, then the result's bytes.
    Done = 128,
    /// An answer: it is not done; blocks that take space u64, blocks that are granted u64; why, u8 (1 fenced, 2 restarted, 3 no space, 4 exhausted, 5
    /// corrupt, 6 no extent, 7 disk, 8 unreachable).
    Refused = 129,
}

impl Kind {
    pub(super) fn of_ask(ask: &Ask) -> Self {
        match ask {
            Ask::Promise => Self::Promise,
            Ask::Reconcile { .. } => Self::Reconcile,
            Ask::Read { .. } => Self::Read,
            Ask::Map { .. } => Self::Map,
            Ask::Write { .. } => Self::Write,
            Ask::Zero { .. } => Self::Zero,
            Ask::Sync { .. } => Self::Sync,
            Ask::Mark { .. } => Self::Mark,
            Ask::Settle { .. } => Self::Settle,
            Ask::Unmark { .. } => Self::Unmark,
            Ask::Adopt { .. } => Self::Adopt,
            Ask::Remove { .. } => Self::Remove,
            Ask::Holes { .. } => Self::Holes,
            Ask::Grant { .. } => Self::Grant,
            Ask::GiveBack { .. } => Self::GiveBack,
            Ask::Empty => Self::Empty,
            Ask::Receive { .. } => Self::Receive,
            Ask::Fetch { .. } => Self::Fetch,
            Ask::Store { .. } => Self::Store,
            Ask::Digest { .. } => Self::Digest,
            Ask::Replace { .. } => Self::Replace,
            Ask::Create { .. } => Self::Create,
            Ask::Missed => Self::Missed,
            Ask::KeepMissed { .. } => Self::KeepMissed,
        }
    }

    pub(super) fn of_result(result: &Result<Bytes, ReplicaError>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(_) => Self::Refused,
        }
    }
}

macro_rules! refusals {
    ($($name:ident = $number:literal,)*) => {
        pub(super) fn refusal_number(refusal: ReplicaError) -> u8 {
            match refusal {
                $(ReplicaError::$name => $number,)*
            }
        }

        pub(super) fn numbered_refusal(number: u8) -> Option<ReplicaError> {
            match number {
                $($number => Some(ReplicaError::$name),)*
                _ => None,
            }
        }
    };
}

refusals! {
    Fenced = 1,
    Restarted = 2,
    NoSpace = 3,
    Exhausted = 4,
    Corrupt = 5,
    NoExtent = 6,
    Disk = 7,
    Unreachable = 8,
}
