//! Why a policy is refused.

use crate::document::MAX_LENGTH;

/// Why a document is no policy of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is too long.
    #[error("a bucket policy has at most {MAX_LENGTH} bytes")]
    TooLong,
    /// It is no JSON object, or none that a policy is made of.
    #[error("policies must be valid JSON: {0}")]
    Json(String),
    /// The language's version is unknown.
    #[error("the policy's version must be 2012-10-17 or 2008-10-17, and not {0}")]
    Version(String),
    /// It says nothing.
    #[error("the policy has no statement")]
    NoStatement,
    /// An effect that does not exist.
    #[error("the effect of a statement must be Allow or Deny, and not {0}")]
    Effect(String),
    /// An element that must be there once, positive or negated.
    #[error("a statement has one of {0} and Not{0}, and it is not empty")]
    Either(&'static str),
    /// Allowing everyone but some.
    #[error("NotPrincipal is for statements that deny: name whom this one allows")]
    AllowedByExclusion,
    /// A principal that cannot be here.
    #[error(
        "invalid principal in policy: {0}; name \"*\", a namespace as \
         {{\"AWS\": \"arn:aws:iam::<namespace>:root\"}}, or {{\"CanonicalUser\": \"<id>\"}}"
    )]
    Principal(String),
    /// An action that S3 does not have.
    #[error("policy has invalid action: {0}")]
    Action(String),
    /// A resource that is not the bucket, nor anything in it.
    #[error(
        "policy has invalid resource: {0}; it must be arn:aws:s3:::<bucket> or \
         arn:aws:s3:::<bucket>/<key>, of the bucket that has the policy"
    )]
    Resource(String),
    /// An operator that does not exist.
    #[error("invalid condition operator: {0}")]
    Operator(String),
    /// A condition key that does not exist.
    #[error("policy has an invalid condition key: {0}")]
    ConditionKey(String),
    /// A value that the operator cannot compare with.
    #[error("{value} is no value for {operator}")]
    Value {
        /// The operator.
        operator: String,
        /// The value.
        value: String,
    },
    /// A condition on an object's tags, for actions that find no object.
    #[error(
        "conditions do not apply to the combination of actions and resources in the statement: \
         no action of it looks at the tags of an object"
    )]
    NoTags,
    /// A variable, of which only the escapes are known.
    #[error("the policy variable {0} is not known here")]
    Variable(String),
}
