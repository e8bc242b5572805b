//! How many copies of every extent a volume is to have, as one types it.

use std::str::FromStr;

/// A number, of which the daemon says whether the pool can keep it; or as many as there are nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas(pub u8);

/// The text is no number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a volume has 1, 2 or 3 replicas, or auto: as many as there are nodes")]
pub struct InvalidReplicas;

impl FromStr for Replicas {
    type Err = InvalidReplicas;

    fn from_str(text: &str) -> Result<Self, InvalidReplicas> {
        if text == "auto" {
            return Ok(Self(volumed_node::AUTO_REPLICAS));
        }
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or(InvalidReplicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_auto() {
        assert_eq!("2".parse(), Ok(Replicas(2)));
        assert_eq!("auto".parse(), Ok(Replicas(0)));
        for text in ["0", "256", "-1", "many", ""] {
            assert_eq!(text.parse::<Replicas>(), Err(InvalidReplicas), "{text}");
        }
    }
}
