//! What can be changed in a bucket.

use std::ops::Range;

use bytes::Bytes;

use crate::attributes::{AttributeChange, Attributes};
use crate::condition::Condition;
use crate::errors::ChangeError;
use crate::format::rows::Doomed;
use crate::object::{Key, Object, Part, SpanId, Upload, UploadId};
use crate::requests::{
    Addition, Body, Completion, CopyAttributes, CopySource, PartAttributes, PartName, Patch,
    RequestToken,
};

/// A change as it waits to be planned.
#[derive(Debug)]
pub enum Change {
    Put {
        key: Key,
        attributes: Attributes,
        body: Body,
        /// The MD5 of its body, which is small, becomes its ETag.
        hashed: bool,
        condition: Condition,
    },
    /// An object goes on.
    Append {
        key: Key,
        addition: Addition,
        body: Body,
        condition: Condition,
    },
    /// Ranges of an object get other bytes.
    Patch {
        key: Key,
        patch: Patch,
        body: Body,
        condition: Condition,
    },
    Copy {
        source: CopySource,
        key: Key,
        attributes: CopyAttributes,
        condition: Condition,
    },
    /// An object gets another key.
    Rename {
        source: CopySource,
        key: Key,
        condition: Condition,
        token: Option<RequestToken>,
    },
    Delete {
        key: Key,
        condition: Condition,
    },
    Attributes {
        key: Key,
        change: AttributeChange,
        condition: Condition,
    },
    CreateUpload {
        key: Key,
        upload: Upload,
    },
    PutPart {
        part: PartName,
        attributes: PartAttributes,
        body: Body,
    },
    CopyPart {
        source: CopySource,
        range: Option<Range<u64>>,
        part: PartName,
        attributes: PartAttributes,
    },
    Complete {
        key: Key,
        upload: UploadId,
        completion: Completion,
        condition: Condition,
    },
    Abort {
        key: Key,
        upload: UploadId,
    },
    /// All objects under a prefix get other keys.
    RenamePrefix(PrefixRename),
    /// Some rows of the prefix rename under way move.
    MoveSlice,
    /// Some of what a doomed blob or upload names is released.
    Release {
        doomed: Doomed,
    },
    /// Spans that were TRIMmed leave the index (B7), and what is held in vain is counted anew.
    Forget {
        spans: Vec<TrimmedSpan>,
        holes: Vec<UnitHoles>,
    },
    /// Small bodies are written anew, so that their blocks can be given back (B8).
    Move {
        spans: Vec<SpanMove>,
    },
}

impl Change {
    /// A durable record names the spans of its body now.
    pub fn mark_committed(&self) {
        if let Some(Body::Stored(spans)) = self.body() {
            for span in spans {
                span.claim.mark_committed();
            }
        }
    }

    /// Whether it only takes away, so that a full pool must not stop it. Whether a rename does is
    /// seen when it is planned: if it replaces an object.
    pub fn frees(&self) -> bool {
        matches!(
            self,
            Self::Rename { .. }
                | Self::Delete { .. }
                | Self::Abort { .. }
                | Self::Release { .. }
                | Self::Forget { .. }
        )
    }

    /// Bytes of its body that travel in the group.
    pub fn small_body(&self) -> usize {
        match self {
            Self::Move { spans } => spans.iter().map(|span| span.body.len()).sum(),
            _ => match self.body() {
                Some(Body::Small(bytes)) => bytes.len(),
                _ => 0,
            },
        }
    }

    /// The body whose MD5 becomes the object's ETag.
    pub fn body_to_hash(&self) -> Option<&Bytes> {
        match self {
            Self::Put {
                body: Body::Small(bytes),
                hashed: true,
                ..
            } => Some(bytes),
            _ => None,
        }
    }

    fn body(&self) -> Option<&Body> {
        match self {
            Self::Put { body, .. }
            | Self::Append { body, .. }
            | Self::Patch { body, .. }
            | Self::PutPart { body, .. } => Some(body),
            _ => None,
        }
    }
}

/// A prefix to be renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRename {
    pub from: String,
    /// Neither starts with the other.
    pub to: String,
    /// An object whose key is `to` itself may be replaced.
    pub replace_marker: bool,
    /// All keys were found short enough up to this sequence number, if that was looked at.
    pub checked: Option<u64>,
}

/// A span whose blocks were TRIMmed, and where it lay.
#[derive(Debug, Clone, Copy)]
pub struct TrimmedSpan {
    pub id: SpanId,
    pub offset: u64,
}

/// How many bytes a unit of the log holds in vain: `counted` when it was looked at, `found` then.
#[derive(Debug, Clone, Copy)]
pub struct UnitHoles {
    pub unit: u64,
    pub counted: u64,
    pub found: u64,
}

/// A span to be written anew if it still lies at `from`.
#[derive(Debug)]
pub struct SpanMove {
    pub id: SpanId,
    pub from: u64,
    pub body: Bytes,
}

/// What a change did.
#[derive(Debug)]
pub enum Done {
    Stored(Box<Object>),
    StoredPart(Box<Part>),
    Deleted {
        existed: bool,
    },
    Began(UploadId),
    /// Whether there is more to release.
    Released {
        more: bool,
    },
    /// A prefix, with the record of this number.
    Renamed {
        sequence: u64,
    },
    /// Nothing yet: there are too many keys to look at their lengths, which has to be done before.
    Unchecked,
    Nothing,
}

pub type Outcome = Result<Done, ChangeError>;
