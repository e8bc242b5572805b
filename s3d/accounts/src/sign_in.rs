//! Sign-in, and changed passwords.

use std::time::{Duration, Instant};

use s3d_names::Email;
use s3d_records::{RecordError, Stored, put, unchanged};

use super::Accounts;
use super::client::Client;
use super::password::{Busy, Password};
use super::throttle::Throttled;
use super::token::{AccessToken, TokenError};
use super::user::{User, UserId, UserRecord, email_key, user_key};

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Which of the two is wrong is not said.
    #[error("The email address or the password is wrong.")]
    Wrong,
    /// Too many attempts.
    #[error("Too many attempts; try again in a while.")]
    Throttled(Duration),
    /// Too many passwords wait to be verified.
    #[error("Too many people sign in at this moment; try again.")]
    Busy,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl From<Busy> for LoginError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<Throttled> for LoginError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled.retry_after)
    }
}

/// Why a token names no user.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token is not taken.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Accounts {
    /// A token for whoever knows the password, and the user whom it names. The work is the same
    /// for an address that nobody has, so it reveals nothing.
    pub async fn login(
        &self,
        email: &str,
        password: String,
        client: &Client,
    ) -> Result<(User, AccessToken), LoginError> {
        let email = Email::new(email).ok();
        let (id, stored) = self.verified(email.as_ref(), password, client).await?;
        let token = self.begin_session(&id, &stored.record, client).await?;
        Ok((stored.record.user(id), token))
    }

    /// Changes the password of a user who knows it; every session of the user ends. Answers a token for a new one.
    pub async fn change_password(
        &self,
        user: &User,
        current: String,
        new: Password,
        client: &Client,
    ) -> Result<AccessToken, LoginError> {
        let (id, stored) = self.verified(Some(&user.email), current, client).await?;
        let record = self.store_password(&id, stored, new).await?;
        // Somebody else changed it meanwhile: what the caller knows is not the password any more.
        let record = record.ok_or(LoginError::Wrong)?;
        Ok(self.begin_session(&id, &record, client).await?)
    }

    /// Sets the password of a user in the name of an operator, which ends the user's sessions; answers whether
    /// there is the user.
    pub async fn set_password(&self, email: &Email, new: Password) -> Result<bool, LoginError> {
        while let Some((id, stored)) = self.user_of(email).await? {
            if self
                .store_password(&id, stored, new.clone())
                .await?
                .is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The user whose password this is.
    async fn verified(
        &self,
        email: Option<&Email>,
        password: String,
        client: &Client,
    ) -> Result<(UserId, Stored<UserRecord>), LoginError> {
        let attempt = self.limits.begin(client.address, email, Instant::now())?;
        let user = match email {
            Some(email) => self.user_of(email).await?,
            None => None,
        };
        let hashed = user
            .as_ref()
            .map(|(_, stored)| stored.record.password.clone());
        let right = self.passwords.verify(hashed, password).await?;
        let user = user.filter(|_| right).ok_or(LoginError::Wrong)?;
        self.limits.succeeded(attempt);
        Ok(user)
    }

    /// Answers the user with the new password; `None` if the record was changed meanwhile.
    async fn store_password(
        &self,
        id: &UserId,
        stored: Stored<UserRecord>,
        new: Password,
    ) -> Result<Option<UserRecord>, LoginError> {
        let record = UserRecord {
            password: self.passwords.hash(new).await?,
            password_number: stored.record.password_number + 1,
            ..stored.record.clone()
        };
        let conditions = vec![unchanged(user_key(id), &stored)];
        let changes = vec![put(user_key(id), &record)];
        let changed = self.records.commit(conditions, changes).await?;
        Ok(changed.then_some(record))
    }

    /// The user of an e-mail address.
    pub async fn user_id(&self, email: &Email) -> Result<Option<UserId>, RecordError> {
        let stored = self.records.get::<UserId>(&email_key(email)).await?;
        Ok(stored.map(|stored| stored.record))
    }

    async fn user_of(
        &self,
        email: &Email,
    ) -> Result<Option<(UserId, Stored<UserRecord>)>, RecordError> {
        let Some(id) = self.user_id(email).await? else {
            return Ok(None);
        };
        let stored = self.records.get(&user_key(&id)).await?;
        Ok(stored.map(|stored| (id, stored)))
    }
}
