//! Who asks, and whether they may.

use std::sync::Arc;

use async_trait::async_trait;
use s3d_bucket::{Bucket, Found, Key as ObjectKey, Permission, Upload};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Request, S3Result};

use super::acl::{self, Requester};
use super::document::Document;
use super::error::{self, Refusal};
use super::host::Addressing;
use super::odd_region::{self, Verified};
use s3d_accounts::{Accounts, Key, Scope};
use s3d_buckets::{BucketRecord, Buckets};

/// Gives s3s the secrets to verify signatures with.
pub struct Secrets(pub Arc<Accounts>);

#[async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key_id: &str) -> S3Result<SecretKey> {
        odd_region::note(access_key_id);
        let key = self
            .0
            .key(access_key_id)
            .await
            .map_err(error::accounts)?
            .ok_or(Refusal::UnknownKey)?;
        Ok(SecretKey::from(key.secret.as_str()))
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

/// Who asks; put into the extensions of each request that may go on.
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
    /// Knows keys.
    pub accounts: Arc<Accounts>,
    /// Knows buckets.
    pub buckets: Arc<Buckets>,
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        self.decide(context).await?;
        // Not before: whoever may not send a document must not have it read.
        let document = context.extensions_mut().get::<Document>().cloned();
        if let Some(document) = document {
            document.read().await?;
        }
        Ok(())
    }
}

impl Access {
    async fn decide(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let verified = context.extensions_mut().get::<Verified>().cloned();
        let signer = match context.credentials() {
            Some(credentials) => Some(credentials.access_key.clone()),
            None => verified.map(|Verified(key)| key),
        };
        let key = match signer {
            Some(id) => {
                let key = self.accounts.key(&id).await.map_err(error::accounts)?;
                Some(key.ok_or(Refusal::UnknownKey)?)
            }
            None => None,
        };
        let need = need(context.s3_op().name());
        let Some(name) = context.s3_path().get_bucket_name().map(str::to_owned) else {
            return admit(context, Caller { key }, need == Need::Key);
        };
        if need == Need::Namespace {
            let whole = key
                .as_ref()
                .is_some_and(|key| key.scope == Scope::Namespace);
            return admit(context, Caller { key }, whole);
        }
        let found = self.buckets.find(&name).await.map_err(error::record)?;
        let bucket = found.ok_or(Refusal::NoSuchBucket)?;
        check_namespace(context, &bucket)?;
        let caller = Caller { key };
        let may = caller.owns(&bucket)
            || match need {
                Need::Bucket(permission) => {
                    acl::bucket_allows(&bucket, caller.requester(&bucket), permission)
                }
                Need::Object => true,
                _ => false,
            };
        context.extensions_mut().insert(bucket);
        admit_as(context, caller, may)
    }
}

/// A caller of an operation that is about no bucket must have signed.
fn admit(context: &mut S3AccessContext<'_>, caller: Caller, may: bool) -> S3Result<()> {
    let signed = caller.key.is_some();
    admit_as(context, caller, may && signed)
}

fn admit_as(context: &mut S3AccessContext<'_>, caller: Caller, may: bool) -> S3Result<()> {
    if !may {
        return Err(Refusal::Denied.into());
    }
    context.extensions_mut().insert(caller);
    Ok(())
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

fn check_namespace(context: &mut S3AccessContext<'_>, found: &BucketRecord) -> Result<(), Refusal> {
    let named = match context.extensions_mut().get::<Addressing>() {
        Some(Addressing::Endpoint { namespace, .. }) => Some(namespace),
        Some(Addressing::VirtualHost { namespace, .. }) => namespace.as_ref(),
        _ => None,
    };
    match named {
        Some(namespace) if *namespace != found.namespace.as_str() => Err(Refusal::OtherNamespace),
        _ => Ok(()),
    }
}

/// The caller of a request that was let in.
pub fn caller<T>(request: &S3Request<T>) -> Result<&Caller, Refusal> {
    request.extensions.get::<Caller>().ok_or(Refusal::Denied)
}

/// The bucket that a request that was let in is about.
pub fn bucket<T>(request: &S3Request<T>) -> Result<&Arc<BucketRecord>, Refusal> {
    request
        .extensions
        .get::<Arc<BucketRecord>>()
        .ok_or(Refusal::Denied)
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
