//! Join tokens: what an operator carries from a member to a node that shall join.
//!
//! A token is one word of the letters a-z and the digits 2-7 (base32), so that it survives terminals,
//! chats and e-mails, in any case of letters:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version: 1 |
//! | 1..9 | when it expires, seconds since 1970, u64 |
//! | 9..41 | the SHA-256 of the authority's certificate |
//! | 41..73 | the secret: the seed of an Ed25519 key |
//! | 73 | how many addresses follow, 1 to 8 |
//! | 74.. | each: 4 or 6, the IP address in network order, the port, u16 |
//! | the last 4 | CRC-32C of all before, u32 |
//!
//! Integers are little-endian. Of the secret the cluster keeps the public key, with which nobody joins;
//! the secret itself never leaves the node that joins.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crc_fast::{CrcAlgorithm, checksum};
use data_encoding::BASE32_NOPAD_NOCASE;
use rand::RngExt as _;

use crate::authority::Fingerprint;
use crate::proof::{Secret, TokenKey};

const VERSION: u8 = 1;
const FIXED: usize = 74;
const CRC: usize = 4;
/// A token is typed or pasted by people, so it stays short.
const MAX_ADDRESSES: usize = 8;

/// What a node needs to join.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Where nodes are that let others in; 1 to 8.
    pub addresses: Vec<SocketAddr>,
    /// Whom to trust, and nobody else.
    pub authority: Fingerprint,
    /// Proves that the cluster let this node in.
    pub secret: Secret,
    /// In seconds since 1970.
    pub expires: u64,
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not copied whole, or something was changed.
    #[error(
        "the token is not as it was printed: copy it whole, or make another with `volumed cluster token`"
    )]
    Mistyped,
    /// A newer program made it.
    #[error("the token was made by a newer volumed (form {0}): install that on this node, too")]
    Newer(u8),
}

impl JoinToken {
    /// A new secret for the nodes at `addresses`, of which the first eight are named.
    pub fn draw(addresses: &[SocketAddr], authority: Fingerprint, expires: u64) -> Self {
        Self {
            addresses: addresses.iter().copied().take(MAX_ADDRESSES).collect(),
            authority,
            secret: Secret(rand::rng().random()),
            expires,
        }
    }

    /// What the cluster keeps of it.
    pub fn key(&self) -> TokenKey {
        self.secret.key()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.expires.to_le_bytes());
        bytes.extend(self.authority.0);
        bytes.extend(self.secret.0);
        bytes.push(self.addresses.len() as u8);
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend(ip.octets());
                }
            }
            bytes.extend(address.port().to_le_bytes());
        }
        bytes.extend(crc(&bytes).to_le_bytes());
        bytes
    }
}

fn crc(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = BASE32_NOPAD_NOCASE.decode(text.trim().as_bytes());
        let bytes = bytes.map_err(|_| TokenError::Mistyped)?;
        let (body, sum) = bytes
            .split_last_chunk::<CRC>()
            .ok_or(TokenError::Mistyped)?;
        if crc(body) != u32::from_le_bytes(*sum) {
            return Err(TokenError::Mistyped);
        }
        match body.first() {
            Some(&VERSION) => read(body).ok_or(TokenError::Mistyped),
            Some(&newer) => Err(TokenError::Newer(newer)),
            None => Err(TokenError::Mistyped),
        }
    }
}

fn read(body: &[u8]) -> Option<JoinToken> {
    let (fixed, mut rest) = body.split_first_chunk::<FIXED>()?;
    let count = usize::from(fixed[73]);
    let mut addresses = Vec::new();
    while !rest.is_empty() {
        let (address, behind) = read_address(rest)?;
        addresses.push(address);
        rest = behind;
    }
    if count != addresses.len() || !(1..=MAX_ADDRESSES).contains(&count) {
        return None;
    }
    Some(JoinToken {
        addresses,
        authority: Fingerprint(fixed[9..41].try_into().ok()?),
        secret: Secret(fixed[41..73].try_into().ok()?),
        expires: u64::from_le_bytes(fixed[1..9].try_into().ok()?),
    })
}

fn read_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (family, rest) = bytes.split_first()?;
    let (ip, rest): (IpAddr, _) = match family {
        4 => {
            let (octets, rest) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*octets).into(), rest)
        }
        6 => {
            let (octets, rest) = rest.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*octets).into(), rest)
        }
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(ip, u16::from_le_bytes(*port)), rest))
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD_NOCASE.encode(&self.to_bytes());
        f.write_str(&text.to_ascii_lowercase())
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("addresses", &self.addresses)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> impl Strategy<Value = JoinToken> {
        let address = (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from);
        let parts = (vec(address, 1..=8), any::<[u8; 32]>(), any::<[u8; 32]>());
        (parts, any::<u64>()).prop_map(|((addresses, authority, secret), expires)| JoinToken {
            addresses,
            authority: Fingerprint(authority),
            secret: Secret(secret),
            expires,
        })
    }

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_printed(token in tokens()) {
            let text = token.to_string();
            prop_assert!(text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')));
            prop_assert_eq!(text.parse(), Ok(token.clone()));
            let pasted = format!(" {}\n", text.to_ascii_uppercase());
            prop_assert_eq!(pasted.parse(), Ok(token));
        }

        #[test]
        fn a_typo_is_told(token in tokens(), at: prop::sample::Index, letter in "[a-z2-7]") {
            let mut text = token.to_string();
            let at = at.index(text.len());
            text.replace_range(at..=at, &letter);
            if text != token.to_string() {
                prop_assert_eq!(text.parse::<JoinToken>(), Err(TokenError::Mistyped));
            }
        }

        #[test]
        fn a_token_that_was_cut_is_told(token in tokens(), at: prop::sample::Index) {
            let text = token.to_string();
            let part = &text[..at.index(text.len())];
            prop_assert_eq!(part.parse::<JoinToken>(), Err(TokenError::Mistyped));
        }

        #[test]
        fn any_text_is_taken(text in "\\PC{0,200}|[a-z2-7]{0,200}") {
            prop_assert!(text.parse::<JoinToken>().is_err());
        }

        #[test]
        fn any_body_is_taken(body in vec(any::<u8>(), 0..200)) {
            let mut bytes = [&[VERSION], &body[..]].concat();
            bytes.extend(crc(&bytes).to_le_bytes());
            let text = BASE32_NOPAD_NOCASE.encode(&bytes);
            if let Ok(token) = text.parse::<JoinToken>() {
                prop_assert_eq!(token.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn a_newer_token_asks_for_a_newer_program() {
        let mut bytes = vec![7, 1, 2];
        bytes.extend(crc(&bytes).to_le_bytes());
        let text = BASE32_NOPAD_NOCASE.encode(&bytes);
        assert_eq!(text.parse::<JoinToken>(), Err(TokenError::Newer(7)));
    }
}
