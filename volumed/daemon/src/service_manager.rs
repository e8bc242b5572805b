//! What systemd is told (sd_notify(3)); without systemd nobody is.

use sd_notify::NotifyState;

/// The service manager that started this process, if one did.
#[derive(Debug, Default)]
pub struct ServiceManager {
    watchdog: Option<tokio::task::JoinHandle<()>>,
}

impl ServiceManager {
    /// The daemon serves. From now on the runtime that calls this shows twice in each period of
    /// `WatchdogSec=` that it still runs its tasks.
    #[must_use = "dropping it ends the signs of life"]
    pub fn ready() -> Self {
        notify(&[NotifyState::Ready]);
        let watchdog = sd_notify::watchdog_enabled().map(|period| {
            tokio::spawn(async move {
                loop {
                    notify(&[NotifyState::Watchdog]);
                    tokio::time::sleep(period / 2).await;
                }
            })
        });
        Self { watchdog }
    }

    /// Settings are read again, until [`Self::reloaded`].
    pub fn reloading(&self) {
        // systemd takes what it is told only with the time at which the reload began.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "there is no monotonic clock"),
        }
    }

    /// The settings that were read are in force, or `problem` says why the former ones stay.
    pub fn reloaded(&self, problem: Option<&str>) {
        let status = problem.unwrap_or("serving");
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The daemon finishes what is in flight.
    pub fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot reach the service manager");
    }
}
