//! Reaching nodes: a command is run on a node, and what it said comes back.

mod exec;
mod ssh;

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use rack_model::Node;

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

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub output: String,
    /// The last line of its standard error, without its end.
    pub complaint: String,
}

/// Why no command was run on a node.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The node does not answer.
    #[error("{node} cannot be reached: {why}")]
    Unreachable {
        /// The node.
        node: String,
        /// Why.
        why: String,
    },
    /// A program of this machine cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// Runs commands on nodes.
pub trait Reach: Sync {
    /// Runs a command on a node until it ends; `input` is its standard input.
    fn run(&self, node: &Node, words: &[&str], input: Option<File>) -> Result<Said, ReachError>;
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

/// What `ssh` and `ip netns exec` end with when they reach nobody.
const UNREACHABLE: i32 = 255;

/// Runs a program of this machine until it ends, which runs another on the node.
fn run(node: &Node, command: &mut Command, input: Option<File>) -> Result<Said, ReachError> {
    let input = input.map_or_else(Stdio::null, Stdio::from);
    let output = command
        .stdin(input)
        .output()
        .map_err(|source| ReachError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let complaint = errors.trim_end().lines().last().unwrap_or_default();
    if output.status.code() == Some(UNREACHABLE) {
        return Err(ReachError::Unreachable {
            node: node.name.to_string(),
            why: complaint.to_owned(),
        });
    }
    Ok(Said {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaint: complaint.to_owned(),
    })
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
