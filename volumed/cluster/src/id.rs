//! What clusters and nodes are called.

use std::fmt;
use std::str::FromStr;

use rand::RngExt as _;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// A text that is not 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id: an id has 32 digits of 0-9 and a-f")]
pub struct IdError(String);

fn parse(text: &str) -> Result<u128, IdError> {
    let digits = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 32 || !digits {
        return Err(IdError(text.to_owned()));
    }
    u128::from_str_radix(text, 16).map_err(|_| IdError(text.to_owned()))
}

/// Names a cluster for as long as it exists: 128 bits, drawn when it is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(pub u128);

/// Names a node for as long as it is in the cluster: the first 128 bits of the SHA-256 of its public key.
/// So no certificate, whoever signed it, makes one node another; and one that was removed never comes back
/// under its id, since its key is refused for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(pub u128);

/// A node's number, short enough for people: counted from 1, and never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeNumber(pub u16);

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! written_as_hex {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }

        impl FromStr for $id {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $id {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }
    };
}

written_as_hex!(ClusterId);
written_as_hex!(NodeId);

impl ClusterId {
    /// A new one.
    pub fn draw() -> Self {
        Self(rand::rng().random())
    }
}

impl NodeId {
    /// The id of who has this public key (a point of P-256, as certificates hold it).
    pub fn of_key(key: &[u8]) -> Self {
        let digest = digest(&SHA256, key);
        let (first, _) = digest
            .as_ref()
            .split_first_chunk()
            .expect("it has 32 bytes");
        Self(u128::from_be_bytes(*first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written(id: u128) {
            prop_assert_eq!(NodeId(id).to_string().parse(), Ok(NodeId(id)));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9a-f]{32}|.{0,40}|\\PC{32}") {
            if let Ok(id) = text.parse::<ClusterId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
