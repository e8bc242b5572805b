//! What the letters say.

use std::str::FromStr;

use s3d_names::Email;

/// A language that letters are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// `en`.
    #[default]
    English,
    /// `de`.
    German,
}

/// A text names no language that letters are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Say en or de.")]
pub struct LanguageError;

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "en" => Ok(Self::English),
            "de" => Ok(Self::German),
            _ => Err(LanguageError),
        }
    }
}

/// What the link of a letter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new password; within an hour.
    Reset,
    /// To verify the address; within a day.
    Verify,
}

/// A letter with a link.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Whom it is for.
    pub to: Email,
    /// What it is written in.
    pub language: Language,
    /// What the link is for.
    pub purpose: Purpose,
    /// The link, good for once.
    pub link: String,
}

impl Letter {
    pub(crate) fn subject(&self) -> &'static str {
        match (self.purpose, self.language) {
            (Purpose::Reset, Language::English) => "Set a new password for Hayrack",
            (Purpose::Reset, Language::German) => "Ein neues Passwort für Hayrack",
            (Purpose::Verify, Language::English) => "Verify your e-mail address for Hayrack",
            (Purpose::Verify, Language::German) => "E-Mail-Adresse für Hayrack bestätigen",
        }
    }

    pub(crate) fn text(&self) -> String {
        let Self { to, link, .. } = self;
        match (self.purpose, self.language) {
            (Purpose::Reset, Language::English) => format!(
                "Somebody has asked for a new password for {to}. To set one, open this link within an hour:\n\n\
                 {link}\n\n\
                 It is good for once, and a new password ends all sessions. If you did not ask, do nothing: the \
                 password stays as it is.\n"
            ),
            (Purpose::Reset, Language::German) => format!(
                "Für {to} wurde ein neues Passwort angefordert. Innerhalb einer Stunde setzt es dieser Link:\n\n\
                 {link}\n\n\
                 Er gilt einmal, und mit dem neuen Passwort enden alle Sitzungen. Wer nichts angefordert hat, muss \
                 nichts tun: das Passwort bleibt, wie es ist.\n"
            ),
            (Purpose::Verify, Language::English) => format!(
                "There is a Hayrack account with the address {to}. To verify that it is yours, open this link within \
                 a day:\n\n\
                 {link}\n\n\
                 If you did not sign up, do nothing.\n"
            ),
            (Purpose::Verify, Language::German) => format!(
                "Es gibt ein Hayrack-Konto mit der Adresse {to}. Innerhalb eines Tages bestätigt dieser Link sie:\n\n\
                 {link}\n\n\
                 Wer sich nicht registriert hat, muss nichts tun.\n"
            ),
        }
    }
}
