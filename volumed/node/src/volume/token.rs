//! V9: a token lets a client that cannot send again go on after the daemon was started anew, as long
//! as nothing that it wrote and did not flush can have been lost.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use volumed_core::unflushed::{Incarnations, Since};
use volumed_core::{DiskNumber, Incarnation};

/// Names an attachment over restarts of the daemon; drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(u64);

/// The text is not a [`Token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is 16 hex digits")]
pub struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(InvalidToken)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidToken;

    fn try_from(text: String) -> Result<Self, InvalidToken> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.to_string()
    }
}

/// The token in a volume's record. Until it is lost, every disk that holds something of the volume is
/// among `disks` before anything is written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub token: Token,
    /// The incarnations under which what was not flushed is still there, by the disk's number.
    pub disks: BTreeMap<u16, u64>,
    /// Some of it may be gone: the token is refused from then on.
    pub lost: bool,
}

impl TokenRecord {
    pub fn new(here: &Incarnations) -> Self {
        let none = Self {
            token: Token(rand::random()),
            disks: BTreeMap::new(),
            lost: false,
        };
        none.with(here)
    }

    /// The token goes on with the disks of now.
    pub fn with(mut self, here: &Incarnations) -> Self {
        let mut since = self.since();
        since.meet(here);
        self.disks = since.0.iter().map(|(disk, it)| (disk.0, it.0)).collect();
        self
    }

    pub fn since(&self) -> Since {
        let disks = self.disks.iter();
        let disks = disks.map(|(&disk, &it)| (DiskNumber(disk), Incarnation(it)));
        Since(disks.collect())
    }
}
