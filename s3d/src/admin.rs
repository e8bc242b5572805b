//! The operator's commands. They work on the metadata store and the state folder themselves, also
//! while the server runs: who may read those is an operator already.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};
use rand::distr::{Alphanumeric, SampleString as _};
use s3d_accounts::{Accounts, NewUser, Password, clock, secrets};
use s3d_names::{Email, NamespaceName};
use volumed_meta::MetaStore;

use crate::config::Settings;
use crate::place::Place;

const PASSWORD_LENGTH: usize = 24;

/// `s3d user`.
#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user and the user's namespace
    Add {
        /// The address to sign in with
        email: Email,
        /// The namespace to create; derived from the address if left out
        #[arg(long)]
        namespace: Option<NamespaceName>,
        /// The user runs the rack, too
        #[arg(long)]
        operator: bool,
        /// Read the password from standard input instead of making and printing one
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users
    List,
    /// Set a user's password; every token of the user ends
    Password {
        /// Whose
        email: Email,
        /// Read the password from standard input instead of making and printing one
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make a user an operator
    Operator {
        /// Whom
        email: Email,
        /// Make an operator an ordinary user instead
        #[arg(long)]
        revoke: bool,
    },
}

/// `s3d secrets`.
#[derive(Debug, Args)]
pub struct SecretsArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Write the secrets to a file; keep it as safe as the keys that it opens
    Backup {
        /// The file to write; only its owner may read it
        file: PathBuf,
    },
    /// Put the secrets of a backup in place, if they fit the metadata store
    Restore {
        /// The file that a backup wrote
        file: PathBuf,
    },
    /// Make a new node key and seal every secret anew; then make a new backup
    Rotate,
}

/// Runs `s3d user`.
pub fn user(arguments: UserArgs) -> anyhow::Result<()> {
    let settings = arguments.place.settings()?;
    on_a_runtime(async {
        match arguments.command {
            UserCommand::Add {
                email,
                namespace,
                operator,
                password_stdin,
            } => {
                let accounts = accounts(&settings).await?;
                let (password, shown) = password(password_stdin)?;
                let new = NewUser {
                    email,
                    password,
                    namespace,
                };
                let (user, namespace) = accounts.add_user(new, operator).await?;
                println!("{} has the namespace {namespace}", user.email);
                show(shown);
            }
            UserCommand::List => list(&accounts(&settings).await?).await?,
            UserCommand::Password {
                email,
                password_stdin,
            } => {
                let (password, shown) = password(password_stdin)?;
                if !accounts(&settings)
                    .await?
                    .set_password(&email, password)
                    .await?
                {
                    bail!("there is no user {email}");
                }
                show(shown);
            }
            UserCommand::Operator { email, revoke } => {
                if !accounts(&settings)
                    .await?
                    .set_operator(&email, !revoke)
                    .await?
                {
                    bail!("there is no user {email}");
                }
            }
        }
        Ok(())
    })
}

async fn list(accounts: &Accounts) -> anyhow::Result<()> {
    let mut users = accounts.users().await?;
    users.sort_by(|one, other| one.email.cmp(&other.email));
    for user in users {
        let role = if user.operator { "operator" } else { "" };
        let line = format!("{}  {}  {role}", clock::text(user.created), user.email);
        println!("{}", line.trim_end());
    }
    Ok(())
}

/// Runs `s3d secrets`.
pub fn secrets(arguments: SecretsArgs) -> anyhow::Result<()> {
    let settings = arguments.place.settings()?;
    on_a_runtime(async {
        match arguments.command {
            SecretsCommand::Backup { file } => {
                secrets::backup(&settings.data, &file)?;
                println!("the secrets are in {}", file.display());
            }
            SecretsCommand::Restore { file } => {
                secrets::restore(store(&settings).await?, &settings.data, &file).await?;
                println!("the secrets are in place; restart s3d");
            }
            SecretsCommand::Rotate => {
                let sealed = secrets::rotate(store(&settings).await?, &settings.data).await?;
                println!("{sealed} secrets are sealed with a new key; make a new backup");
            }
        }
        Ok(())
    })
}

async fn store(settings: &Settings) -> anyhow::Result<Arc<dyn MetaStore>> {
    let location = &settings.store;
    // Opening it would make one.
    if location.file().is_some_and(|file| !file.exists()) {
        bail!("there is no metadata store {location}: say where with --store");
    }
    Ok(volumed_meta::open(location).await?)
}

async fn accounts(settings: &Settings) -> anyhow::Result<Accounts> {
    let accounts = Accounts::open(store(settings).await?, &settings.data, settings.accounts)?;
    Ok(accounts)
}

/// A password, and the text to show if it was made here.
fn password(from_stdin: bool) -> anyhow::Result<(Password, Option<String>)> {
    if !from_stdin {
        let made = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH);
        return Ok((Password::new(made.clone())?, Some(made)));
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok((Password::new(line.trim_end_matches(['\r', '\n']))?, None))
}

fn show(password: Option<String>) {
    if let Some(password) = password {
        println!("password: {password}");
    }
}

fn on_a_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
