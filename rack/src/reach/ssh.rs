//! Nodes that the system's `ssh` reaches. Keys, agents and jump hosts are the operator's own settings of it; the nodes'
//! keys are kept beside rack.toml under the nodes' names, so that all operators trust the same ones.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rack_model::Node;
use tempfile::TempDir;

use super::command::{Reach, ReachError, Said, run};

/// Where the nodes' keys are kept, beside rack.toml.
pub const KNOWN_HOSTS: &str = "known_hosts";

/// What the daemons' own units set, and their commands therefore need.
const ENVIRONMENT: [&str; 5] = [
    "VOLUMED_ADMIN=/var/lib/hayrack/volumed/admin.sock",
    "VOLUMED_DATA=/var/lib/hayrack/volumed",
    "S3D_VOLUMED=/var/lib/hayrack/volumed/admin.sock",
    "S3D_CLUSTER=/var/lib/hayrack/volumed",
    "S3D_DATA=/var/lib/hayrack/s3d",
];

/// Nodes over SSH.
pub struct Ssh {
    user: String,
    known_hosts: PathBuf,
    /// The sockets of the connections; if there is no folder for them, each command has a connection of its own.
    connections: Option<TempDir>,
}

impl Ssh {
    /// As that user, for the rack with that file.
    pub fn new(user: &str, rack: &Path) -> Self {
        Self {
            user: user.to_owned(),
            known_hosts: rack.with_file_name(KNOWN_HOSTS),
            connections: tempfile::tempdir().ok(),
        }
    }

    fn options(&self, node: &Node) -> Vec<String> {
        let plain = [
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=10".to_owned(),
            "ServerAliveInterval=15".to_owned(),
            "ServerAliveCountMax=4".to_owned(),
            // The first key that a node shows is taken, and from then on no other.
            "StrictHostKeyChecking=accept-new".to_owned(),
            "HashKnownHosts=no".to_owned(),
            "LogLevel=ERROR".to_owned(),
            format!("UserKnownHostsFile={}", self.known_hosts.display()),
            format!("HostKeyAlias={}", node.name),
        ];
        plain.into_iter().chain(self.shared(node)).collect()
    }

    /// All commands for a node go over one connection: its firewall lets only some in each minute. It ends by itself once
    /// nobody uses it.
    fn shared(&self, node: &Node) -> Vec<String> {
        let Some(folder) = &self.connections else {
            return Vec::new();
        };
        let socket = folder.path().join(node.name.as_str());
        [
            "ControlMaster=auto".to_owned(),
            "ControlPersist=30".to_owned(),
            format!("ControlPath={}", socket.display()),
        ]
        .into()
    }

    /// What the node's shell is given.
    fn line(&self, words: &[&str]) -> String {
        let rights: &[&str] = if self.user == "root" {
            &[]
        } else {
            &["sudo", "-n"]
        };
        let quoted = words.iter().map(|word| quote(word));
        let plain = rights.iter().chain(&["env"]).chain(&ENVIRONMENT);
        let all: Vec<String> = plain.map(|word| (*word).to_owned()).chain(quoted).collect();
        all.join(" ")
    }
}

impl Reach for Ssh {
    fn run(&self, node: &Node, words: &[&str], input: Option<File>) -> Result<Said, ReachError> {
        let mut command = Command::new("ssh");
        for option in self.options(node) {
            command.arg("-o").arg(option);
        }
        command
            .arg(format!("{}@{}", self.user, node.address))
            .arg("--");
        run(node, command.arg(self.line(words)), input)
    }
}

/// Drops the key that is kept for a node: another machine will have its name.
pub fn forget(rack: &Path, node: &str) -> io::Result<()> {
    let path = rack.with_file_name(KNOWN_HOSTS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let others = text
        .lines()
        .filter(|line| line.split(' ').next() != Some(node));
    let kept: String = others.flat_map(|line| [line, "\n"]).collect();
    fs::write(&path, kept)
}

/// A word as a POSIX shell reads it back.
fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_key_of_one_node_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let rack = folder.path().join("rack.toml");
        forget(&rack, "node-1").unwrap();
        let kept = "node-10 ssh-ed25519 B\n";
        fs::write(
            rack.with_file_name(KNOWN_HOSTS),
            format!("node-1 ssh-ed25519 A\n{kept}node-1 ssh-rsa C\n"),
        )
        .unwrap();
        forget(&rack, "node-1").unwrap();
        assert_eq!(
            fs::read_to_string(rack.with_file_name(KNOWN_HOSTS)).unwrap(),
            kept
        );
    }

    #[test]
    fn only_root_needs_no_rights() {
        let line = |user: &str| Ssh::new(user, Path::new("rack.toml")).line(&["s3d", "doctor"]);
        assert!(
            line("root").starts_with("env VOLUMED_ADMIN="),
            "{}",
            line("root")
        );
        assert!(line("ops").starts_with("sudo -n env "), "{}", line("ops"));
        assert!(line("ops").ends_with(" s3d doctor"), "{}", line("ops"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_shell_reads_a_word_back(word in "[ -~äß\\n]{0,20}") {
            let line = format!("printf %s {}", quote(&word));
            let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
