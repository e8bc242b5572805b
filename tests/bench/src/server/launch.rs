//! How each server is started. Every start of one is on the same data.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::sign::Target;

const READY: &str = "Hayrack is ready";
const ACCESS_KEY: &str = "benchaccess";
const SECRET_KEY: &str = "benchsecret12";
const BUCKET: &str = "bench";
const REGION: &str = "us-east-1";

/// How to start a server.
pub enum Launch {
    /// Both daemons, through `s3d quickstart`.
    Hayrack {
        /// The s3d binary, with volumed beside it.
        s3d: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// Another server.
    Peer {
        /// A binary, or a command line with places for data folder and address.
        command: String,
        /// The data folder.
        data: PathBuf,
    },
    /// This program, with constant answers.
    Ceiling,
}

/// A server that was started. It may not be ready yet.
pub struct Launched {
    /// Where to send requests.
    pub target: Target,
    /// The processes that serve.
    pub pids: Vec<i32>,
    /// What was started.
    pub child: Child,
    /// Whether the bucket must be created first.
    pub creates_bucket: bool,
}

impl Launch {
    /// The server's name in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hayrack { .. } => "Hayrack",
            Self::Peer { .. } => "peer",
            Self::Ceiling => "ceiling",
        }
    }

    /// Whether the server stores what it is sent.
    pub fn stores(&self) -> bool {
        !matches!(self, Self::Ceiling)
    }

    /// Starts it.
    pub fn start(&self) -> anyhow::Result<Launched> {
        match self {
            Self::Hayrack { s3d, data } => hayrack(s3d, data),
            Self::Peer { command, data } => peer(command, data),
            Self::Ceiling => ceiling(),
        }
    }
}

fn hayrack(s3d: &Path, data: &Path) -> anyhow::Result<Launched> {
    let mut child = Command::new(s3d)
        .arg("quickstart")
        .env("HAYRACK_DATA", data)
        .env("HAYRACK_S3_LISTEN", free_address()?)
        .env("HAYRACK_API_LISTEN", free_address()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {}", s3d.display()))?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    if !lines.any(|line| line.is_ok_and(|line| line.starts_with(READY))) {
        let status = child.wait()?;
        bail!("s3d quickstart ended before it was ready: {status}");
    }
    let settings = read_env(&data.join("env"))?;
    let value = |key: &str| {
        settings
            .get(key)
            .cloned()
            .with_context(|| format!("the env file has no {key}"))
    };
    let target = Target::new(
        &value("AWS_ENDPOINT_URL")?,
        &value("HAYRACK_BUCKET")?,
        &value("AWS_REGION")?,
        value("AWS_ACCESS_KEY_ID")?,
        value("AWS_SECRET_ACCESS_KEY")?,
    )?;
    let pids = ["HAYRACK_VOLUMED_PID", "HAYRACK_S3D_PID"]
        .into_iter()
        .map(|key| Ok(value(key)?.parse()?))
        .collect::<anyhow::Result<_>>()?;
    Ok(Launched {
        target,
        pids,
        child,
        creates_bucket: false,
    })
}

fn peer(command: &str, data: &Path) -> anyhow::Result<Launched> {
    fs::create_dir_all(data)?;
    let address = free_address()?;
    let command = if command.contains('{') {
        command.to_owned()
    } else {
        format!("{command} server {{data}} --address {{listen}} --quiet")
    };
    let quoted = format!("'{}'", data.to_string_lossy().replace('\'', r"'\''"));
    let line = command
        .replace("{data}", &quoted)
        .replace("{listen}", &address);
    let child = Command::new("sh")
        .args(["-c", &format!("exec {line}")])
        .env("MINIO_ROOT_USER", ACCESS_KEY)
        .env("MINIO_ROOT_PASSWORD", SECRET_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("could not start the peer")?;
    launched(child, &address)
}

fn ceiling() -> anyhow::Result<Launched> {
    let address = free_address()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["ceiling", "--listen", &address])
        .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
        .stdin(Stdio::null())
        .spawn()
        .context("could not start the constant answers")?;
    launched(child, &address)
}

fn launched(child: Child, address: &str) -> anyhow::Result<Launched> {
    let target = Target::new(
        &format!("http://{address}"),
        BUCKET,
        REGION,
        ACCESS_KEY.to_owned(),
        SECRET_KEY.to_owned(),
    )?;
    Ok(Launched {
        target,
        pids: vec![i32::try_from(child.id())?],
        child,
        creates_bucket: true,
    })
}

/// An address of loopback that nobody listens on now.
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Reads `export KEY='value'` lines.
fn read_env(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(text
        .lines()
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()))
        .collect())
}
