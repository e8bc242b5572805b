//! The disks of the pool: shown, added, taken back.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::{AddDisk, DiskInfo, DiskState, DrainInfo, DrainState, ErrorCode};
use volumed_core::{ByteCount, DiskId};
use volumed_node::{DiskSettings, DiskView, DrainView};

use super::api::Api;
use super::call::{Body, Nothing, run_to_completion};
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, remove))
        .routes(routes!(drain, cancel_drain))
        .routes(routes!(retry))
}

/// Every disk
#[utoipa::path(
    get, path = "/v1/disks", operation_id = "listDisks", tag = "disks",
    responses((status = 200, description = "Done", body = Vec<DiskInfo>), Refused)
)]
async fn list(State(api): State<Api>) -> Json<Vec<DiskInfo>> {
    Json(api.disk_infos().await)
}

/// One disk
#[utoipa::path(
    get, path = "/v1/disks/{id}", operation_id = "showDisk", tag = "disks",
    params(("id" = String, Path, description = "The disk's id")),
    responses((status = 200, description = "Done", body = DiskInfo), Refused)
)]
async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<DiskInfo>, Refused> {
    let disks = api.disk_infos().await;
    let disk = disks.into_iter().find(|disk| disk.id == id);
    Ok(Json(disk.ok_or_else(|| not_found(&id))?))
}

/// Take one more directory into the pool; later starts find it by themselves
#[utoipa::path(
    post, path = "/v1/disks", operation_id = "addDisk", tag = "disks",
    request_body = AddDisk,
    responses((status = 201, description = "It serves", body = DiskInfo), Refused)
)]
async fn add(
    State(api): State<Api>,
    Body(disk): Body<AddDisk>,
) -> Result<(StatusCode, Json<DiskInfo>), Refused> {
    if !disk.path.is_absolute() {
        let message = format!("{} is not an absolute path", disk.path.display());
        return Err(Refused::new(ErrorCode::InvalidRequest, message));
    }
    let settings = DiskSettings {
        path: disk.path,
        capacity: disk.capacity.map(ByteCount),
        reserve: disk.reserve.map(ByteCount),
    };
    let adding = async move { api.volumes.add_disk(settings).await };
    let view = run_to_completion(adding).await?;
    Ok((StatusCode::CREATED, Json(disk_info(view))))
}

/// Take a disk back that failed or was missing
///
/// Connections to volumes that have something on it are closed first.
#[utoipa::path(
    post, path = "/v1/disks/{id}/retry", operation_id = "retryDisk", tag = "disks",
    params(("id" = String, Path, description = "The disk's id")),
    responses((status = 200, description = "It serves again", body = DiskInfo), Refused)
)]
async fn retry(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<DiskInfo>, Refused> {
    let id = named(&id)?;
    let retrying = async move { api.volumes.retry_disk(id).await };
    Ok(Json(disk_info(run_to_completion(retrying).await?)))
}

/// Place nothing more on a disk and move what it holds to the others; the disk tells how far this is
#[utoipa::path(
    post, path = "/v1/disks/{id}/drain", operation_id = "drainDisk", tag = "disks",
    params(("id" = String, Path, description = "The disk's id")),
    responses((status = 200, description = "It is being emptied", body = DiskInfo), Refused)
)]
async fn drain(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<DiskInfo>, Refused> {
    let id = named(&id)?;
    let draining = async move { api.volumes.drain_disk(id).await };
    Ok(Json(disk_info(run_to_completion(draining).await?)))
}

/// Let extents be placed on a disk again; what was moved stays where it is
#[utoipa::path(
    delete, path = "/v1/disks/{id}/drain", operation_id = "cancelDrain", tag = "disks",
    params(("id" = String, Path, description = "The disk's id")),
    responses((status = 200, description = "It is used again", body = DiskInfo), Refused)
)]
async fn cancel_drain(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<DiskInfo>, Refused> {
    let id = named(&id)?;
    let cancelling = async move { api.volumes.cancel_drain(id).await };
    Ok(Json(disk_info(run_to_completion(cancelling).await?)))
}

/// How a disk leaves.
#[derive(Debug, Deserialize)]
struct Removal {
    #[serde(default)]
    accept_loss: bool,
}

/// Take a disk out of the pool that holds nothing
///
/// Refused while volumes have something on it. What is lost with one that failed or is missing is an
/// error to read until it is written whole; connections to its volumes are closed first.
#[utoipa::path(
    delete, path = "/v1/disks/{id}", operation_id = "removeDisk", tag = "disks",
    params(
        ("id" = String, Path, description = "The disk's id"),
        ("accept_loss" = Option<bool>, Query, description = "Lose what only it holds, if it failed or is missing"),
    ),
    responses((status = 200, description = "It is in the pool no more", body = Nothing), Refused)
)]
async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(Removal { accept_loss }): Query<Removal>,
) -> Result<Json<Nothing>, Refused> {
    let id = named(&id)?;
    let removing = async move { api.volumes.remove_disk(id, accept_loss).await };
    run_to_completion(removing).await?;
    Ok(Json(Nothing {}))
}

fn named(id: &str) -> Result<DiskId, Refused> {
    id.parse().map_err(|_| not_found(id))
}

fn not_found(id: &str) -> Refused {
    let message = format!("the pool has no disk {id:?}");
    Refused::new(ErrorCode::DiskNotFound, message)
}

impl Api {
    pub(super) async fn disk_infos(&self) -> Vec<DiskInfo> {
        let disks = self.volumes.disks().await;
        disks.into_iter().map(disk_info).collect()
    }
}

fn disk_info(view: DiskView) -> DiskInfo {
    DiskInfo {
        id: view.id.to_string(),
        path: view.path,
        state: match view.state {
            volumed_node::DiskState::Online => DiskState::Online,
            volumed_node::DiskState::Failed => DiskState::Failed,
            volumed_node::DiskState::Missing => DiskState::Missing,
        },
        capacity: view.capacity.0,
        used: view.used.0,
        free: view.free.0,
        unremoved: view.unremoved as u64,
        drain: view.drain.map(drain_info),
    }
}

fn drain_info(view: DrainView) -> DrainInfo {
    DrainInfo {
        state: match view.state {
            volumed_node::DrainState::Moving => DrainState::Moving,
            volumed_node::DrainState::WaitingForRoom => DrainState::WaitingForRoom,
            volumed_node::DrainState::DiskFailed => DrainState::DiskFailed,
            volumed_node::DrainState::Drained => DrainState::Drained,
        },
        begun: view.begun,
        moved: view.moved.0,
        left: view.left.0,
        seconds_left: view.time_left.map(|left| left.as_secs()),
    }
}
