//! Volumes: made, shown, grown, limited, attached and deleted.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::{
    self, AttachRequest, Attached, CreateVolume, DamagedRange, DetachRequest, GrowVolume,
    LimitVolume, SetReplicas, StaleReplica, VolumeDamage, VolumeInfo, VolumePage,
};
use volumed_core::{ByteCount, VolumeId};
use volumed_node::{
    Access, AutoGrow, DamageView, ExportName, OwnerId, ShowVolumeError, StaleView, VolumeName,
    VolumeView,
};

use super::api::Api;
use super::call::{Body, Nothing, run_to_completion};
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(page))
        .routes(routes!(show, delete))
        .routes(routes!(damage))
        .routes(routes!(grow))
        .routes(routes!(limit))
        .routes(routes!(set_replicas))
        .routes(routes!(attach))
        .routes(routes!(detach))
}

/// Every volume, by name
#[utoipa::path(
    get, path = "/v1/volumes", operation_id = "listVolumes", tag = "volumes",
    responses((status = 200, description = "Done", body = Vec<VolumeInfo>), Refused)
)]
async fn list(State(api): State<Api>) -> Result<Json<Vec<VolumeInfo>>, Refused> {
    let volumes = api.volumes.list().await?;
    // Volumes are listed while the store does not answer, too.
    let lacking = api.volumes.lacking().await.ok();
    let info = |view: VolumeView| {
        let lacks = |all: &BTreeMap<VolumeId, u64>| all.get(&view.id).copied().unwrap_or(0);
        let lacking = lacking.as_ref().map(lacks);
        VolumeInfo {
            lacking,
            ..volume_info(view)
        }
    };
    Ok(Json(volumes.into_iter().map(info).collect()))
}

/// Which volumes to list.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    after: String,
    limit: u16,
    #[serde(default)]
    degraded: bool,
}

/// Some volumes by name
///
/// Degraded is one of which a replica is stale, or blocks are damaged or lost.
#[utoipa::path(
    get, path = "/v1/volume-pages", operation_id = "pageVolumes", tag = "volumes",
    params(
        ("after" = Option<String>, Query, description = "Those behind this name"),
        ("limit" = u16, Query, description = "At most so many"),
        ("degraded" = Option<bool>, Query, description = "Only those that are degraded"),
    ),
    responses((status = 200, description = "Done", body = VolumePage), Refused)
)]
async fn page(State(api): State<Api>, Query(asked): Query<Asked>) -> Json<VolumePage> {
    let (views, more) = api
        .volumes
        .page(&asked.after, asked.limit.into(), asked.degraded);
    let volumes = views.into_iter().map(volume_info).collect();
    Json(VolumePage { volumes, more })
}

/// Create a volume; once answered, it survives a power cut
#[utoipa::path(
    post, path = "/v1/volumes", operation_id = "createVolume", tag = "volumes",
    request_body = CreateVolume,
    responses((status = 201, description = "It exists", body = VolumeInfo), Refused)
)]
async fn create(
    State(api): State<Api>,
    Body(body): Body<CreateVolume>,
) -> Result<(StatusCode, Json<VolumeInfo>), Refused> {
    let name: VolumeName = body.name.parse()?;
    let (size, quota) = (ByteCount(body.size), body.quota.map(ByteCount));
    let growth = body.auto_grow.map(auto_grow);
    let creating = async move {
        let volumes = api.volumes;
        volumes
            .create(&name, size, body.replicas, growth, quota)
            .await
    };
    let view = run_to_completion(creating).await?;
    Ok((StatusCode::CREATED, Json(volume_info(view))))
}

/// One volume
#[utoipa::path(
    get, path = "/v1/volumes/{name}", operation_id = "showVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 200, description = "Done", body = VolumeInfo), Refused)
)]
async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<VolumeInfo>, Refused> {
    let name = name.parse()?;
    let view = api.volumes.show(&name).await?;
    let lacking = api.volumes.lacking_of(&name).await.ok();
    Ok(Json(VolumeInfo {
        lacking,
        ..volume_info(view)
    }))
}

/// Delete a volume that is not attached, and give its space back
#[utoipa::path(
    delete, path = "/v1/volumes/{name}", operation_id = "deleteVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 200, description = "It is gone", body = Nothing), Refused)
)]
async fn delete(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Nothing>, Refused> {
    let name: VolumeName = name.parse()?;
    run_to_completion(async move { api.volumes.delete(&name).await }).await?;
    Ok(Json(Nothing {}))
}

/// What is known to be damaged or lost of a volume
///
/// Reading it is an error until it is written whole or trimmed.
#[utoipa::path(
    get, path = "/v1/volumes/{name}/damage", operation_id = "showDamage", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 200, description = "Done", body = VolumeDamage), Refused)
)]
async fn damage(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<VolumeDamage>, Refused> {
    Ok(Json(volume_damage(api.volumes.damage(&name.parse()?)?)))
}

/// Make a volume larger; its connections may use the new size at once
#[utoipa::path(
    post, path = "/v1/volumes/{name}/grow", operation_id = "growVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = GrowVolume,
    responses((status = 200, description = "It is larger", body = VolumeInfo), Refused)
)]
async fn grow(
    State(api): State<Api>,
    Path(name): Path<String>,
    Body(body): Body<GrowVolume>,
) -> Result<Json<VolumeInfo>, Refused> {
    let name: VolumeName = name.parse()?;
    let (size, growth) = (body.size.map(ByteCount), body.auto_grow.map(auto_grow));
    let growing = async move { api.volumes.grow(&name, size, growth).await };
    Ok(Json(volume_info(run_to_completion(growing).await?)))
}

/// Set what a volume may hold; writes that need more are refused
#[utoipa::path(
    post, path = "/v1/volumes/{name}/quota", operation_id = "limitVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = LimitVolume,
    responses((status = 200, description = "It is limited", body = VolumeInfo), Refused)
)]
async fn limit(
    State(api): State<Api>,
    Path(name): Path<String>,
    Body(body): Body<LimitVolume>,
) -> Result<Json<VolumeInfo>, Refused> {
    let name: VolumeName = name.parse()?;
    let quota = body.quota.map(ByteCount);
    let limiting = async move { api.volumes.limit(&name, quota).await };
    Ok(Json(volume_info(run_to_completion(limiting).await?)))
}

/// Have more or fewer copies of every extent; they are made or given up in the background
#[utoipa::path(
    post, path = "/v1/volumes/{name}/replicas", operation_id = "setReplicas", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = SetReplicas,
    responses((status = 200, description = "It is to have so many", body = VolumeInfo), Refused)
)]
async fn set_replicas(
    State(api): State<Api>,
    Path(name): Path<String>,
    Body(body): Body<SetReplicas>,
) -> Result<Json<VolumeInfo>, Refused> {
    let name: VolumeName = name.parse()?;
    let setting = async move { api.volumes.set_replicas(&name, body.replicas).await };
    Ok(Json(volume_info(run_to_completion(setting).await?)))
}

/// Become the volume's owner
///
/// Whoever was it before loses its connections first (V2).
#[utoipa::path(
    post, path = "/v1/volumes/{name}/attach", operation_id = "attachVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = AttachRequest,
    responses((status = 200, description = "It is the caller's", body = Attached), Refused)
)]
async fn attach(
    State(api): State<Api>,
    Path(name): Path<String>,
    Body(body): Body<AttachRequest>,
) -> Result<Json<Attached>, Refused> {
    let (volume, owner): (VolumeName, OwnerId) = (name.parse()?, body.owner.parse()?);
    let (volumes, name) = (api.volumes, volume.clone());
    let attaching = async move {
        if body.again {
            volumes.attach_again(&name, owner).await
        } else if body.unless_served {
            volumes.attach_unless_served(&name, owner).await
        } else {
            volumes.attach(&name, owner).await
        }
    };
    let attachment = run_to_completion(attaching).await?;
    let export = |access| {
        let volume = volume.clone();
        ExportName { volume, access }.to_string()
    };
    Ok(Json(Attached {
        epoch: attachment.epoch.0,
        export: export(Access::Epoch(attachment.epoch)),
        lasting_export: export(Access::Token(attachment.token)),
        nbd_socket: api.nbd_socket,
        extents_socket: api.extents_socket,
        size: attachment.size.0,
    }))
}

/// Give the volume up
#[utoipa::path(
    post, path = "/v1/volumes/{name}/detach", operation_id = "detachVolume", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = DetachRequest,
    responses((status = 200, description = "It is nobody's", body = Nothing), Refused)
)]
async fn detach(
    State(api): State<Api>,
    Path(name): Path<String>,
    Body(body): Body<DetachRequest>,
) -> Result<Json<Nothing>, Refused> {
    let (name, owner): (VolumeName, OwnerId) = (name.parse()?, body.owner.parse()?);
    run_to_completion(async move { api.volumes.detach(&name, &owner).await }).await?;
    Ok(Json(Nothing {}))
}

impl Api {
    pub(super) async fn volume_infos(&self) -> Result<Vec<VolumeInfo>, ShowVolumeError> {
        let views = self.volumes.list().await?;
        Ok(views.into_iter().map(volume_info).collect())
    }
}

fn volume_info(view: VolumeView) -> VolumeInfo {
    VolumeInfo {
        id: view.id.to_string(),
        name: view.name.to_string(),
        size: view.size.0,
        replicas: view.replicas,
        auto_replicas: view.auto_replicas,
        used: view.used.0,
        epoch: view.epoch.0,
        owner: view.owner.map(|owner| owner.to_string()),
        auto_grow: view.auto_grow.map(auto_grow_info),
        damaged: view.damaged,
        lost: view.lost,
        quota: view.quota.map(|quota| quota.0),
        stale: view.stale.iter().map(stale_replica).collect(),
        lacking: None,
        node: view.node.map(|node| node.0),
    }
}

fn stale_replica(view: &StaleView) -> StaleReplica {
    StaleReplica {
        disk: view.disk.map(|disk| disk.to_string()),
        left: view.left.map(|left| left.0),
    }
}

fn volume_damage(view: DamageView) -> VolumeDamage {
    let range = |range: volumed_node::DamagedRange| DamagedRange {
        disk: range.disk.map(|disk| disk.to_string()),
        extent: range.extent.0,
        offset: range.offset,
        length: range.length,
    };
    VolumeDamage {
        ranges: view.ranges.into_iter().map(range).collect(),
        more: view.more,
    }
}

fn auto_grow_info(auto: AutoGrow) -> admin::AutoGrow {
    admin::AutoGrow {
        free_percent: auto.free_percent,
        max_size: auto.max_size,
    }
}

fn auto_grow(auto: admin::AutoGrow) -> AutoGrow {
    AutoGrow {
        free_percent: auto.free_percent,
        max_size: auto.max_size,
    }
}
