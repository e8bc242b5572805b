//! The metadata store: what is known of it, and a copy to take away.

use std::io;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use futures::stream::{self, Stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::{ErrorCode, StoreCopies, StoreCopy, StoreInfo};
use volumed_node::{BackUpError, CopyView, DiskCopiesView, StartError};

use super::api::Api;
use super::call::run_to_completion;
use super::refused::Refused;

/// Sent at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// A whole store.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it is only described")]
struct SqliteFile(Vec<u8>);

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(back_up))
}

/// The metadata store and its copies
#[utoipa::path(
    get, path = "/v1/meta", operation_id = "showStore", tag = "meta",
    responses((status = 200, description = "Done", body = StoreInfo), Refused)
)]
async fn show(State(api): State<Api>) -> Result<Json<StoreInfo>, Refused> {
    Ok(Json(api.store_info().await?))
}

/// Copy the metadata store; the answer is the copy
#[utoipa::path(
    post, path = "/v1/meta/backup", operation_id = "backUpStore", tag = "meta",
    responses(
        (
            status = 200, description = "The copy, a SQLite file",
            body = SqliteFile, content_type = "application/vnd.sqlite3"
        ),
        Refused
    )
)]
async fn back_up(State(api): State<Api>) -> Result<impl IntoResponse, Refused> {
    // The copy lies in the state folder until it is opened, under one name: a crash leaves one at most.
    let path = api.backup.clone();
    let backups = api.backups.clone();
    let copying = async move {
        let _turn = backups.lock().await;
        api.volumes.back_up(&path).await?;
        let opened = File::open(&path).await;
        let _ = tokio::fs::remove_file(&path).await;
        opened.map_err(|error| io_refusal(&error))
    };
    let file = run_to_completion(copying).await?;
    let length = file.metadata().await.map_err(|error| io_refusal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.sqlite3".to_owned()),
        (header::CONTENT_LENGTH, length.len().to_string()),
    ];
    Ok((headers, Body::from_stream(chunks(file))))
}

fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(file, async |mut file| {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(chunk), file)))
    })
}

fn io_refusal(error: &io::Error) -> Refused {
    let message = format!("the copy of the metadata store cannot be read: {error}");
    Refused::new(ErrorCode::Internal, message)
}

impl From<BackUpError> for Refused {
    fn from(error: BackUpError) -> Self {
        Self::new(ErrorCode::StoreUnavailable, error.to_string())
    }
}

impl Api {
    pub(super) async fn store_info(&self) -> Result<StoreInfo, Refused> {
        let store = self.volumes.store().await.map_err(|error: StartError| {
            Refused::new(ErrorCode::StoreUnavailable, error.to_string())
        })?;
        Ok(StoreInfo {
            location: self.store.to_string(),
            revision: store.revision,
            generation: store.generation,
            disks: store.disks.into_iter().map(store_copies).collect(),
            failures: store.failures,
        })
    }
}

fn store_copies(view: DiskCopiesView) -> StoreCopies {
    StoreCopies {
        disk: view.disk.to_string(),
        folder: view.folder,
        copies: view.copies.into_iter().map(store_copy).collect(),
        failure: view.failure,
    }
}

fn store_copy(view: CopyView) -> StoreCopy {
    let made = view.made.duration_since(UNIX_EPOCH).unwrap_or_default();
    StoreCopy {
        path: view.path,
        made: made.as_secs(),
        bytes: view.bytes,
    }
}
