//! What the headers of a request ask an ACL to be.

use http::{HeaderMap, HeaderValue};
use s3d_bucket::{Grantee, Permission};

use super::canned::Canned;
use super::error::{AclError, MAX_GRANTS};

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// An ACL as a request asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// It does not say.
    Nothing,
    /// By name.
    Canned(Canned),
    /// Grant by grant.
    Grants(Vec<RequestedGrant>),
}

/// A grant whose grantee may be an id that nobody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedGrant {
    /// To whom.
    pub grantee: NamedGrantee,
    /// What.
    pub permission: Permission,
}

/// A grantee as requests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedGrantee {
    /// A canonical id.
    Id(String),
    /// An e-mail address: the namespace of the user who has it.
    Email(String),
    /// A group.
    Group(Grantee),
}

/// What `x-amz-acl` and the `x-amz-grant-` headers ask for.
pub fn read(headers: &HeaderMap) -> Result<Requested, AclError> {
    let mut grants = Vec::new();
    for (name, permission) in GRANT_HEADERS {
        for value in headers.get_all(name) {
            for grantee in grantees(text(value)?)? {
                grants.push(RequestedGrant {
                    grantee,
                    permission,
                });
            }
        }
    }
    match headers.get("x-amz-acl") {
        Some(_) if !grants.is_empty() => Err(AclError::Both),
        Some(name) => Canned::of_name(text(name)?).map(Requested::Canned),
        None if grants.is_empty() => Ok(Requested::Nothing),
        None if grants.len() > MAX_GRANTS => {
            Err(AclError::Malformed("it has more than 100 grants"))
        }
        None => Ok(Requested::Grants(grants)),
    }
}

/// The group that a URI names.
pub fn group(uri: &str) -> Result<Grantee, AclError> {
    match uri {
        ALL_USERS => Ok(Grantee::AllUsers),
        AUTHENTICATED_USERS => Ok(Grantee::AuthenticatedUsers),
        LOG_DELIVERY => Ok(Grantee::LogDelivery),
        other => Err(AclError::UnknownGroup(other.to_owned())),
    }
}

/// The URI of a group; none for a namespace.
pub fn uri(grantee: &Grantee) -> Option<&'static str> {
    match grantee {
        Grantee::Namespace(_) => None,
        Grantee::AllUsers => Some(ALL_USERS),
        Grantee::AuthenticatedUsers => Some(AUTHENTICATED_USERS),
        Grantee::LogDelivery => Some(LOG_DELIVERY),
    }
}

fn text(value: &HeaderValue) -> Result<&str, AclError> {
    let readable = value.to_str().ok();
    readable.ok_or(AclError::Malformed("a header is not plain text"))
}

/// The grantees of one header: `id="…", uri="…"`, with or without quotes.
fn grantees(value: &str) -> Result<Vec<NamedGrantee>, AclError> {
    let named = value.split(',').map(|grantee| {
        let (kind, name) = grantee.split_once('=').ok_or(AclError::Malformed(
            "a grantee is id=…, uri=… or emailAddress=…",
        ))?;
        let name = name.trim().trim_matches('"');
        match kind.trim().to_ascii_lowercase().as_str() {
            "id" => Ok(NamedGrantee::Id(name.to_owned())),
            "uri" => group(name).map(NamedGrantee::Group),
            "emailaddress" => Ok(NamedGrantee::Email(name.to_owned())),
            _ => Err(AclError::Malformed(
                "a grantee is id=…, uri=… or emailAddress=…",
            )),
        }
    });
    named.collect()
}
