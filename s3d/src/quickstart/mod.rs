//! `s3d quickstart`: both daemons on loopback over one directory disk, with all that a newcomer
//! needs to store the first object. It supervises them as an init system would.

mod console;
mod daemon;
mod env_file;
mod health;
mod http;
mod provision;
mod settings;
mod supervisor;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use nix::sys::statvfs::statvfs;

use env_file::EnvFile;
use settings::Settings;
use supervisor::Supervisor;
use volumed_daemon::Signals;

pub use settings::reachable;

/// Below this the daemons could not even write their stores.
const LEAST_FREE_BYTES: u64 = 64 << 20;

/// `s3d quickstart`
#[derive(Args, Debug)]
pub struct Options {
    /// The process with whose end that of the program comes
    #[arg(long, hide = true, value_name = "PID", requires = "program")]
    supervisor: Option<u32>,
    /// Become this program, and end when the supervisor does
    #[arg(last = true, hide = true, requires = "supervisor")]
    program: Vec<OsString>,
}

/// Runs both daemons until a signal stops them.
///
/// # Errors
/// A sentence for people: what is wrong and what to do.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if let (Some(supervisor), Some((program, arguments))) =
        (options.supervisor, options.program.split_first())
    {
        return Err(daemon::become_child(supervisor, program, arguments));
    }
    let settings = Settings::from_environment()?;
    let _lock = claim(&settings)?;
    check_room(&settings.data)?;
    check_free(settings.s3_listen, "HAYRACK_S3_LISTEN")?;
    check_free(settings.api_listen, "HAYRACK_API_LISTEN")?;
    // On this thread: a child's tie to its parent is to the thread that started it, and the main
    // one lives as long as the process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(supervise(&settings))
}

async fn supervise(settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch().context("could not catch signals")?;
    let mut env = EnvFile::load(&settings.env_file())?;
    let started = tokio::select! {
        started = Supervisor::start(settings) => started,
        // The daemons end with this process; nothing was acknowledged to anybody yet.
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let mut supervisor = started?;
    let ready = tokio::select! {
        ready = make_ready(settings, &supervisor, &mut env) => ready,
        _ = signals.next() => return supervisor.stop(&mut signals).await,
    };
    if let Err(error) = ready {
        supervisor.kill().await;
        return Err(error);
    }
    supervisor.run(&mut env, &mut signals).await
}

async fn make_ready(
    settings: &Settings,
    supervisor: &Supervisor,
    env: &mut EnvFile,
) -> anyhow::Result<()> {
    provision::first_use(settings, env).await?;
    supervisor.record_pids(env)?;
    let code = provision::sign_in_code(settings, env).await?;
    console::welcome(settings, env, code.as_deref())
}

/// Makes the data folder, and makes sure that nobody else uses it while the file is open.
fn claim(settings: &Settings) -> anyhow::Result<File> {
    let data = settings.data.display();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(settings.disk())
        .map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => disk_is_full(&settings.data),
            _ => anyhow::Error::new(error).context(format!("could not create {data}")),
        })?;
    let path = settings.data.join("quickstart.lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("could not open {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "Hayrack already runs on {data}; stop it first, or set HAYRACK_DATA to another folder."
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("could not lock {}", path.display()))
        }
    }
}

fn check_room(data: &Path) -> anyhow::Result<()> {
    let stat =
        statvfs(data).with_context(|| format!("could not ask {} for room", data.display()))?;
    let free = stat.blocks_available() * stat.fragment_size();
    if free < LEAST_FREE_BYTES {
        Err(disk_is_full(data))
    } else {
        Ok(())
    }
}

fn disk_is_full(data: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "The disk that holds {} is full; free at least {} MiB on it, or set HAYRACK_DATA to a folder elsewhere.",
        data.display(),
        LEAST_FREE_BYTES >> 20
    )
}

fn check_free(address: SocketAddr, variable: &str) -> anyhow::Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "{address} is in use by another program; stop that, or set {variable} to another address."
        ),
        Err(error) => {
            Err(error).with_context(|| format!("cannot listen on {address}, from {variable}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        // It has room for nothing.
        let error = check_room(Path::new("/proc")).unwrap_err().to_string();
        assert!(
            error.contains("The disk that holds /proc is full"),
            "{error}"
        );
        assert!(check_room(Path::new(".")).is_ok());
    }

    #[test]
    fn an_address_in_use_is_named_with_its_variable() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = check_free(address, "THE_VARIABLE").unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("THE_VARIABLE"),
            "{error}"
        );
        drop(taken);
        assert!(check_free(address, "THE_VARIABLE").is_ok());
    }
}
