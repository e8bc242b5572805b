//! `rack secrets`: what the rack needs and nobody else may know, one file of age for each, for its operators.

mod identities;
mod reader;
mod recipients;
mod vault;

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use rack_model::names::Label;

use crate::call::{Call, OpenError};
use crate::{print, terminal};
pub use identities::{IdentityArgs, IdentityError};
pub use reader::{ReadError, Reader};
pub use vault::{SealError, UnsealError, Vault};

const AFTER: &str = "\
Each secret is a file of age, secrets/NAME.age beside rack.toml, that only the operators can read: with the identity
of their `age` recipient, or with their SSH key when they have none. The files can be kept in git. After a change of
the operators, `rack secrets rotate` has the files follow; what somebody could read before, they may have copied, so
change the secret itself, too.";

/// `rack secrets`
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

/// What to do with secrets.
#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Keep a secret: at a terminal it is asked for, else it is all of standard input
    Set {
        /// What it is called: a-z, 0-9 and -
        name: Label,
    },
    /// Print a secret
    Get {
        /// What it is called.
        name: Label,
        #[command(flatten)]
        identity: IdentityArgs,
    },
    /// List the secrets that are kept
    List,
    /// Encrypt every secret anew, for the operators that rack.toml has now
    Rotate {
        #[command(flatten)]
        identity: IdentityArgs,
    },
}

/// Why nothing was done with secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// It cannot be kept.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It cannot be read.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// Nobody is there who could read it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Nothing was given.
    #[error("the secret is empty; type it, or pipe it in")]
    Empty,
    /// It cannot be read or printed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// `rack secrets`
pub fn run(call: &Call, args: &SecretsArgs) -> Result<(), SecretsError> {
    let vault = Vault::beside(&call.path()?);
    match &args.command {
        SecretsCommand::Set { name } => {
            let operators = call.rack()?.operators;
            vault.set(name, &asked(name)?, &operators)?;
            Ok(())
        }
        SecretsCommand::Get { name, identity } => {
            let secret = vault.get(name, &identity.read()?)?;
            Ok(io::stdout().write_all(&secret)?)
        }
        SecretsCommand::List => {
            let names: Vec<String> = vault.names()?.iter().map(Label::to_string).collect();
            Ok(print::answer(call.json, &names, || names.join("\n"))?)
        }
        SecretsCommand::Rotate { identity } => {
            let operators = call.rack()?.operators;
            let names = vault.rotate(&identity.read()?, &operators)?;
            Ok(print::text(&format!(
                "{} secrets are for {} operators now",
                names.len(),
                operators.len()
            ))?)
        }
    }
}

/// The secret: typed without echo, or piped in, then byte for byte.
fn asked(name: &Label) -> Result<Vec<u8>, SecretsError> {
    let secret = if io::stdin().is_terminal() {
        terminal::ask_hidden(&format!("{name}:"))?.into_bytes()
    } else {
        terminal::read_all()?
    };
    if secret.is_empty() {
        return Err(SecretsError::Empty);
    }
    Ok(secret)
}
