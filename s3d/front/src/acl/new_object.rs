//! To whom a new object belongs, and what its ACL becomes.

use s3d_bucket::{Acl, Grant, Grantee, Permission};
use s3d_buckets::{BucketRecord, Ownership};

use super::asked::Asked;
use super::canned::Canned;
use super::error::AclError;
use super::evaluate::{Requester, is_blocked};

/// What a new object records of its owner and its ACL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Belonging {
    /// The namespace that it belongs to; `None`: the bucket's.
    pub owner: Option<String>,
    /// Its ACL; `None`: private.
    pub acl: Option<Acl>,
}

/// What an object that `writer` puts into a bucket records. What nobody signed belongs to the
/// bucket's owner.
pub fn of_new_object(
    bucket: &BucketRecord,
    writer: Requester<'_>,
    asked: Asked,
) -> Result<Belonging, AclError> {
    let bucket_owner = bucket.namespace.as_str();
    let gives_to_bucket_owner = match &asked {
        Asked::Nothing => false,
        Asked::Canned(canned) => *canned == Canned::BucketOwnerFullControl,
        Asked::Grants(grants) => *grants == [full_control(bucket_owner)],
    };
    match bucket.settings.ownership.unwrap_or_default() {
        Ownership::BucketOwnerEnforced if asked == Asked::Nothing || gives_to_bucket_owner => {
            return Ok(Belonging::default());
        }
        Ownership::BucketOwnerEnforced => return Err(AclError::Disabled),
        Ownership::BucketOwnerPreferred if gives_to_bucket_owner => {
            return Ok(Belonging::default());
        }
        Ownership::BucketOwnerPreferred | Ownership::ObjectWriter => {}
    }
    let owner = match writer {
        Requester::Namespace(name) => name,
        Requester::Anonymous | Requester::Stranger => bucket_owner,
    };
    let acl = asked.acl(owner, bucket_owner);
    if is_blocked(bucket, acl.as_ref()) {
        return Err(AclError::Blocked);
    }
    Ok(Belonging {
        owner: (owner != bucket_owner).then(|| owner.to_owned()),
        acl,
    })
}

fn full_control(namespace: &str) -> Grant {
    Grant {
        grantee: Grantee::Namespace(namespace.to_owned()),
        permission: Permission::FullControl,
    }
}
