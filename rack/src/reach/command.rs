//! A command on a node, by a program of this machine that runs it there.

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

use rack_model::Node;

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

/// What `ssh` and `ip netns exec` end with when they reach nobody.
const UNREACHABLE: i32 = 255;

/// Runs a program of this machine until it ends, which runs another on the node.
pub fn run(node: &Node, command: &mut Command, input: Option<File>) -> Result<Said, ReachError> {
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
