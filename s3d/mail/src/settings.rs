//! The settings of the mail server, and what is wrong with them.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use crate::Mailer;

/// How the connection with the mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// By the command STARTTLS, without which nothing is sent; port 587.
    #[default]
    StartTls,
    /// From the first byte on; port 465.
    Tls,
    /// Not at all; port 25.
    None,
}

/// A text is no kind of encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("say starttls, tls or none")]
pub struct EncryptionError;

impl FromStr for Encryption {
    type Err = EncryptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "starttls" => Ok(Self::StartTls),
            "tls" => Ok(Self::Tls),
            "none" => Ok(Self::None),
            _ => Err(EncryptionError),
        }
    }
}

impl Encryption {
    fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// The settings as they are given: everything may be left out.
#[derive(Debug, Clone, Default)]
pub struct MailParts {
    /// The server's name.
    pub server: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub tls: Option<Encryption>,
    /// Certificates that must have signed the server's.
    pub tls_ca: Option<PathBuf>,
    /// The name to log in with.
    pub user: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
    /// Whom letters come from.
    pub from: Option<String>,
}

/// The mail server, and how to use it; every path is absolute.
#[derive(Debug, Clone, Serialize)]
pub struct MailSettings {
    /// The server's name.
    #[serde(rename = "mail_server")]
    pub server: String,
    /// Its port.
    #[serde(rename = "mail_port")]
    pub port: u16,
    /// How the connection is encrypted.
    #[serde(rename = "mail_tls")]
    pub tls: Encryption,
    /// Certificates (PEM) that must have signed the server's; without them those that the system trusts.
    #[serde(rename = "mail_tls_ca")]
    pub tls_ca: Option<PathBuf>,
    /// The name to log in with.
    #[serde(rename = "mail_user")]
    pub user: Option<String>,
    /// The file whose first line is the password; there is one exactly if there is a name.
    #[serde(rename = "mail_password_file")]
    pub password_file: Option<PathBuf>,
    /// Whom letters come from: an address, perhaps with a name.
    #[serde(rename = "mail_from")]
    pub from: String,
}

/// Why the settings cannot be used; each names the setting.
#[derive(Debug, thiserror::Error)]
pub enum MailSettingsError {
    /// There are others.
    #[error(
        "mail_server is missing, which the other settings of mail are for: add it, or remove them"
    )]
    ServerMissing,
    /// No server takes a letter from nobody.
    #[error(
        "mail_from is missing: write whom letters come from, such as Hayrack <hayrack@example.org>"
    )]
    FromMissing,
    /// It is no address.
    #[error("mail_from is {0:?}, which is no address: write it like Hayrack <hayrack@example.org>")]
    From(String),
    /// One of the two is missing.
    #[error("mail_user and mail_password_file belong together: give both or neither")]
    HalfALogin,
    /// The password would be readable on its way.
    #[error(
        "mail_tls is none: the password of mail_user would cross the network unencrypted; use starttls or tls"
    )]
    PlainLogin,
    /// A file cannot be read.
    #[error("{setting}: cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no password in its file.
    #[error("mail_password_file: the first line of {} is empty: write the password there", .0.display())]
    NoPassword(PathBuf),
    /// What is to be trusted is unknown.
    #[error("mail_tls_ca or the certificates of this system cannot be used: {0}")]
    Certificates(String),
}

impl MailSettings {
    /// The settings that these parts are, if any is given; the files that they name have been read.
    pub fn of(parts: MailParts) -> Result<Option<Self>, MailSettingsError> {
        let Some(server) = parts.server else {
            let alone =
                parts.from.is_none() && parts.user.is_none() && parts.password_file.is_none();
            return if alone {
                Ok(None)
            } else {
                Err(MailSettingsError::ServerMissing)
            };
        };
        let tls = parts.tls.unwrap_or_default();
        match (&parts.user, &parts.password_file) {
            (Some(_), Some(_)) if tls == Encryption::None => {
                return Err(MailSettingsError::PlainLogin);
            }
            (Some(_), Some(_)) | (None, None) => {}
            _ => return Err(MailSettingsError::HalfALogin),
        }
        let settings = Self {
            server,
            port: parts.port.unwrap_or_else(|| tls.usual_port()),
            tls,
            tls_ca: parts.tls_ca,
            user: parts.user,
            password_file: parts.password_file,
            from: parts.from.ok_or(MailSettingsError::FromMissing)?,
        };
        Mailer::new(Some(&settings))?;
        Ok(Some(settings))
    }

    pub(crate) fn sender(&self) -> Result<Mailbox, MailSettingsError> {
        let sender = self.from.parse();
        sender.map_err(|_| MailSettingsError::From(self.from.clone()))
    }
}
