//! What happened.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Who did it. A request is signed with a key, or has a user's token, or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The user's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The access key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Something that was done, or tried. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// Names the request in the answer and in the log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// From where.
    pub address: IpAddr,
    /// What: the operation's name in S3 or in the API's document.
    pub action: String,
    /// The namespace that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it is about, as the request's path names it.
    pub resource: String,
    /// The HTTP status of the answer.
    pub status: u16,
}
