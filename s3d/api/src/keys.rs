//! `/api/v1/keys`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Access, Key, KeyGrant, KeyInfo, Role, Scope, clock};
use s3d_bucket::Timestamp;
use s3d_names::{BucketName, NamespaceName};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::ApiError;
use super::fields::{Body, Fields, Input, Query};
use super::path::Name;

const SCOPES: &str = "Say \"namespace\", or {\"bucket\": \"<name>\"} for a key to one bucket.";

/// The longest time that a rotated key may hold on, in seconds.
const MAX_GRACE: u64 = 30 * 24 * 3_600;

/// A key without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    #[serde(rename = "accessKeyID")]
    access_key_id: String,
    namespace: String,
    /// `"namespace"` or `{"bucket": "<name>"}`.
    #[schema(value_type = Object, example = "namespace")]
    scope: Scope,
    #[schema(value_type = String, example = "read-write")]
    access: Access,
    created: String,
    /// When the key ends; null: when it is revoked.
    expires: Option<String>,
    /// When a request was last signed with it, exact to an hour.
    last_used: Option<String>,
    /// The id of the user who made it.
    created_by: Option<String>,
}

impl From<KeyInfo> for KeyView {
    fn from(key: KeyInfo) -> Self {
        Self {
            access_key_id: key.id,
            namespace: key.grant.namespace.into(),
            scope: key.grant.scope,
            access: key.grant.access,
            created: clock::text(key.created),
            expires: key.grant.expires.map(clock::text),
            last_used: key.last_used.map(clock::text),
            created_by: key.grant.created_by.map(|user| user.to_string()),
        }
    }
}

/// The only answer that shows the secret.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    #[serde(flatten)]
    key: KeyView,
    #[serde(rename = "secretAccessKey")]
    secret_access_key: String,
}

impl CreatedKey {
    fn new(key: Key) -> (StatusCode, Json<Self>) {
        let info = KeyInfo {
            id: key.id,
            grant: key.grant,
            created: key.created,
            last_used: None,
        };
        let created = Self {
            key: info.into(),
            secret_access_key: key.secret,
        };
        (StatusCode::CREATED, Json(created))
    }
}

/// A key to make.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NewKey {
    /// `"namespace"`, which is the default, or `{"bucket": "<name>"}`.
    #[schema(value_type = Option<Object>, example = "namespace")]
    scope: Scope,
    /// May be left out by members of one namespace, and for a bucket.
    #[schema(value_type = Option<String>)]
    namespace: Option<NamespaceName>,
    /// `read-write`, which is the default, or `read-only`, which is all that viewers may make.
    #[schema(value_type = Option<String>, example = "read-only")]
    access: Access,
    /// Seconds after which the key ends; without it, the key ends when it is revoked.
    expires_in_seconds: Option<u64>,
}

impl Input for NewKey {
    fn read(fields: &mut Fields) -> Option<Self> {
        let scope = scope(fields);
        let namespace = fields.optional("namespace", NamespaceName::new);
        let access = fields.optional("access", |text| {
            serde_json::from_value(text.into()).map_err(|_| "Say read-write or read-only.")
        });
        let expires_in_seconds = fields.number("expiresInSeconds");
        Some(Self {
            scope: scope?,
            namespace,
            access: access.unwrap_or_default(),
            expires_in_seconds,
        })
    }
}

fn scope(fields: &mut Fields) -> Option<Scope> {
    let bucket = match fields.take("scope") {
        None | Some(Value::Null) => return Some(Scope::Namespace),
        Some(Value::String(text)) if text == "namespace" => return Some(Scope::Namespace),
        Some(Value::Object(mut scope)) if scope.len() == 1 => scope.remove("bucket"),
        Some(_) => None,
    };
    let Some(Value::String(name)) = bucket else {
        fields.wrong("scope", SCOPES);
        return None;
    };
    let name = BucketName::new(name).map_err(|error| fields.wrong("scope", error));
    name.ok().map(Scope::Bucket)
}

/// Make a key; the secret is shown once
#[utoipa::path(
    post, path = "/api/v1/keys", operation_id = "createKey",
    request_body = NewKey,
    responses((status = 201, body = CreatedKey), ApiError)
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body<NewKey>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let least = least_role(body.access);
    let limited = |whole: KeyGrant| KeyGrant {
        access: body.access,
        expires: body.expires_in_seconds.map(in_seconds),
        created_by: Some(caller.user.id.clone()),
        ..whole
    };
    let key = match body.scope {
        Scope::Bucket(name) => {
            let record = caller.bucket_of(&state, name.as_str(), least).await?;
            if body
                .namespace
                .is_some_and(|wished| wished != record.namespace)
            {
                return Err(ApiError::no_such_bucket());
            }
            let grant = limited(record.key_grant());
            state.buckets.create_key(&record, grant).await?
        }
        Scope::Namespace => {
            let namespace = caller.namespace_of(&state, body.namespace, least).await?;
            let grant = limited(KeyGrant::new(namespace, Scope::Namespace));
            state.accounts.create_key(grant, None).await?
        }
    };
    caller.trail.resource(&key.id);
    Ok(CreatedKey::new(key))
}

fn least_role(access: Access) -> Role {
    match access {
        Access::ReadWrite => Role::Member,
        Access::ReadOnly => Role::Viewer,
    }
}

fn in_seconds(seconds: u64) -> Timestamp {
    Timestamp(clock::now().0.saturating_add(seconds.saturating_mul(1_000)))
}

/// Keys without their secrets.
#[derive(Serialize, ToSchema)]
pub struct KeysView {
    keys: Vec<KeyView>,
}

/// Which keys to list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfNamespace {
    /// Only of this namespace.
    #[param(value_type = Option<String>)]
    pub namespace: Option<NamespaceName>,
}

impl Input for OfNamespace {
    fn read(fields: &mut Fields) -> Option<Self> {
        let namespace = fields.optional("namespace", NamespaceName::new);
        Some(Self { namespace })
    }
}

/// The keys of your namespaces, without their secrets
#[utoipa::path(
    get, path = "/api/v1/keys", operation_id = "listKeys",
    params(OfNamespace),
    responses((status = 200, body = KeysView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<OfNamespace>,
) -> Result<Json<KeysView>, ApiError> {
    let mut keys = Vec::new();
    for namespace in caller
        .namespaces_of(&state, query.namespace.as_ref())
        .await?
    {
        let infos = state.accounts.keys_of(&namespace).await?;
        keys.extend(infos.into_iter().map(KeyView::from));
    }
    Ok(Json(KeysView { keys }))
}

/// How to rotate a key.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RotateKey {
    /// Seconds for which the old key still holds, at most 30 days; without it, it ends at once.
    grace_seconds: Option<u64>,
}

impl Input for RotateKey {
    fn read(fields: &mut Fields) -> Option<Self> {
        let grace_seconds = fields.number("graceSeconds");
        if grace_seconds.is_some_and(|grace| grace > MAX_GRACE) {
            fields.wrong(
                "graceSeconds",
                "The grace has at most 30 days, 2592000 seconds.",
            );
        }
        Some(Self { grace_seconds })
    }
}

/// Replace a key by one with the same rights and a new id and secret, which is shown once
#[utoipa::path(
    post, path = "/api/v1/keys/{id}/rotate", operation_id = "rotateKey",
    params(("id" = String, Path)),
    request_body = RotateKey,
    responses((status = 201, body = CreatedKey), ApiError)
)]
pub async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Name(id): Name,
    Body(body): Body<RotateKey>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let namespace = namespace_of_key(&state, &caller, &id).await?;
    let grace = Duration::from_secs(body.grace_seconds.unwrap_or(0));
    let key = state
        .accounts
        .rotate_key(&namespace, &id, grace, &caller.user.id)
        .await?;
    Ok(CreatedKey::new(key))
}

/// Revoke a key: the next request that it signs is refused
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", operation_id = "revokeKey",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is revoked"), ApiError)
)]
pub async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Name(id): Name,
) -> Result<StatusCode, ApiError> {
    let namespace = namespace_of_key(&state, &caller, &id).await?;
    if state.accounts.delete_key(&namespace, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::no_such_key())
    }
}

/// The namespace of a key that the user may change: any as a member, one's own as a viewer.
async fn namespace_of_key(
    state: &ApiState,
    caller: &Caller,
    id: &str,
) -> Result<NamespaceName, ApiError> {
    for membership in state.accounts.memberships(&caller.user.id).await? {
        let grant = state.accounts.key_grant(&membership.namespace, id).await?;
        let Some(grant) = grant else { continue };
        caller.trail.namespace(&membership.namespace);
        let own = grant.created_by.as_ref() == Some(&caller.user.id);
        if own || membership.role >= Role::Member {
            return Ok(membership.namespace);
        }
        return Err(ApiError::role_too_low(Role::Member));
    }
    Err(ApiError::no_such_key())
}
