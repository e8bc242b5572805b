//! Passwords, hashed with argon2id off the runtime.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;

/// How many may wait for their turn; a hash takes some 30 ms of a core.
const MAX_WAITING: usize = 64;

/// Bytes that are reserved for the memory of a hash, of which it touches 19 MiB. glibc never serves
/// more than 32 MiB from a heap, whose freed blocks it may keep: an allocation of this size is a
/// mapping of its own, which is gone when it is freed, whatever was freed before.
const RESERVED: usize = 33 << 20;

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
            if let Some(Ok(hashed)) = hashed.as_deref().map(PasswordHash::new) {
                return fits(&hashed, &password);
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
    let (params, salt) = (Params::default(), Salt::generate());
    let hashed = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(&params).expect("the default parameters are written"),
        salt: Some(salt),
        hash: derive(&Argon2::default(), password, &salt),
    };
    hashed.to_string()
}

/// Compares in constant time.
fn fits(hashed: &PasswordHash, password: &str) -> bool {
    let argon2 = || {
        let algorithm = Algorithm::try_from(hashed.algorithm.as_str()).ok()?;
        let version = Version::try_from(hashed.version?).ok()?;
        Some(Argon2::new(
            algorithm,
            version,
            Params::try_from(hashed).ok()?,
        ))
    };
    let (Some(argon2), Some(salt), Some(hash)) = (argon2(), hashed.salt, hashed.hash) else {
        return false;
    };
    derive(&argon2, password, &salt) == Some(hash)
}

fn derive(argon2: &Argon2<'_>, password: &str, salt: &Salt) -> Option<Output> {
    let blocks = argon2.params().block_count();
    let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(RESERVED / size_of::<Block>()));
    memory.resize(blocks, Block::default());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, &mut memory[..])
        .ok()?;
    Output::new(&output).ok()
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
