//! Codes that are good for once: for links that sign in, set a new password or verify an address.
//!
//! A user has at most one for each purpose; a new one takes the place of the old. What is stored names only its hash.

use std::time::Duration;

use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Stored, delete, put, unchanged};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use volumed_meta::{Change, Compare};

use super::user::UserId;
use super::{Accounts, clock, random};

/// Hex digits of the user's id, with which a code begins.
const ID_LENGTH: usize = 32;

/// What a code is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// To sign in without a password.
    SignIn,
    /// To set a new password.
    Reset,
    /// To verify the address.
    Verify,
}

impl Purpose {
    fn prefix(self) -> &'static str {
        match self {
            Self::SignIn => "s3d/sign-in-code/",
            Self::Reset => "s3d/reset-code/",
            Self::Verify => "s3d/verify-code/",
        }
    }

    fn lifetime(self) -> Duration {
        match self {
            Self::SignIn | Self::Reset => Duration::from_hours(1),
            Self::Verify => Duration::from_hours(24),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct CodeRecord {
    /// SHA-256 of the whole code, in hex.
    hash: String,
    expires: Timestamp,
}

/// A code that is good for what it was made for.
#[derive(Debug)]
pub struct Code {
    /// Whose it is.
    pub user: UserId,
    key: String,
    /// Holds while nobody has used or replaced the code: of several who come at once, one uses it.
    unused: Compare,
}

impl Code {
    /// Holds while the code is good.
    pub fn unused(&self) -> Compare {
        self.unused.clone()
    }

    /// The change that uses the code up.
    pub fn removal(&self) -> Change {
        delete(self.key.clone())
    }
}

fn hash_of(code: &str) -> String {
    hex::encode(Sha256::digest(code.as_bytes()))
}

impl Accounts {
    /// A new code of a user for this purpose.
    pub(super) async fn make_code(
        &self,
        purpose: Purpose,
        user: &UserId,
    ) -> Result<String, RecordError> {
        let secret = random::text(b"abcdefghijklmnopqrstuvwxyz234567", 32);
        let code = format!("{user}{secret}");
        let lifetime = purpose.lifetime().as_millis() as u64;
        let record = CodeRecord {
            hash: hash_of(&code),
            expires: Timestamp(clock::now().0 + lifetime),
        };
        let change = put(format!("{}{user}", purpose.prefix()), &record);
        self.records.commit(Vec::new(), vec![change]).await?;
        Ok(code)
    }

    /// What a code is; `None`: it is none for this purpose, was used, was replaced or has expired.
    pub(super) async fn find_code(
        &self,
        purpose: Purpose,
        code: &str,
    ) -> Result<Option<Code>, RecordError> {
        let Some(user) = code.get(..ID_LENGTH).and_then(UserId::parse) else {
            return Ok(None);
        };
        let key = format!("{}{user}", purpose.prefix());
        let stored = self.records.get::<CodeRecord>(&key).await?;
        let good = |stored: &Stored<CodeRecord>| {
            stored.record.hash == hash_of(code) && stored.record.expires > clock::now()
        };
        Ok(stored.filter(good).map(|stored| Code {
            unused: unchanged(key.clone(), &stored),
            user,
            key,
        }))
    }
}
