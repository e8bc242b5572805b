//! What a request asks an ACL to be, once its grantees are known.

use s3d_bucket::{Acl, Grant};

use super::canned::Canned;

/// What a request asks for, its grantees known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It does not say.
    Nothing,
    /// By name.
    Canned(Canned),
    /// Grant by grant.
    Grants(Vec<Grant>),
}

impl Asked {
    /// The ACL that it stands for; `None` is private.
    pub fn acl(self, owner: &str, bucket_owner: &str) -> Option<Acl> {
        match self {
            Self::Nothing => None,
            Self::Canned(canned) => canned.acl(owner, bucket_owner),
            Self::Grants(grants) => Some(Acl { grants }),
        }
    }
}
