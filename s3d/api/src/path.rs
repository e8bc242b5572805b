//! Names in paths.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use s3d_accounts::UserId;
use s3d_names::NamespaceName;

use super::error::ApiError;

/// The one name in a path.
#[derive(Debug)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // What is not even text names nothing.
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|_| ApiError::no_such_call())
    }
}

/// A namespace in a path, and what is named in it.
#[derive(Debug)]
pub struct InNamespace(pub NamespaceName, pub String);

impl<S: Send + Sync> FromRequestParts<S> for InNamespace {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((name, item)) = path.map_err(|_| ApiError::no_such_call())?;
        Ok(Self(namespace(&name)?, item))
    }
}

/// What cannot be a namespace is none.
pub fn namespace(name: &str) -> Result<NamespaceName, ApiError> {
    NamespaceName::new(name).map_err(|_| ApiError::no_such_namespace())
}

/// What cannot be a user is none.
pub fn user(id: &str) -> Result<UserId, ApiError> {
    UserId::parse(id).ok_or_else(ApiError::no_such_member)
}
