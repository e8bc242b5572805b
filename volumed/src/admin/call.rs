//! What calls have in common: the body they take, and that they end when they began.

use std::future::Future;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use volumed_client::admin::ErrorCode;

use super::refused::Refused;

/// The JSON body of a request, whatever content type it claims.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let unreadable = |reason: String| {
            let message = format!("the body cannot be read: {reason}");
            Refused::new(ErrorCode::InvalidRequest, message)
        };
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| unreadable(error.body_text()))?;
        let body = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self(body))
    }
}

/// Carries a change through also when the client hangs up meanwhile.
pub async fn run_to_completion<T, E>(
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

/// The answer to what only has to be done.
#[derive(Serialize, ToSchema)]
pub struct Nothing {}
