//! Secrets at rest: XChaCha20-Poly1305 under the node's key, with the name of what is sealed as
//! associated data, so that a sealed secret is of use under its own name only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::secret_file;
use crate::random;

const NONCE: usize = 24;

pub struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    pub fn new(key: [u8; secret_file::LENGTH]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(&key.into()),
        }
    }

    /// Base64 of nonce, ciphertext and tag.
    pub fn seal(&self, name: &str, secret: &str) -> String {
        let nonce: [u8; NONCE] = random::bytes();
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a short text is sealed");
        BASE64.encode([&nonce[..], &sealed].concat())
    }

    /// The secret, if it was sealed under this name with this node's key.
    pub fn open(&self, name: &str, sealed: &str) -> Option<String> {
        let bytes = BASE64.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let secret = self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(secret).ok()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Seal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_same_name_and_key_open_it() {
        let seal = Seal::new([1; 32]);
        let sealed = seal.seal("HR1", "secret");
        assert_eq!(seal.open("HR1", &sealed).as_deref(), Some("secret"));
        assert_eq!(seal.open("HR2", &sealed), None);
        assert_eq!(Seal::new([2; 32]).open("HR1", &sealed), None);
        assert_ne!(seal.seal("HR1", "secret"), sealed);
    }

    proptest! {
        #[test]
        fn garbage_opens_nothing(garbage in ".{0,120}") {
            prop_assert_eq!(Seal::new([1; 32]).open("HR1", &garbage), None);
        }
    }
}
