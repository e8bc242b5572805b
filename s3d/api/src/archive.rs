//! `/api/v1/buckets/{name}/archive`: many objects as one zip file, written while it is sent.
//!
//! It is asked for with a form, so that a page can have the browser download it. Nothing is stored on the way:
//! an archive costs its chunks in flight and the directory at its end, which is bounded.

mod chosen;
mod error;
mod sending;
mod zip;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3d_accounts::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiState;
use super::caller::Caller;
use super::error::ApiError;
use super::path::Name;
use chosen::Chosen;
pub use error::ArchiveError;

/// Archives that are sent at once, each with up to [`zip::DIRECTORY_LIMIT`] bytes of memory.
const AT_ONCE: usize = 4;

/// Which objects an archive holds: a form. `key` and `prefix` may each be there many times.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it documents what `Chosen` is read from")]
pub struct ArchiveForm {
    /// Keys of objects.
    key: Option<Vec<String>>,
    /// Every object whose key starts with one of these; an empty one is the whole bucket.
    prefix: Option<Vec<String>>,
    /// What all of them start with, such as the folder above: it is left out of the names in the archive.
    root: Option<String>,
}

/// Who may have an archive sent at present.
#[derive(Debug, Clone)]
pub struct Archives(Arc<Semaphore>);

impl Default for Archives {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Archives {
    fn begin(&self) -> Result<OwnedSemaphorePermit, ArchiveError> {
        let permit = self.0.clone().try_acquire_owned();
        permit.map_err(|_| ArchiveError::Busy)
    }
}

/// Download many objects as one zip file, with zip64 where it is needed, and nothing compressed. Objects that
/// change meanwhile are in it as they are when their turn comes
#[utoipa::path(
    post, path = "/api/v1/buckets/{name}/archive", operation_id = "downloadArchive",
    params(("name" = String, Path)),
    request_body(content = ArchiveForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = String, content_type = "application/zip"), ApiError)
)]
pub async fn download(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    chosen: Chosen,
) -> Result<Response, ApiError> {
    let record = caller.bucket_of(&state, &name, Role::Viewer).await?;
    let permit = state.archives.begin()?;
    chosen.check_policy(&record)?;
    let bucket = state.buckets.open(&record).await?;
    chosen.check_objects(&record, &bucket).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&chosen, &name)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let body = sending::body(bucket, record, chosen, permit);
    Ok((headers, body).into_response())
}

/// The archive is called as the folder, or else the bucket.
fn disposition(chosen: &Chosen, bucket: &str) -> String {
    let folder = chosen.folder().unwrap_or(bucket);
    let name = utf8_percent_encode(folder, NON_ALPHANUMERIC);
    format!("attachment; filename*=UTF-8''{name}.zip")
}
