//! What was done with the slots: `node/update.json` on the state partition.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::machine::Machine;
use crate::slot::Slot;

/// What is known of both slots, and of the last update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What slot A holds.
    pub a: Content,
    /// What slot B holds.
    pub b: Content,
    /// What became of the last update.
    pub outcome: Outcome,
}

/// What a slot holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "version")]
pub enum Content {
    /// What the image was made with.
    #[default]
    Unknown,
    /// An update that was not written to its end.
    Incomplete,
    /// A root of this version.
    Whole(String),
}

/// What became of the last update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "version")]
pub enum Outcome {
    /// There was none.
    #[default]
    None,
    /// It is written, and was not started.
    Written(String),
    /// It was to be started once, and is not confirmed yet.
    Trial(String),
    /// It came up.
    Confirmed(String),
    /// It did not come up, and the slot of before was started again.
    RolledBack(String),
}

/// Why the record cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}: {source}", .path.display())]
pub struct RecordError {
    path: PathBuf,
    source: io::Error,
}

impl Record {
    fn path(machine: &Machine) -> PathBuf {
        machine.node_state("update.json")
    }

    /// Reads it; of a new node there is none.
    pub fn load(machine: &Machine) -> Result<Self, RecordError> {
        let path = Self::path(machine);
        let read = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        };
        read.map_err(|source| RecordError { path, source })
    }

    /// Makes it durable.
    pub fn save(&self, machine: &Machine) -> Result<(), RecordError> {
        let path = Self::path(machine);
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let written = text.and_then(|text| durable::replace(&path, &text));
        written.map_err(|source| RecordError { path, source })
    }

    /// What a slot holds.
    pub fn content(&self, slot: Slot) -> &Content {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }

    /// Says what a slot holds.
    pub fn set_content(&mut self, slot: Slot, content: Content) {
        match slot {
            Slot::A => self.a = content,
            Slot::B => self.b = content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        let mut record = Record::load(&machine).unwrap();
        assert_eq!(record, Record::default());
        record.set_content(Slot::B, Content::Whole("0.2.0".to_owned()));
        record.outcome = Outcome::Trial("0.2.0".to_owned());
        record.save(&machine).unwrap();
        assert_eq!(Record::load(&machine).unwrap(), record);
        assert_eq!(record.content(Slot::A), &Content::Unknown);
        std::fs::write(Record::path(&machine), "{").unwrap();
        let error = Record::load(&machine).unwrap_err().to_string();
        assert!(error.contains("update.json"), "{error}");
    }
}
