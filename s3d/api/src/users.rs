//! `/api/v1/auth/…` and `/api/v1/user`.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::ApiState;
use super::auth::{Caller, From};
use super::error::ApiError;
use super::fields::Fields;
use super::namespaces::NamespaceAnswer;
use s3d_accounts::clock;
use s3d_accounts::{Password, SignUp};
use s3d_names::{Email, NamespaceName};

#[derive(Serialize)]
pub struct SignedUp {
    id: String,
    email: String,
    namespace: String,
}

pub async fn sign_up(
    State(state): State<ApiState>,
    From(from): From,
    mut fields: Fields,
) -> Result<(StatusCode, Json<SignedUp>), ApiError> {
    let email = fields.required("email", |text| Email::new(&text));
    let password = fields.required("password", Password::new);
    let namespace = fields.optional("namespace", NamespaceName::new);
    fields.finish()?;
    let (Some(email), Some(password)) = (email, password) else {
        unreachable!("a required field is there once the fields are finished");
    };
    let sign_up = SignUp {
        email,
        password,
        namespace,
    };
    let (user, namespace) = state.accounts.sign_up(sign_up, from).await?;
    let answer = SignedUp {
        id: user.id.to_string(),
        email: user.email.into(),
        namespace: namespace.into(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    access_token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
}

pub async fn login(
    State(state): State<ApiState>,
    From(from): From,
    mut fields: Fields,
) -> Result<Json<SignedIn>, ApiError> {
    let email = fields.required("email", Ok::<_, Infallible>);
    let password = fields.required("password", Ok::<_, Infallible>);
    fields.finish()?;
    let (Some(email), Some(password)) = (email, password) else {
        unreachable!("a required field is there once the fields are finished");
    };
    let token = state.accounts.login(&email, password, from).await?;
    Ok(Json(SignedIn {
        access_token: token.text,
        token_type: "Bearer",
        expires_in: token.expires_in,
    }))
}

#[derive(Serialize)]
pub struct UserAnswer {
    id: String,
    email: String,
    created: String,
    namespaces: Vec<NamespaceAnswer>,
}

pub async fn show(
    State(state): State<ApiState>,
    Caller(user): Caller,
) -> Result<Json<UserAnswer>, ApiError> {
    let memberships = state.accounts.memberships(&user.id).await?;
    Ok(Json(UserAnswer {
        id: user.id.to_string(),
        email: user.email.into(),
        created: clock::text(user.created),
        namespaces: memberships.into_iter().map(NamespaceAnswer::from).collect(),
    }))
}
