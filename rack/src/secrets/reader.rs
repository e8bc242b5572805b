//! Reads those secrets that are kept, out of some that a command may need.

use std::cell::OnceCell;

use rack_model::names::Label;

use super::identities::{Identities, IdentityArgs, IdentityError};
use super::vault::{UnsealError, Vault};

/// Why a secret that is kept is not known.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody is there who could read it.
    #[error("{name} is kept as a secret: {source}")]
    Identity {
        /// Its name.
        name: Label,
        /// What is wrong.
        source: IdentityError,
    },
    /// It is no text.
    #[error("the secret {0} is no text: set it again with rack secrets set {0}")]
    NoText(Label),
    /// It cannot be read.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
}

/// Reads secrets. Who reads is asked only if one is kept: a rack without secrets needs no identity.
pub struct Reader<'a> {
    vault: Vault,
    kept: Vec<Label>,
    identity: &'a IdentityArgs,
    identities: OnceCell<Identities>,
}

impl<'a> Reader<'a> {
    /// Of these secrets, with this identity.
    pub fn new(vault: Vault, identity: &'a IdentityArgs) -> Result<Self, UnsealError> {
        let kept = vault.names()?;
        Ok(Self {
            vault,
            kept,
            identity,
            identities: OnceCell::new(),
        })
    }

    /// A secret as text, if it is kept.
    pub fn get(&self, name: &Label) -> Result<Option<String>, ReadError> {
        if !self.kept.contains(name) {
            return Ok(None);
        }
        let bytes = self.vault.get(name, self.identities(name)?)?;
        // Bytes put in their place would be another secret.
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| ReadError::NoText(name.clone()))
    }

    fn identities(&self, name: &Label) -> Result<&Identities, ReadError> {
        if let Some(identities) = self.identities.get() {
            return Ok(identities);
        }
        let read = self.identity.read();
        let read = read.map_err(|source| ReadError::Identity {
            name: name.clone(),
            source,
        })?;
        Ok(self.identities.get_or_init(|| read))
    }
}
