//! Codes that sign somebody in once, without a password: for the link that a first start prints.
//!
//! A user has at most one; a new one takes the place of the old. What is stored names only its hash.

use std::time::Duration;

use s3d_bucket::Timestamp;
use s3d_names::Email;
use s3d_records::{RecordError, delete, put, unchanged};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::token::AccessToken;
use super::user::{User, UserId, UserRecord, user_key};
use super::{Accounts, clock, random};

/// How long a code is good for.
const LIFETIME: Duration = Duration::from_hours(1);

/// Hex digits of the user's id, with which a code begins.
const ID_LENGTH: usize = 32;

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

#[derive(Serialize, Deserialize)]
struct CodeRecord {
    /// SHA-256 of the whole code, in hex.
    hash: String,
    expires: Timestamp,
}

fn code_key(user: &UserId) -> String {
    format!("s3d/sign-in-code/{user}")
}

fn hash_of(code: &str) -> String {
    hex::encode(Sha256::digest(code.as_bytes()))
}

impl Accounts {
    /// A code with which the user of this address signs in once, within an hour; `None`: there is no such user.
    pub async fn make_sign_in_code(&self, email: &Email) -> Result<Option<String>, RecordError> {
        let Some(user) = self.user_id(email).await? else {
            return Ok(None);
        };
        let secret = random::text(b"abcdefghijklmnopqrstuvwxyz234567", 32);
        let code = format!("{user}{secret}");
        let record = CodeRecord {
            hash: hash_of(&code),
            expires: Timestamp(clock::now().0 + LIFETIME.as_millis() as u64),
        };
        let change = put(code_key(&user), &record);
        self.records.commit(Vec::new(), vec![change]).await?;
        Ok(Some(code))
    }

    /// A token for whoever has a code, which is good for nothing afterwards, and the user whom it names.
    pub async fn login_by_code(
        &self,
        code: &str,
        client: &Client,
    ) -> Result<(User, AccessToken), SignInCodeError> {
        let id = code.get(..ID_LENGTH).and_then(UserId::parse);
        let id = id.ok_or(SignInCodeError::Unknown)?;
        let key = code_key(&id);
        let stored = self.records.get::<CodeRecord>(&key).await?;
        let stored = stored.filter(|stored| stored.record.hash == hash_of(code));
        let stored = stored.ok_or(SignInCodeError::Unknown)?;
        // Of several who come at once, one removes it.
        let conditions = vec![unchanged(key.clone(), &stored)];
        let taken = self.records.commit(conditions, vec![delete(key)]).await?;
        if !taken || stored.record.expires < clock::now() {
            return Err(SignInCodeError::Unknown);
        }
        let user = self.records.get::<UserRecord>(&user_key(&id)).await?;
        let user = user.ok_or(SignInCodeError::Unknown)?.record;
        let token = self.begin_session(&id, &user, client).await?;
        Ok((user.user(id), token))
    }
}
