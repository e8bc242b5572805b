//! What can be changed in a bucket.

use std::ops::Range;

use crate::attributes::{AttributeChange, Attributes};
use crate::condition::Condition;
use crate::errors::ChangeError;
use crate::format::rows::Doomed;
use crate::object::{Key, Object, Part, SpanId, Upload, UploadId};
use crate::requests::{Body, Completion, CopyAttributes, CopySource, PartAttributes, PartName};

/// A change as it waits to be planned.
#[derive(Debug)]
pub enum Change {
    Put {
        key: Key,
        attributes: Attributes,
        body: Body,
        condition: Condition,
    },
    Copy {
        source: CopySource,
        key: Key,
        attributes: CopyAttributes,
        condition: Condition,
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
    /// Some of what a doomed blob or upload names is released.
    Release {
        doomed: Doomed,
    },
    /// Spans that were TRIMmed leave the index (B7).
    Forget {
        spans: Vec<SpanId>,
    },
}

impl Change {
    /// A durable record names the spans of its body now.
    pub fn mark_committed(&self) {
        let (Self::Put { body, .. } | Self::PutPart { body, .. }) = self else {
            return;
        };
        if let Body::Stored(spans) = body {
            for span in spans {
                span.claim.mark_committed();
            }
        }
    }

    /// Whether it only takes away, so that a full pool must not stop it.
    pub fn frees(&self) -> bool {
        matches!(
            self,
            Self::Delete { .. } | Self::Abort { .. } | Self::Release { .. } | Self::Forget { .. }
        )
    }

    /// Bytes of its body that travel in the group.
    pub fn small_body(&self) -> usize {
        match self {
            Self::Put {
                body: Body::Small(bytes),
                ..
            }
            | Self::PutPart {
                body: Body::Small(bytes),
                ..
            } => bytes.len(),
            _ => 0,
        }
    }
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
    Nothing,
}

pub type Outcome = Result<Done, ChangeError>;
