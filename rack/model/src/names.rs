//! Names: of racks, nodes and operators, of domains, of network devices.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a DNS label.
    #[error(
        "{0:?} is no name; write 1 to 63 of a-z, 0-9 and -, with a letter or digit first and last"
    )]
    Label(String),
    /// Not a domain below a top level.
    #[error(
        "{0:?} is no domain; write one that is yours, like \"example.org\", without a scheme or a port"
    )]
    Domain(String),
    /// Not the name of a network device.
    #[error("{0:?} is no network device; write its name as the router knows it, like \"eth0\"")]
    Device(String),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $error:ident, $is_one:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $is_one(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError::$error(text.to_owned()))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A DNS label: 1 to 63 of a-z, 0-9 and -, a letter or digit first and last.
    Label, Label, is_label
);
name!(
    /// A domain of at least two labels, at most 200 bytes, so that names below it fit in DNS's 253.
    Domain, Domain, is_domain
);
name!(
    /// A network device, as Linux names it: 1 to 15 bytes.
    Device, Device, is_device
);

fn is_label(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = [text.bytes().next(), text.bytes().last()];
    text.len() <= 63
        && edges.into_iter().all(|edge| edge.is_some_and(letters))
        && text.bytes().all(|byte| letters(byte) || byte == b'-')
}

fn is_domain(text: &str) -> bool {
    let is_address = text.parse::<Ipv4Addr>().is_ok();
    text.len() <= 200 && !is_address && text.contains('.') && text.split('.').all(is_label)
}

fn is_device(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=15).contains(&text.len())
        && text.bytes().all(letters)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_dns_takes() {
        for label in ["a", "node-1", "0x", &"a".repeat(63)] {
            assert_eq!(label.parse::<Label>().unwrap().as_str(), label);
        }
        for no_label in ["", "-a", "a-", "Node", "a.b", "ä", "a b", &"a".repeat(64)] {
            let refusal = no_label.parse::<Label>().unwrap_err().to_string();
            assert!(refusal.contains("write 1 to 63"), "{refusal}");
        }
    }

    #[test]
    fn domains_have_two_labels_and_nothing_else() {
        for domain in ["example.org", "a.b.c", "xn--bcher-kva.example"] {
            assert!(domain.parse::<Domain>().is_ok(), "{domain}");
        }
        for no_domain in [
            "",
            "localhost",
            "example.org.",
            "https://example.org",
            "example.org:443",
            "192.0.2.1",
            "a..b",
            &"a.".repeat(120),
        ] {
            assert!(no_domain.parse::<Domain>().is_err(), "{no_domain}");
        }
    }

    #[test]
    fn devices_are_what_linux_takes() {
        assert!("eth0".parse::<Device>().is_ok());
        assert!("wan.100".parse::<Device>().is_ok());
        for no_device in ["", "-eth0", "a/b", "eth0 ", "sixteen-letters-"] {
            assert!(no_device.parse::<Device>().is_err(), "{no_device}");
        }
    }
}
