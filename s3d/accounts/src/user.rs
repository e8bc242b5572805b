//! Users.

use std::fmt;

use s3d_bucket::Timestamp;
use s3d_names::Email;
use serde::{Deserialize, Serialize};

use super::random;

pub const PREFIX: &str = "s3d/user/";
pub const EMAIL_PREFIX: &str = "s3d/email/";

/// Names a user; never used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// A new one: 32 hex digits.
    pub fn random() -> Self {
        Self(format!("{:032x}", random::id()))
    }

    /// The id that a text is, if it can be one; what cannot is not looked up.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Somebody who has an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The address that the user signs in with.
    pub email: Email,
    /// When the account was made.
    pub created: Timestamp,
    /// Whether the user has shown to read what is sent to the address.
    pub verified: bool,
    /// Whether the user runs the rack: reads the whole audit log, sets limits, makes users.
    pub operator: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct UserRecord {
    pub email: Email,
    /// In PHC form.
    pub password: String,
    pub created: Timestamp,
    #[serde(default)]
    pub verified: bool,
    #[serde(default)]
    pub operator: bool,
    /// How often the password was changed. Sessions name it, and end with it.
    #[serde(default, rename = "session")]
    pub password_number: u64,
}

impl UserRecord {
    pub fn user(&self, id: UserId) -> User {
        User {
            id,
            email: self.email.clone(),
            created: self.created,
            verified: self.verified,
            operator: self.operator,
        }
    }
}

pub fn user_key(user: &UserId) -> String {
    format!("{PREFIX}{user}")
}

pub fn email_key(email: &Email) -> String {
    format!("{EMAIL_PREFIX}{}", email.in_key())
}
