//! The address of a network card.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Not the address of one card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacError {
    /// Not six pairs of hex digits.
    #[error(
        "{0:?} is no MAC; write six pairs of hex digits, like \"dc:a6:32:01:02:03\"; it is on the board's label"
    )]
    Malformed(String),
    /// A group of cards, or none.
    #[error("{0:?} is the address of no single card; write the one on the board's label")]
    NotOneCard(String),
}

/// The address of one network card: six bytes, written `dc:a6:32:01:02:03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// The bytes, in the order in which they are written.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let malformed = || MacError::Malformed(text.to_owned());
        let pairs: Vec<&str> = text.split([':', '-']).collect();
        let octet = |pair: &str| {
            let digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            u8::from_str_radix(pair, 16).ok().filter(|_| digits)
        };
        let octets: Option<Vec<u8>> = pairs.into_iter().map(octet).collect();
        let octets: [u8; 6] = octets
            .and_then(|octets| octets.try_into().ok())
            .ok_or_else(malformed)?;
        let is_group = octets[0] & 1 == 1;
        if is_group || octets == [0; 6] {
            return Err(MacError::NotOneCard(text.to_owned()));
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.map(|octet| format!("{octet:02x}"));
        f.write_str(&pairs.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_ways_to_write_one_are_one() {
        let mac: Mac = "DC-A6-32-01-02-03".parse().unwrap();
        assert_eq!(mac.to_string(), "dc:a6:32:01:02:03");
        assert_eq!("dc:a6:32:01:02:03".parse(), Ok(mac));
    }

    #[test]
    fn what_names_no_card_is_refused() {
        for text in [
            "",
            "dc:a6:32:01:02",
            "dc:a6:32:01:02:03:04",
            "dc:a6:32:01:02:0",
            "+c:a6:32:01:02:03",
        ] {
            assert_eq!(
                text.parse::<Mac>(),
                Err(MacError::Malformed(text.to_owned()))
            );
        }
        for text in [
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
        ] {
            assert_eq!(
                text.parse::<Mac>(),
                Err(MacError::NotOneCard(text.to_owned()))
            );
        }
    }

    proptest! {
        #[test]
        fn a_mac_is_read_as_it_was_written(mut octets: [u8; 6]) {
            octets[0] = octets[0] & 0xfe | 2;
            prop_assert_eq!(Mac(octets).to_string().parse(), Ok(Mac(octets)));
        }
    }
}
