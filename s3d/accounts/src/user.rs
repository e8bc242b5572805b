//! Users.

use std::fmt;

use s3d_bucket::Timestamp;
use serde::{Deserialize, Serialize};

use crate::random;
use s3d_names::Email;

/// Names a user; never used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId(String);

impl UserId {
    /// A new one.
    pub fn random() -> Self {
        Self(format!("{:032x}", random::id()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Somebody who signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The address that the user signs in with.
    pub email: Email,
    /// When the user signed up.
    pub created: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub struct UserRecord {
    pub email: Email,
    /// In PHC form.
    pub password: String,
    pub created: Timestamp,
}

pub fn user_key(user: &UserId) -> String {
    format!("s3d/user/{user}")
}

pub fn email_key(email: &Email) -> String {
    format!("s3d/email/{}", email.in_key())
}
