//! With what secrets are read: identities of age, or an SSH private key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{Callbacks, IdentityFile, ssh};
use clap::Args;

use crate::terminal;

/// Which identity reads secrets.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// An identity of age, or an SSH private key, to read with
    #[arg(long, value_name = "FILE", env = "RACK_IDENTITY")]
    identity: Option<PathBuf>,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// None was named.
    #[error(
        "who reads the secret? Name a file with --identity or RACK_IDENTITY, like ~/.ssh/id_ed25519"
    )]
    None,
    /// The file cannot be read.
    #[error("cannot read the identity {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds none.
    #[error("{} holds no identity; name an age identity, or an SSH private key of kind ed25519 or RSA", .0.display())]
    NoIdentity(PathBuf),
}

impl IdentityArgs {
    /// The identities in the file.
    pub fn read(&self) -> Result<Identities, IdentityError> {
        let file = self.identity.as_deref().ok_or(IdentityError::None)?;
        Identities::read(file)
    }
}

/// What secrets are read with.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Identities {
    /// Those in a file.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let bytes = fs::read(path).map_err(|source| IdentityError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let none = || IdentityError::NoIdentity(path.to_owned());
        let text = String::from_utf8(bytes).map_err(|_| none())?;
        if text.contains("PRIVATE KEY-----") {
            return of_ssh(&text, path).map(|identity| Self(vec![identity]));
        }
        let file = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| none())?;
        let identities = file.into_identities().map_err(|_| none())?;
        if identities.is_empty() {
            return Err(none());
        }
        Ok(Self(identities))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0
            .iter()
            .map(|identity| &**identity as &dyn age::Identity)
    }
}

fn of_ssh(text: &str, path: &Path) -> Result<Box<dyn age::Identity + Send + Sync>, IdentityError> {
    let none = || IdentityError::NoIdentity(path.to_owned());
    let name = path.display().to_string();
    match ssh::Identity::from_buffer(text.as_bytes(), Some(name)).map_err(|_| none())? {
        ssh::Identity::Unsupported(_) => Err(none()),
        identity => Ok(Box::new(identity.with_callbacks(AtTerminal))),
    }
}

/// Asks a person for the passphrase of a key.
#[derive(Clone)]
struct AtTerminal;

impl Callbacks for AtTerminal {
    fn display_message(&self, message: &str) {
        eprintln!("{message}");
    }

    fn confirm(&self, _message: &str, _yes: &str, _no: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _description: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let passphrase = terminal::ask_hidden(&format!("{description}:")).ok()?;
        Some(passphrase.into())
    }
}
