//! Users, their namespaces, and the keys that sign S3 requests.

mod client;
pub mod clock;
mod invitations;
mod key;
mod key_use;
mod keys;
mod mail_links;
mod members;
mod namespaces;
mod one_time_code;
mod password;
pub mod random;
mod seal;
mod secret_file;
pub mod secrets;
mod session_id;
mod sessions;
mod sign_in;
mod sign_in_code;
mod sign_in_limits;
mod sign_up;
mod throttle;
mod token;
mod user;
mod users;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use s3d_records::{Cache, RecordError, Records};
use serde::{Deserialize, Serialize};
use volumed_meta::MetaStore;

use key_use::KeyUses;
use password::Passwords;
use seal::Seal;
use sign_in_limits::SignInLimits;
use token::Tokens;

pub use client::Client;
pub use invitations::{Invitation, InvitationError};
pub use key::{Access, Key, KeyGrant, KeyInfo, Scope};
pub use keys::{AccountsError, CreateKeyError};
pub use mail_links::MailLinkError;
pub use members::{ChangeMemberError, Member};
pub use namespaces::{
    CreateNamespaceError, Limits, Membership, NamespaceRecord, Role, namespace_key,
};
pub use password::{Password, PasswordError};
pub use seal::SealError;
pub use secret_file::SecretFileError;
pub use session_id::SessionId;
pub use sessions::Session;
pub use sign_in::{AuthenticateError, LoginError};
pub use sign_in_code::SignInCodeError;
pub use sign_in_limits::Origin;
pub use sign_up::{NewUser, SignUpError};
pub use throttle::{Meter, Rate, Throttle, Throttled};
pub use token::{AccessToken, TokenError};
pub use user::{User, UserId};

/// Keys that are kept in memory, some 300 bytes each.
const CACHED_KEYS: usize = 10_000;

/// Namespaces that are kept in memory, some 150 bytes each.
const CACHED_NAMESPACES: usize = 10_000;

/// Who may make an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUpPolicy {
    /// Anyone who reaches the API.
    #[default]
    Open,
    /// Those who were invited; operators make the others.
    Closed,
}

/// A text is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("say open or closed")]
pub struct SignUpPolicyError;

impl FromStr for SignUpPolicy {
    type Err = SignUpPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(SignUpPolicyError),
        }
    }
}

/// How accounts are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AccountSettings {
    /// Who may make an account.
    pub sign_up: SignUpPolicy,
    /// Whether users must verify their addresses before they make anything.
    pub verify_email: bool,
}

/// Users, namespaces and keys.
#[derive(Debug)]
pub struct Accounts {
    settings: AccountSettings,
    records: Records,
    passwords: Passwords,
    tokens: Tokens,
    seal: Seal,
    keys: Arc<Cache<Key>>,
    key_uses: Arc<KeyUses>,
    namespaces: Arc<Cache<NamespaceRecord>>,
    limits: SignInLimits,
}

impl Accounts {
    /// Opens the accounts in a store. `folder` holds this node's own secrets, which are made at
    /// the first start; without them no key's secret can be read again. Call it on a runtime.
    pub fn open(
        store: Arc<dyn MetaStore>,
        folder: &Path,
        settings: AccountSettings,
    ) -> Result<Self, SecretFileError> {
        let records = Records::new(store.clone());
        let token_keys = secret_file::read_or_make(&folder.join(token::FILE))?;
        Ok(Self {
            settings,
            passwords: Passwords::default(),
            tokens: Tokens::new(&token_keys[0]),
            seal: Seal::read_or_make(folder)?,
            keys: Cache::following(store.clone(), key::PREFIX, CACHED_KEYS),
            key_uses: KeyUses::storing(records.clone()),
            namespaces: Cache::following(store, namespaces::PREFIX, CACHED_NAMESPACES),
            limits: SignInLimits::default(),
            records,
        })
    }

    /// Whether a user has to verify the address before anything else.
    pub fn must_verify(&self, user: &User) -> bool {
        self.settings.verify_email && !user.verified
    }

    /// Whether the store answers.
    pub async fn check(&self) -> Result<(), RecordError> {
        self.records.check().await
    }

    /// Whether this node's key opens the secrets in the store.
    pub async fn check_seal(&self) -> Result<(), SealError> {
        self.seal.check(&self.records).await
    }
}

#[cfg(test)]
mod tests;
