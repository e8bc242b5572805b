//! Who runs the rack.

use serde::{Deserialize, Serialize};

use crate::keys::{AgeRecipient, SshKey};
use crate::names::Label;

/// Somebody who runs the rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Who.
    pub name: Label,
    /// The key with which they log in on nodes and router.
    pub ssh: SshKey,
    /// The recipient with whose identity they read the rack's secrets; else it is their SSH key.
    pub age: Option<AgeRecipient>,
}
