//! Reaching nodes: a command is run on a node, and what it said comes back.

mod command;
mod exec;
mod ssh;

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;
use std::str::FromStr;

pub use command::{Reach, ReachError, Said};
pub use exec::Template;
pub use ssh::{KNOWN_HOSTS, forget};

/// How nodes are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReachBy {
    /// With the `ssh` program, as that user.
    Ssh(String),
    /// With a command of this machine, as for nodes that are network namespaces of it.
    Exec(Template),
}

/// Not a way to reach nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no way to reach nodes; write ssh, ssh:USER, or exec:COMMAND, in which {{name}} and {{address}} are the node's"
)]
pub struct ReachByError(String);

impl FromStr for ReachBy {
    type Err = ReachByError;

    fn from_str(text: &str) -> Result<Self, ReachByError> {
        let (way, rest) = text.split_once(':').unwrap_or((text, ""));
        match (way, rest) {
            ("ssh", "") => Ok(Self::Ssh("root".to_owned())),
            ("ssh", user)
                if user
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
            {
                Ok(Self::Ssh(user.to_owned()))
            }
            ("exec", command) => Template::of(command)
                .map(Self::Exec)
                .ok_or_else(|| ReachByError(text.to_owned())),
            _ => Err(ReachByError(text.to_owned())),
        }
    }
}

/// The way that was asked for; `rack` is the rack's file.
pub fn open(by: &ReachBy, rack: &Path) -> Box<dyn Reach> {
    match by {
        ReachBy::Ssh(user) => Box::new(ssh::Ssh::new(user, rack)),
        ReachBy::Exec(template) => Box::new(template.clone()),
    }
}

/// A text as the standard input of a command: a file without a name, to be read from its start.
pub fn input(text: &str) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read_as_they_are_written() {
        assert_eq!("ssh".parse(), Ok(ReachBy::Ssh("root".to_owned())));
        assert_eq!("ssh:ops".parse(), Ok(ReachBy::Ssh("ops".to_owned())));
        assert!(matches!(
            "exec:ip netns exec {name}".parse(),
            Ok(ReachBy::Exec(_))
        ));
        for text in ["", "telnet", "exec:", "ssh:-oProxyCommand=x", "ssh:a b"] {
            assert!(text.parse::<ReachBy>().is_err(), "{text}");
        }
    }
}
