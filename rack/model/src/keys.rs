//! Public keys: of SSH, of age, of WireGuard. Checked as far as can be without the private one, since a key with
//! a slip in it locks its owner out.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Kinds of SSH keys that nodes and router take.
const SSH_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
];

/// Not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a line of OpenSSH.
    #[error(
        "this is no SSH public key; write the line of the .pub file, like \"ssh-ed25519 AAAA… name\""
    )]
    Ssh,
    /// A kind that is not taken.
    #[error("SSH keys of kind {0:?} are not taken; make one with `ssh-keygen -t ed25519`")]
    SshKind(String),
    /// The line was cut, or a character is wrong.
    #[error("this SSH key is damaged; copy the whole line of the .pub file again")]
    SshDamaged,
    /// A secret in a file that everybody may read.
    #[error("this is a private key; take it out, make a new pair, and write the new public key")]
    Private,
    /// Not a recipient of age.
    #[error(
        "this is no age recipient, or it has a slip; write what `age-keygen -y` prints, like \"age1…\""
    )]
    Age,
    /// Not a key of WireGuard.
    #[error(
        "this is no WireGuard public key; write what `wg pubkey` prints, 44 characters that end with ="
    )]
    WireGuard,
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                let text = text.trim();
                if text.contains("PRIVATE KEY") || text.starts_with("AGE-SECRET-KEY") {
                    return Err(KeyError::Private);
                }
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = KeyError;

            fn try_from(text: String) -> Result<Self, KeyError> {
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

key!(
    /// A public key of SSH, as a line of `authorized_keys` without options: kind, key, comment.
    SshKey, check_ssh
);
key!(
    /// A recipient of age: `age1…`.
    AgeRecipient, check_age
);
key!(
    /// A public key of WireGuard: 32 bytes in base64.
    WireGuardKey, check_wireguard
);

fn check_ssh(line: &str) -> Result<(), KeyError> {
    let mut words = line.split(' ');
    let (Some(kind), Some(key)) = (words.next(), words.next()) else {
        return Err(KeyError::Ssh);
    };
    if line.contains(char::is_control) || !kind.contains('-') {
        return Err(KeyError::Ssh);
    }
    if !SSH_KINDS.contains(&kind) {
        return Err(KeyError::SshKind(kind.to_owned()));
    }
    let blob = STANDARD.decode(key).map_err(|_| KeyError::SshDamaged)?;
    let fields = ssh_fields(&blob).ok_or(KeyError::SshDamaged)?;
    let whole = match fields[..] {
        [own_kind, key] if kind == "ssh-ed25519" => own_kind == kind.as_bytes() && key.len() == 32,
        [own_kind, _, ..] => own_kind == kind.as_bytes(),
        _ => false,
    };
    if whole {
        Ok(())
    } else {
        Err(KeyError::SshDamaged)
    }
}

/// The fields of a key: each a length of four bytes, big-endian, and that many bytes, to the end.
fn ssh_fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

fn check_age(text: &str) -> Result<(), KeyError> {
    let (prefix, key) = bech32::decode(text).map_err(|_| KeyError::Age)?;
    let is_recipient = prefix.as_str() == "age" && key.len() == 32;
    if is_recipient {
        Ok(())
    } else {
        Err(KeyError::Age)
    }
}

fn check_wireguard(text: &str) -> Result<(), KeyError> {
    let key = STANDARD.decode(text).map_err(|_| KeyError::WireGuard)?;
    if key.len() == 32 {
        Ok(())
    } else {
        Err(KeyError::WireGuard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops";

    #[test]
    fn a_whole_key_is_taken_with_its_comment() {
        assert_eq!(SSH.parse::<SshKey>().unwrap().as_str(), SSH);
        let without_comment = SSH.trim_end_matches(" ops");
        assert!(without_comment.parse::<SshKey>().is_ok());
    }

    #[test]
    fn a_slip_in_a_key_is_found() {
        let cut = SSH.replace("Hh8", "").replace("HR4f", "");
        assert_eq!(cut.parse::<SshKey>(), Err(KeyError::SshDamaged));
        let other_kind = SSH.replace("ssh-ed25519 ", "ssh-rsa ");
        assert_eq!(other_kind.parse::<SshKey>(), Err(KeyError::SshDamaged));
        assert_eq!("ssh-ed25519".parse::<SshKey>(), Err(KeyError::Ssh));
        assert_eq!(
            "ssh-dss AAAA".parse::<SshKey>(),
            Err(KeyError::SshKind("ssh-dss".to_owned()))
        );
        let second_line = format!("{SSH}\nssh-ed25519 AAAA");
        assert_eq!(second_line.parse::<SshKey>(), Err(KeyError::Ssh));
    }

    #[test]
    fn private_keys_are_never_taken() {
        let private = "-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaA";
        assert_eq!(private.parse::<SshKey>(), Err(KeyError::Private));
        assert_eq!(
            "AGE-SECRET-KEY-1QQ".parse::<AgeRecipient>(),
            Err(KeyError::Private)
        );
    }

    #[test]
    fn age_recipients_have_a_checksum() {
        let prefix = bech32::Hrp::parse("age").unwrap();
        let recipient = bech32::encode::<bech32::Bech32>(prefix, &[7; 32]).unwrap();
        assert!(recipient.parse::<AgeRecipient>().is_ok());
        let slip = recipient.replace("age1q", "age1p");
        assert_ne!(slip, recipient);
        assert_eq!(slip.parse::<AgeRecipient>(), Err(KeyError::Age));
    }

    #[test]
    fn wireguard_keys_have_32_bytes() {
        let key = STANDARD.encode([9; 32]);
        assert!(key.parse::<WireGuardKey>().is_ok());
        assert_eq!(
            STANDARD.encode([9; 31]).parse::<WireGuardKey>(),
            Err(KeyError::WireGuard)
        );
    }
}
