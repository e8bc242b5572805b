//! Every refusal of the API: its HTTP status, a code for programs, a sentence for people, and a
//! sentence for each field that is wrong. Here, in `mapping` and in `volumed` errors become statuses, nowhere else.

mod mapping;
mod volumed;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use s3d_accounts::Role;
use serde::Serialize;

use utoipa::openapi::{Content, Ref, RefOr, Response as ResponseDoc, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// A refusal.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Refusal,
    retry_after: Option<Duration>,
}

/// Why a call was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refusal {
    /// For programs; it does not change.
    code: &'static str,
    /// A sentence for people.
    message: String,
    /// A sentence for each field that is wrong.
    fields: BTreeMap<String, String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self {
            status,
            body: Refusal {
                code,
                message: message.to_string(),
                fields: BTreeMap::new(),
            },
            retry_after: None,
        }
    }

    /// The message is one about a field.
    fn about(mut self, field: &str) -> Self {
        self.body
            .fields
            .insert(field.to_owned(), self.body.message.clone());
        self
    }

    fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub fn invalid_fields(fields: BTreeMap<String, String>) -> Self {
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let message = format!("Correct these fields: {}.", names.join(", "));
        let mut error = Self::new(StatusCode::BAD_REQUEST, "InvalidFields", message);
        error.body.fields = fields;
        error
    }

    pub fn invalid_json(why: impl Display) -> Self {
        let message = format!("The body is not valid JSON: {why}.");
        Self::new(StatusCode::BAD_REQUEST, "InvalidJSON", message)
    }

    pub fn not_an_object() -> Self {
        let message = "The body must be a JSON object, such as {\"name\": \"my-bucket\"}.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidJSON", message)
    }

    pub fn broken_body() -> Self {
        let message = "The body ended before its announced length; send it again.";
        Self::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
    }

    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("The body has more than {limit} bytes; no call needs that many.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", message)
    }

    pub fn token_missing() -> Self {
        let message = "Sign in at /api/v1/auth/login and send the header \
                       \"Authorization: Bearer <accessToken>\".";
        Self::new(StatusCode::UNAUTHORIZED, "TokenMissing", message)
    }

    pub fn other_origin() -> Self {
        let message = "A session changes things only for pages of this server: the Origin and Host headers \
                       must agree. Programs send a token instead.";
        Self::new(StatusCode::FORBIDDEN, "OtherOrigin", message)
    }

    pub fn unsignable(cause: &dyn Display) -> Self {
        let message = format!("This request cannot be signed: {cause}.");
        Self::new(StatusCode::BAD_REQUEST, "Unsignable", message)
    }

    pub fn no_such_bucket() -> Self {
        let message = "You have no bucket of this name.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", message)
    }

    pub fn no_such_key() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "You have no key of this id.",
        )
    }

    pub fn no_such_namespace() -> Self {
        let message = "You belong to no namespace of this name.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchNamespace", message).about("namespace")
    }

    pub fn which_namespace() -> Self {
        let sentence = "You belong to several namespaces; name one of them.";
        let fields = BTreeMap::from([("namespace".to_owned(), sentence.to_owned())]);
        Self::invalid_fields(fields)
    }

    pub fn no_such_member() -> Self {
        let message = "The namespace has no such member.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchMember", message)
    }

    pub fn email_unverified() -> Self {
        let message = "Verify your e-mail address first: open the link that was sent to it, or have another one \
                       sent from your account.";
        Self::new(StatusCode::FORBIDDEN, "EmailUnverified", message)
    }

    pub fn too_many_letters() -> Self {
        Self::busy("Too many letters are on their way at this moment; try again.")
    }

    pub fn no_such_session() -> Self {
        let message = "There is no such session; it may have ended already.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchSession", message)
    }

    pub fn no_such_user() -> Self {
        let message = "There is no such user.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchUser", message)
    }

    pub fn no_such_invitation() -> Self {
        let message = "There is no such invitation.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchInvitation", message)
    }

    pub fn role_too_low(least: Role) -> Self {
        let needed = match least {
            Role::Owner => "an owner",
            Role::Member => "a member",
            Role::Viewer => "a viewer",
        };
        let message = format!("This takes {needed} of the namespace; ask one of its owners.");
        Self::new(StatusCode::FORBIDDEN, "RoleTooLow", message)
    }

    pub fn not_an_operator() -> Self {
        let message = "This takes an operator of the rack.";
        Self::new(StatusCode::FORBIDDEN, "NotAnOperator", message)
    }

    pub fn no_such_node(name: &str) -> Self {
        let message = format!("The rack has no node {name:?}.");
        Self::new(StatusCode::NOT_FOUND, "NoSuchNode", message)
    }

    pub fn node_out_of_reach(name: &str) -> Self {
        let message = format!("The node {name} cannot be reached now; look whether it is up.");
        Self::unavailable(&message)
    }

    pub fn not_a_router() -> Self {
        let message =
            "This is for the routers in front of the nodes, which the setting proxy_from names.";
        Self::new(StatusCode::FORBIDDEN, "NotARouter", message)
    }

    pub fn no_such_call() -> Self {
        let message = "There is no such call; /openapi.json lists them.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchCall", message)
    }

    pub fn wrong_method() -> Self {
        let message = "This path does not take this method; /openapi.json lists the calls.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    fn conflict(code: &'static str, error: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, code, error)
    }

    fn busy(error: impl Display) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", error);
        error.retry_after(Duration::from_secs(1))
    }

    fn throttled(error: impl Display, after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyAttempts", error).retry_after(after)
    }

    fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", message)
            .retry_after(Duration::from_secs(1))
    }

    /// The cause is for the operator's log.
    fn internal(cause: &dyn Display) -> Self {
        tracing::error!(%cause, "a call of the REST API failed");
        let message = "The server found something wrong with what it stores; tell its operator.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // Rounded up: an attempt at that time must not come too early.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs() + 1));
        }
        response
    }
}

/// Every call may be refused.
impl IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        let content = Content::new(Some(Ref::from_schema_name("Refusal")));
        let response = ResponseBuilder::new()
            .description("A refusal")
            .content("application/json", content);
        BTreeMap::from([("default".to_owned(), response.build().into())])
    }
}
