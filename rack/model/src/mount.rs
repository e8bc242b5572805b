//! The printed mount.

use serde::{Deserialize, Deserializer, Serialize, de};

/// The printed mount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Its height.
    pub units: RackUnits,
    /// What prints it.
    pub printer: Printer,
}

/// Height in rack units of 44.45 mm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub enum RackUnits {
    /// 1U: boards lie flat, side by side.
    One,
    /// 2U: boards stand on edge, which takes more of them.
    Two,
}

impl RackUnits {
    /// How many slots a mount of that height has.
    pub fn slots(self) -> u8 {
        match self {
            Self::One => 5,
            Self::Two => 12,
        }
    }
}

impl From<RackUnits> for u8 {
    fn from(units: RackUnits) -> Self {
        match units {
            RackUnits::One => 1,
            RackUnits::Two => 2,
        }
    }
}

impl<'de> Deserialize<'de> for RackUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            other => Err(de::Error::custom(format!(
                "a mount has no {other} units; write 1 or 2"
            ))),
        }
    }
}

/// What a printer can print, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printer {
    /// Width of the bed.
    #[serde(deserialize_with = "read_bed")]
    pub x_mm: f64,
    /// Depth of the bed.
    #[serde(deserialize_with = "read_bed")]
    pub y_mm: f64,
}

fn read_bed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let millimetres = f64::deserialize(deserializer)?;
    if (100.0..=2000.0).contains(&millimetres) {
        Ok(millimetres)
    } else {
        Err(de::Error::custom(format!(
            "{millimetres} mm is no printer's bed; write a length between 100 and 2000, like 220"
        )))
    }
}
