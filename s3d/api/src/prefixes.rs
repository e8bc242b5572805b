//! `/api/v1/buckets/{name}/rename-prefix`: what renaming a directory is in a file system.

use axum::Json;
use axum::extract::State;
use s3d_accounts::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::path::Name;

/// A prefix to rename.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RenamePrefix {
    /// Every key that starts with this …
    #[schema(example = "photos/2024/")]
    from: String,
    /// … starts with this afterwards. No key may start with it before.
    #[schema(example = "photos/old/")]
    to: String,
    /// An object whose key is `to` itself, such as the marker of an empty folder, is replaced.
    #[schema(value_type = Option<bool>)]
    replace_marker: bool,
}

impl Input for RenamePrefix {
    fn read(fields: &mut Fields) -> Option<Self> {
        let from = fields.required("from", prefix);
        let to = fields.required("to", prefix);
        let replace_marker = fields.flag("replaceMarker");
        Some(Self {
            from: from?,
            to: to?,
            replace_marker,
        })
    }
}

fn prefix(text: String) -> Result<String, &'static str> {
    match text.len() {
        0 => Err("A prefix has at least one character."),
        1..=1024 if !text.contains('\0') => Ok(text),
        _ => Err("A prefix has at most 1024 bytes, and none of them is zero."),
    }
}

/// A prefix was renamed.
#[derive(Serialize, ToSchema)]
pub struct RenamedPrefix {
    /// The sequence number of the event in the bucket's change feed.
    sequence: u64,
}

/// Rename a prefix: all keys that start with it, at once, however many they are
#[utoipa::path(
    post, path = "/api/v1/buckets/{name}/rename-prefix", operation_id = "renamePrefix",
    params(("name" = String, Path)),
    request_body = RenamePrefix,
    responses((status = 200, body = RenamedPrefix), ApiError)
)]
pub async fn rename(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Body(body): Body<RenamePrefix>,
) -> Result<Json<RenamedPrefix>, ApiError> {
    let record = caller.bucket_of(&state, &name, Role::Member).await?;
    let RenamePrefix {
        from,
        to,
        replace_marker,
    } = body;
    let buckets = &state.buckets;
    let sequence = buckets
        .rename_prefix(&record, &from, &to, replace_marker)
        .await?;
    Ok(Json(RenamedPrefix { sequence }))
}
