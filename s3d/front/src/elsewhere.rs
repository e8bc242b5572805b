//! Objects in buckets that other nodes serve: what is copied from there.

use std::ops::{Deref, Range};
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use s3d_bucket::{Bucket, Found, Key, Object};
use s3d_buckets::{BucketRecord, NodeNumber};

/// Reads objects of other nodes' buckets. Who may read what is decided here, by what is found.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// The object of a key, without its parts and where its bytes lie.
    async fn find(
        &self,
        node: NodeNumber,
        bucket: &BucketRecord,
        key: &Key,
    ) -> Result<Option<Object>, ElsewhereError>;

    /// Bytes of this very object; the body fails unless they are all there.
    async fn read(
        &self,
        node: NodeNumber,
        bucket: &BucketRecord,
        key: &Key,
        object: &Object,
        range: Range<u64>,
    ) -> Result<Body, ElsewhereError>;
}

/// The object could not be had: worth another try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the node that serves the source could not be asked: {0}")]
pub struct ElsewhereError(pub String);

/// An object, and where it is.
pub enum Seen {
    /// On this node.
    Here {
        /// Its bucket.
        open: Arc<Bucket>,
        /// The object.
        found: Box<Found>,
    },
    /// On another one.
    Elsewhere {
        /// Which.
        node: NodeNumber,
        /// The object.
        object: Box<Object>,
    },
}

impl Deref for Seen {
    type Target = Object;

    fn deref(&self) -> &Object {
        match self {
            Self::Here { found, .. } => found,
            Self::Elsewhere { object, .. } => object,
        }
    }
}
