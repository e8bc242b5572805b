//! Changed settings of the rack, which `rack apply` brings to a node that is in it. A node tries them at its next start.

use std::io;

use crate::admission::is_in;
use crate::machine::Machine;
use crate::prepare::own;
use crate::settings::{Settings, SettingsError};
use crate::{ports, settings_trial};

/// Why settings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// There are none that could change, or this machine is not in those that came.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What came are none.
    #[error("what came are no settings of a rack: {0}")]
    Parse(#[from] Box<toml::de::Error>),
    /// They are another rack's.
    #[error("this is a node of the rack {own}, and the settings are those of {other}")]
    OtherRack {
        /// Its rack.
        own: String,
        /// Whose they are.
        other: String,
    },
    /// A cluster knows its nodes by their names and addresses.
    #[error(
        "{own} is in the cluster by that name and address, and cannot become {other}: change rack.toml back, or have \
         `rack replace` make it a new node"
    )]
    Moved {
        /// What it is, as in "node-1 at 10.77.0.11".
        own: String,
        /// What it was to be.
        other: String,
    },
    /// They cannot be kept.
    #[error("cannot change the files of the node's settings: {0}")]
    Write(#[from] io::Error),
}

/// Keeps other settings for the next start, which tries them. Nothing that runs changes.
pub fn configure(machine: &Machine, text: &str) -> Result<(), ConfigureError> {
    let (current, node) = own(machine)?;
    let wanted: Settings = toml::from_str(text).map_err(Box::new)?;
    if wanted.rack != current.rack {
        return Err(ConfigureError::OtherRack {
            own: current.rack,
            other: wanted.rack,
        });
    }
    let becomes = wanted.node_with(&ports::macs(machine))?;
    if is_in(machine) && (&becomes.name, becomes.address) != (&node.name, node.address) {
        return Err(ConfigureError::Moved {
            own: format!("{} at {}", node.name, node.address),
            other: format!("{} at {}", becomes.name, becomes.address),
        });
    }
    Ok(settings_trial::bring(machine, text)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::durable;
    use crate::one_node::{SETTINGS, machine};
    use crate::settings_trial::{LastSettings, begin, last_settings};

    fn refusal(machine: &Machine, from: &str, to: &str) -> String {
        let wanted = SETTINGS.replace(from, to);
        let error = configure(machine, &wanted).unwrap_err().to_string();
        assert_eq!(last_settings(machine), LastSettings::Kept);
        error
    }

    #[test]
    fn the_next_start_tries_other_settings() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let wanted = SETTINGS.replace(":443", ":8443");
        configure(&machine, &wanted).unwrap();
        let ports = || own(&machine).unwrap().0.s3d.ports();
        assert_eq!(ports(), [443, 9001]);
        begin(&machine).unwrap();
        assert_eq!(ports(), [8443, 9001]);
    }

    #[test]
    fn settings_that_would_make_it_no_node_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let error = refusal(&machine, "attic", "cellar");
        assert!(
            error.contains("attic") && error.contains("cellar"),
            "{error}"
        );
        let error = refusal(&machine, "02:00:00:00:00:01", "02:00:00:00:00:09");
        assert!(
            error.contains("has the MAC of this machine (02:00:00:00:00:01)"),
            "{error}"
        );
        let error = refusal(&machine, "0.0.0.0:443", "everywhere");
        assert!(error.contains("line 6"), "{error}");
    }

    #[test]
    fn a_member_of_a_cluster_stays_who_and_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let joined = machine.path("/var/lib/hayrack/volumed/cluster/node.json");
        durable::replace(&joined, b"{}").unwrap();
        let error = refusal(&machine, "10.77.0.11", "10.77.0.21");
        assert!(
            error.contains("node-1 at 10.77.0.11") && error.contains("node-1 at 10.77.0.21"),
            "{error}"
        );
        fs::remove_file(joined).unwrap();
        configure(&machine, &SETTINGS.replace("10.77.0.11", "10.77.0.21")).unwrap();
    }
}
