//! Access control lists, as S3 means them. The bucket stores them; the S3 front evaluates them.

use serde::{Deserialize, Serialize};

/// Who may do what with an object or a bucket. Where one is optional, none means S3's `private`:
/// the owner alone, with full control.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acl {
    /// What is granted; everything else is refused to all but the owner.
    pub grants: Vec<Grant>,
}

/// One permission for one grantee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// To whom something is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// The keys of a namespace.
    Namespace(String),
    /// Everyone, signed or not.
    AllUsers,
    /// Everyone who signs with a key of the rack.
    AuthenticatedUsers,
    /// S3's log writer; nothing here writes in its name.
    LogDelivery,
}

/// What is granted, by S3's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are S3's")]
pub enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}
