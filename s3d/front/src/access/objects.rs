//! Access to what is in a bucket, which is decided once it is found.

use std::ops::Deref;

use s3d_bucket::{Bucket, Found, Key, Object, Permission, Upload};
use s3d_buckets::BucketRecord;
use s3d_policy::Decision;
use s3s::{S3Request, S3Result};

use super::caller::Caller;
use super::need::{DELETE_OBJECT, ObjectUse};
use super::{bucket, caller};
use crate::acl::{self, Requester};
use crate::error;
use crate::refusal::Refusal;

/// An upload is looked at and aborted by the bucket's owner, by whoever began it, and by whom the
/// policy allows this action.
pub fn check_upload<T>(
    request: &S3Request<T>,
    action: &str,
    key: &Key,
    upload: &Upload,
) -> Result<(), Refusal> {
    let bucket = bucket(request)?;
    let caller = caller(request)?;
    let owner = acl::object_owner(bucket, upload.attributes.owner.as_deref());
    let own = caller.owns(bucket) || caller.requester(bucket) == Requester::Namespace(owner);
    if caller.decide(bucket, action, Some(key.as_str())).or(own) {
        Ok(())
    } else {
        Err(Refusal::Denied)
    }
}

/// Whether the caller of a DeleteObjects may delete this object.
pub fn check_delete<T>(request: &S3Request<T>, key: &str) -> Result<(), Refusal> {
    let bucket = bucket(request)?;
    let caller = caller(request)?;
    let granted = acl::bucket_allows(bucket, caller.requester(bucket), Permission::Write);
    let decision = caller.decide(bucket, DELETE_OBJECT, Some(key));
    if decision.or(caller.owns(bucket) || granted) {
        Ok(())
    } else {
        Err(Refusal::Denied)
    }
}

/// The object of a request, if the caller may use it so.
pub async fn find<T>(
    open: &Bucket,
    request: &S3Request<T>,
    key: &Key,
    wanted: ObjectUse,
) -> S3Result<Found> {
    find_as(open, bucket(request)?, caller(request)?, key, wanted).await
}

/// The same in a bucket that the request names beside its own. A stranger learns whether an object
/// is there only where it may list.
pub async fn find_as(
    open: &Bucket,
    bucket: &BucketRecord,
    caller: &Caller,
    key: &Key,
    wanted: ObjectUse,
) -> S3Result<Found> {
    let found = open.find(key).await;
    let found = found.map_err(|refusal| error::read(&refusal))?;
    permitted(found, bucket, caller, key, wanted)
}

/// What was found under a key, if the caller may use it so.
pub fn permitted<O: Deref<Target = Object>>(
    found: Option<O>,
    bucket: &BucketRecord,
    caller: &Caller,
    key: &Key,
    wanted: ObjectUse,
) -> S3Result<O> {
    match found {
        Some(object) if may_use(bucket, caller, key, &object, wanted) => Ok(object),
        None if is_denied(bucket, caller, key, wanted) => Err(Refusal::Denied.into()),
        None if caller.may_miss(bucket, key.as_str()) => Err(Refusal::NoSuchKey.into()),
        _ => Err(Refusal::Denied.into()),
    }
}

/// Whether the caller may use an object so. A policy allows nothing with an object that is not the
/// bucket owner's; it may deny it.
pub fn may_use(
    bucket: &BucketRecord,
    caller: &Caller,
    key: &Key,
    object: &Object,
    wanted: ObjectUse,
) -> bool {
    let tags = &object.attributes.tags;
    let owner = acl::object_owner(bucket, object.attributes.owner.as_deref());
    let granted = match wanted.permission {
        Some(permission) => acl::allows(bucket, object, caller.requester(bucket), permission),
        None => caller.owns(bucket),
    };
    wanted.actions.iter().all(|action| {
        match caller.decide_with_tags(bucket, action, key.as_str(), tags) {
            Decision::Allowed => granted || owner == bucket.namespace.as_str(),
            decision => decision.or(granted),
        }
    })
}

fn is_denied(bucket: &BucketRecord, caller: &Caller, key: &Key, wanted: ObjectUse) -> bool {
    let decide = |action: &&str| caller.decide(bucket, action, Some(key.as_str()));
    let mut decisions = wanted.actions.iter().map(decide);
    decisions.any(|decision| decision == Decision::Denied)
}
