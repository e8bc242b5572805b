//! How many replicas the volume of a new bucket has.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// More do not survive more, as far as anybody asked.
const MOST: u8 = 3;

/// What a volume is asked for with that is to follow the number of nodes.
pub(crate) const AS_MANY_AS_NODES: u8 = 0;

/// How many replicas the volume of a new bucket has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Replicas {
    /// As many as the cluster has nodes that are not drained, at most 3, also when that changes.
    #[default]
    Auto,
    /// So many: 1 to 3.
    Exactly(u8),
}

/// What is no number of replicas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replicas is {0}: write auto, 1, 2 or 3")]
pub struct ReplicasError(String);

impl Replicas {
    /// As a volume is asked for: the volume daemon knows the nodes, and follows them.
    pub fn asked(self) -> u8 {
        match self {
            Self::Auto => AS_MANY_AS_NODES,
            Self::Exactly(count) => count,
        }
    }
}

impl FromStr for Replicas {
    type Err = ReplicasError;

    fn from_str(text: &str) -> Result<Self, ReplicasError> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count @ 1..=MOST)) => Ok(Self::Exactly(count)),
            _ => Err(ReplicasError(text.to_owned())),
        }
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Exactly(count) => count.fmt(f),
        }
    }
}

/// As a configuration file has it: a word or a number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Count(u8),
}

impl TryFrom<Written> for Replicas {
    type Error = ReplicasError;

    fn try_from(written: Written) -> Result<Self, ReplicasError> {
        match written {
            Written::Word(word) => word.parse(),
            Written::Count(count) => count.to_string().parse(),
        }
    }
}

impl From<Replicas> for Written {
    fn from(replicas: Replicas) -> Self {
        match replicas {
            Replicas::Auto => Self::Word(replicas.to_string()),
            Replicas::Exactly(count) => Self::Count(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_daemon_is_asked_to_follow_the_nodes_or_for_a_number() {
        assert_eq!(Replicas::Auto.asked(), AS_MANY_AS_NODES);
        assert_eq!(Replicas::Exactly(2).asked(), 2);
    }

    #[test]
    fn words_and_numbers_are_read() {
        for (json, replicas) in [
            ("\"auto\"", Replicas::Auto),
            ("\"2\"", Replicas::Exactly(2)),
            ("3", Replicas::Exactly(3)),
        ] {
            let read: Replicas = serde_json::from_str(json).unwrap();
            assert_eq!(read, replicas);
            let written = serde_json::to_string(&replicas).unwrap();
            assert_eq!(
                serde_json::from_str::<Replicas>(&written).unwrap(),
                replicas
            );
        }
        for wrong in ["0", "4", "\"many\"", "\"\"", "true"] {
            assert!(serde_json::from_str::<Replicas>(wrong).is_err(), "{wrong}");
        }
    }
}
