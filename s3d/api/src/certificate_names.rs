//! `/api/v1/certificate-names`.

use axum::extract::State;

use super::ApiState;
use super::caller::From;
use super::error::ApiError;

/// The names that certificates have to cover, one a line; for the routers that `proxy_from` names
///
/// `*.<namespace>.s3.<domain>` for each namespace, which `*.s3.<domain>` is not for.
#[utoipa::path(
    get, path = "/api/v1/certificate-names", operation_id = "listCertificateNames", security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain", example = "*.home.s3.example.org\n"),
        ApiError
    )
)]
pub async fn list(State(state): State<ApiState>, From(client): From) -> Result<String, ApiError> {
    let peer = client.address.to_canonical();
    if !state.routers.iter().any(|router| router.contains(&peer)) {
        return Err(ApiError::not_a_router());
    }
    let namespaces = state.accounts.namespaces().await?;
    let domain = &state.endpoint.domain;
    let lines = namespaces
        .iter()
        .map(|(namespace, _)| format!("*.{namespace}.s3.{domain}\n"));
    Ok(lines.collect())
}
