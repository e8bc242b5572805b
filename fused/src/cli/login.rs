//! `fused login`.

use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use fused_s3::{ProfileFiles, Rest};

use crate::cli::mount::home;
use crate::cli::prompt;
use crate::login::{Wish, sign_in};

/// What `fused login` is given.
#[derive(Debug, Args)]
pub struct LoginCommand {
    /// Where Hayrack's REST API is served, such as https://hayrack.example:9001
    pub url: String,
    /// Who signs in [default: asked for]; the password is asked for, or read from standard input
    #[arg(long)]
    pub email: Option<String>,
    /// Have a key to this bucket alone
    #[arg(long)]
    pub bucket: Option<String>,
    /// Whose buckets the key is for, if you are a member of several namespaces
    #[arg(long, conflicts_with = "bucket")]
    pub namespace: Option<String>,
    /// Have a key that can change nothing
    #[arg(long)]
    pub read_only: bool,
    /// The section of ~/.aws/credentials and ~/.aws/config that the key is kept in
    #[arg(long, default_value = "hayrack", value_parser = section)]
    pub profile: String,
    /// Where S3 is served [default: what the REST API says]
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// The region that requests are signed for
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// A PEM file of certificates to trust beside those of this machine
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
}

fn section(name: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_.@".contains(it);
    if name.is_empty() || !name.chars().all(plain) {
        return Err("it has to consist of letters, digits, and any of -_.@".into());
    }
    Ok(name.to_owned())
}

impl LoginCommand {
    /// Signs in, stores the key, and says what to do with it.
    pub fn run(&self) -> anyhow::Result<()> {
        let variable = |name: &str| std::env::var(name).ok();
        let home = home();
        let files = ProfileFiles::find(home.as_deref(), variable);
        let rest = Rest::new(&self.url, self.trust.as_deref())?;
        let email = match &self.email {
            Some(email) => email.clone(),
            None if stdin().is_terminal() => prompt::line("Email")?,
            None => bail!("there is nobody to ask who signs in: give --email"),
        };
        if !is_private(rest.url()) {
            eprintln!(
                "fused: {} is not https: others may read the password",
                self.url
            );
        }
        let password = prompt::secret("Password").context("there is no password")?;
        let wish = Wish {
            bucket: self.bucket.as_deref(),
            namespace: self.namespace.as_deref(),
            read_only: self.read_only,
            profile: &self.profile,
            endpoint: self.s3_endpoint.as_deref(),
            region: &self.region,
            trust: self.trust.as_deref(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let key = runtime.block_on(sign_in(rest, &email, &password, &wish, &files))?;
        println!(
            "{email} is signed in: the key {} is in the profile {} now, for {}.",
            key.id, self.profile, key.endpoint
        );
        let trust = self.trust.as_ref();
        let trust = trust.map(|file| format!(" --trust {}", file.display()));
        println!(
            "Mount a bucket with: fused mount --profile {}{} s3://{} FOLDER",
            self.profile,
            trust.unwrap_or_default(),
            key.bucket.as_deref().unwrap_or("BUCKET")
        );
        Ok(())
    }
}

/// Whether nobody on the way to a URL can read what is sent there.
fn is_private(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    url.scheme_str() == Some("https") || crate::login::is_this_machine(url.host().unwrap_or(""))
}
