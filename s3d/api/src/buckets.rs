//! `/api/v1/buckets`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::auth::{Caller, namespace_of};
use super::error::ApiError;
use super::fields::{Fields, Query};
use super::path::Name;
use super::{ApiState, Endpoint};
use s3d_accounts::clock;
use s3d_accounts::{Key, User};
use s3d_buckets::{BucketRecord, Settings, Status};
use s3d_names::BucketName;
use s3d_names::NamespaceName;

#[derive(Serialize)]
pub struct BucketAnswer {
    id: String,
    name: String,
    namespace: String,
    endpoint: String,
    status: Status,
    created: String,
}

impl BucketAnswer {
    fn new(record: &BucketRecord, endpoint: &Endpoint) -> Self {
        Self {
            id: record.id_text(),
            name: record.name.to_string(),
            namespace: record.namespace.to_string(),
            endpoint: endpoint.of(record.name.as_str(), record.namespace.as_str()),
            status: record.status,
            created: clock::text(record.created),
        }
    }
}

/// The only answer that shows the secret.
#[derive(Serialize)]
pub struct CreatedBucket {
    #[serde(flatten)]
    bucket: BucketAnswer,
    #[serde(rename = "accessKeyID")]
    access_key_id: String,
    #[serde(rename = "secretAccessKey")]
    secret_access_key: String,
}

impl CreatedBucket {
    fn new(bucket: BucketAnswer, key: Key) -> Self {
        Self {
            bucket,
            access_key_id: key.id,
            secret_access_key: key.secret,
        }
    }
}

pub async fn create(
    State(state): State<ApiState>,
    Caller(user): Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<CreatedBucket>), ApiError> {
    let name = fields.required("name", BucketName::new);
    let wished = fields.optional("namespace", NamespaceName::new);
    let namespace = namespace_of(&state, &user, wished, &mut fields).await?;
    fields.finish()?;
    let (Some(name), Some(namespace)) = (name, namespace) else {
        unreachable!("both are there once the fields are finished");
    };
    let record = state
        .buckets
        .create(&namespace, &name, None, Settings::default())
        .await?;
    let key = match state.buckets.create_key(&record).await {
        Ok(key) => key,
        Err(error) => {
            // The call as a whole has failed: a bucket without a key is not what was asked for.
            state.buckets.delete(&record, false).await?;
            return Err(error.into());
        }
    };
    let bucket = BucketAnswer::new(&record, &state.endpoint);
    Ok((StatusCode::CREATED, Json(CreatedBucket::new(bucket, key))))
}

#[derive(Serialize)]
pub struct BucketsAnswer {
    buckets: Vec<BucketAnswer>,
}

pub async fn list(
    State(state): State<ApiState>,
    Caller(user): Caller,
    Query(mut query): Query,
) -> Result<Json<BucketsAnswer>, ApiError> {
    let only = query.optional("namespace", NamespaceName::new);
    query.finish()?;
    let mut buckets = Vec::new();
    for membership in state.accounts.memberships(&user.id).await? {
        if only
            .as_ref()
            .is_none_or(|only| *only == membership.namespace)
        {
            let records = state.buckets.list(&membership.namespace).await?;
            buckets.extend(
                records
                    .iter()
                    .map(|record| BucketAnswer::new(record, &state.endpoint)),
            );
        }
    }
    Ok(Json(BucketsAnswer { buckets }))
}

pub async fn show(
    State(state): State<ApiState>,
    Caller(user): Caller,
    Name(name): Name,
) -> Result<Json<BucketAnswer>, ApiError> {
    let record = bucket_of(&state, &user, &name).await?;
    Ok(Json(BucketAnswer::new(&record, &state.endpoint)))
}

pub async fn delete(
    State(state): State<ApiState>,
    Caller(user): Caller,
    Name(name): Name,
    Query(mut query): Query,
) -> Result<StatusCode, ApiError> {
    let force = query.optional("force", |text| match text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("Say true or false."),
    });
    query.finish()?;
    let record = bucket_of(&state, &user, &name).await?;
    state
        .buckets
        .delete(&record, force.unwrap_or(false))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A bucket of one of the user's namespaces; others are as good as not there.
pub async fn bucket_of(
    state: &ApiState,
    user: &User,
    name: &str,
) -> Result<Arc<BucketRecord>, ApiError> {
    let record = state
        .buckets
        .find(name)
        .await?
        .ok_or_else(ApiError::no_such_bucket)?;
    match state.accounts.role(&user.id, &record.namespace).await? {
        Some(_) => Ok(record),
        None => Err(ApiError::no_such_bucket()),
    }
}
