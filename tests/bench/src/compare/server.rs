//! The servers under test, started for the run and stopped after it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::connection::Connection;
use crate::sign::Target;

const READY: &str = "Hayrack is ready";
const START_LIMIT: Duration = Duration::from_secs(30);
const PEER_ACCESS_KEY: &str = "benchaccess";
const PEER_SECRET_KEY: &str = "benchsecret12";
const PEER_BUCKET: &str = "bench";

/// A running server; it is stopped when dropped.
pub struct Server {
    /// Its name in the table.
    pub name: &'static str,
    /// Where to send requests.
    pub target: Target,
    /// The processes that serve.
    pids: Vec<i32>,
    child: Child,
}

impl Server {
    /// Starts both daemons through `s3d quickstart`.
    pub fn hayrack(s3d: &Path, data: &Path) -> anyhow::Result<Self> {
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
        Ok(Self {
            name: "Hayrack",
            target,
            pids,
            child,
        })
    }

    /// Starts the peer and creates its bucket.
    pub fn peer(command: &str, data: &Path) -> anyhow::Result<Self> {
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
            .env("MINIO_ROOT_USER", PEER_ACCESS_KEY)
            .env("MINIO_ROOT_PASSWORD", PEER_SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("could not start the peer")?;
        let target = Target::new(
            &format!("http://{address}"),
            PEER_BUCKET,
            "us-east-1",
            PEER_ACCESS_KEY.to_owned(),
            PEER_SECRET_KEY.to_owned(),
        )?;
        let pids = vec![i32::try_from(child.id())?];
        let mut server = Self {
            name: "peer",
            target,
            pids,
            child,
        };
        server.create_bucket()?;
        Ok(server)
    }

    fn create_bucket(&mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let path = self.target.presign("PUT", "", "")?;
        let address = self.target.address();
        let authority = &self.target.authority;
        let created = async || -> anyhow::Result<u16> {
            let mut connection = Connection::open(&address).await?;
            Ok(connection
                .exchange("PUT", &path, authority, Some(b""), true)
                .await?
                .status)
        };
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let outcome = runtime.block_on(created());
            if matches!(outcome, Ok(200)) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the peer ended at its start: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "the peer did not create a bucket: {outcome:?}"
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The most memory that its processes have held, in MiB (VmHWM of `proc/PID/status`).
    pub fn peak_memory(&self) -> anyhow::Result<f64> {
        self.pids.iter().map(|pid| peak_memory(*pid)).sum()
    }
}

fn peak_memory(pid: i32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone: it died during the run"))?;
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
        .context("the kernel reports no VmHWM")?
        .parse()?;
    Ok(kibibytes / 1024.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself; waiting tells.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
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
