//! What the router must know and `rack.toml` does not say.

use std::collections::BTreeMap;
use std::fmt;

/// The names of the rack's secrets that the router needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretName {
    /// The router's private key of WireGuard, as `wg genkey` prints it.
    WireGuardKey,
    /// What the DNS hook needs: a line `NAME=value` for each of its variables, as acme.sh documents them.
    AcmeDns,
    /// The private key (OpenSSH) with which the router gives the certificate to the nodes.
    CertificateKey,
    /// The password of the uplink.
    PppoePassword,
}

/// The rack's secrets, as far as they are known.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<SecretName, String>);

/// A secret that is needed and not there, or not what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It is not there.
    #[error("the rack needs the secret {}: {}", .0.as_str(), .0.cure())]
    Absent(SecretName),
    /// It is something else.
    #[error("the secret {} is not what it must be: {}", .0.as_str(), .0.cure())]
    Malformed(SecretName),
}

impl SecretName {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::WireGuardKey,
        Self::AcmeDns,
        Self::CertificateKey,
        Self::PppoePassword,
    ];

    /// What `rack secrets` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WireGuardKey => "wireguard-key",
            Self::AcmeDns => "acme-dns",
            Self::CertificateKey => "certificate-key",
            Self::PppoePassword => "pppoe-password",
        }
    }

    /// What to type to have it.
    fn cure(self) -> &'static str {
        match self {
            Self::WireGuardKey => "wg genkey | rack secrets set wireguard-key",
            Self::AcmeDns => {
                "rack secrets set acme-dns, with a line NAME=value for each variable of the DNS hook, \
                 such as CF_Token=…"
            }
            Self::CertificateKey => {
                "ssh-keygen -q -t ed25519 -N '' -C certificate -f key && \
                 rack secrets set certificate-key < key && rm key key.pub"
            }
            Self::PppoePassword => "rack secrets set pppoe-password",
        }
    }
}

impl Secrets {
    /// With this one, too.
    #[must_use]
    pub fn with(mut self, name: SecretName, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// A secret of one line, without its end.
    pub(crate) fn line(&self, name: SecretName) -> Result<&str, Missing> {
        let line = self.text(name)?.trim();
        if line.is_empty() || line.contains(char::is_control) {
            return Err(Missing::Malformed(name));
        }
        Ok(line)
    }

    /// A secret as it is.
    pub(crate) fn text(&self, name: SecretName) -> Result<&str, Missing> {
        self.0
            .get(&name)
            .map(String::as_str)
            .ok_or(Missing::Absent(name))
    }

    /// A secret of lines `NAME=value`.
    pub(crate) fn variables(&self, name: SecretName) -> Result<Vec<(&str, &str)>, Missing> {
        let lines = self.text(name)?.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty());
        let variables: Option<Vec<_>> = lines.map(variable).collect();
        variables
            .filter(|variables| !variables.is_empty())
            .ok_or(Missing::Malformed(name))
    }
}

/// Nobody finds the values in a log.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = !name.is_empty()
        && name.bytes().all(letters)
        && !name.starts_with(|first: char| first.is_ascii_digit());
    (is_name && !value.contains(char::is_control)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_lines_that_a_shell_would_take() {
        let read = |text: &str| {
            let secrets = Secrets::default().with(SecretName::AcmeDns, text);
            let read = secrets.variables(SecretName::AcmeDns);
            read.map(|all| {
                all.into_iter()
                    .map(|(a, b)| format!("{a} {b}"))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            read("CF_Token=a=b\n\n X=it's\n").unwrap(),
            ["CF_Token a=b", "X it's"]
        );
        for text in ["", "\n", "CF_Token", "a b=c", "9X=c", "=c"] {
            let refused = read(text).unwrap_err();
            assert_eq!(refused, Missing::Malformed(SecretName::AcmeDns), "{text:?}");
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_named_with_what_makes_it() {
        let missing = Secrets::default()
            .line(SecretName::WireGuardKey)
            .unwrap_err();
        let sentence = missing.to_string();
        assert!(
            sentence.contains("wg genkey | rack secrets set wireguard-key"),
            "{sentence}"
        );
        let debug = format!(
            "{:?}",
            Secrets::default().with(SecretName::AcmeDns, "CF_Token=x")
        );
        assert!(!debug.contains("CF_Token"), "{debug}");
    }
}
