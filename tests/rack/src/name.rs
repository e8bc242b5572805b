//! What a rack on this machine is called, so that what it left behind is found.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

/// What all names begin with.
const PREFIX: &str = "hayrack-";

/// The name of a rack that no other rack of this machine has: it holds the process that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RackName {
    process: u32,
    /// How many racks that process had made before.
    serial: u32,
}

impl RackName {
    /// The next one of this process.
    pub fn next() -> Self {
        static GIVEN: AtomicU32 = AtomicU32::new(0);
        Self {
            process: std::process::id(),
            serial: GIVEN.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Whether the process that made the rack is gone.
    pub fn is_left_behind(self) -> bool {
        !Path::new(&format!("/proc/{}", self.process)).exists()
    }

    /// The rack that has a network namespace of this name, if it is any rack's.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        let (rack, _) = namespace.rsplit_once('-')?;
        rack.parse().ok()
    }
}

impl fmt::Display for RackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}", self.process, self.serial)
    }
}

impl FromStr for RackName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let numbers = text.strip_prefix(PREFIX);
        let numbers = numbers.and_then(|numbers| numbers.split_once('-'));
        let (process, serial) =
            numbers.with_context(|| format!("{text} is no name of a rack on one machine"))?;
        Ok(Self {
            process: process.parse()?,
            serial: serial.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let (name, other) = (RackName::next(), RackName::next());
        assert_ne!(name, other);
        assert_eq!(name.to_string().parse::<RackName>().unwrap(), name);
        assert_eq!(
            RackName::of_namespace(&format!("{name}-switch")),
            Some(name)
        );
        assert_eq!(RackName::of_namespace("somebody-elses"), None);
        assert!("hayrack-1".parse::<RackName>().is_err());
    }

    #[test]
    fn a_rack_whose_process_runs_is_not_left_behind() {
        assert!(!RackName::next().is_left_behind());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let process = child.id();
        assert!(RackName { process, serial: 0 }.is_left_behind());
    }
}
