//! `/healthz`.

use axum::extract::State;

use super::ApiState;
use super::error::ApiError;

/// Whether the metadata store answers; without it nothing new can be done
#[utoipa::path(
    get, path = "/healthz", operation_id = "showHealth", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), ApiError)
)]
pub async fn healthz(State(state): State<ApiState>) -> Result<&'static str, ApiError> {
    state.accounts.check().await?;
    Ok("ok\n")
}
