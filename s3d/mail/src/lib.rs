//! The letters that s3d sends, through the mail server that its settings name. Without one their links are in its log.

mod letter;
mod mailer;
mod settings;

pub use letter::{Language, LanguageError, Letter, Purpose};
pub use mailer::Mailer;
pub use settings::{Encryption, EncryptionError, MailParts, MailSettings, MailSettingsError};

#[cfg(test)]
mod tests;
