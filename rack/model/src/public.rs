//! What the world sees: ports, certificates, the tunnel to a rented address.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use email_address::EmailAddress;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::keys::WireGuardKey;
use crate::names::Domain;

/// How the rack is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Public {
    /// Who ends TLS.
    pub tls: TlsEnd,
    /// The port of HTTPS.
    pub https_port: NonZeroU16,
    /// WireGuard to a machine with a public address, when the uplink has none.
    pub tunnel: Option<Tunnel>,
}

/// Who ends TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsEnd {
    /// Each node: the router passes connections on by the name in their hello, and never sees what is in them.
    Nodes,
    /// The router.
    Router,
}

/// WireGuard to a rented machine with a public address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Where that machine listens.
    pub endpoint: Endpoint,
    /// Its key.
    pub public_key: WireGuardKey,
    /// The network inside the tunnel: the rented machine has the first address, the router the second.
    pub network: Ipv4Net,
}

/// How certificates are got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Where the authority writes to when a certificate runs out.
    pub email: Email,
    /// The authority's directory.
    pub directory: HttpsUrl,
    /// The hook that sets DNS records, by acme.sh's name of it; its token is the secret `acme-dns`.
    pub dns: DnsHook,
}

/// Not what the public side takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicError {
    /// Not a host and a port.
    #[error("{0:?} is no endpoint; write a host and a port, like \"203.0.113.7:51820\"")]
    Endpoint(String),
    /// Not an address of mail.
    #[error("{0:?} is no e-mail address; write one that somebody reads")]
    Email(String),
    /// Not a URL of HTTPS.
    #[error(
        "{0:?} is no URL of HTTPS; write one like \"https://acme-v02.api.letsencrypt.org/directory\""
    )]
    Url(String),
    /// Not a hook.
    #[error("{0:?} is no DNS hook; write acme.sh's name of it, like \"dns_cf\"")]
    Hook(String),
}

/// A host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// The host's name or address.
    pub host: String,
    /// The port.
    pub port: NonZeroU16,
}

impl FromStr for Endpoint {
    type Err = PublicError;

    fn from_str(text: &str) -> Result<Self, PublicError> {
        let malformed = || PublicError::Endpoint(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_host = bare.parse::<IpAddr>().is_ok() || host.parse::<Domain>().is_ok();
        let port = port
            .parse()
            .ok()
            .filter(|_| is_host)
            .ok_or_else(malformed)?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = PublicError;

    fn try_from(text: String) -> Result<Self, PublicError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $is_one:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = PublicError;

            fn try_from(text: String) -> Result<Self, PublicError> {
                let is_one: fn(&str) -> bool = $is_one;
                if is_one(&text) {
                    Ok(Self(text))
                } else {
                    Err(PublicError::$error(text))
                }
            }
        }
    };
}

text!(
    /// An e-mail address.
    Email, Email, EmailAddress::is_valid
);
text!(
    /// A URL of HTTPS.
    HttpsUrl, Url, is_https
);
text!(
    /// A hook of acme.sh, `dns_…`.
    DnsHook, Hook, is_hook
);

fn is_https(text: &str) -> bool {
    let printable = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let host = text
        .strip_prefix("https://")
        .and_then(|rest| rest.split('/').next());
    printable && host.is_some_and(|host| !host.is_empty())
}

fn is_hook(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.strip_prefix("dns_")
        .is_some_and(|name| !name.is_empty() && name.bytes().all(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_have_a_host_and_a_port() {
        for text in [
            "203.0.113.7:51820",
            "[2001:db8::1]:51820",
            "vpn.example.org:443",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in [
            "203.0.113.7",
            "203.0.113.7:0",
            "203.0.113.7:70000",
            ":1",
            "a b:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn urls_and_hooks_hold_nothing_that_a_shell_would_read() {
        assert!(is_https("https://acme.example/directory"));
        for text in [
            "http://acme.example/",
            "https://",
            "https:///x",
            "https://a b/",
        ] {
            assert!(!is_https(text), "{text}");
        }
        assert!(is_hook("dns_cf"));
        for text in ["dns_", "cf", "dns_cf;reboot"] {
            assert!(!is_hook(text), "{text}");
        }
    }
}
