//! Users, their namespaces, and the keys that sign S3 requests.

pub mod clock;
mod key;
mod keys;
mod namespaces;
mod password;
pub mod random;
mod seal;
mod secret_file;
mod throttle;
mod token;
mod user;
mod users;

use std::path::Path;
use std::sync::Arc;

use volumed_meta::MetaStore;

use password::Passwords;
use s3d_records::{Cache, RecordError, Records};
use seal::Seal;
use throttle::Throttles;
use token::Tokens;

pub use key::{Key, KeyInfo, Scope};
pub use keys::{AccountsError, CreateKeyError};
pub use namespaces::namespace_key;
pub use namespaces::{CreateNamespaceError, Membership, Role};
pub use password::{Password, PasswordError};
pub use secret_file::SecretFileError;
pub use token::{AccessToken, TokenError};
pub use user::{User, UserId};
pub use users::{AuthenticateError, LoginError, SignUp, SignUpError};

/// Keys that are kept in memory, some 300 bytes each.
const CACHED_KEYS: usize = 10_000;

/// Users, namespaces and keys.
#[derive(Debug)]
pub struct Accounts {
    records: Records,
    passwords: Passwords,
    tokens: Tokens,
    seal: Seal,
    keys: Arc<Cache<Key>>,
    throttles: Throttles,
}

impl Accounts {
    /// Opens the accounts in a store. `folder` holds this node's own secrets, which are made at
    /// the first start; without them no key's secret can be read again. Call it on a runtime.
    pub fn open(store: Arc<dyn MetaStore>, folder: &Path) -> Result<Self, SecretFileError> {
        let keys = Cache::following(store.clone(), key::PREFIX, CACHED_KEYS);
        Ok(Self {
            records: Records::new(store),
            passwords: Passwords::default(),
            tokens: Tokens::new(&secret_file::read_or_make(&folder.join("token.secret"))?),
            seal: Seal::new(secret_file::read_or_make(&folder.join("seal.secret"))?),
            keys,
            throttles: Throttles::default(),
        })
    }

    /// Whether the store answers.
    pub async fn check(&self) -> Result<(), RecordError> {
        self.records.check().await
    }
}

#[cfg(test)]
mod tests;
