//! What nodes say to those who sign: one request and one answer a connection, each a length (u32, big-endian) and
//! JSON.

use std::io::{self, ErrorKind};

use data_encoding::BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::folder::{Members, Own};
use crate::node::{NodeName, Place};
use crate::proof::TokenKey;

/// ALPN.
pub const PROTOCOL: &[u8] = b"hayrack-cluster/1";
/// Bytes of a request, from whomever it comes.
pub const MAX_REQUEST: usize = 16 << 10;
/// Bytes of an answer: it names every node.
pub const MAX_ANSWER: usize = 4 << 20;

/// What is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Request {
    /// To be let in.
    Join {
        /// The token.
        token: TokenKey,
        /// [`Details`] as JSON.
        details: String,
        /// The signature of the details with the token's secret, for this session.
        proof: Bytes,
    },
    /// A new certificate, for the node that asks.
    Renew {
        /// PKCS #10, DER.
        request: Bytes,
    },
    /// The authority's key, for a node that may sign.
    AuthorityKey,
}

/// Who asks to be let in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Details {
    /// What it shall be called.
    pub name: NodeName,
    /// Where it is.
    pub place: Place,
    /// PKCS #10, DER.
    pub request: Bytes,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Answer {
    /// The node is in.
    Admitted {
        /// What it is.
        own: Own,
        /// Its certificate (PEM).
        certificate: String,
        /// The authorities (PEM).
        authorities: String,
        /// The nodes.
        members: Members,
    },
    /// A certificate.
    Certificate {
        /// The certificate (PEM).
        certificate: String,
        /// The authorities (PEM).
        authorities: String,
    },
    /// The authority's key (PEM).
    AuthorityKey {
        /// The key.
        key: String,
    },
    /// Nothing is done.
    Refused {
        /// Why, in a sentence.
        message: String,
        /// Another node may do it.
        elsewhere: bool,
    },
}

/// Bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        BASE64.decode(text.as_bytes()).map(Self)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        BASE64.encode(&bytes.0)
    }
}

/// Writes one message.
pub async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
    stream.write_u32(length).await?;
    stream.write_all(&body).await?;
    stream.flush().await
}

/// Reads one message of `most` bytes, and takes no more memory than came in.
pub async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> io::Result<T> {
    let length = u64::from(stream.read_u32().await?);
    if length > most as u64 {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body).await?;
    if (body.len() as u64) < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn a_request_is_read_as_it_was_sent(token: [u8; 32], details: String, proof: Vec<u8>) {
            let request = Request::Join { token: TokenKey(token), details: details.clone(), proof: Bytes(proof.clone()) };
            let mut sent = Vec::new();
            block_on(send(&mut sent, &request)).unwrap();
            let read = block_on(receive(&mut sent.as_slice(), MAX_REQUEST)).unwrap();
            let Request::Join { token: read_token, details: read_details, proof: read_proof } = read else {
                return Err(TestCaseError::fail("another kind"));
            };
            prop_assert_eq!(read_token, TokenKey(token));
            prop_assert_eq!(read_details, details);
            prop_assert_eq!(read_proof, Bytes(proof));
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, body: String) {
            prop_assert!(block_on(receive::<Request>(&mut bytes.as_slice(), MAX_REQUEST)).is_err());
            let framed = [&(body.len() as u32).to_be_bytes(), body.as_bytes()].concat();
            prop_assert!(block_on(receive::<Request>(&mut framed.as_slice(), MAX_REQUEST)).is_err());
        }
    }

    #[test]
    fn a_long_request_is_refused_before_it_came() {
        let mut length: &[u8] = &(MAX_REQUEST as u32 + 1).to_be_bytes();
        let refused = block_on(receive::<Request>(&mut length, MAX_REQUEST));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
