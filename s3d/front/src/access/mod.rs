//! Who asks, and whether they may.

mod caller;
mod facts;
mod need;
mod objects;

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use http::{HeaderMap, Uri};
use s3d_accounts::{Access as KeyAccess, Scope};
use s3d_bucket::Permission;
use s3d_buckets::{BucketRecord, Buckets};
use s3d_policy::{Decision, Facts};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Request, S3Result};
use time::OffsetDateTime;

use super::acl;
use super::context::{Content, RequestContext};
use super::error;
use super::host::Addressing;
use super::refusal::Refusal;
use super::resource::bucket_name;

pub use caller::{Caller, covers};
pub use facts::TlsVersion;
pub use need::ObjectUse;
pub use objects::{check_delete, check_upload, find, find_as, may_use, permitted};

use facts::Connection;
use need::{Need, PUT_OBJECT, need, only_reads};

/// s3s sees no signatures, and gets no secrets. It asks for access only if it could.
pub struct NoSecrets;

#[async_trait]
impl S3Auth for NoSecrets {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Err(Refusal::Denied.into())
    }
}

/// Decides who may do what, before the operation begins.
#[derive(Clone)]
pub struct Access {
    /// Knows buckets.
    pub buckets: Arc<Buckets>,
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, access: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = access.s3_op().name().to_owned();
        // It is put back below: while it is out, the rest of the request can be looked at.
        let mut context = RequestContext::take(access)?;
        let connection = Connection::of(access.extensions_mut());
        let asked = Asked {
            operation: &operation,
            bucket: access.s3_path().get_bucket_name(),
            key: access.s3_path().get_object_key(),
            headers: access.headers(),
            uri: access.uri(),
            connection,
        };
        self.admit_to(&mut context, &asked).await?;
        // Not before: whoever may not send a document must not have it read.
        if let Content::Document(document) = &context.body {
            document.clone().read().await?;
        }
        access.extensions_mut().insert(context);
        Ok(())
    }
}

/// What is asked for.
struct Asked<'a> {
    operation: &'a str,
    bucket: Option<&'a str>,
    key: Option<&'a str>,
    headers: &'a HeaderMap,
    uri: &'a Uri,
    connection: Connection,
}

impl Access {
    /// The bucket that a request is about which s3s does not know, if its caller may list it.
    pub async fn check_listing(
        &self,
        context: &mut RequestContext,
        parts: &Parts,
        operation: &'static str,
    ) -> S3Result<Arc<BucketRecord>> {
        let addressing = context.addressing.clone();
        let asked = Asked {
            operation,
            bucket: bucket_name(&parts.uri, &addressing),
            key: None,
            headers: &parts.headers,
            uri: &parts.uri,
            connection: Connection::of(&parts.extensions),
        };
        self.admit_to(context, &asked).await?;
        let bucket = context.bucket.clone();
        bucket.ok_or_else(|| Refusal::NoSuchBucket.into())
    }

    /// The same for an operation that has a route of its own. `key`: the object that it is about.
    pub async fn check_route<T: Send + Sync>(
        &self,
        request: &mut S3Request<T>,
        operation: &str,
        bucket: Option<&str>,
        key: Option<&str>,
    ) -> S3Result<()> {
        let context = request.extensions.remove::<RequestContext>();
        let mut context = context.ok_or(Refusal::Denied)?;
        let asked = Asked {
            operation,
            bucket,
            key,
            headers: &request.headers,
            uri: &request.uri,
            connection: Connection::of(&request.extensions),
        };
        self.admit_to(&mut context, &asked).await?;
        request.extensions.insert(context);
        Ok(())
    }

    /// Notes who asks and for which bucket, if they may.
    async fn admit_to(&self, context: &mut RequestContext, asked: &Asked<'_>) -> S3Result<()> {
        context.operation.set(asked.operation);
        let (caller, bucket) = self.decide(context, asked).await?;
        if let (Some(expected), Some(bucket)) =
            (asked.headers.get("x-amz-expected-bucket-owner"), &bucket)
            && expected.as_bytes() != bucket.namespace.canonical_id().as_bytes()
        {
            return Err(Refusal::Denied.into());
        }
        (context.caller, context.bucket) = (Some(caller), bucket);
        Ok(())
    }

    /// Who asks and for which bucket, if they may.
    async fn decide(
        &self,
        context: &RequestContext,
        asked: &Asked<'_>,
    ) -> S3Result<(Caller, Option<Arc<BucketRecord>>)> {
        let key = context.signer.as_ref().map(|signer| signer.key.clone());
        if let Some(key) = &key
            && key.access == KeyAccess::ReadOnly
            && !only_reads(asked.operation)
        {
            return Err(Refusal::Denied.into());
        }
        let need = need(asked.operation);
        let Some(name) = asked.bucket.filter(|_| need != Need::Namespace) else {
            // A caller of an operation that is about no bucket must have signed.
            let may = key.as_ref().is_some_and(|key| match need {
                Need::Key => true,
                Need::Namespace => key.scope == Scope::Namespace,
                _ => false,
            });
            return admit(may, Caller::new(key, Facts::default()), None);
        };
        let found = self.buckets.find(name).await.map_err(error::record)?;
        let bucket = found.ok_or(Refusal::NoSuchBucket)?;
        check_namespace(&context.addressing, &bucket)?;
        // The source of a copy may have a policy too.
        let is_copy = asked.headers.contains_key("x-amz-copy-source");
        let facts = if is_copy || bucket.settings.policy.is_some() {
            facts::of_request(context, asked, OffsetDateTime::now_utc())
        } else {
            Facts::default()
        };
        let caller = Caller::new(key, facts);
        let may = may(&caller, &bucket, need, asked);
        admit(may, caller, Some(bucket))
    }
}

/// Whether a caller may do with a bucket what an operation needs.
fn may(caller: &Caller, bucket: &BucketRecord, need: Need, asked: &Asked<'_>) -> bool {
    let decide = |action| caller.decide(bucket, action, asked.key);
    let owns = caller.owns(bucket);
    let granted = |permission| acl::bucket_allows(bucket, caller.requester(bucket), permission);
    match need {
        Need::Key | Need::Namespace | Need::Own => owns,
        Need::Owner(action) => decide(action).or(owns),
        Need::Policy(action) => {
            owns && (caller.is_owner(bucket) || decide(action) != Decision::Denied)
        }
        Need::Bucket(action, permission) => {
            let is_denied_its_acl = action == PUT_OBJECT
                && names_an_acl(asked.headers)
                && decide("PutObjectAcl") == Decision::Denied;
            !is_denied_its_acl && decide(action).or(owns || granted(permission))
        }
        Need::Object => true,
        Need::EachObject => owns || granted(Permission::Write) || bucket.settings.policy.is_some(),
    }
}

fn names_an_acl(headers: &HeaderMap) -> bool {
    let is_acl = |name: &str| name == "x-amz-acl" || name.starts_with("x-amz-grant-");
    headers.keys().any(|name| is_acl(name.as_str()))
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
