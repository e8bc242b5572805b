//! `/api/v1/buckets`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Key, Role, clock};
use s3d_buckets::{BucketRecord, Status};
use s3d_names::{BucketName, NamespaceName};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::ApiError;
use super::fields::{Body, Fields, Input, Query};
use super::keys::OfNamespace;
use super::path::Name;
use super::{ApiState, Endpoint};

/// A bucket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketView {
    id: String,
    name: String,
    namespace: String,
    /// What an S3 client is given as endpoint, for requests in path style.
    endpoint: String,
    #[schema(value_type = String, example = "Provisioned")]
    status: Status,
    created: String,
    /// Most bytes that its objects and parts may have together; null: any number.
    quota_bytes: Option<u64>,
}

impl BucketView {
    fn new(record: &BucketRecord, endpoint: &Endpoint) -> Self {
        Self {
            id: record.id_text(),
            name: record.name.to_string(),
            namespace: record.namespace.to_string(),
            endpoint: endpoint.of(record.name.as_str(), record.namespace.as_str()),
            status: record.status,
            created: clock::text(record.created),
            quota_bytes: record.settings.quota,
        }
    }
}

/// A bucket and its key. The only answer that shows the secret.
#[derive(Serialize, ToSchema)]
pub struct CreatedBucket {
    #[serde(flatten)]
    bucket: BucketView,
    #[serde(rename = "accessKeyID")]
    access_key_id: String,
    #[serde(rename = "secretAccessKey")]
    secret_access_key: String,
}

impl CreatedBucket {
    fn new(bucket: BucketView, key: Key) -> Self {
        Self {
            bucket,
            access_key_id: key.id,
            secret_access_key: key.secret,
        }
    }
}

/// A bucket to create.
#[derive(Debug, ToSchema)]
pub struct NewBucket {
    /// Unique in the whole rack.
    #[schema(value_type = String, min_length = 3, max_length = 63)]
    name: BucketName,
    /// May be left out by members of one namespace.
    #[schema(value_type = Option<String>)]
    namespace: Option<NamespaceName>,
}

impl Input for NewBucket {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", BucketName::new);
        let namespace = fields.optional("namespace", NamespaceName::new);
        Some(Self {
            name: name?,
            namespace,
        })
    }
}

/// Create a bucket and a key to it; the secret is shown once
#[utoipa::path(
    post, path = "/api/v1/buckets", operation_id = "createBucket",
    request_body = NewBucket,
    responses((status = 201, body = CreatedBucket), ApiError)
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body<NewBucket>,
) -> Result<(StatusCode, Json<CreatedBucket>), ApiError> {
    caller.trail.resource(&body.name);
    let namespace = caller
        .namespace_of(&state, body.namespace, Role::Member)
        .await?;
    let (record, key) = state
        .buckets
        .create_with_key(&namespace, &body.name, &caller.user.id)
        .await?;
    let bucket = BucketView::new(&record, &state.endpoint);
    Ok((StatusCode::CREATED, Json(CreatedBucket::new(bucket, key))))
}

/// Buckets.
#[derive(Serialize, ToSchema)]
pub struct BucketsView {
    buckets: Vec<BucketView>,
}

impl BucketsView {
    /// The buckets of the caller's namespaces, or of the one of them that `only` names.
    pub async fn read(
        state: &ApiState,
        caller: &Caller,
        only: Option<&NamespaceName>,
    ) -> Result<Self, ApiError> {
        let mut buckets = Vec::new();
        for namespace in caller.namespaces_of(state, only).await? {
            let records = state.buckets.list(&namespace).await?;
            let views = records
                .iter()
                .map(|record| BucketView::new(record, &state.endpoint));
            buckets.extend(views);
        }
        Ok(Self { buckets })
    }
}

/// The buckets of your namespaces
#[utoipa::path(
    get, path = "/api/v1/buckets", operation_id = "listBuckets",
    params(OfNamespace),
    responses((status = 200, body = BucketsView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<OfNamespace>,
) -> Result<Json<BucketsView>, ApiError> {
    let view = BucketsView::read(&state, &caller, query.namespace.as_ref()).await?;
    Ok(Json(view))
}

/// What a bucket holds.
#[derive(Serialize, ToSchema)]
pub struct Usage {
    objects: u64,
    /// Of objects, and of the parts of uploads under way.
    bytes: u64,
}

/// A bucket and what it holds.
#[derive(Serialize, ToSchema)]
pub struct BucketWithUsage {
    #[serde(flatten)]
    bucket: BucketView,
    /// Null while the bucket is being made.
    usage: Option<Usage>,
}

impl BucketWithUsage {
    async fn read(state: &ApiState, record: &BucketRecord) -> Result<Json<Self>, ApiError> {
        let usage = match record.status {
            Status::Provisioned => {
                let totals = state.buckets.totals(record).await?;
                Some(Usage {
                    objects: totals.objects,
                    bytes: totals.bytes(),
                })
            }
            Status::Provisioning | Status::Deleting => None,
        };
        let bucket = BucketView::new(record, &state.endpoint);
        Ok(Json(Self { bucket, usage }))
    }
}

/// One bucket and what it holds
#[utoipa::path(
    get, path = "/api/v1/buckets/{name}", operation_id = "showBucket",
    params(("name" = String, Path)),
    responses((status = 200, body = BucketWithUsage), ApiError)
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<BucketWithUsage>, ApiError> {
    let record = caller.bucket_of(&state, &name, Role::Viewer).await?;
    BucketWithUsage::read(&state, &record).await
}

/// What to change of a bucket.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ChangeBucket {
    /// Most bytes that its objects and parts may have together; null: any number.
    quota_bytes: Option<u64>,
}

impl Input for ChangeBucket {
    fn read(fields: &mut Fields) -> Option<Self> {
        if !fields.has("quotaBytes") {
            fields.wrong(
                "quotaBytes",
                "This field is missing; null stands for no quota.",
            );
        }
        let quota_bytes = fields.number("quotaBytes");
        Some(Self { quota_bytes })
    }
}

/// Set a bucket's quota; what would exceed it is refused
#[utoipa::path(
    patch, path = "/api/v1/buckets/{name}", operation_id = "changeBucket",
    params(("name" = String, Path)),
    request_body = ChangeBucket,
    responses((status = 200, body = BucketWithUsage), ApiError)
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Body(body): Body<ChangeBucket>,
) -> Result<Json<BucketWithUsage>, ApiError> {
    let record = caller.bucket_of(&state, &name, Role::Owner).await?;
    state.buckets.set_quota(&record, body.quota_bytes).await?;
    let record = caller.bucket_of(&state, &name, Role::Owner).await?;
    BucketWithUsage::read(&state, &record).await
}

/// How to delete a bucket.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteBucket {
    /// Delete its objects, too.
    force: Option<bool>,
}

impl Input for DeleteBucket {
    fn read(fields: &mut Fields) -> Option<Self> {
        let force = Some(fields.flag("force"));
        Some(Self { force })
    }
}

/// Delete a bucket and give its space back
#[utoipa::path(
    delete, path = "/api/v1/buckets/{name}", operation_id = "deleteBucket",
    params(("name" = String, Path), DeleteBucket),
    responses((status = 204, description = "It is deleted"), ApiError)
)]
pub async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Query(query): Query<DeleteBucket>,
) -> Result<StatusCode, ApiError> {
    let record = caller.bucket_of(&state, &name, Role::Member).await?;
    let force = query.force.unwrap_or(false);
    state.buckets.delete(&record, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a name is free.
#[derive(Serialize, ToSchema)]
pub struct Availability {
    available: bool,
    /// Why it is not.
    reason: Option<String>,
}

/// Whether a bucket could be given this name
#[utoipa::path(
    get, path = "/api/v1/bucket-names/{name}", operation_id = "checkBucketName",
    params(("name" = String, Path)),
    responses((status = 200, body = Availability), ApiError)
)]
pub async fn availability(
    State(state): State<ApiState>,
    _: Caller,
    Name(name): Name,
) -> Result<Json<Availability>, ApiError> {
    let reason = match BucketName::new(name) {
        Err(error) => Some(error.to_string()),
        Ok(name) if state.buckets.is_taken(&name).await? => {
            Some("This name is taken: bucket names are unique in the whole rack.".to_owned())
        }
        Ok(_) => None,
    };
    Ok(Json(Availability {
        available: reason.is_none(),
        reason,
    }))
}
