//! Who calls, and for which namespace.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;

use super::ApiState;
use super::error::ApiError;
use super::fields::Fields;
use s3d_accounts::{Membership, User};
use s3d_names::NamespaceName;

/// The user who is signed in.
#[derive(Debug)]
pub struct Caller(pub User);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let (scheme, token) = header
            .and_then(|value| value.split_once(' '))
            .ok_or_else(ApiError::token_missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ApiError::token_missing());
        }
        Ok(Self(state.accounts.authenticate(token.trim()).await?))
    }
}

/// The address at the other end of the connection, if the server tells.
#[derive(Debug)]
pub struct From(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map(|ConnectInfo(address)| address.ip())))
    }
}

/// The namespace that a call is about: the one that `wished` names, or the caller's only one.
/// The caller belongs to it; if there is none such, a field says so or the call is refused.
pub async fn namespace_of(
    state: &ApiState,
    caller: &User,
    wished: Option<NamespaceName>,
    fields: &mut Fields,
) -> Result<Option<NamespaceName>, ApiError> {
    if let Some(wished) = wished {
        let role = state.accounts.role(&caller.id, &wished).await?;
        return role
            .map(|_| Some(wished))
            .ok_or_else(ApiError::no_such_namespace);
    }
    let memberships = state.accounts.memberships(&caller.id).await?;
    match &memberships[..] {
        [Membership { namespace, .. }] => Ok(Some(namespace.clone())),
        [] => Err(ApiError::no_such_namespace()),
        _ => {
            fields.wrong(
                "namespace",
                "You belong to several namespaces; name one of them.",
            );
            Ok(None)
        }
    }
}
