//! `/api/v1/…/usage`: what buckets, namespaces and the pool held over time.

use std::convert::{From, Infallible};

use axum::Json;
use axum::extract::State;
use s3d_accounts::{Role, clock};
use s3d_bucket::Timestamp;
use s3d_buckets::{Point, Sample};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, Operator};
use super::error::ApiError;
use super::fields::{Fields, Input, Query};
use super::path::{Name, namespace};

/// Milliseconds.
const DAY: u64 = 24 * 3_600_000;

/// How far back to look.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// `month`: 30 days, by the hour in the last of its weeks, else by six hours. `years`: two years, by the day in the
    /// last 90 days, else by the week. `month` if left out.
    #[param(value_type = Option<String>)]
    period: Option<Period>,
}

/// How far back to look.
#[derive(Debug, Clone, Copy)]
enum Period {
    Month,
    Years,
}

impl Input for UsageQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let text = fields.optional("period", Ok::<String, Infallible>);
        let period = match text.as_deref() {
            None | Some("month") => Some(Period::Month),
            Some("years") => Some(Period::Years),
            Some(_) => {
                fields.wrong("period", "Say month or years.");
                None
            }
        };
        Some(Self { period })
    }
}

impl UsageQuery {
    /// Since when.
    fn since(&self) -> Timestamp {
        let days = match self.period {
            None | Some(Period::Month) => 30,
            Some(Period::Years) => 730,
        };
        Timestamp(clock::now().0.saturating_sub(days * DAY))
    }
}

/// What was held from a time on, until the next point.
#[derive(Serialize, ToSchema)]
pub struct UsagePoint {
    time: String,
    /// Of objects, and of the parts of uploads.
    bytes: u64,
    objects: u64,
}

impl From<Point> for UsagePoint {
    fn from(point: Point) -> Self {
        Self {
            time: clock::text(point.time),
            bytes: point.sample.bytes,
            objects: point.sample.objects,
        }
    }
}

/// What was held over time, the oldest first. A point is there only where something changed.
#[derive(Serialize, ToSchema)]
pub struct UsageView {
    /// The beginning of the period; before the first point nothing is known.
    since: String,
    points: Vec<UsagePoint>,
}

impl UsageView {
    /// `now`: what is held at the end, if the points do not say.
    fn new(since: Timestamp, points: Vec<Point>, now: Option<Sample>) -> Json<Self> {
        let last = now.map(|sample| Point {
            time: clock::now(),
            sample,
        });
        let points = points.into_iter().chain(last).map(UsagePoint::from);
        Json(Self {
            since: clock::text(since),
            points: points.collect(),
        })
    }
}

/// What a bucket held over time; the last point is now
#[utoipa::path(
    get, path = "/api/v1/buckets/{name}/usage", operation_id = "showBucketUsage",
    params(("name" = String, Path), UsageQuery),
    responses((status = 200, body = UsageView), ApiError)
)]
pub async fn of_bucket(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageView>, ApiError> {
    let record = caller.bucket_of(&state, &name, Role::Viewer).await?;
    let since = query.since();
    let points = state.buckets.usage(&record, since).await?;
    Ok(UsageView::new(since, points, None))
}

/// What the buckets of a namespace held over time, as it was noted each hour; for its members, and operators
#[utoipa::path(
    get, path = "/api/v1/namespaces/{namespace}/usage", operation_id = "showNamespaceUsage",
    params(("namespace" = String, Path), UsageQuery),
    responses((status = 200, body = UsageView), ApiError)
)]
pub async fn of_namespace(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageView>, ApiError> {
    let name = namespace(&name)?;
    if !caller.user.operator {
        caller.require(&state, &name, Role::Viewer).await?;
    }
    let since = query.since();
    let points = state.buckets.usage_of(&name, since).await?;
    let now = state.buckets.held_by(&name).await?;
    Ok(UsageView::new(since, points, Some(now)))
}

/// What volumes held on the pool's disks from a time on, until the next point.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolPoint {
    time: String,
    used_bytes: u64,
}

/// What volumes held on the pool's disks over time, the oldest first. A point is there only where something changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolUsageView {
    /// The beginning of the period; before the first point nothing is known.
    since: String,
    /// What all disks can hold now.
    capacity_bytes: u64,
    points: Vec<PoolPoint>,
}

/// What volumes held on the pool's disks over time, every replica counted; the last point is now; for operators
#[utoipa::path(
    get, path = "/api/v1/rack/usage", operation_id = "showPoolUsage",
    params(UsageQuery),
    responses((status = 200, body = PoolUsageView), ApiError)
)]
pub async fn of_pool(
    State(state): State<ApiState>,
    _: Operator,
    Query(query): Query<UsageQuery>,
) -> Result<Json<PoolUsageView>, ApiError> {
    let since = query.since();
    let points = state.buckets.usage_of_pool(since).await?;
    let pool = state.volumed.pool().await?;
    let known = points.into_iter().map(|it| (it.time, it.sample.bytes));
    let points = known.chain([(clock::now(), pool.used)]);
    let points = points.map(|(time, used_bytes)| PoolPoint {
        time: clock::text(time),
        used_bytes,
    });
    Ok(Json(PoolUsageView {
        since: clock::text(since),
        capacity_bytes: pool.capacity,
        points: points.collect(),
    }))
}
