//! The signatures inside an aws-chunked body: each chunk's covers the one before it.

use sha2::{Digest, Sha256};

use super::Seed;
use super::key::{SigningKey, hex};

/// SHA-256 of nothing, which every chunk's string to sign holds.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Checks the chain of signatures of one body.
pub struct ChunkSigner {
    key: SigningKey,
    /// Time and scope, as each string to sign has them.
    time_and_scope: String,
    previous: String,
    chunk: Sha256,
}

impl ChunkSigner {
    /// Begins the chain of a request that `secret` signed.
    pub fn new(secret: &str, seed: &Seed) -> Self {
        Self {
            key: SigningKey::derive(secret, &seed.scope),
            time_and_scope: format!("{}\n{}", seed.time.basic(), seed.scope),
            previous: seed.signature.clone(),
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
        let rest = format!("{EMPTY}\n{hash}");
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &rest, signature)
    }

    /// Whether trailers (`name:value\n` each) have this signature.
    pub fn trailers_have(&mut self, trailers: &str, signature: &str) -> bool {
        let hash = hex(&Sha256::digest(trailers.as_bytes()));
        self.next("AWS4-HMAC-SHA256-TRAILER", &hash, signature)
    }

    fn next(&mut self, kind: &str, rest: &str, signature: &str) -> bool {
        let text = self.string_to_sign(kind, rest);
        signature.clone_into(&mut self.previous);
        self.key.verifies(text.as_bytes(), signature)
    }

    fn string_to_sign(&self, kind: &str, rest: &str) -> String {
        let (time_and_scope, previous) = (&self.time_and_scope, &self.previous);
        format!("{kind}\n{time_and_scope}\n{previous}\n{rest}")
    }

    /// The next signature of the chain, as a client makes it.
    #[cfg(test)]
    pub fn sign(&mut self, kind: &str, rest: &str) -> String {
        let text = self.string_to_sign(kind, rest);
        self.previous = self.key.sign(text.as_bytes());
        self.previous.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::time::SigningTime;

    /// The example of AWS's documentation, "Signature calculations for the authorization header:
    /// transferring payload in multiple chunks".
    #[test]
    fn aws_example_holds() {
        let seed = Seed {
            scope: "20130524/us-east-1/s3/aws4_request".into(),
            time: SigningTime::parse("20130524T000000Z").expect("a time"),
            signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".into(),
        };
        let mut signer = ChunkSigner::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &seed);
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
}
