//! The signatures inside an aws-chunked body: each chunk's covers the one before it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// SHA-256 of nothing, which every chunk's string to sign holds.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Checks the chain of signatures of one body.
pub struct ChunkSigner {
    key: [u8; 32],
    /// `x-amz-date` and the credential's scope, as each string to sign has them.
    date_and_scope: String,
    previous: String,
    chunk: Sha256,
}

impl ChunkSigner {
    /// Begins a chain.
    ///
    /// `date`: `x-amz-date` · `scope`: `<day>/<region>/s3/aws4_request` · `seed`: the signature of
    /// the request itself.
    pub fn new(secret: &str, date: &str, scope: &str, seed: &str) -> Self {
        let start = [b"AWS4", secret.as_bytes()].concat();
        let mut key = [0; 32];
        for (depth, part) in scope.split('/').enumerate() {
            key = if depth == 0 {
                mac(&start, part)
            } else {
                mac(&key, part)
            };
        }
        Self {
            key,
            date_and_scope: format!("{date}\n{scope}"),
            previous: seed.to_owned(),
            chunk: Sha256::new(),
        }
    }

    /// Takes bytes of the chunk.
    pub fn update(&mut self, bytes: &[u8]) {
        self.chunk.update(bytes);
    }

    /// Ends a chunk: whether it has this signature.
    pub fn chunk_has(&mut self, signature: &str) -> bool {
        let hash = hex(&std::mem::take(&mut self.chunk).finalize());
        self.next(
            "AWS4-HMAC-SHA256-PAYLOAD",
            &format!("{EMPTY}\n{hash}"),
            signature,
        )
    }

    /// Whether trailers (`name:value\n` each) have this signature.
    pub fn trailers_have(&mut self, trailers: &str, signature: &str) -> bool {
        let hash = hex(&Sha256::digest(trailers.as_bytes()));
        self.next("AWS4-HMAC-SHA256-TRAILER", &hash, signature)
    }

    fn next(&mut self, kind: &str, rest: &str, signature: &str) -> bool {
        let Some(claimed) = unhex(signature) else {
            return false;
        };
        // In constant time.
        let holds = self.mac(kind, rest).verify_slice(&claimed).is_ok();
        signature.clone_into(&mut self.previous);
        holds
    }

    fn mac(&self, kind: &str, rest: &str) -> Hmac<Sha256> {
        let mut mac = keyed(&self.key);
        let (scope, previous) = (&self.date_and_scope, &self.previous);
        mac.update(format!("{kind}\n{scope}\n{previous}\n{rest}").as_bytes());
        mac
    }

    /// The next signature of the chain, as a client makes it.
    #[cfg(test)]
    pub fn sign(&mut self, kind: &str, rest: &str) -> String {
        self.previous = hex(&self.mac(kind, rest).finalize().into_bytes());
        self.previous.clone()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The 32 bytes that 64 hex digits stand for.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's documentation, "Signature calculations for the authorization header:
    /// transferring payload in multiple chunks".
    #[test]
    fn aws_example_holds() {
        let mut signer = ChunkSigner::new(
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "20130524T000000Z",
            "20130524/us-east-1/s3/aws4_request",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        );
        signer.update(&vec![b'a'; 65536]);
        assert!(
            signer.chunk_has("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")
        );
        signer.update(&vec![b'a'; 1024]);
        assert!(
            signer.chunk_has("0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
        );
        assert!(
            signer.chunk_has("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
        );
        assert!(
            !signer.chunk_has("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
        );
    }

    #[test]
    fn hex_comes_back() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 * 8);
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex("00"), None);
        assert_eq!(unhex(&"g0".repeat(32)), None);
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}
