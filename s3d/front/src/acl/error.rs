/// Most grants of an ACL, as in S3.
pub const MAX_GRANTS: usize = 100;

/// Why an ACL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    /// A canned ACL that S3 does not know.
    #[error("the canned ACL {0} is not one of S3's")]
    UnknownCanned(String),
    /// A canned ACL that is for services of AWS.
    #[error("the canned ACL {0} is for services that are not here")]
    NotBuilt(&'static str),
    /// Two ways of naming an ACL in one request.
    #[error("specifying both canned ACLs and header grants is not allowed")]
    Both,
    /// Neither a header nor a document.
    #[error("say which ACL to set: with x-amz-acl, x-amz-grant- headers or a document")]
    Missing,
    /// A document or a header that cannot be read as an ACL.
    #[error("the ACL is malformed: {0}")]
    Malformed(&'static str),
    /// No namespace has this id.
    #[error("invalid id: no namespace has the canonical id {0}")]
    UnknownId(String),
    /// A group that S3 does not know.
    #[error("invalid group uri: {0}")]
    UnknownGroup(String),
    /// No user has this e-mail address, or one that owns no namespace.
    #[error("no namespace belongs to the e-mail address {0}")]
    UnknownEmail(String),
    /// The user of this e-mail address owns several namespaces.
    #[error("several namespaces belong to the e-mail address {0}: name a canonical id")]
    AmbiguousEmail(String),
    /// The document names another owner.
    #[error("the owner in the document is not the owner of the resource")]
    OtherOwner,
    /// Ownership controls disable ACLs.
    #[error("the bucket does not allow ACLs")]
    Disabled,
    /// The public access block refuses it.
    #[error("the public access block of the bucket refuses public ACLs")]
    Blocked,
}
