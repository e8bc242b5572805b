//! `/api/v1/auth/…` and `/api/v1/user`.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{AccessToken, NewUser, Password, User, clock};
use s3d_mail::Language;
use s3d_names::{Email, NamespaceName};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, From};
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::mail_links::language;
use super::namespaces::NamespaceView;
use super::trail::Trail;

/// What somebody signs up with.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SignUp {
    /// The address to sign in with.
    #[schema(value_type = String)]
    email: Email,
    /// The password to sign in with.
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    password: Password,
    /// The namespace to create; derived from the email address if left out.
    #[schema(value_type = Option<String>, min_length = 3, max_length = 63)]
    namespace: Option<NamespaceName>,
    /// The code of an invitation. One to a namespace makes the user a member of that namespace
    /// and creates none.
    invitation: Option<String>,
    /// What the letter is written in that verifies the address: `en` or `de`.
    #[schema(value_type = Option<String>, example = "en")]
    language: Language,
}

impl Input for SignUp {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", |text| Email::new(&text));
        let password = fields.required("password", Password::new);
        let namespace = fields.optional("namespace", NamespaceName::new);
        let invitation = fields.optional("invitation", Ok::<_, Infallible>);
        let language = language(fields);
        Some(Self {
            email: email?,
            password: password?,
            namespace,
            invitation,
            language,
        })
    }
}

/// A user who has signed up.
#[derive(Serialize, ToSchema)]
pub struct SignedUp {
    id: String,
    email: String,
    /// The namespace that the user belongs to.
    namespace: String,
}

impl SignedUp {
    pub fn new(user: User, namespace: NamespaceName) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.into(),
            namespace: namespace.into(),
        }
    }
}

/// Sign up; creates a namespace, or joins the one that an invitation is to, and sends a link that verifies the
/// address
#[utoipa::path(
    post, path = "/api/v1/auth/sign-up", operation_id = "signUp", security(()),
    request_body = SignUp,
    responses((status = 201, body = SignedUp), ApiError)
)]
pub async fn sign_up(
    State(state): State<ApiState>,
    From(client): From,
    trail: Trail,
    Body(body): Body<SignUp>,
) -> Result<(StatusCode, Json<SignedUp>), ApiError> {
    let new = NewUser {
        email: body.email,
        password: body.password,
        namespace: body.namespace,
    };
    let invitation = body.invitation.as_deref();
    trail.resource(&new.email);
    let (user, namespace) = state
        .accounts
        .sign_up(new, invitation, client.address)
        .await?;
    trail.user(&user.id);
    trail.namespace(&namespace);
    let accounts = state.accounts.clone();
    let links = &state.links;
    if links
        .send_verification(accounts, &user, body.language)
        .is_err()
    {
        tracing::warn!("a new user has to ask for the link that verifies the address");
    }
    Ok((StatusCode::CREATED, Json(SignedUp::new(user, namespace))))
}

/// What somebody signs in with.
#[derive(Debug, ToSchema)]
pub struct Login {
    pub email: String,
    pub password: String,
}

impl Input for Login {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", Ok::<_, Infallible>);
        let password = fields.required("password", Ok::<_, Infallible>);
        Some(Self {
            email: email?,
            password: password?,
        })
    }
}

/// A token for the Authorization header.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until the token ends; it ends sooner when its session does.
    expires_in: u64,
}

impl std::convert::From<AccessToken> for SignedIn {
    fn from(token: AccessToken) -> Self {
        Self {
            access_token: token.text,
            token_type: "Bearer",
            expires_in: token.expires_in,
        }
    }
}

/// Sign in
#[utoipa::path(
    post, path = "/api/v1/auth/login", operation_id = "signIn", security(()),
    request_body = Login,
    responses((status = 200, body = SignedIn), ApiError)
)]
pub async fn login(
    State(state): State<ApiState>,
    From(client): From,
    trail: Trail,
    Body(body): Body<Login>,
) -> Result<Json<SignedIn>, ApiError> {
    if let Ok(email) = Email::new(&body.email) {
        trail.resource(&email);
    }
    let (user, token) = state
        .accounts
        .login(&body.email, body.password, &client)
        .await?;
    trail.user(&user.id);
    Ok(Json(token.into()))
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    id: String,
    email: String,
    created: String,
    /// Whether the address is verified.
    verified: bool,
    /// Whether the user runs the rack.
    operator: bool,
}

impl std::convert::From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            created: clock::text(user.created),
            verified: user.verified,
            operator: user.operator,
            email: user.email.into(),
        }
    }
}

/// The user who is signed in.
#[derive(Serialize, ToSchema)]
pub struct CallerView {
    #[serde(flatten)]
    user: UserView,
    namespaces: Vec<NamespaceView>,
}

/// Who is signed in
#[utoipa::path(
    get, path = "/api/v1/user", operation_id = "showUser",
    responses((status = 200, body = CallerView), ApiError)
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Json<CallerView>, ApiError> {
    let memberships = state.accounts.memberships(&caller.user.id).await?;
    Ok(Json(CallerView {
        user: caller.user.into(),
        namespaces: memberships.into_iter().map(NamespaceView::from).collect(),
    }))
}

/// A password and what it becomes.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ChangePassword {
    pub current_password: String,
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    pub new_password: Password,
}

impl Input for ChangePassword {
    fn read(fields: &mut Fields) -> Option<Self> {
        let current_password = fields.required("currentPassword", Ok::<_, Infallible>);
        let new_password = fields.required("newPassword", Password::new);
        Some(Self {
            current_password: current_password?,
            new_password: new_password?,
        })
    }
}

/// Change the password; every session ends, and the answer has a token for a new one
#[utoipa::path(
    post, path = "/api/v1/user/password", operation_id = "changePassword",
    request_body = ChangePassword,
    responses((status = 200, body = SignedIn), ApiError)
)]
pub async fn change_password(
    State(state): State<ApiState>,
    caller: Caller,
    From(client): From,
    Body(body): Body<ChangePassword>,
) -> Result<Json<SignedIn>, ApiError> {
    let (current, new) = (body.current_password, body.new_password);
    let token = state
        .accounts
        .change_password(&caller.user, current, new, &client)
        .await?;
    Ok(Json(token.into()))
}
