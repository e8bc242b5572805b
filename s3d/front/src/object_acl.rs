//! An object's ACL.

use s3d_bucket::{AttributeChange, Condition, Key};
use s3s::dto::{GetObjectAclInput, GetObjectAclOutput, PutObjectAclInput, PutObjectAclOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::access::{self, ObjectUse};
use super::acl::{self, AclError, Requested};
use super::operations::Operations;
use super::{error, versions};

impl Operations {
    /// Who may do what with an object.
    pub(super) async fn object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        versions::check(request.input.version_id.as_deref())?;
        let bucket = access::bucket(&request)?;
        let key = Key::new(request.input.key.as_str()).map_err(error::key)?;
        let open = self.open(&request).await?;
        let object = access::find(&open, &request, &key, ObjectUse::READ_ACL).await?;
        let owner = acl::object_owner(bucket, object.attributes.owner.as_deref());
        let shown = object.attributes.acl.as_ref();
        let shown = shown.filter(|_| acl::acls_are_enabled(bucket));
        Ok(S3Response::new(GetObjectAclOutput {
            grants: Some(acl::grants_of(shown, owner)),
            owner: Some(acl::owner(owner)),
            request_charged: None,
        }))
    }

    /// Sets who may do what with an object.
    pub(super) async fn set_object_acl(
        &self,
        request: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        let input = &request.input;
        versions::check(input.version_id.as_deref())?;
        let bucket = access::bucket(&request)?;
        if !acl::acls_are_enabled(bucket) {
            return Err(AclError::Disabled.into());
        }
        let key = Key::new(input.key.as_str()).map_err(error::key)?;
        let open = self.open(&request).await?;
        let object = access::find(&open, &request, &key, ObjectUse::WRITE_ACL).await?;
        let owner = acl::object_owner(bucket, object.attributes.owner.as_deref());
        let requested = match acl::read_headers(&request.headers)? {
            Requested::Nothing => {
                let document = input.access_control_policy.as_ref();
                let document = document.ok_or(AclError::Missing)?;
                Requested::Grants(acl::read_document(document, owner)?)
            }
            requested => requested,
        };
        let asked = self.resolve(requested).await?;
        let wanted = asked.acl(owner, bucket.namespace.as_str());
        if acl::is_blocked(bucket, wanted.as_ref()) {
            return Err(AclError::Blocked.into());
        }
        let changed = open
            .change_attributes(key, AttributeChange::Acl(wanted), Condition::seen(&object))
            .await;
        changed.map_err(|refusal| error::change(&refusal))?;
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }
}
