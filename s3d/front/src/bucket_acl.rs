//! A bucket's ACL.

use s3d_bucket::{Acl, Grant, Grantee};
use s3d_buckets::BucketRecord;
use s3d_names::{Email, NamespaceName};
use s3s::dto::{GetBucketAclInput, GetBucketAclOutput, PutBucketAclInput, PutBucketAclOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::acl::{self, AclError, Asked, NamedGrantee, Requested, RequestedGrant};
use super::error;
use super::operations::Operations;

impl Operations {
    /// Who may do what with a bucket.
    pub(super) fn bucket_acl(
        request: &S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        let bucket = bucket(request)?;
        let owner = bucket.namespace.as_str();
        Ok(S3Response::new(GetBucketAclOutput {
            grants: Some(acl::grants_of(bucket.acl.as_ref(), owner)),
            owner: Some(acl::owner(owner)),
        }))
    }

    /// Sets who may do what with a bucket.
    pub(super) async fn set_bucket_acl(
        &self,
        request: S3Request<PutBucketAclInput>,
    ) -> S3Result<S3Response<PutBucketAclOutput>> {
        let bucket = bucket(&request)?;
        if !acl::acls_are_enabled(bucket) {
            return Err(AclError::Disabled.into());
        }
        let owner = bucket.namespace.as_str();
        let document = request.input.access_control_policy.as_ref();
        let requested = match acl::read_headers(&request.headers)? {
            Requested::Nothing => {
                let document = document.ok_or(AclError::Missing)?;
                Requested::Grants(acl::read_document(document, owner)?)
            }
            requested => requested,
        };
        let wanted = self.bucket_acl_of(bucket, requested).await?;
        self.configure(&request, |record| record.acl.clone_from(&wanted))
            .await?;
        Ok(S3Response::new(PutBucketAclOutput {}))
    }

    async fn bucket_acl_of(
        &self,
        bucket: &BucketRecord,
        requested: Requested,
    ) -> S3Result<Option<Acl>> {
        let owner = bucket.namespace.as_str();
        let wanted = self.resolve(requested).await?.acl(owner, owner);
        if acl::is_blocked(bucket, wanted.as_ref()) {
            return Err(AclError::Blocked.into());
        }
        Ok(wanted)
    }

    /// What a request asks for, with the namespaces that it names by their ids.
    pub(super) async fn resolve(&self, requested: Requested) -> S3Result<Asked> {
        let grants = match requested {
            Requested::Nothing => return Ok(Asked::Nothing),
            Requested::Canned(canned) => return Ok(Asked::Canned(canned)),
            Requested::Grants(grants) => grants,
        };
        let mut resolved = Vec::with_capacity(grants.len());
        for RequestedGrant {
            grantee,
            permission,
        } in grants
        {
            let grantee = match grantee {
                NamedGrantee::Group(group) => group,
                NamedGrantee::Id(id) => {
                    let namespace = self.accounts.namespace_of_id(&id).await;
                    let namespace = namespace.map_err(error::record)?;
                    let namespace = namespace.ok_or(AclError::UnknownId(id))?;
                    Grantee::Namespace(namespace.to_string())
                }
                NamedGrantee::Email(address) => {
                    Grantee::Namespace(self.namespace_of(address).await?.to_string())
                }
            };
            resolved.push(Grant {
                grantee,
                permission,
            });
        }
        Ok(Asked::Grants(resolved))
    }

    /// The namespace that belongs to the user of an e-mail address.
    async fn namespace_of(&self, address: String) -> S3Result<NamespaceName> {
        let Ok(email) = Email::new(&address) else {
            return Err(AclError::UnknownEmail(address).into());
        };
        let owned = self.accounts.namespaces_of_email(&email).await;
        let mut owned = owned.map_err(error::record)?;
        match (owned.pop(), owned.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(AclError::AmbiguousEmail(address).into()),
            (None, _) => Err(AclError::UnknownEmail(address).into()),
        }
    }
}
