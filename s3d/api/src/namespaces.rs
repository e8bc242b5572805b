//! `/api/v1/namespaces`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::ApiState;
use super::auth::Caller;
use super::error::ApiError;
use super::fields::Fields;
use s3d_accounts::{Membership, Role};
use s3d_names::NamespaceName;

#[derive(Serialize)]
pub struct NamespaceAnswer {
    name: String,
    /// The id by which S3 names the namespace.
    #[serde(rename = "canonicalId")]
    canonical_id: String,
    role: Role,
}

impl From<Membership> for NamespaceAnswer {
    fn from(membership: Membership) -> Self {
        Self {
            canonical_id: membership.namespace.canonical_id(),
            name: membership.namespace.into(),
            role: membership.role,
        }
    }
}

#[derive(Serialize)]
pub struct NamespacesAnswer {
    namespaces: Vec<NamespaceAnswer>,
}

pub async fn list(
    State(state): State<ApiState>,
    Caller(user): Caller,
) -> Result<Json<NamespacesAnswer>, ApiError> {
    let memberships = state.accounts.memberships(&user.id).await?;
    let namespaces = memberships.into_iter().map(NamespaceAnswer::from).collect();
    Ok(Json(NamespacesAnswer { namespaces }))
}

pub async fn create(
    State(state): State<ApiState>,
    Caller(user): Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<NamespaceAnswer>), ApiError> {
    let name = fields.required("name", NamespaceName::new);
    fields.finish()?;
    let Some(name) = name else {
        unreachable!("a required field is there once the fields are finished");
    };
    let membership = state.accounts.create_namespace(&user.id, &name).await?;
    Ok((StatusCode::CREATED, Json(membership.into())))
}
