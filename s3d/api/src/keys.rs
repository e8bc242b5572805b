//! `/api/v1/keys`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::ApiState;
use super::auth::{Caller, namespace_of};
use super::buckets::bucket_of;
use super::error::ApiError;
use super::fields::{Fields, Query};
use super::path::Name;
use s3d_accounts::clock;
use s3d_accounts::{KeyInfo, Scope};
use s3d_names::BucketName;
use s3d_names::NamespaceName;

const SCOPES: &str = "Say \"namespace\", or {\"bucket\": \"<name>\"} for a key to one bucket.";

#[derive(Serialize)]
pub struct KeyAnswer {
    #[serde(rename = "accessKeyID")]
    access_key_id: String,
    namespace: String,
    scope: Scope,
    created: String,
}

impl From<KeyInfo> for KeyAnswer {
    fn from(key: KeyInfo) -> Self {
        Self {
            access_key_id: key.id,
            namespace: key.namespace.into(),
            scope: key.scope,
            created: clock::text(key.created),
        }
    }
}

/// The only answer that shows the secret.
#[derive(Serialize)]
pub struct CreatedKey {
    #[serde(flatten)]
    key: KeyAnswer,
    #[serde(rename = "secretAccessKey")]
    secret_access_key: String,
}

pub async fn create(
    State(state): State<ApiState>,
    Caller(user): Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let scope = scope(&mut fields);
    let wished = fields.optional("namespace", NamespaceName::new);
    let key = if let Scope::Bucket(name) = scope {
        fields.finish()?;
        let record = bucket_of(&state, &user, name.as_str()).await?;
        if wished.is_some_and(|wished| wished != record.namespace) {
            return Err(ApiError::no_such_bucket());
        }
        state.buckets.create_key(&record).await?
    } else {
        let namespace = namespace_of(&state, &user, wished, &mut fields).await?;
        fields.finish()?;
        let Some(namespace) = namespace else {
            unreachable!("the namespace is there once the fields are finished");
        };
        state.accounts.create_namespace_key(&namespace).await?
    };
    let secret_access_key = key.secret.clone();
    let answer = CreatedKey {
        key: KeyInfo::from(key).into(),
        secret_access_key,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// A wrong scope is said in the fields, and the narrow reading of it does no harm.
fn scope(fields: &mut Fields) -> Scope {
    match fields.take("scope") {
        None | Some(Value::Null) => Scope::Namespace,
        Some(Value::String(text)) if text == "namespace" => Scope::Namespace,
        Some(Value::Object(object)) if object.len() == 1 => {
            match object
                .get("bucket")
                .and_then(Value::as_str)
                .map(BucketName::new)
            {
                Some(Ok(name)) => return Scope::Bucket(name),
                Some(Err(error)) => fields.wrong("scope", error),
                None => fields.wrong("scope", SCOPES),
            }
            Scope::Namespace
        }
        Some(_) => {
            fields.wrong("scope", SCOPES);
            Scope::Namespace
        }
    }
}

#[derive(Serialize)]
pub struct KeysAnswer {
    keys: Vec<KeyAnswer>,
}

pub async fn list(
    State(state): State<ApiState>,
    Caller(user): Caller,
    Query(mut query): Query,
) -> Result<Json<KeysAnswer>, ApiError> {
    let only = query.optional("namespace", NamespaceName::new);
    query.finish()?;
    let mut keys = Vec::new();
    for membership in state.accounts.memberships(&user.id).await? {
        if only
            .as_ref()
            .is_none_or(|only| *only == membership.namespace)
        {
            let infos = state.accounts.keys_of(&membership.namespace).await?;
            keys.extend(infos.into_iter().map(KeyAnswer::from));
        }
    }
    Ok(Json(KeysAnswer { keys }))
}

pub async fn delete(
    State(state): State<ApiState>,
    Caller(user): Caller,
    Name(id): Name,
) -> Result<StatusCode, ApiError> {
    for membership in state.accounts.memberships(&user.id).await? {
        if state
            .accounts
            .delete_key(&membership.namespace, &id)
            .await?
        {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(ApiError::no_such_key())
}
