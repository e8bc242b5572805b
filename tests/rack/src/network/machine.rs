//! A machine that is a network namespace, whoever made it.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::Command;

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The name of its namespace.
    pub namespace: String,
    /// Where the others find it.
    pub address: Ipv4Addr,
}

impl Machine {
    /// A command that runs there.
    pub fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        command.arg(program);
        command
    }
}
