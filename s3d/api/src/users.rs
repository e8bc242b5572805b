//! `/api/v1/users`: the users, for operators.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{NewUser, Password};
use s3d_names::{Email, NamespaceName};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Operator;
use super::error::ApiError;
use super::fields::{Body, Fields, Input, Query};
use super::user::{SignedUp, UserView};

/// Users of one page, unless fewer are asked for.
const PAGE: u64 = 50;

/// Most of one page.
const MOST: u64 = 200;

/// Which users to list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Those whose address starts with this.
    start: Option<String>,
    /// Those behind this address: what an earlier answer said as `next`.
    #[param(value_type = Option<String>)]
    after: Option<Email>,
    /// At most so many; 50 if left out, at most 200.
    limit: Option<u64>,
}

impl Input for UserQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            start: fields.optional("start", Ok::<String, Infallible>),
            after: fields.optional("after", Email::new),
            limit: fields.limit(MOST),
        })
    }
}

/// Users by address.
#[derive(Serialize, ToSchema)]
pub struct UsersView {
    users: Vec<UserView>,
    /// What to send as `after` for the next page; null if there is none.
    next: Option<String>,
}

/// The users by address, a page at a time; for operators
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "listUsers",
    params(UserQuery),
    responses((status = 200, body = UsersView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    _: Operator,
    Query(query): Query<UserQuery>,
) -> Result<Json<UsersView>, ApiError> {
    let limit = query.limit.unwrap_or(PAGE) as usize;
    let start = query.start.unwrap_or_default();
    let after = query.after.as_ref();
    let page = state.accounts.users_behind(&start, after, limit).await?;
    let next = page.last().filter(|_| page.len() == limit);
    let next = next.map(|user| user.email.to_string());
    let users = page.into_iter().map(UserView::from).collect();
    Ok(Json(UsersView { users, next }))
}

/// A user whom an operator makes.
#[derive(Debug, ToSchema)]
pub struct AddUser {
    #[schema(value_type = String)]
    email: Email,
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    password: Password,
    /// The namespace to create; derived from the email address if left out.
    #[schema(value_type = Option<String>, min_length = 3, max_length = 63)]
    namespace: Option<NamespaceName>,
    /// Whether the user shall run the rack, too.
    #[schema(default = false)]
    operator: bool,
}

impl Input for AddUser {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", |text| Email::new(&text));
        let password = fields.required("password", Password::new);
        let namespace = fields.optional("namespace", NamespaceName::new);
        let operator = fields.flag("operator");
        Some(Self {
            email: email?,
            password: password?,
            namespace,
            operator,
        })
    }
}

/// Make a user, also while sign-up is closed; for operators
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "addUser",
    request_body = AddUser,
    responses((status = 201, body = SignedUp), ApiError)
)]
pub async fn add(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<AddUser>,
) -> Result<(StatusCode, Json<SignedUp>), ApiError> {
    let new = NewUser {
        email: body.email,
        password: body.password,
        namespace: body.namespace,
    };
    caller.trail.resource(&new.email);
    let (user, namespace) = state.accounts.add_user(new, body.operator).await?;
    Ok((StatusCode::CREATED, Json(SignedUp::new(user, namespace))))
}
