//! Ids of sessions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::random;

/// Names a session among those of its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// A new one: 32 hex digits.
    pub(super) fn random() -> Self {
        Self(format!("{:032x}", random::id()))
    }

    /// The id that a text is, if it can be one; what cannot is not looked up.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
