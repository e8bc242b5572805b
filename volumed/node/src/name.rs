//! Names that come from outside, checked once.

use std::fmt;
use std::str::FromStr;

use volumed_core::Epoch;

use crate::volume::token::Token;

/// 1 to 128 of `a-z A-Z 0-9 . _ -`, not starting with a dot or a dash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName(String);

/// The text is not a [`VolumeName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a volume's name is 1 to 128 letters, digits, dots, dashes and underscores, and does not \
     start with a dot or a dash"
)]
pub struct InvalidVolumeName;

impl FromStr for VolumeName {
    type Err = InvalidVolumeName;

    fn from_str(text: &str) -> Result<Self, InvalidVolumeName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let valid = (1..=128).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with(['.', '-']);
        valid
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidVolumeName)
    }
}

impl VolumeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who has a volume attached (V2): 1 to 256 printable characters, made up by the client anew at
/// each of its starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(String);

/// The text is not an [`OwnerId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner is 1 to 256 printable characters")]
pub struct InvalidOwnerId;

impl FromStr for OwnerId {
    type Err = InvalidOwnerId;

    fn from_str(text: &str) -> Result<Self, InvalidOwnerId> {
        let valid = (1..=256).contains(&text.chars().count()) && !text.contains(char::is_control);
        valid.then(|| Self(text.to_owned())).ok_or(InvalidOwnerId)
    }
}

impl OwnerId {
    /// The owner as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an NBD client asks for: `NAME`, or for the owner's connections `NAME@EPOCH` or `NAME#TOKEN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportName {
    /// The volume.
    pub volume: VolumeName,
    /// As whom it is opened.
    pub access: Access,
}

/// As whom a volume is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A volume that nobody has attached: the connection joins or makes an ownerless head.
    Anybody,
    /// A connection of one attachment, which ends with the daemon at the latest.
    Epoch(Epoch),
    /// The same, also after the daemon was started anew, unless unflushed writes may be lost (V9).
    Token(Token),
}

/// The text is not an [`ExportName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an export is called NAME, or NAME@EPOCH or NAME#TOKEN once it is attached")]
pub struct InvalidExportName;

impl FromStr for ExportName {
    type Err = InvalidExportName;

    fn from_str(text: &str) -> Result<Self, InvalidExportName> {
        let (name, access) = if let Some((name, epoch)) = text.split_once('@') {
            let epoch = epoch.parse().map_err(|_| InvalidExportName)?;
            (name, Access::Epoch(Epoch(epoch)))
        } else if let Some((name, token)) = text.split_once('#') {
            let token = token.parse().map_err(|_| InvalidExportName)?;
            (name, Access::Token(token))
        } else {
            (text, Access::Anybody)
        };
        Ok(Self {
            volume: name.parse().map_err(|_| InvalidExportName)?,
            access,
        })
    }
}

impl fmt::Display for ExportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.volume.fmt(f)?;
        match self.access {
            Access::Anybody => Ok(()),
            Access::Epoch(epoch) => write!(f, "@{epoch}"),
            Access::Token(token) => write!(f, "#{token}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, ExportName, OwnerId, VolumeName};
    use volumed_core::Epoch;

    #[test]
    fn names_from_outside_are_checked() {
        for good in ["a", "A.b_c-9", "_x"] {
            assert!(good.parse::<VolumeName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "a/b",
            "a@1",
            "a b",
            "ä",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<VolumeName>().is_err(), "{bad}");
        }
        assert!("s3d-1".parse::<OwnerId>().is_ok());
        assert!("a\nb".parse::<OwnerId>().is_err());
    }

    #[test]
    fn an_export_is_a_name_and_as_whom_it_is_opened() {
        let token = "00000000000000ff".parse().unwrap();
        for (text, access) in [
            ("photos", Access::Anybody),
            ("photos@7", Access::Epoch(Epoch(7))),
            ("photos#00000000000000ff", Access::Token(token)),
        ] {
            let export: ExportName = text.parse().unwrap();
            assert_eq!((export.volume.as_str(), export.access), ("photos", access));
            assert_eq!(export.to_string(), text);
        }
        for bad in [
            "photos@",
            "@7",
            "photos#",
            "photos#ff",
            "photos#+0000000000000ff",
            "photos@7#00000000000000ff",
        ] {
            assert!(bad.parse::<ExportName>().is_err(), "{bad}");
        }
    }
}
