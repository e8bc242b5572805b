//! What `fused mount` is given.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use fused_s3::{Patience, Profile};

/// What `fused mount` is given.
#[derive(Debug, Args)]
pub struct MountCommand {
    /// The bucket, and a prefix if not all of it is to be shown: s3://bucket or s3://bucket/some/prefix
    pub bucket: Location,
    /// The directory to mount at; it has to exist
    pub at: PathBuf,
    /// Where S3 is served, such as http://localhost:9000
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The region that requests are signed for
    #[arg(long)]
    pub region: Option<String>,
    /// The section of ~/.aws/credentials and ~/.aws/config to use
    #[arg(long)]
    pub profile: Option<String>,
    /// A PEM file of certificates to trust beside those of this machine
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Nothing can be changed
    #[arg(long)]
    pub read_only: bool,
    /// Let other users of this machine in, as far as permissions let them
    #[arg(long)]
    pub allow_other: bool,
    /// The owner of files that do not say whose they are [default: you]
    #[arg(long)]
    pub uid: Option<u32>,
    /// The group of files that do not say whose they are [default: yours]
    #[arg(long)]
    pub gid: Option<u32>,
    /// Permissions of files that have none, in octal
    #[arg(long, value_name = "MODE", default_value = "644", value_parser = octal)]
    pub file_mode: u32,
    /// Permissions of directories that have none, in octal
    #[arg(long, value_name = "MODE", default_value = "755", value_parser = octal)]
    pub dir_mode: u32,
    /// How many milliseconds what the server said is taken to hold
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub fresh: u64,
    /// Most MiB to read ahead for one opener
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub read_ahead: u64,
    /// How many seconds an operation waits for a server that is away before it fails
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub wait: u64,
    /// How many seconds after an upload failed it is tried again, in the background; twice as long each time,
    /// up to 16 times as long
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub retry: u64,
    /// Where changes are staged until they are uploaded [default: ~/.cache/hayrack/fused]
    #[arg(long, value_name = "FOLDER")]
    pub staging: Option<PathBuf>,
    /// Where to keep what was read, for the next time and the next mount [default: nowhere]
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Most bytes to keep there, such as 500M or 10G
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = volumed_size::parse)]
    pub cache_size: u64,
    /// Serve metrics for Prometheus at this address, such as 127.0.0.1:9102, below /metrics
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Stay in the foreground, and log to stderr
    #[arg(long, short)]
    pub foreground: bool,
    /// Where a mount in the background logs to [default: BUCKET.log in the staging folder]
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// A bucket, and what the keys begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// Empty, or ending in `/`.
    pub prefix: String,
}

impl std::str::FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            return Err("it has to be s3://bucket or s3://bucket/prefix".into());
        }
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix,
        })
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err("it has to be an octal number such as 644".into()),
    }
}

impl MountCommand {
    /// Where the bucket is and who asks, from the flags and from where S3 tools keep it.
    pub fn settings(&self) -> anyhow::Result<fused_s3::Settings> {
        let home = home();
        let variable = |name: &str| std::env::var(name).ok();
        let profile = Profile::load(self.profile.as_deref(), home.as_deref(), variable)?;
        let endpoint = self.endpoint.clone().or(profile.endpoint);
        let Some(endpoint) = endpoint else {
            bail!("no endpoint: give --endpoint http://host:port, or set AWS_ENDPOINT_URL");
        };
        if profile.credentials.is_none() {
            bail!(
                "no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them into \
                 ~/.aws/credentials"
            );
        }
        let region = self.region.clone().or(profile.region);
        Ok(fused_s3::Settings {
            endpoint,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            bucket: self.bucket.bucket.clone(),
            credentials: profile.credentials,
            trusted: self.trust.clone(),
            patience: Patience {
                total: Duration::from_secs(self.wait),
                ..Patience::default()
            },
        })
    }

    /// Where changes are staged.
    pub fn staging(&self) -> anyhow::Result<PathBuf> {
        staging_folder(self.staging.as_ref())
    }
}

/// The folder that was chosen, or the usual one.
pub fn staging_folder(chosen: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = chosen {
        return Ok(folder.clone());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache
        .or_else(|| Some(home()?.join(".cache")))
        .context("no folder for staged changes: give --staging, or set HOME")?;
    Ok(cache.join("hayrack/fused"))
}

/// The user's folder. mount(8) and systemd say nothing of it.
pub fn home() -> Option<PathBuf> {
    if let Some(home) = std::env::var_os("HOME") {
        return Some(home.into());
    }
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    Some(user.ok()??.dir)
}
