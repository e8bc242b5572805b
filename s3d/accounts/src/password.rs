//! Passwords, hashed with argon2id off the runtime.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// How many may wait for their turn; a hash takes some 30 ms of a core.
const MAX_WAITING: usize = 64;

/// A password that may be set: 10 to 256 characters.
#[derive(Clone)]
pub struct Password(String);

/// Why a text is no password; each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too easy to guess.
    #[error("Choose a password of at least 10 characters.")]
    Short,
    /// So long that hashing it is a burden.
    #[error("Choose a password of at most 256 characters.")]
    Long,
    /// All its characters are the same.
    #[error("Choose a password that is harder to guess.")]
    Weak,
}

impl Password {
    /// Checks and wraps a password.
    pub fn new(text: impl Into<String>) -> Result<Self, PasswordError> {
        let text = text.into();
        let length = text.chars().count();
        let first = text.chars().next();
        if length < 10 {
            Err(PasswordError::Short)
        } else if length > 256 {
            Err(PasswordError::Long)
        } else if text.chars().all(|character| Some(character) == first) {
            Err(PasswordError::Weak)
        } else {
            Ok(Self(text))
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// Too many passwords wait to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// Hashes and verifies, one at a time: each takes 19 MiB while it runs, and the memory of the
/// process counts.
#[derive(Debug)]
pub struct Passwords {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }
}

impl Passwords {
    /// The password's hash in PHC form (`$argon2id$v=19$…`).
    pub async fn hash(&self, password: Password) -> Result<String, Busy> {
        self.in_turn(move || hash(&password.0)).await
    }

    /// Whether the password belongs to the hash. Without a hash the same work is done for nothing,
    /// so that nobody can tell whether there is such a user.
    pub async fn verify(&self, hashed: Option<String>, password: String) -> Result<bool, Busy> {
        self.in_turn(move || {
            let hashed = hashed.as_deref().map(PasswordHash::new);
            if let Some(Ok(hashed)) = hashed {
                return Argon2::default()
                    .verify_password(password.as_bytes(), &hashed)
                    .is_ok();
            }
            hash(&password);
            false
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| Busy)?;
        // The work keeps its turn also when nobody waits for it any more: its memory is in use.
        let work = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        work.await.map_err(|_| Busy)
    }
}

/// The parameters are the crate's, and OWASP's first choice: argon2id, 19 MiB, 2 passes.
fn hash(password: &str) -> String {
    Argon2::default()
        .hash_password(password.as_bytes())
        .expect("the default parameters hash any password")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        let refused = |text: &str| Password::new(text).unwrap_err();
        assert_eq!(refused(""), PasswordError::Short);
        assert_eq!(refused("ninechars"), PasswordError::Short);
        assert_eq!(refused(&"ab".repeat(129)), PasswordError::Long);
        assert_eq!(refused("aaaaaaaaaaaa"), PasswordError::Weak);
        assert!(Password::new("correct horse").is_ok());
        assert!(!format!("{:?}", Password::new("correct horse")).contains("horse"));
    }

    #[tokio::test]
    async fn only_the_password_fits_its_hash() {
        let passwords = Passwords::default();
        let password = Password::new("correct horse").unwrap();
        let hashed = passwords.hash(password).await.unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        let verify = |hashed: Option<&str>, password: &str| {
            passwords.verify(hashed.map(str::to_owned), password.to_owned())
        };
        assert_eq!(verify(Some(&hashed), "correct horse").await, Ok(true));
        assert_eq!(verify(Some(&hashed), "correct house").await, Ok(false));
        assert_eq!(verify(Some("garbage"), "correct horse").await, Ok(false));
        assert_eq!(verify(None, "correct horse").await, Ok(false));
    }
}
