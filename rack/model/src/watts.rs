//! Power.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// 1 W in British thermal units an hour, as cooling is sold.
const BTU_PER_HOUR: f64 = 3.412_142;

/// Power, in thousandths of a watt; written in watts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Watts(u32);

impl Watts {
    /// From thousandths of a watt.
    pub const fn from_milliwatts(milliwatts: u32) -> Self {
        Self(milliwatts)
    }

    /// In watts.
    pub fn as_watts(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// As heat, in BTU an hour.
    pub fn btu_per_hour(self) -> f64 {
        self.as_watts() * BTU_PER_HOUR
    }

    /// What is left of it when `other` is taken, nothing at least.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Watts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Watts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Sum for Watts {
    fn sum<I: Iterator<Item = Self>>(powers: I) -> Self {
        powers.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Watts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 + 50) / 100;
        if tenths.is_multiple_of(10) {
            f.pad(&format!("{} W", tenths / 10))
        } else {
            f.pad(&format!("{}.{} W", tenths / 10, tenths % 10))
        }
    }
}

impl Serialize for Watts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_watts())
    }
}

impl<'de> Deserialize<'de> for Watts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let watts = f64::deserialize(deserializer)?;
        if !(0.0..=100_000.0).contains(&watts) {
            return Err(de::Error::custom(format!(
                "{watts} W is no power; write watts between 0 and 100000, like 3.5"
            )));
        }
        // In range, and never negative.
        #[allow(clippy::cast_sign_loss)]
        Ok(Self((watts * 1000.0).round() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_written_with_a_decimal_where_needed() {
        assert_eq!(Watts::from_milliwatts(3_500).to_string(), "3.5 W");
        assert_eq!(Watts::from_milliwatts(120_000).to_string(), "120 W");
        assert_eq!(Watts::from_milliwatts(3_960).to_string(), "4 W");
    }

    #[test]
    fn whole_numbers_and_fractions_are_read() {
        let read = |text: &str| serde_json::from_str::<Watts>(text);
        assert_eq!(read("15.4").unwrap(), Watts::from_milliwatts(15_400));
        assert_eq!(read("120").unwrap(), Watts::from_milliwatts(120_000));
        for text in ["-1", "1e9"] {
            assert!(read(text).unwrap_err().to_string().contains("write watts"));
        }
    }

    #[test]
    fn a_kilowatt_is_3412_btu_an_hour() {
        let heat = Watts::from_milliwatts(1_000_000).btu_per_hour();
        assert_eq!(format!("{heat:.0}"), "3412");
    }
}
