//! `/api/v1/volumes`: the volumes below the buckets, a page at a time.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use s3d_buckets::HeldBucket;
use serde::Serialize;
use utoipa::ToSchema;
use volumed_client::admin::VolumeInfo;

use crate::ApiState;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::fields::{Fields, Input, Query};

/// Volumes of one page, unless fewer are asked for.
const PAGE: u16 = 50;

/// Most of one page.
const MOST: u64 = 200;

/// Bytes of a block, in which damage is counted.
const BLOCK: u64 = 4_096;

/// Which volumes to list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VolumeQuery {
    /// Those behind this name: what an earlier answer said as `next`.
    after: Option<String>,
    /// Only those of which something is missing somewhere.
    degraded: Option<bool>,
    /// At most so many; 50 if left out, at most 200.
    limit: Option<u64>,
}

impl Input for VolumeQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            after: fields.optional("after", Ok::<String, Infallible>),
            degraded: Some(fields.flag("degraded")),
            limit: fields.limit(MOST),
        })
    }
}

/// The bucket that a volume holds.
#[derive(Serialize, ToSchema)]
pub struct HeldBucketView {
    name: String,
    namespace: String,
}

impl From<HeldBucket> for HeldBucketView {
    fn from(bucket: HeldBucket) -> Self {
        Self {
            name: bucket.name.into(),
            namespace: bucket.namespace.into(),
        }
    }
}

/// A volume.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeView {
    name: String,
    /// Null if it is no bucket's.
    bucket: Option<HeldBucketView>,
    /// As its clients see it; it takes only what is written.
    size_bytes: u64,
    /// What it holds in the pool, one replica counted.
    used_bytes: u64,
    replicas: u8,
    /// Of them, those that may lack something.
    stale_replicas: usize,
    /// What is yet to be compared of those that are being resynced; null if none is.
    resync_left_bytes: Option<u64>,
    /// What cannot be read: it does not hold what was written, or went with a disk.
    damaged_bytes: u64,
    /// The number of the node that serves it, in a cluster and if one does.
    node: Option<u16>,
}

impl VolumeView {
    fn new(volume: VolumeInfo, bucket: Option<HeldBucket>) -> Self {
        Self {
            bucket: bucket.map(HeldBucketView::from),
            size_bytes: volume.size,
            used_bytes: volume.used,
            replicas: volume.replicas,
            stale_replicas: volume.stale.len(),
            resync_left_bytes: resync_left(&volume),
            damaged_bytes: (volume.damaged + volume.lost) * BLOCK,
            node: volume.node,
            name: volume.name,
        }
    }
}

/// Bytes that are yet to be compared of a volume's replicas that are being resynced, if any is.
pub fn resync_left(volume: &VolumeInfo) -> Option<u64> {
    volume
        .stale
        .iter()
        .filter_map(|it| it.left)
        .reduce(|one, other| one + other)
}

/// Volumes by name.
#[derive(Serialize, ToSchema)]
pub struct VolumesView {
    volumes: Vec<VolumeView>,
    /// What to send as `after` for the next page; null if there is none.
    next: Option<String>,
}

/// The volumes by name, a page at a time; for operators
#[utoipa::path(
    get, path = "/api/v1/volumes", operation_id = "listVolumes",
    params(VolumeQuery),
    responses((status = 200, body = VolumesView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    _: Operator,
    Query(query): Query<VolumeQuery>,
) -> Result<Json<VolumesView>, ApiError> {
    let after = query.after.unwrap_or_default();
    let limit = query.limit.map_or(PAGE, |limit| limit as u16);
    let degraded = query.degraded == Some(true);
    let page = state.volumed.page_volumes(&after, limit, degraded).await?;
    let next = page.volumes.last().filter(|_| page.more);
    let next = next.map(|volume| volume.name.clone());
    let names: Vec<String> = page.volumes.iter().map(|it| it.name.clone()).collect();
    let mut held = state.buckets.in_volumes(&names).await?;
    let views = page.volumes.into_iter().map(|volume| {
        let bucket = held.remove(&volume.name);
        VolumeView::new(volume, bucket)
    });
    let volumes = views.collect();
    Ok(Json(VolumesView { volumes, next }))
}
