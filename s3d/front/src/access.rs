//! Who asks, and whether they may.

use std::sync::Arc;

use async_trait::async_trait;
use s3d_bucket::{Bucket, Found, Key as ObjectKey, Permission, Upload};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Request, S3Result};

use super::acl::{self, Requester};
use super::context::{Content, RequestContext};
use super::error;
use super::host::Addressing;
use super::refusal::Refusal;
use s3d_accounts::{Access as KeyAccess, Key, Scope};
use s3d_buckets::{BucketRecord, Buckets};

/// s3s sees no signatures, and gets no secrets. It asks for access only if it could.
pub struct NoSecrets;

#[async_trait]
impl S3Auth for NoSecrets {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Err(Refusal::Denied.into())
    }
}

/// What an operation needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A key; the operation is about no bucket.
    Key,
    /// A key of a whole namespace: the bucket does not exist yet.
    Namespace,
    /// The bucket is the caller's.
    Owner,
    /// The bucket is the caller's, or its ACL grants this.
    Bucket(Permission),
    /// The object decides, once it is found.
    Object,
}

fn need(operation: &str) -> Need {
    match operation {
        "ListBuckets" => Need::Key,
        "CreateBucket" => Need::Namespace,
        "HeadBucket"
        | "ListMultipartUploads"
        | "ListObjectVersions"
        | "ListObjects"
        | "ListObjectsV2" => Need::Bucket(Permission::Read),
        "GetBucketAcl" => Need::Bucket(Permission::ReadAcp),
        "PutBucketAcl" => Need::Bucket(Permission::WriteAcp),
        "AbortMultipartUpload"
        | "CompleteMultipartUpload"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "DeleteObject"
        | "DeleteObjects"
        | "ListParts"
        | "PostObject"
        | "PutObject"
        | "UploadPart"
        | "UploadPartCopy" => Need::Bucket(Permission::Write),
        "GetObject" | "GetObjectAcl" | "GetObjectAttributes" | "HeadObject" | "PutObjectAcl" => {
            Need::Object
        }
        _ => Need::Owner,
    }
}

/// Whether an operation changes nothing, so that a key which only reads may do it.
fn only_reads(operation: &str) -> bool {
    let names = ["Get", "Head", "List"];
    names.iter().any(|name| operation.starts_with(name))
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key that signed the request.
    pub key: Option<Arc<Key>>,
}

impl Caller {
    /// Whether a bucket is the caller's.
    pub fn owns(&self, bucket: &BucketRecord) -> bool {
        self.key.as_ref().is_some_and(|key| covers(key, bucket))
    }

    /// In whose name the caller acts on a bucket.
    pub fn requester<'a>(&'a self, bucket: &BucketRecord) -> Requester<'a> {
        match self.key.as_deref() {
            None => Requester::Anonymous,
            Some(key) if scope_covers(&key.scope, bucket) => {
                Requester::Namespace(key.namespace.as_str())
            }
            Some(_) => Requester::Stranger,
        }
    }
}

/// Decides who may do what, before the operation begins.
pub struct Access {
    /// Knows buckets.
    pub buckets: Arc<Buckets>,
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, access: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = access.s3_op().name().to_owned();
        let name = access.s3_path().get_bucket_name().map(str::to_owned);
        let owner = access.headers().get("x-amz-expected-bucket-owner").cloned();
        let context = RequestContext::of_access(access)?;
        context.operation.set(&operation);
        let (caller, bucket) = self.decide(context, &operation, name).await?;
        if let (Some(expected), Some(bucket)) = (owner, &bucket)
            && expected.as_bytes() != bucket.namespace.canonical_id().as_bytes()
        {
            return Err(Refusal::Denied.into());
        }
        (context.caller, context.bucket) = (Some(caller), bucket);
        // Not before: whoever may not send a document must not have it read.
        if let Content::Document(document) = &context.body {
            document.clone().read().await?;
        }
        Ok(())
    }
}

impl Access {
    /// Who asks and for which bucket, if they may.
    async fn decide(
        &self,
        context: &RequestContext,
        operation: &str,
        bucket: Option<String>,
    ) -> S3Result<(Caller, Option<Arc<BucketRecord>>)> {
        let key = context.signer.as_ref().map(|signer| signer.key.clone());
        if let Some(key) = &key
            && key.access == KeyAccess::ReadOnly
            && !only_reads(operation)
        {
            return Err(Refusal::Denied.into());
        }
        let need = need(operation);
        let Some(name) = bucket.filter(|_| need != Need::Namespace) else {
            // A caller of an operation that is about no bucket must have signed.
            let may = key.as_ref().is_some_and(|key| match need {
                Need::Key => true,
                Need::Namespace => key.scope == Scope::Namespace,
                _ => false,
            });
            return admit(may, Caller { key }, None);
        };
        let found = self.buckets.find(&name).await.map_err(error::record)?;
        let bucket = found.ok_or(Refusal::NoSuchBucket)?;
        check_namespace(&context.addressing, &bucket)?;
        let caller = Caller { key };
        let may = caller.owns(&bucket)
            || match need {
                Need::Bucket(permission) => {
                    acl::bucket_allows(&bucket, caller.requester(&bucket), permission)
                }
                Need::Object => true,
                _ => false,
            };
        admit(may, caller, Some(bucket))
    }
}

fn admit(
    may: bool,
    caller: Caller,
    bucket: Option<Arc<BucketRecord>>,
) -> S3Result<(Caller, Option<Arc<BucketRecord>>)> {
    if may {
        Ok((caller, bucket))
    } else {
        Err(Refusal::Denied.into())
    }
}

/// Whether a key may touch a bucket.
pub fn covers(key: &Key, bucket: &BucketRecord) -> bool {
    scope_covers(&key.scope, bucket) && key.namespace == bucket.namespace
}

fn scope_covers(scope: &Scope, bucket: &BucketRecord) -> bool {
    match scope {
        Scope::Namespace => true,
        Scope::Bucket(only) => *only == bucket.name,
    }
}

fn check_namespace(addressing: &Addressing, found: &BucketRecord) -> Result<(), Refusal> {
    let named = match addressing {
        Addressing::Endpoint { namespace, .. } => Some(namespace),
        Addressing::VirtualHost { namespace, .. } => namespace.as_ref(),
        _ => None,
    };
    match named {
        Some(namespace) if *namespace != found.namespace.as_str() => Err(Refusal::OtherNamespace),
        _ => Ok(()),
    }
}

/// The caller of a request that was let in.
pub fn caller<T>(request: &S3Request<T>) -> Result<&Caller, Refusal> {
    let caller = RequestContext::of(request)?.caller.as_ref();
    caller.ok_or(Refusal::Denied)
}

/// The bucket that a request that was let in is about.
pub fn bucket<T>(request: &S3Request<T>) -> Result<&Arc<BucketRecord>, Refusal> {
    let bucket = RequestContext::of(request)?.bucket.as_ref();
    bucket.ok_or(Refusal::Denied)
}

/// An upload is looked at and aborted by the bucket's owner and by whoever began it.
pub fn check_upload<T>(request: &S3Request<T>, upload: &Upload) -> Result<(), Refusal> {
    let bucket = bucket(request)?;
    let caller = caller(request)?;
    let owner = acl::object_owner(bucket, upload.attributes.owner.as_deref());
    if caller.owns(bucket) || caller.requester(bucket) == Requester::Namespace(owner) {
        Ok(())
    } else {
        Err(Refusal::Denied)
    }
}

/// An object of a bucket that is the caller's.
pub async fn find_own(open: &Bucket, key: &ObjectKey) -> S3Result<Found> {
    let found = open.find(key).await;
    let found = found.map_err(|refusal| error::read(&refusal))?;
    Ok(found.ok_or(Refusal::NoSuchKey)?)
}

/// The object of a request, if its ACL allows the caller this.
pub async fn find<T>(
    open: &Bucket,
    request: &S3Request<T>,
    key: &ObjectKey,
    permission: Permission,
) -> S3Result<Found> {
    find_as(open, bucket(request)?, caller(request)?, key, permission).await
}

/// The same in a bucket that the request names beside its own. A stranger learns whether an object
/// is there only where it may list.
pub async fn find_as(
    open: &Bucket,
    bucket: &BucketRecord,
    caller: &Caller,
    key: &ObjectKey,
    permission: Permission,
) -> S3Result<Found> {
    let found = open.find(key).await;
    let found = found.map_err(|refusal| error::read(&refusal))?;
    let who = caller.requester(bucket);
    match found {
        Some(object) if acl::allows(bucket, &object, who, permission) => Ok(object),
        None if acl::bucket_allows(bucket, who, Permission::Read) => Err(Refusal::NoSuchKey.into()),
        _ => Err(Refusal::Denied.into()),
    }
}
