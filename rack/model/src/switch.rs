//! The switch, and what it feeds.

use serde::{Deserialize, Serialize};

use crate::watts::Watts;

/// The switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Ports, the router's among them.
    pub ports: u8,
    /// What each port can feed.
    pub poe: PoeClass,
    /// What all ports together can feed.
    pub budget_watts: Watts,
}

/// What a port can feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PoeClass {
    /// Nothing.
    #[serde(rename = "none")]
    None,
    /// IEEE 802.3af, type 1.
    #[serde(rename = "802.3af")]
    Af,
    /// IEEE 802.3at, type 2, also called PoE+.
    #[serde(rename = "802.3at")]
    At,
    /// IEEE 802.3bt, type 3.
    #[serde(rename = "802.3bt")]
    Bt,
    /// IEEE 802.3bt, type 4.
    #[serde(rename = "802.3bt-type4")]
    BtType4,
}

impl PoeClass {
    /// Every class, the weakest first.
    pub const ALL: [Self; 5] = [Self::None, Self::Af, Self::At, Self::Bt, Self::BtType4];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Af => "802.3af",
            Self::At => "802.3at",
            Self::Bt => "802.3bt",
            Self::BtType4 => "802.3bt-type4",
        }
    }

    /// What a port gives out, at most (IEEE 802.3-2018, table 33-11, and 802.3bt-2018, table 145-16).
    pub fn port_watts(self) -> Watts {
        Watts::from_milliwatts(match self {
            Self::None => 0,
            Self::Af => 15_400,
            Self::At => 30_000,
            Self::Bt => 60_000,
            Self::BtType4 => 90_000,
        })
    }

    /// What of it is sure to arrive at the end of 100 m of cable, which is what a machine may take.
    pub fn machine_watts(self) -> Watts {
        Watts::from_milliwatts(match self {
            Self::None => 0,
            Self::Af => 12_950,
            Self::At => 25_500,
            Self::Bt => 51_000,
            Self::BtType4 => 71_300,
        })
    }

    /// The weakest class that feeds a machine of that power.
    pub fn that_feeds(power: Watts) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| class.machine_watts() >= power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_feeds_more_than_the_one_before_and_less_than_its_port_gives() {
        for pair in PoeClass::ALL.windows(2) {
            assert!(pair[0].machine_watts() < pair[1].machine_watts());
            assert!(pair[1].machine_watts() < pair[1].port_watts());
        }
    }

    #[test]
    fn a_class_is_read_as_its_name() {
        for class in PoeClass::ALL {
            let text = serde_json::to_string(&class).unwrap();
            assert_eq!(text, format!("{:?}", class.name()));
        }
    }

    #[test]
    fn the_weakest_class_that_serves_is_proposed() {
        let watts = Watts::from_milliwatts;
        assert_eq!(PoeClass::that_feeds(watts(12_950)), Some(PoeClass::Af));
        assert_eq!(PoeClass::that_feeds(watts(12_951)), Some(PoeClass::At));
        assert_eq!(PoeClass::that_feeds(watts(80_000)), None);
    }
}
