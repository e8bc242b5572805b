//! One child: a daemon with a process group of its own, which ends when its supervisor does.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::ExitStatus;
use std::time::Instant;

use anyhow::Context as _;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, getppid, gettid};
use tokio::process::{Child, Command};

use super::settings::Settings;

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// The volume daemon.
    Volumed,
    /// The S3 server.
    S3d,
}

/// How to start one of the daemons.
#[derive(Debug)]
pub struct Recipe {
    /// Which one.
    pub which: Which,
    /// Its name for people.
    pub name: &'static str,
    launcher: OsString,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Recipe {
    /// volumed over the one disk.
    pub fn volumed(settings: &Settings) -> Self {
        Self {
            which: Which::Volumed,
            name: "volumed",
            launcher: settings.s3d.clone().into(),
            program: settings.volumed.clone().into(),
            arguments: vec![
                "serve".into(),
                "--data".into(),
                settings.volumed_state().into(),
                "--disk".into(),
                settings.disk().into(),
            ],
        }
    }

    /// s3d over that volumed.
    pub fn s3d(settings: &Settings) -> Self {
        Self {
            which: Which::S3d,
            name: "s3d",
            launcher: settings.s3d.clone().into(),
            program: settings.s3d.clone().into(),
            arguments: vec![
                "serve".into(),
                "--data".into(),
                settings.s3d_state().into(),
                "--volumed".into(),
                settings.admin_socket().into(),
                "--store".into(),
                settings.store().into(),
                "--s3-listen".into(),
                settings.s3_listen.to_string().into(),
                "--api-listen".into(),
                settings.api_listen.to_string().into(),
                "--console-url".into(),
                settings.api_url().into(),
                "--domain".into(),
                super::settings::DOMAIN.into(),
                "--region".into(),
                super::settings::REGION.into(),
            ],
        }
    }

    /// Starts the daemon. It has a process group of its own, so that a Ctrl-C reaches only the
    /// supervisor, which stops the daemons in order.
    ///
    /// To be called on the main thread: the daemon ends when the thread that started it does.
    pub fn start(&self) -> anyhow::Result<Daemon> {
        let supervisor = getpid();
        assert_eq!(gettid(), supervisor, "not the main thread");
        let child = Command::new(&self.launcher)
            .args(["quickstart", "--supervisor", &supervisor.to_string(), "--"])
            .arg(&self.program)
            .args(&self.arguments)
            .stdin(std::process::Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {}", self.name))?;
        Ok(Daemon {
            child,
            started: Instant::now(),
        })
    }
}

/// A started daemon.
#[derive(Debug)]
pub struct Daemon {
    /// When it was started.
    pub started: Instant,
    child: Child,
}

impl Daemon {
    /// Its process id; none once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> std::io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks it to finish what is in flight and end.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It is not reaped yet, so the id is its own; one that just ended needs no signal.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// Replaces the own process by `program`, which is asked to end when the process `supervisor`, which
/// started this one, does. Returns only if that failed.
pub fn become_child(supervisor: u32, program: &OsStr, arguments: &[OsString]) -> anyhow::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGTERM) {
        return anyhow::Error::new(error).context("could not tie the daemon to its supervisor");
    }
    // The tie tells only of an end that is still to come. The parent by now may be another process,
    // which is why the supervisor says who it is.
    if u32::try_from(getppid().as_raw()) != Ok(supervisor) {
        return anyhow::anyhow!("the supervisor ended before the daemon began");
    }
    let error = std::process::Command::new(program).args(arguments).exec();
    anyhow::Error::new(error).context(format!("could not start {}", program.display()))
}
