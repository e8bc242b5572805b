//! What can be changed in a bucket.

use crate::object::{Attributes, Checksum, Key, Object, SpanId, Upload, UploadId};
use crate::requests::{Body, ChangeError, Completion, Condition};

/// A change as it waits to be planned.
#[derive(Debug)]
pub enum Change {
    Put {
        key: Key,
        attributes: Attributes,
        body: Body,
        condition: Condition,
    },
    Delete {
        key: Key,
        condition: Condition,
    },
    CreateUpload {
        key: Key,
        upload: Upload,
    },
    PutPart {
        key: Key,
        upload: UploadId,
        number: u16,
        part: PartAttributes,
        body: Body,
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
            Self::Delete { .. } | Self::Abort { .. } | Self::Forget { .. }
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

#[derive(Debug)]
pub struct PartAttributes {
    pub etag: String,
    pub checksum: Option<Checksum>,
}

/// What a change did.
#[derive(Debug)]
pub enum Done {
    Stored(Box<Object>),
    Deleted { existed: bool },
    Began(UploadId),
    Nothing,
}

pub type Outcome = Result<Done, ChangeError>;
