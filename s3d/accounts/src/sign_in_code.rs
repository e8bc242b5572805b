//! Signing in once without a password: by the link that a first start prints.

use s3d_names::Email;
use s3d_records::RecordError;

use super::Accounts;
use super::client::Client;
use super::one_time_code::Purpose;
use super::token::AccessToken;
use super::user::{User, UserRecord, user_key};

/// Why a code signs nobody in.
#[derive(Debug, thiserror::Error)]
pub enum SignInCodeError {
    /// It is none, was used, was replaced by another or has expired.
    #[error("This link was used already, has expired or is not known; sign in with the password.")]
    Unknown,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Accounts {
    /// A code with which the user of this address signs in once, within an hour; `None`: there is no such user.
    pub async fn make_sign_in_code(&self, email: &Email) -> Result<Option<String>, RecordError> {
        match self.user_id(email).await? {
            Some(user) => Ok(Some(self.make_code(Purpose::SignIn, &user).await?)),
            None => Ok(None),
        }
    }

    /// A token for whoever has a code, which is good for nothing afterwards, and the user whom it names.
    pub async fn login_by_code(
        &self,
        code: &str,
        client: &Client,
    ) -> Result<(User, AccessToken), SignInCodeError> {
        let code = self.find_code(Purpose::SignIn, code).await?;
        let code = code.ok_or(SignInCodeError::Unknown)?;
        let taken = self
            .records
            .commit(vec![code.unused()], vec![code.removal()]);
        if !taken.await? {
            return Err(SignInCodeError::Unknown);
        }
        let user = self
            .records
            .get::<UserRecord>(&user_key(&code.user))
            .await?;
        let user = user.ok_or(SignInCodeError::Unknown)?.record;
        let token = self.begin_session(&code.user, &user, client).await?;
        Ok((user.user(code.user), token))
    }
}
