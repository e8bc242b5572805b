//! Starts the daemons, starts one again that dies alone, and stops both in order.

use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::time::{sleep, timeout};
use volumed_daemon::Signals;

use super::daemon::{Daemon, Recipe, Which};
use super::env_file::EnvFile;
use super::health::Health;
use super::settings::Settings;

/// Two that are killed at once are seen to be dead within this time.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Two deaths within this time have one cause, unless the first daemon answers again already.
const TOGETHER: Duration = Duration::from_millis(300);
/// A daemon that lived shorter than this died quickly.
const QUICK: Duration = Duration::from_secs(2);
/// After so many quick deaths in a row a daemon is not started again.
const QUICK_DEATHS: u32 = 5;
/// Between the second and later quick deaths and the next start.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a daemon may take to answer; opening after a crash is part of it.
const HEALTH_LIMIT: Duration = Duration::from_mins(1);
const HEALTH_INTERVAL: Duration = Duration::from_millis(25);
/// What a shell expects of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// A daemon and its past.
struct Supervised {
    recipe: Recipe,
    daemon: Daemon,
    quick_deaths: u32,
    died: Option<Instant>,
}

/// Both daemons.
pub struct Supervisor {
    volumed: Supervised,
    s3d: Supervised,
    health: Health,
}

impl Supervised {
    fn start(recipe: Recipe) -> anyhow::Result<Self> {
        let daemon = recipe.start()?;
        Ok(Self {
            recipe,
            daemon,
            quick_deaths: 0,
            died: None,
        })
    }

    /// Waits until it answers, or says that it ended first.
    async fn until_it_answers(&mut self, health: &Health) -> anyhow::Result<()> {
        let name = self.recipe.name;
        let which = self.recipe.which;
        let answered = async {
            while !health.answers(which).await {
                sleep(HEALTH_INTERVAL).await;
            }
        };
        tokio::select! {
            answered = timeout(HEALTH_LIMIT, answered) => answered.ok().with_context(|| {
                format!("{name} did not answer within {} s.", HEALTH_LIMIT.as_secs())
            }),
            ended = self.daemon.ended() => {
                bail!("{name} ended at its start ({}); it says why above.", ended?)
            }
        }
    }

    async fn again(&mut self) -> anyhow::Result<()> {
        let quick = self.daemon.started.elapsed() < QUICK;
        self.quick_deaths = if quick { self.quick_deaths + 1 } else { 0 };
        if self.quick_deaths >= QUICK_DEATHS {
            bail!(
                "{} ended {QUICK_DEATHS} times shortly after its start; it says why above.",
                self.recipe.name
            );
        }
        if self.quick_deaths > 1 {
            sleep(PAUSE).await;
        }
        self.daemon = self.recipe.start()?;
        Ok(())
    }
}

impl Supervisor {
    /// Starts volumed, and s3d once volumed answers; returns when both do.
    ///
    /// # Errors
    /// When one of them ended or did not answer; then none is left running.
    pub async fn start(settings: &Settings) -> anyhow::Result<Self> {
        let health = Health::of(settings);
        let mut volumed = Supervised::start(Recipe::volumed(settings))?;
        if let Err(error) = volumed.until_it_answers(&health).await {
            end(&mut volumed.daemon).await;
            return Err(error);
        }
        let s3d = Supervised::start(Recipe::s3d(settings))?;
        let mut supervisor = Self {
            volumed,
            s3d,
            health,
        };
        if let Err(error) = supervisor.s3d.until_it_answers(&supervisor.health).await {
            supervisor.kill().await;
            return Err(error);
        }
        Ok(supervisor)
    }

    /// Writes the process ids into the env file.
    pub fn record_pids(&self, env: &mut EnvFile) -> anyhow::Result<()> {
        for (key, supervised) in [
            ("HAYRACK_VOLUMED_PID", &self.volumed),
            ("HAYRACK_S3D_PID", &self.s3d),
        ] {
            if let Some(pid) = supervised.daemon.pid() {
                env.set(key, pid.to_string());
            }
        }
        env.save()
    }

    /// Supervises until a signal, or until the daemons cannot be kept running.
    pub async fn run(
        mut self,
        env: &mut EnvFile,
        signals: &mut Signals,
    ) -> anyhow::Result<ExitCode> {
        loop {
            let (which, status) = tokio::select! {
                status = self.volumed.daemon.ended() => (Which::Volumed, status?),
                status = self.s3d.daemon.ended() => (Which::S3d, status?),
                _ = signals.next() => return self.stop(signals).await,
            };
            if let Err(error) = self.revive(which, status, env).await {
                self.kill().await;
                return Err(error);
            }
        }
    }

    async fn revive(
        &mut self,
        which: Which,
        status: ExitStatus,
        env: &mut EnvFile,
    ) -> anyhow::Result<()> {
        let (dead, other) = match which {
            Which::Volumed => (&mut self.volumed, &mut self.s3d),
            Which::S3d => (&mut self.s3d, &mut self.volumed),
        };
        dead.died = Some(Instant::now());
        sleep(AT_ONCE).await;
        let together = match other.died {
            Some(died) if died.elapsed() < TOGETHER => {
                !self.health.answers(other.recipe.which).await
            }
            _ => other.daemon.has_ended()?,
        };
        if together {
            bail!(
                "Both daemons ended together ({} last, {status}); start again to continue with the same data.",
                dead.recipe.name
            );
        }
        eprintln!("{} ended ({status}); starting it again.", dead.recipe.name);
        dead.again().await?;
        self.record_pids(env)
    }

    /// Stops s3d and then volumed, each finishing what is in flight; another signal ends both at once.
    pub async fn stop(mut self, signals: &mut Signals) -> anyhow::Result<ExitCode> {
        eprintln!("Finishing what is in flight; another signal quits at once.");
        let stopped = async {
            Ok::<_, anyhow::Error>(finish(&mut self.s3d).await? & finish(&mut self.volumed).await?)
        };
        let stopped = tokio::select! {
            stopped = stopped => Some(stopped?),
            _ = signals.next() => None,
        };
        Ok(match stopped {
            Some(true) => ExitCode::SUCCESS,
            Some(false) => ExitCode::FAILURE,
            None => {
                self.kill().await;
                INTERRUPTED.into()
            }
        })
    }

    /// Ends both at once.
    pub async fn kill(&mut self) {
        tokio::join!(end(&mut self.s3d.daemon), end(&mut self.volumed.daemon));
    }
}

/// Asks a daemon to end and waits for it; tells whether it ended well.
async fn finish(supervised: &mut Supervised) -> anyhow::Result<bool> {
    supervised.daemon.terminate();
    let status = supervised.daemon.ended().await?;
    if !status.success() {
        eprintln!("{} did not end well: {status}", supervised.recipe.name);
    }
    Ok(status.success())
}

async fn end(daemon: &mut Daemon) {
    daemon.kill();
    // There is nothing left to do about one that cannot be waited for.
    let _ = daemon.ended().await;
}
