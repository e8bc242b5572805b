//! Who calls, from where, and what the caller may do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use s3d_accounts::{Client, Membership, Role, SessionId, User};
use s3d_buckets::BucketRecord;
use s3d_names::NamespaceName;

use super::ApiState;
use super::cookie;
use super::error::ApiError;
use super::trail::Trail;

/// The user who is signed in.
#[derive(Debug)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// The session that the call is made in.
    pub session: SessionId,
    /// What the call is about, for the audit log.
    pub trail: Trail,
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let token = match bearer(parts)? {
            Some(token) => token,
            None => cookie::token(parts)?.ok_or_else(ApiError::token_missing)?,
        };
        let client = client(parts);
        let (user, session) = state.accounts.authenticate(token, &client).await?;
        let trail = Trail::of(parts);
        trail.user(&user.id);
        Ok(Self {
            user,
            session,
            trail,
        })
    }
}

/// The token in the Authorization header, if there is one.
fn bearer(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().ok().and_then(|value| value.split_once(' '));
    match value {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(ApiError::token_missing()),
    }
}

/// The user who is signed in, and runs the rack.
#[derive(Debug)]
pub struct Operator(pub Caller);

impl FromRequestParts<ApiState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.user.operator {
            Ok(Self(caller))
        } else {
            Err(ApiError::not_an_operator())
        }
    }
}

/// From where, and with which program, somebody calls who may not be signed in.
#[derive(Debug)]
pub struct From(pub Client);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(client(parts)))
    }
}

/// When the server does not say who is at the other end of the connection, all callers share one address.
fn client(parts: &Parts) -> Client {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let address = peer.map_or(unknown, |ConnectInfo(address)| address.ip());
    let agent = parts.headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    Client::new(address, agent.unwrap_or_default())
}

impl Caller {
    /// Refuses unless the user has at least this role in the namespace. One that the user does not
    /// belong to is as good as not there.
    pub async fn require(
        &self,
        state: &ApiState,
        namespace: &NamespaceName,
        least: Role,
    ) -> Result<(), ApiError> {
        let role = state.accounts.role(&self.user.id, namespace).await?;
        let role = role.ok_or_else(ApiError::no_such_namespace)?;
        self.check(state, namespace, role, least)
    }

    /// The namespace that a call is about: the one that `wished` names, or the caller's only one.
    /// The caller has at least this role there.
    pub async fn namespace_of(
        &self,
        state: &ApiState,
        wished: Option<NamespaceName>,
        least: Role,
    ) -> Result<NamespaceName, ApiError> {
        let namespace = match wished {
            Some(wished) => wished,
            None => match &state.accounts.memberships(&self.user.id).await?[..] {
                [Membership { namespace, .. }] => namespace.clone(),
                [] => return Err(ApiError::no_such_namespace()),
                _ => return Err(ApiError::which_namespace()),
            },
        };
        self.require(state, &namespace, least).await?;
        Ok(namespace)
    }

    /// The namespaces of the caller, or the one of them that `only` names.
    pub async fn namespaces_of(
        &self,
        state: &ApiState,
        only: Option<&NamespaceName>,
    ) -> Result<Vec<NamespaceName>, ApiError> {
        let memberships = state.accounts.memberships(&self.user.id).await?;
        let namespaces = memberships.into_iter().map(|it| it.namespace);
        Ok(namespaces
            .filter(|namespace| only.is_none_or(|only| only == namespace))
            .collect())
    }

    /// A bucket of a namespace where the caller has at least this role; others are as good as not
    /// there.
    pub async fn bucket_of(
        &self,
        state: &ApiState,
        name: &str,
        least: Role,
    ) -> Result<Arc<BucketRecord>, ApiError> {
        let record = state.buckets.find(name).await?;
        let record = record.ok_or_else(ApiError::no_such_bucket)?;
        let role = state
            .accounts
            .role(&self.user.id, &record.namespace)
            .await?;
        let role = role.ok_or_else(ApiError::no_such_bucket)?;
        self.check(state, &record.namespace, role, least)?;
        Ok(record)
    }

    /// Refuses a user who has to verify the address first.
    pub fn verified(&self, state: &ApiState) -> Result<(), ApiError> {
        if state.accounts.must_verify(&self.user) {
            Err(ApiError::email_unverified())
        } else {
            Ok(())
        }
    }

    fn check(
        &self,
        state: &ApiState,
        namespace: &NamespaceName,
        role: Role,
        least: Role,
    ) -> Result<(), ApiError> {
        self.trail.namespace(namespace);
        self.verified(state)?;
        if role >= least {
            Ok(())
        } else {
            Err(ApiError::role_too_low(least))
        }
    }
}
