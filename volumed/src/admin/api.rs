use std::future::Future;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use volumed_client::admin::{
    AttachRequest, Attached, CreateVolume, DetachRequest, ErrorCode, GrowVolume, LimitVolume,
    PoolInfo, VolumeDamage, VolumeInfo,
};
use volumed_core::ByteCount;
use volumed_daemon::{METRICS_CONTENT_TYPE, check_writable};

use super::refused::Refused;
use super::{disk, openapi, scrub, store};
use crate::metrics::Metrics;
use crate::volume::{DiskState, DiskView, ExportName, OwnerId, VolumeName, Volumes};

/// What the API shows and changes.
#[derive(Clone)]
pub struct Api {
    /// The node's volumes.
    pub volumes: Volumes,
    /// Where NBD is served.
    pub nbd_socket: PathBuf,
    /// Where the files of extents are handed out (V14).
    pub extents_socket: PathBuf,
    /// The metadata store's file.
    pub store_file: PathBuf,
    /// Taken while a backup is made, since all are made under one name.
    pub backups: Arc<tokio::sync::Mutex<()>>,
    /// The counters of this daemon.
    pub metrics: Arc<Metrics>,
}

pub(super) type Answer = Result<Response, Refused>;

/// Serves the API on `socket` until `stopped`, and then until what is under way is answered.
pub async fn serve(
    socket: UnixListener,
    api: Api,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixListener::from_std(socket)?;
    axum::serve(socket, router(api))
        .with_graceful_shutdown(stopped)
        .await
}

/// Serves only what says how the daemon is, to whoever can connect, until `stopped`.
pub async fn serve_health(
    socket: TcpListener,
    api: Api,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(socket, health_router().with_state(api))
        .with_graceful_shutdown(stopped)
        .await
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/volumes", get(list_volumes).post(create_volume))
        .route("/v1/volumes/{name}", get(show_volume).delete(delete_volume))
        .route("/v1/volumes/{name}/damage", get(volume_damage))
        .route("/v1/volumes/{name}/grow", post(grow_volume))
        .route("/v1/volumes/{name}/quota", post(limit_volume))
        .route("/v1/volumes/{name}/attach", post(attach))
        .route("/v1/volumes/{name}/detach", post(detach))
        .route("/v1/pool", get(pool))
        .route("/v1/disks", get(disk::list).post(disk::add))
        .route("/v1/disks/{id}", get(disk::show).delete(disk::remove))
        .route(
            "/v1/disks/{id}/drain",
            post(disk::drain).delete(disk::cancel_drain),
        )
        .route("/v1/disks/{id}/retry", post(disk::retry))
        .route("/v1/scrub", get(scrub::show))
        .route("/v1/scrub/start", post(scrub::start))
        .route("/v1/scrub/pause", post(scrub::pause))
        .route("/v1/meta", get(store::show))
        .route("/v1/meta/backup", post(store::back_up))
        .route("/v1/findings", get(findings))
        .merge(health_router())
        .route("/openapi.json", get(|| async { openapi::document() }))
        .fallback(no_such_call)
        .method_not_allowed_fallback(no_such_call)
        .layer(axum::middleware::map_response(with_code))
        .with_state(api)
}

fn health_router() -> Router<Api> {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}

/// Whether requests are served: 200, or 503 with a line for each reason why not.
async fn ready(State(api): State<Api>) -> Response {
    let mut reasons = Vec::new();
    if api.volumes.is_stopping() {
        reasons.push("the daemon is stopping".to_owned());
    }
    if let Err(error) = api.volumes.store_answers().await {
        reasons.push(format!("the metadata store does not answer: {error}"));
    }
    if let Err(reason) = check_writable(&api.store_file) {
        reasons.push(format!("the metadata store cannot be written: {reason}"));
    }
    let serves = |disk: &DiskView| disk.state == DiskState::Online;
    if !api.volumes.disks().await.iter().any(serves) {
        reasons.push("no disk serves".to_owned());
    }
    if reasons.is_empty() {
        "ready\n".into_response()
    } else {
        let text = format!("{}\n", reasons.join("\n"));
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn findings(State(api): State<Api>) -> Answer {
    let found = crate::findings::findings(&api.volumes).await;
    Ok(json(StatusCode::OK, &found))
}

async fn list_volumes(State(api): State<Api>) -> Answer {
    Ok(json(StatusCode::OK, &api.volume_infos().await?))
}

async fn create_volume(State(api): State<Api>, body: Bytes) -> Answer {
    let CreateVolume {
        name,
        size,
        replicas,
        auto_grow,
        quota,
    } = parse(&body)?;
    let name: VolumeName = name.parse()?;
    let (size, quota) = (ByteCount(size), quota.map(ByteCount));
    let auto_grow = auto_grow.map(Into::into);
    let creating = async move {
        let volumes = api.volumes;
        volumes
            .create(&name, size, replicas, auto_grow, quota)
            .await
    };
    let view = run_to_completion(creating).await?;
    Ok(json(StatusCode::CREATED, &VolumeInfo::from(view)))
}

async fn show_volume(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let view = api.volumes.show(&name.parse()?).await?;
    Ok(json(StatusCode::OK, &VolumeInfo::from(view)))
}

async fn volume_damage(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let view = api.volumes.damage(&name.parse()?)?;
    Ok(json(StatusCode::OK, &VolumeDamage::from(view)))
}

async fn grow_volume(State(api): State<Api>, Path(name): Path<String>, body: Bytes) -> Answer {
    let GrowVolume { size, auto_grow } = parse(&body)?;
    let name: VolumeName = name.parse()?;
    let (size, auto_grow) = (size.map(ByteCount), auto_grow.map(Into::into));
    let growing = async move { api.volumes.grow(&name, size, auto_grow).await };
    let view = run_to_completion(growing).await?;
    Ok(json(StatusCode::OK, &VolumeInfo::from(view)))
}

async fn limit_volume(State(api): State<Api>, Path(name): Path<String>, body: Bytes) -> Answer {
    let LimitVolume { quota } = parse(&body)?;
    let name: VolumeName = name.parse()?;
    let limiting = async move { api.volumes.limit(&name, quota.map(ByteCount)).await };
    let view = run_to_completion(limiting).await?;
    Ok(json(StatusCode::OK, &VolumeInfo::from(view)))
}

async fn delete_volume(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let name: VolumeName = name.parse()?;
    run_to_completion(async move { api.volumes.delete(&name).await }).await?;
    Ok(nothing())
}

async fn attach(State(api): State<Api>, Path(name): Path<String>, body: Bytes) -> Answer {
    let AttachRequest { owner, again } = parse(&body)?;
    let (volume, owner): (VolumeName, OwnerId) = (name.parse()?, owner.parse()?);
    let (volumes, name) = (api.volumes, volume.clone());
    let attaching = async move {
        if again {
            volumes.attach_again(&name, owner).await
        } else {
            volumes.attach(&name, owner).await
        }
    };
    let attachment = run_to_completion(attaching).await?;
    let attached = Attached {
        epoch: attachment.epoch.0,
        export: ExportName {
            volume,
            epoch: Some(attachment.epoch),
        }
        .to_string(),
        nbd_socket: api.nbd_socket,
        extents_socket: api.extents_socket,
        size: attachment.size.0,
    };
    Ok(json(StatusCode::OK, &attached))
}

async fn detach(State(api): State<Api>, Path(name): Path<String>, body: Bytes) -> Answer {
    let DetachRequest { owner } = parse(&body)?;
    let (name, owner): (VolumeName, OwnerId) = (name.parse()?, owner.parse()?);
    run_to_completion(async move { api.volumes.detach(&name, &owner).await }).await?;
    Ok(nothing())
}

async fn pool(State(api): State<Api>) -> Answer {
    Ok(json(
        StatusCode::OK,
        &PoolInfo::from(api.volumes.pool().await?),
    ))
}

async fn show_metrics(State(api): State<Api>) -> Answer {
    let pool = PoolInfo::from(api.volumes.pool().await?);
    let (disks, volumes) = (api.disk_infos().await, api.volume_infos().await?);
    let store = api.store_info().await?;
    let (work, activity) = (api.volumes.work(), api.volumes.activity());
    let (scrubs, of_disks) = (api.scrub_infos(), (&work, &activity));
    let page = api
        .metrics
        .page(&pool, &disks, &volumes, &store, &scrubs, of_disks);
    let page = page.map_err(|_| Refused::new(ErrorCode::Internal, "the page cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], page).into_response())
}

async fn no_such_call() -> Refused {
    Refused::new(
        ErrorCode::NoSuchCall,
        "there is no such call; GET /openapi.json lists them all",
    )
}

/// Carries a change through also when the client hangs up meanwhile.
pub(super) async fn run_to_completion<T, E>(
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Refused>
where
    T: Send + 'static,
    E: Into<Refused> + Send + 'static,
{
    match tokio::spawn(change).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(error) => Err(Refused::new(
            ErrorCode::Internal,
            format!("a defect: {error}"),
        )),
    }
}

/// The router's own refusals, say of a body that is too long, come as plain text.
async fn with_code(answer: Response) -> Response {
    let status = answer.status();
    let is_json = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    // Not ready is no refusal.
    if status == StatusCode::SERVICE_UNAVAILABLE
        || is_json
        || !(status.is_client_error() || status.is_server_error())
    {
        return answer;
    }
    let reason = status.canonical_reason().unwrap_or("refused");
    Refused::new(
        ErrorCode::InvalidRequest,
        format!("the request cannot be read: {reason}"),
    )
    .into_response()
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        Refused::new(
            ErrorCode::InvalidRequest,
            format!("the body cannot be read: {error}"),
        )
    })
}

pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    (status, axum::Json(answer)).into_response()
}

fn nothing() -> Response {
    json(StatusCode::OK, &serde_json::json!({}))
}

impl Api {
    async fn volume_infos(&self) -> Result<Vec<VolumeInfo>, Refused> {
        Ok(self
            .volumes
            .list()
            .await?
            .into_iter()
            .map(VolumeInfo::from)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::openapi::DOCUMENT;

    #[test]
    fn the_document_names_the_routes() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        let routes = include_str!("api.rs")
            .matches(concat!(".route(", "\"/"))
            .count();
        assert_eq!(document["paths"].as_object().unwrap().len(), routes);
    }
}
