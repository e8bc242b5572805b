//! S3's canned ACLs.

use s3d_bucket::{Acl, Grant, Grantee, Permission};

use super::error::AclError;

/// A canned ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canned {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
    LogDeliveryWrite,
}

impl Canned {
    /// The canned ACL of S3's name.
    pub fn of_name(name: &str) -> Result<Self, AclError> {
        Ok(match name {
            "private" => Self::Private,
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            "authenticated-read" => Self::AuthenticatedRead,
            "bucket-owner-read" => Self::BucketOwnerRead,
            "bucket-owner-full-control" => Self::BucketOwnerFullControl,
            "log-delivery-write" => Self::LogDeliveryWrite,
            "aws-exec-read" => return Err(AclError::NotBuilt("aws-exec-read")),
            other => return Err(AclError::UnknownCanned(other.to_owned())),
        })
    }

    /// What it stands for, beside the owner's full control; `None` is private.
    pub fn acl(self, owner: &str, bucket_owner: &str) -> Option<Acl> {
        let foreign = owner != bucket_owner;
        let to_bucket_owner = Grantee::Namespace(bucket_owner.to_owned());
        let granted = match self {
            Self::PublicRead => vec![(Grantee::AllUsers, Permission::Read)],
            Self::PublicReadWrite => vec![
                (Grantee::AllUsers, Permission::Read),
                (Grantee::AllUsers, Permission::Write),
            ],
            Self::AuthenticatedRead => vec![(Grantee::AuthenticatedUsers, Permission::Read)],
            Self::BucketOwnerRead if foreign => vec![(to_bucket_owner, Permission::Read)],
            Self::BucketOwnerFullControl if foreign => {
                vec![(to_bucket_owner, Permission::FullControl)]
            }
            Self::LogDeliveryWrite => vec![
                (Grantee::LogDelivery, Permission::Write),
                (Grantee::LogDelivery, Permission::ReadAcp),
            ],
            Self::Private | Self::BucketOwnerRead | Self::BucketOwnerFullControl => return None,
        };
        let own = (
            Grantee::Namespace(owner.to_owned()),
            Permission::FullControl,
        );
        let grants = granted.into_iter().chain([own]);
        let grants = grants.map(|(grantee, permission)| Grant {
            grantee,
            permission,
        });
        Some(Acl {
            grants: grants.collect(),
        })
    }
}
