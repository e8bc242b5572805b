//! Whether the slot that runs is kept.

use std::time::Duration;

use crate::firmware::{self, FirmwareError};
use crate::health::becomes_healthy;
use crate::machine::Machine;
use crate::slot::Slot;

use super::record::{Content, Outcome, Record, RecordError};

/// Why the slots are as they were.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// This is no node.
    #[error("this machine was not started from a node image")]
    NoImage,
    /// There is nothing to go back to.
    #[error("slot {0} was not written to its end: there is nothing to go back to")]
    NothingBefore(Slot),
    /// The firmware does not take it.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// It cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What a start means for the last update.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// Nothing: the default runs, and nothing else was to.
    Settled,
    /// A slot runs that is started once.
    Trial,
    /// The update was to be tried, and the slot of before runs.
    CameBack(String),
}

fn evaluate(record: &Record, running: Slot, default: Slot) -> Start {
    if running != default {
        return Start::Trial;
    }
    match &record.outcome {
        Outcome::Trial(version) => Start::CameBack(version.clone()),
        _ => Start::Settled,
    }
}

/// At every start: confirms a slot that is on trial once the daemons are ready, or goes back if they are not within
/// `patience`. A record of a trial that failed before is made, too.
pub fn trial(
    machine: &Machine,
    patience: Duration,
    report: impl Fn(&str),
) -> Result<(), SwitchError> {
    let (running, firmware) = (slot(machine)?, firmware::of(machine));
    let record = Record::load(machine)?;
    match evaluate(&record, running, firmware.default()?) {
        Start::Settled => Ok(()),
        Start::CameBack(version) => {
            report(&format!(
                "the update to {version} did not come up: slot {running} runs again"
            ));
            settle(machine, record, Outcome::RolledBack(version))
        }
        Start::Trial if becomes_healthy(patience) => {
            confirm(machine)?;
            report(&format!(
                "slot {running} came up: it is started from now on"
            ));
            Ok(())
        }
        Start::Trial => {
            report(&format!(
                "the daemons were not ready within {} s: going back to slot {}",
                patience.as_secs(),
                running.other()
            ));
            Ok(firmware::restart()?)
        }
    }
}

/// Makes the running slot the one that is started from now on.
pub fn confirm(machine: &Machine) -> Result<(), SwitchError> {
    let running = slot(machine)?;
    firmware::of(machine).set_default(running)?;
    let record = Record::load(machine)?;
    match record.outcome.clone() {
        Outcome::Trial(version) => settle(machine, record, Outcome::Confirmed(version)),
        _ => Ok(()),
    }
}

/// Goes back to the other slot, for good.
pub fn rollback(machine: &Machine) -> Result<(), SwitchError> {
    let (running, firmware) = (slot(machine)?, firmware::of(machine));
    let mut record = Record::load(machine)?;
    if firmware.default()? == running {
        if !may_go_back(&record, running) {
            return Err(SwitchError::NothingBefore(running.other()));
        }
        firmware.set_default(running.other())?;
    }
    if let Outcome::Trial(version) | Outcome::Confirmed(version) = record.outcome {
        record.outcome = Outcome::RolledBack(version);
        record.save(machine)?;
    }
    Ok(firmware::restart()?)
}

/// Slot A has a root from the beginning, slot B once an update was written to it.
fn may_go_back(record: &Record, running: Slot) -> bool {
    match record.content(running.other()) {
        Content::Whole(_) => true,
        Content::Unknown => running == Slot::B,
        Content::Incomplete => false,
    }
}

fn settle(machine: &Machine, mut record: Record, outcome: Outcome) -> Result<(), SwitchError> {
    record.outcome = outcome;
    Ok(record.save(machine)?)
}

fn slot(machine: &Machine) -> Result<Slot, SwitchError> {
    Slot::running(machine).ok_or(SwitchError::NoImage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(outcome: Outcome, b: Content) -> Record {
        Record {
            b,
            outcome,
            ..Record::default()
        }
    }

    #[test]
    fn a_start_is_a_trial_if_the_default_does_not_run() {
        let version = || "2".to_owned();
        let on_trial = with(Outcome::Trial(version()), Content::Whole(version()));
        assert_eq!(evaluate(&on_trial, Slot::B, Slot::A), Start::Trial);
        assert_eq!(
            evaluate(&on_trial, Slot::A, Slot::A),
            Start::CameBack(version())
        );
        let confirmed = with(Outcome::Confirmed(version()), Content::Whole(version()));
        assert_eq!(evaluate(&confirmed, Slot::B, Slot::B), Start::Settled);
        assert_eq!(
            evaluate(&Record::default(), Slot::A, Slot::A),
            Start::Settled
        );
        // A power cut between the default and its record: the next start does both again.
        assert_eq!(evaluate(&Record::default(), Slot::B, Slot::A), Start::Trial);
    }

    #[test]
    fn only_a_whole_slot_is_gone_back_to() {
        let back = |running, b| may_go_back(&with(Outcome::None, b), running);
        assert!(
            back(Slot::B, Content::Whole("2".to_owned())),
            "the image's root"
        );
        assert!(back(Slot::A, Content::Whole("2".to_owned())));
        assert!(
            !back(Slot::A, Content::Unknown),
            "nothing was ever written there"
        );
        assert!(!back(Slot::A, Content::Incomplete));
    }
}
