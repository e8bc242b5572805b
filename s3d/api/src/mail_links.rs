//! Links by mail: a new password for whoever forgot it, and verified addresses.
//!
//! Whether there is an account is found out behind the answer, so neither the answer nor its time says so.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Accounts, Password, User};
use s3d_mail::{Language, Letter, Mailer, Purpose};
use s3d_names::Email;
use s3d_records::RecordError;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, From};
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::trail::Trail;

/// Letters that may be on their way at once; a mail server that is away holds each up for minutes.
const ON_THEIR_WAY: usize = 1_000;

/// How long after the question anybody looks for the account: by then the answer has left, and nothing that is done
/// for an account can delay it.
const BEHIND_THE_ANSWER: Duration = Duration::from_secs(1);

/// Sends the letters with the links.
#[derive(Debug, Clone)]
pub struct MailLinks {
    mailer: Arc<Mailer>,
    console: Arc<str>,
    places: Arc<Semaphore>,
}

impl MailLinks {
    /// `console`: the URL at which people reach the console, without a slash at its end. It is a setting: what a
    /// request says of its own host may be a stranger's.
    pub fn new(mailer: Mailer, console: &str) -> Self {
        Self {
            mailer: Arc::new(mailer),
            console: console.into(),
            places: Arc::new(Semaphore::new(ON_THEIR_WAY)),
        }
    }

    /// What writes the links into the log, for want of a mail server.
    pub fn logged(console: &str) -> Self {
        Self::new(Mailer::default(), console)
    }

    fn delivery(&self) -> DeliveryView {
        let delivery = if self.mailer.sends() { "mail" } else { "log" };
        DeliveryView { delivery }
    }

    /// Sends a link to whoever has an account with this address.
    fn send_reset(
        &self,
        accounts: Arc<Accounts>,
        email: Email,
        language: Language,
    ) -> Result<(), ApiError> {
        let to = email.clone();
        let code = async move {
            tokio::time::sleep(BEHIND_THE_ANSWER).await;
            accounts.make_reset_code(&email).await
        };
        self.send(code, to, language, Purpose::Reset)
    }

    /// Sends a link that verifies the user's address.
    pub fn send_verification(
        &self,
        accounts: Arc<Accounts>,
        user: &User,
        language: Language,
    ) -> Result<(), ApiError> {
        let (id, to) = (user.id.clone(), user.email.clone());
        let code = async move { accounts.make_verify_code(&id).await.map(Some) };
        self.send(code, to, language, Purpose::Verify)
    }

    /// Makes a code and sends it, behind the answer.
    fn send(
        &self,
        code: impl Future<Output = Result<Option<String>, RecordError>> + Send + 'static,
        to: Email,
        language: Language,
        purpose: Purpose,
    ) -> Result<(), ApiError> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| ApiError::too_many_letters())?;
        let (mailer, console) = (self.mailer.clone(), self.console.clone());
        tokio::spawn(async move {
            let _place = place;
            match code.await {
                Ok(Some(code)) => {
                    let page = match purpose {
                        Purpose::Reset => "reset",
                        Purpose::Verify => "verify",
                    };
                    // Behind the `#` no server and no log sees the code.
                    let link = format!("{console}/console/{page}#{code}");
                    let letter = Letter {
                        to,
                        language,
                        purpose,
                        link,
                    };
                    mailer.send(&letter).await;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a link could not be made"),
            }
        });
        Ok(())
    }
}

/// The language of a letter: `en`, unless another is asked for.
pub fn language(fields: &mut Fields) -> Language {
    let language = fields.optional("language", |text| text.parse::<Language>());
    language.unwrap_or_default()
}

/// Who has forgotten the password.
#[derive(Debug, ToSchema)]
pub struct Forgot {
    #[schema(value_type = String)]
    email: Email,
    /// What the letter is written in: `en` or `de`.
    #[schema(value_type = Option<String>, example = "en")]
    language: Language,
}

impl Input for Forgot {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", |text| Email::new(&text));
        let language = language(fields);
        Some(Self {
            email: email?,
            language,
        })
    }
}

/// Where a link goes.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// `mail`, or `log`: without a mail server the link is in the server's log, and its operator can hand it on.
    delivery: &'static str,
}

/// Send a link that sets a new password, if there is such an account; the answer does not say whether
#[utoipa::path(
    post, path = "/api/v1/auth/forgot", operation_id = "forgotPassword", security(()),
    request_body = Forgot,
    responses((status = 202, body = DeliveryView), ApiError)
)]
pub async fn forgot(
    State(state): State<ApiState>,
    From(client): From,
    trail: Trail,
    Body(body): Body<Forgot>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    trail.resource(&body.email);
    state.accounts.limit_letters(client.address, &body.email)?;
    let accounts = state.accounts.clone();
    state
        .links
        .send_reset(accounts, body.email, body.language)?;
    Ok((StatusCode::ACCEPTED, Json(state.links.delivery())))
}

/// A link's code and what it sets.
#[derive(Debug, ToSchema)]
pub struct Reset {
    /// What stands behind the `#` of the link.
    code: String,
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    password: Password,
}

impl Input for Reset {
    fn read(fields: &mut Fields) -> Option<Self> {
        let code = fields.required("code", Ok::<_, Infallible>);
        let password = fields.required("password", Password::new);
        Some(Self {
            code: code?,
            password: password?,
        })
    }
}

/// Set a new password by a link; every session of the user ends
#[utoipa::path(
    post, path = "/api/v1/auth/reset", operation_id = "resetPassword", security(()),
    request_body = Reset,
    responses((status = 204, description = "The password is set"), ApiError)
)]
pub async fn reset(
    State(state): State<ApiState>,
    trail: Trail,
    Body(body): Body<Reset>,
) -> Result<StatusCode, ApiError> {
    let reset = state.accounts.reset_password(&body.code, body.password);
    let user = reset.await?;
    trail.user(&user.id);
    trail.resource(&user.email);
    Ok(StatusCode::NO_CONTENT)
}

/// A link's code.
#[derive(Debug, ToSchema)]
pub struct Verify {
    /// What stands behind the `#` of the link.
    code: String,
}

impl Input for Verify {
    fn read(fields: &mut Fields) -> Option<Self> {
        let code = fields.required("code", Ok::<_, Infallible>);
        Some(Self { code: code? })
    }
}

/// Verify an address by a link
#[utoipa::path(
    post, path = "/api/v1/auth/verify-email", operation_id = "verifyEmail", security(()),
    request_body = Verify,
    responses((status = 204, description = "The address is verified"), ApiError)
)]
pub async fn verify(
    State(state): State<ApiState>,
    trail: Trail,
    Body(body): Body<Verify>,
) -> Result<StatusCode, ApiError> {
    let user = state.accounts.verify_email(&body.code).await?;
    trail.user(&user.id);
    trail.resource(&user.email);
    Ok(StatusCode::NO_CONTENT)
}

/// A link to be sent to the caller.
#[derive(Debug, ToSchema)]
pub struct AskToVerify {
    /// What the letter is written in: `en` or `de`.
    #[schema(value_type = Option<String>, example = "en")]
    language: Language,
}

impl Input for AskToVerify {
    fn read(fields: &mut Fields) -> Option<Self> {
        let language = language(fields);
        Some(Self { language })
    }
}

/// Send the caller a link that verifies the address
#[utoipa::path(
    post, path = "/api/v1/user/verification", operation_id = "sendVerification",
    request_body = AskToVerify,
    responses((status = 202, body = DeliveryView), ApiError)
)]
pub async fn ask_to_verify(
    State(state): State<ApiState>,
    caller: Caller,
    From(client): From,
    Body(body): Body<AskToVerify>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let user = &caller.user;
    state.accounts.limit_letters(client.address, &user.email)?;
    let accounts = state.accounts.clone();
    state
        .links
        .send_verification(accounts, user, body.language)?;
    Ok((StatusCode::ACCEPTED, Json(state.links.delivery())))
}
