//! `/api/v1/tenants`: every namespace with what it holds and what it may, for operators.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use s3d_accounts::clock;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Operator;
use super::error::ApiError;
use super::fields::{Fields, Input, Query};
use super::namespaces::LimitsView;

/// Namespaces of one page, unless fewer are asked for.
const PAGE: u64 = 50;

/// Which namespaces to list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TenantQuery {
    /// Those behind this name: what an earlier answer said as `next`.
    after: Option<String>,
    /// At most so many; 50 if left out, at most 50.
    limit: Option<u64>,
}

impl Input for TenantQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            after: fields.optional("after", Ok::<String, Infallible>),
            limit: fields.limit(PAGE),
        })
    }
}

/// A namespace, what it holds and what it may.
#[derive(Serialize, ToSchema)]
pub struct TenantView {
    namespace: String,
    created: String,
    buckets: usize,
    /// As it was noted last, within an hour.
    bytes: u64,
    /// The same.
    objects: u64,
    limits: LimitsView,
}

/// Namespaces by name.
#[derive(Serialize, ToSchema)]
pub struct TenantsView {
    tenants: Vec<TenantView>,
    /// What to send as `after` for the next page; null if there is none.
    next: Option<String>,
}

/// Every namespace with what it holds and what it may, a page at a time; for operators
#[utoipa::path(
    get, path = "/api/v1/tenants", operation_id = "listTenants",
    params(TenantQuery),
    responses((status = 200, body = TenantsView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    _: Operator,
    Query(query): Query<TenantQuery>,
) -> Result<Json<TenantsView>, ApiError> {
    let limit = query.limit.unwrap_or(PAGE) as usize;
    let after = query.after.as_deref();
    let page = state.accounts.namespaces_behind(after, limit).await?;
    let next = page.last().filter(|_| page.len() == limit);
    let next = next.map(|(name, _)| name.to_string());
    let mut tenants = Vec::with_capacity(page.len());
    for (name, record) in page {
        let held = state.buckets.held_by(&name).await?;
        tenants.push(TenantView {
            buckets: state.buckets.count_of(&name).await?,
            bytes: held.bytes,
            objects: held.objects,
            created: clock::text(record.created),
            limits: record.limits.into(),
            namespace: name.into(),
        });
    }
    Ok(Json(TenantsView { tenants, next }))
}
