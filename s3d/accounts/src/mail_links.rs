//! What the links in letters do: set a new password, verify an address.

use std::net::IpAddr;
use std::time::Instant;

use s3d_names::Email;
use s3d_records::{RecordError, Stored, put, unchanged};

use super::Accounts;
use super::one_time_code::{Code, Purpose};
use super::password::{Busy, Password};
use super::throttle::Throttled;
use super::user::{User, UserId, UserRecord, user_key};

/// Why a link does nothing.
#[derive(Debug, thiserror::Error)]
pub enum MailLinkError {
    /// It is none, was used, was replaced by another or has expired.
    #[error("This link was used already, has expired or is not known; ask for another one.")]
    Unknown,
    /// Too many passwords wait to be hashed.
    #[error("Too many people sign in at this moment; try again.")]
    Busy,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl From<Busy> for MailLinkError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl Accounts {
    /// Counts a letter that somebody asks for, whether or not there is such an account.
    pub fn limit_letters(&self, from: IpAddr, email: &Email) -> Result<(), Throttled> {
        self.limits.letter(from, email, Instant::now())
    }

    /// A code that sets a new password once, within an hour; `None`: there is no such user.
    pub async fn make_reset_code(&self, email: &Email) -> Result<Option<String>, RecordError> {
        match self.user_id(email).await? {
            Some(user) => Ok(Some(self.make_code(Purpose::Reset, &user).await?)),
            None => Ok(None),
        }
    }

    /// A code that verifies the user's address once, within a day.
    pub async fn make_verify_code(&self, user: &UserId) -> Result<String, RecordError> {
        self.make_code(Purpose::Verify, user).await
    }

    /// Sets the password of the user whom a code names; every session of the user ends. The code stays good if the
    /// password is not set.
    pub async fn reset_password(&self, code: &str, new: Password) -> Result<User, MailLinkError> {
        let found = self.find_code(Purpose::Reset, code).await?;
        // What follows costs a core's time: not for whoever has no code.
        found.ok_or(MailLinkError::Unknown)?;
        let password = self.passwords.hash(new).await?;
        self.use_code(Purpose::Reset, code, |record| UserRecord {
            password: password.clone(),
            password_number: record.password_number + 1,
            ..record
        })
        .await
    }

    /// Notes that the user whom a code names reads the letters to the address.
    pub async fn verify_email(&self, code: &str) -> Result<User, MailLinkError> {
        let verified = |record| UserRecord {
            verified: true,
            ..record
        };
        self.use_code(Purpose::Verify, code, verified).await
    }

    /// Changes the user whom a code names, and uses the code up, both or neither.
    async fn use_code(
        &self,
        purpose: Purpose,
        code: &str,
        change: impl Fn(UserRecord) -> UserRecord,
    ) -> Result<User, MailLinkError> {
        // The user may be changed by others meanwhile.
        while let Some(code) = self.find_code(purpose, code).await? {
            let key = user_key(&code.user);
            let Some(stored) = self.records.get::<UserRecord>(&key).await? else {
                break;
            };
            let record = change(stored.record.clone());
            if self.commit_use(&code, &stored, &record).await? {
                return Ok(record.user(code.user));
            }
        }
        Err(MailLinkError::Unknown)
    }

    async fn commit_use(
        &self,
        code: &Code,
        stored: &Stored<UserRecord>,
        record: &UserRecord,
    ) -> Result<bool, RecordError> {
        let key = user_key(&code.user);
        let conditions = vec![code.unused(), unchanged(key.clone(), stored)];
        let changes = vec![code.removal(), put(key, record)];
        self.records.commit(conditions, changes).await
    }
}
