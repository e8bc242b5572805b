//! Changed settings are tried like an update: one start, and kept only if the daemons come up with them.
//!
//! | beside `settings.toml` | what it holds |
//! |---|---|
//! | `settings.next.toml` | what the next start tries |
//! | `settings.trial.toml` | what this start tries; after another start it is what did not come up |
//! | `settings.refused.toml` | what did not come up last |
//!
//! Each step is one rename, and `settings.toml` is the last to change: what cuts a trial short leads back to it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::firmware::{self, FirmwareError};
use crate::health::becomes_healthy;
use crate::machine::Machine;
use crate::settings;

/// What became of the settings that came last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastSettings {
    /// The node starts with them.
    Kept,
    /// The next start tries them.
    Waiting,
    /// This start tries them.
    Trial,
    /// They did not come up, and the node starts with those of before.
    RolledBack,
}

/// Why a trial did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SettingsTrialError {
    /// A file of it cannot be changed.
    #[error("cannot change the files of the node's settings: {0}")]
    Files(#[from] io::Error),
    /// The machine could not be started with those of before.
    #[error(transparent)]
    Restart(#[from] FirmwareError),
}

fn next(machine: &Machine) -> PathBuf {
    machine.node_state("settings.next.toml")
}

fn trial(machine: &Machine) -> PathBuf {
    machine.node_state("settings.trial.toml")
}

fn refused(machine: &Machine) -> PathBuf {
    machine.node_state("settings.refused.toml")
}

/// It is there from the start that tries settings until the machine stops, whatever becomes of them.
fn mark(machine: &Machine) -> PathBuf {
    machine.run("settings-trial")
}

/// The file of the settings that hold in this start.
pub fn in_use(machine: &Machine) -> PathBuf {
    if is_on_trial(machine) {
        trial(machine)
    } else {
        settings::file(machine)
    }
}

fn is_on_trial(machine: &Machine) -> bool {
    trial(machine).exists() && mark(machine).exists()
}

/// Has the next start try other settings.
pub fn bring(machine: &Machine, text: &str) -> io::Result<()> {
    durable::remove(&refused(machine))?;
    durable::replace(&next(machine), text.as_bytes())
}

/// At every start, before settings are read: whether it tries some. Those that a start before it tried in vain are put
/// aside.
pub fn begin(machine: &Machine) -> io::Result<bool> {
    if is_on_trial(machine) {
        return Ok(true);
    }
    if trial(machine).exists() {
        durable::rename(&trial(machine), &refused(machine))?;
    }
    if !next(machine).exists() {
        return Ok(false);
    }
    durable::rename(&next(machine), &trial(machine))?;
    durable::replace(&mark(machine), b"")?;
    Ok(true)
}

/// What became of the settings that came last.
pub fn last_settings(machine: &Machine) -> LastSettings {
    if next(machine).exists() {
        LastSettings::Waiting
    } else if is_on_trial(machine) {
        LastSettings::Trial
    } else if refused(machine).exists() || trial(machine).exists() {
        LastSettings::RolledBack
    } else {
        LastSettings::Kept
    }
}

/// Keeps the settings that this start tries once the daemons are ready; if they are not within `patience`, starts the
/// machine anew, which then has those of before.
pub fn try_settings(
    machine: &Machine,
    patience: Duration,
    report: impl Fn(&str),
) -> Result<(), SettingsTrialError> {
    if !is_on_trial(machine) {
        return Ok(());
    }
    if becomes_healthy(patience) {
        durable::rename(&trial(machine), &settings::file(machine))?;
        report("the changed settings came up: the node starts with them from now on");
        return Ok(());
    }
    report(&format!(
        "the daemons were not ready within {} s with the changed settings: going back to those of before",
        patience.as_secs()
    ));
    Ok(firmware::restart()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A node with settings, and others for its next start.
    fn changed(folder: &tempfile::TempDir) -> Machine {
        let machine = Machine::at(folder.path());
        durable::replace(&settings::file(&machine), b"old").unwrap();
        assert_eq!(last_settings(&machine), LastSettings::Kept);
        bring(&machine, "new").unwrap();
        machine
    }

    fn in_use_now(machine: &Machine) -> String {
        fs::read_to_string(in_use(machine)).unwrap()
    }

    /// What is lost with the power.
    fn start_anew(machine: &Machine) {
        let _ = fs::remove_file(mark(machine));
    }

    #[test]
    fn what_was_brought_holds_in_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let machine = changed(&folder);
        assert_eq!(in_use_now(&machine), "old");
        assert_eq!(last_settings(&machine), LastSettings::Waiting);
        assert!(begin(&machine).unwrap());
        assert_eq!(in_use_now(&machine), "new");
        assert_eq!(last_settings(&machine), LastSettings::Trial);
        // The same start, in which the disks were not there at first.
        assert!(begin(&machine).unwrap());
        assert_eq!(in_use_now(&machine), "new");
    }

    #[test]
    fn a_start_after_a_trial_has_the_settings_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let machine = changed(&folder);
        begin(&machine).unwrap();
        start_anew(&machine);
        assert_eq!(in_use_now(&machine), "old");
        assert_eq!(last_settings(&machine), LastSettings::RolledBack);
        assert!(!begin(&machine).unwrap());
        assert_eq!(in_use_now(&machine), "old");
        assert_eq!(last_settings(&machine), LastSettings::RolledBack);
        // The next ones are none the worse for it.
        bring(&machine, "newer").unwrap();
        assert_eq!(last_settings(&machine), LastSettings::Waiting);
        start_anew(&machine);
        assert!(begin(&machine).unwrap());
        assert_eq!(in_use_now(&machine), "newer");
    }

    #[test]
    fn a_start_without_a_trial_needs_no_daemons() {
        let folder = tempfile::tempdir().unwrap();
        let machine = changed(&folder);
        try_settings(&machine, Duration::ZERO, |sentence| panic!("{sentence}")).unwrap();
        assert_eq!(last_settings(&machine), LastSettings::Waiting);
    }
}
