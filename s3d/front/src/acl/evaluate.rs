//! Who may do what, from ACLs, ownership controls and the public access block. Pure.
//!
//! The rules are those of "Access control list (ACL) overview", "Controlling ownership of objects"
//! and "Blocking public access" in the Amazon S3 User Guide.

use s3d_bucket::{Acl, Attributes, Grant, Grantee, Object, Permission};
use s3d_buckets::{BucketRecord, Ownership};

/// In whose name a request acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester<'a> {
    /// Nobody signed.
    Anonymous,
    /// A key that is not meant for this bucket: what its namespace may do, it may not.
    Stranger,
    /// A key of this namespace.
    Namespace(&'a str),
}

/// Whether a requester may do with a bucket what `permission` stands for. Settings other than the
/// ACL are the owner's alone and not asked for here.
pub fn bucket_allows(bucket: &BucketRecord, who: Requester<'_>, permission: Permission) -> bool {
    let owner = bucket.namespace.as_str();
    if who == Requester::Namespace(owner) {
        return true;
    }
    granted(bucket, bucket.acl.as_ref(), who, permission)
}

/// Whether a requester may do with an object of a bucket what `permission` stands for.
/// `owner`: the namespace that the object belongs to, if it is not the bucket's.
pub fn object_allows(
    bucket: &BucketRecord,
    owner: Option<&str>,
    acl: Option<&Acl>,
    who: Requester<'_>,
    permission: Permission,
) -> bool {
    let owner = object_owner(bucket, owner);
    who == Requester::Namespace(owner) || granted(bucket, acl, who, permission)
}

/// The same for an object as it is stored.
pub fn allows(
    bucket: &BucketRecord,
    object: &Object,
    who: Requester<'_>,
    permission: Permission,
) -> bool {
    let Attributes { owner, acl, .. } = &object.attributes;
    object_allows(bucket, owner.as_deref(), acl.as_ref(), who, permission)
}

/// The namespace that an object belongs to: the bucket's, unless another one wrote it and
/// ownership controls leave it to the writer.
pub fn object_owner<'a>(bucket: &'a BucketRecord, recorded: Option<&'a str>) -> &'a str {
    match recorded {
        Some(writer) if acls_are_enabled(bucket) => writer,
        _ => bucket.namespace.as_str(),
    }
}

/// Whether ACLs mean anything in a bucket.
pub fn acls_are_enabled(bucket: &BucketRecord) -> bool {
    bucket.settings.ownership != Some(Ownership::BucketOwnerEnforced)
}

/// Whether an ACL grants something to everyone, or to everyone who has a key.
fn is_public(acl: Option<&Acl>) -> bool {
    acl.is_some_and(|acl| acl.grants.iter().any(|grant| is_group(&grant.grantee)))
}

/// Whether the ACL of a bucket, as far as it counts, grants something to everyone.
pub fn makes_public(bucket: &BucketRecord) -> bool {
    let block = bucket.settings.public_access_block.unwrap_or_default();
    acls_are_enabled(bucket) && !block.ignore_public_acls && is_public(bucket.acl.as_ref())
}

/// Whether an ACL must not be set on a bucket or an object in it.
pub fn is_blocked(bucket: &BucketRecord, acl: Option<&Acl>) -> bool {
    let block = bucket.settings.public_access_block.unwrap_or_default();
    block.block_public_acls && is_public(acl)
}

fn granted(
    bucket: &BucketRecord,
    acl: Option<&Acl>,
    who: Requester<'_>,
    permission: Permission,
) -> bool {
    if !acls_are_enabled(bucket) {
        return false;
    }
    let block = bucket.settings.public_access_block.unwrap_or_default();
    let counts = |grant: &&Grant| !(block.ignore_public_acls && is_group(&grant.grantee));
    let grants = acl.map_or(&[][..], |acl| &acl.grants);
    grants
        .iter()
        .filter(counts)
        .any(|grant| covers(grant.permission, permission) && includes(&grant.grantee, who))
}

fn is_group(grantee: &Grantee) -> bool {
    matches!(grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers)
}

fn covers(granted: Permission, wanted: Permission) -> bool {
    granted == wanted || granted == Permission::FullControl
}

fn includes(grantee: &Grantee, who: Requester<'_>) -> bool {
    match (grantee, who) {
        (Grantee::AllUsers, _) => true,
        (Grantee::AuthenticatedUsers, who) => who != Requester::Anonymous,
        (Grantee::Namespace(name), Requester::Namespace(namespace)) => name == namespace,
        (Grantee::Namespace(_) | Grantee::LogDelivery, _) => false,
    }
}
