//! What a call turns out to be about, noted on its way for the audit log.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use parking_lot::Mutex;
use s3d_accounts::UserId;
use s3d_names::NamespaceName;

/// What a call turns out to be about, noted on its way.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Mutex<Noted>>);

/// What was noted so far.
#[derive(Debug, Clone, Default)]
pub struct Noted {
    pub user: Option<String>,
    pub namespace: Option<String>,
    pub resource: Option<String>,
}

impl Trail {
    /// The trail of a request; one that nobody reads if the call is not recorded.
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// What was noted so far.
    pub fn noted(&self) -> Noted {
        self.0.lock().clone()
    }

    pub fn user(&self, user: &UserId) {
        self.0.lock().user = Some(user.to_string());
    }

    pub fn namespace(&self, namespace: &NamespaceName) {
        self.0.lock().namespace = Some(namespace.to_string());
    }

    pub fn resource(&self, resource: &impl Display) {
        self.0.lock().resource = Some(resource.to_string());
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Trail {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}
