use axum::http::header;
use axum::response::IntoResponse;

/// Kept by hand beside the routes; a test compares the two.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

pub(super) fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
