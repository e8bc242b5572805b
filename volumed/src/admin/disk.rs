//! The disks of the pool: shown, added, taken back.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use volumed_client::admin::{AddDisk, DiskInfo, ErrorCode};
use volumed_core::{ByteCount, DiskId};

use super::api::{Answer, Api, json, parse, run_to_completion};
use super::refused::Refused;
use crate::volume::DiskSettings;

pub async fn list(State(api): State<Api>) -> Answer {
    Ok(json(StatusCode::OK, &api.disk_infos().await))
}

pub async fn show(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let disks = api.disk_infos().await;
    let disk = disks.iter().find(|disk| disk.id == id);
    Ok(json(StatusCode::OK, disk.ok_or_else(|| not_found(&id))?))
}

pub async fn add(State(api): State<Api>, body: Bytes) -> Answer {
    let AddDisk {
        path,
        capacity,
        reserve,
    } = parse(&body)?;
    if !path.is_absolute() {
        let message = format!("{} is not an absolute path", path.display());
        return Err(Refused::new(ErrorCode::InvalidRequest, message));
    }
    let settings = DiskSettings {
        path,
        capacity: capacity.map(ByteCount),
        reserve: reserve.map(ByteCount),
    };
    let adding = async move { api.volumes.add_disk(settings).await };
    let view = run_to_completion(adding).await?;
    Ok(json(StatusCode::CREATED, &DiskInfo::from(view)))
}

pub async fn retry(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let id = named(&id)?;
    let retrying = async move { api.volumes.retry_disk(id).await };
    let view = run_to_completion(retrying).await?;
    Ok(json(StatusCode::OK, &DiskInfo::from(view)))
}

pub async fn drain(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let id = named(&id)?;
    let draining = async move { api.volumes.drain_disk(id).await };
    let view = run_to_completion(draining).await?;
    Ok(json(StatusCode::OK, &DiskInfo::from(view)))
}

pub async fn cancel_drain(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let id = named(&id)?;
    let cancelling = async move { api.volumes.cancel_drain(id).await };
    let view = run_to_completion(cancelling).await?;
    Ok(json(StatusCode::OK, &DiskInfo::from(view)))
}

pub async fn remove(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let id = named(&id)?;
    let removing = async move { api.volumes.remove_disk(id).await };
    run_to_completion(removing).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({})))
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
        disks.into_iter().map(DiskInfo::from).collect()
    }
}
