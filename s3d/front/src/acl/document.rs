//! ACLs as S3's documents show them, and back.

use s3d_bucket::{Acl, Grant, Grantee, Permission};
use s3d_names::NamespaceName;
use s3s::dto::{self, AccessControlPolicy, Owner, Type};

use super::error::{AclError, MAX_GRANTS};
use super::requested::{NamedGrantee, RequestedGrant, group, uri};

/// An owner as documents show it.
pub fn owner(namespace: &str) -> Owner {
    Owner {
        display_name: Some(namespace.to_owned()),
        id: Some(NamespaceName::canonical_id_of(namespace)),
    }
}

/// The grants that a document shows: those to groups first.
pub fn grants_of(acl: Option<&Acl>, owner: &str) -> Vec<dto::Grant> {
    let Some(acl) = acl else {
        let grantee = &Grantee::Namespace(owner.to_owned());
        return vec![grant(grantee, Permission::FullControl)];
    };
    let is_group = |grant: &&Grant| uri(&grant.grantee).is_some();
    let (groups, namespaces): (Vec<_>, Vec<_>) = acl.grants.iter().partition(is_group);
    let all = groups.into_iter().chain(namespaces);
    all.map(|it| grant(&it.grantee, it.permission)).collect()
}

fn grant(grantee: &Grantee, permission: Permission) -> dto::Grant {
    let shown = match grantee {
        Grantee::Namespace(name) => dto::Grantee {
            display_name: Some(name.clone()),
            email_address: None,
            id: Some(NamespaceName::canonical_id_of(name)),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        },
        group => dto::Grantee {
            display_name: None,
            email_address: None,
            id: None,
            type_: Type::from_static(Type::GROUP),
            uri: uri(group).map(str::to_owned),
        },
    };
    dto::Grant {
        grantee: Some(shown),
        permission: Some(dto::Permission::from_static(name(permission))),
    }
}

/// The grants that a document asks for. `owner`: to whom the resource belongs.
pub fn read(document: &AccessControlPolicy, owner: &str) -> Result<Vec<RequestedGrant>, AclError> {
    let named = document.owner.as_ref().and_then(|it| it.id.as_deref());
    match named {
        None => return Err(AclError::Malformed("it names no owner")),
        Some(id) if id != NamespaceName::canonical_id_of(owner) => {
            return Err(AclError::OtherOwner);
        }
        Some(_) => {}
    }
    let grants = document.grants.as_deref().unwrap_or_default();
    if grants.len() > MAX_GRANTS {
        return Err(AclError::Malformed("it has more than 100 grants"));
    }
    grants.iter().map(read_grant).collect()
}

fn read_grant(grant: &dto::Grant) -> Result<RequestedGrant, AclError> {
    let permission = grant.permission.as_ref();
    let permission = permission
        .and_then(|it| permission_of(it.as_str()))
        .ok_or(AclError::Malformed("a grant has one of S3's permissions"))?;
    let grantee = grant
        .grantee
        .as_ref()
        .ok_or(AclError::Malformed("a grant names a grantee"))?;
    let missing = AclError::Malformed("a grantee has an ID, a URI or an EmailAddress");
    let grantee = match grantee.type_.as_str() {
        Type::CANONICAL_USER => NamedGrantee::Id(grantee.id.clone().ok_or(missing)?),
        Type::GROUP => NamedGrantee::Group(group(grantee.uri.as_deref().ok_or(missing)?)?),
        Type::AMAZON_CUSTOMER_BY_EMAIL => {
            NamedGrantee::Email(grantee.email_address.clone().ok_or(missing)?)
        }
        _ => return Err(AclError::Malformed("a grantee is of one of S3's types")),
    };
    Ok(RequestedGrant {
        grantee,
        permission,
    })
}

const fn name(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => dto::Permission::READ,
        Permission::Write => dto::Permission::WRITE,
        Permission::ReadAcp => dto::Permission::READ_ACP,
        Permission::WriteAcp => dto::Permission::WRITE_ACP,
        Permission::FullControl => dto::Permission::FULL_CONTROL,
    }
}

fn permission_of(text: &str) -> Option<Permission> {
    [
        Permission::Read,
        Permission::Write,
        Permission::ReadAcp,
        Permission::WriteAcp,
        Permission::FullControl,
    ]
    .into_iter()
    .find(|permission| name(*permission) == text)
}
