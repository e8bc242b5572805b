//! How a node comes into its rack, once: by an *admission* that its image carries, which is erased when it was used.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::unistd::User;

use crate::durable;
use crate::machine::Machine;
use crate::prepare::{USER, own};
use crate::program::{ProgramError, finish};
use crate::settings::{Node, Settings, SettingsError};

/// Where nodes of a cluster let others in.
const CLUSTER_PORT: u16 = 10811;
/// A node of the same rack answers long before.
const PATIENCE: Duration = Duration::from_secs(2);
/// What an admission says that makes a node the first of its rack.
pub const FOUND: &str = "found";

/// How the node comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is the first one.
    Found,
    /// With what `volumed cluster token` printed on another node.
    Join(String),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It was in already.
    Before,
    /// It is the first node of a new cluster.
    Founded,
    /// It joined the others.
    Now,
}

/// Why the node is in no cluster.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// It is unknown which node this is.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The image carries none for this node.
    #[error(
        "{0} is in no cluster, and waits to be let in: `rack admit` does that once another node is up"
    )]
    None(String),
    /// Another node has a cluster.
    #[error(
        "{node} was to be the first node, but {other} answers as a node of a cluster: `rack admit` lets this one in, too"
    )]
    Founded {
        /// The node's name.
        node: String,
        /// Who answers.
        other: String,
    },
    /// The daemons' user is missing.
    #[error("there is no user {USER}: install hayrack-volumed")]
    NoUser,
    /// volumed refused.
    #[error(transparent)]
    Volumed(#[from] ProgramError),
    /// A used admission could not be erased.
    #[error("cannot erase {}: {source}", .path.display())]
    Erase {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Admission {
    /// The file of a node's admission; an image for several nodes has one each.
    pub fn file(machine: &Machine, node: &str) -> PathBuf {
        machine.node_state("admissions").join(node)
    }

    /// The node's admission, if there is one.
    pub fn of(machine: &Machine, node: &str) -> Option<Self> {
        let text = fs::read_to_string(Self::file(machine, node)).ok()?;
        match text.trim() {
            "" => None,
            FOUND => Some(Self::Found),
            token => Some(Self::Join(token.to_owned())),
        }
    }
}

/// Has this node join its rack, unless it is in.
pub fn join(machine: &Machine) -> Result<Joined, AdmissionError> {
    let (settings, node) = own(machine)?;
    let file = Admission::file(machine, &node.name);
    let joined = if is_in(machine) {
        Joined::Before
    } else {
        enter(machine, &settings, &node)?
    };
    durable::erase(&file).map_err(|source| AdmissionError::Erase { path: file, source })?;
    Ok(joined)
}

/// Why a token was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// It is unknown which node this is.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The node needs none.
    #[error("{0} is in its cluster already")]
    IsIn(String),
    /// It is none.
    #[error("what came is no token: `volumed cluster token` on another node prints one word")]
    NoToken,
    /// It cannot be kept.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Keeps a token, in place of what this node had, as the admission with which it joins.
pub fn admit(machine: &Machine, token: &str) -> Result<(), AdmitError> {
    let (_, node) = own(machine)?;
    if is_in(machine) {
        return Err(AdmitError::IsIn(node.name));
    }
    let token = token.trim();
    if token.is_empty() || token == FOUND || token.contains(char::is_whitespace) {
        return Err(AdmitError::NoToken);
    }
    let path = Admission::file(machine, &node.name);
    durable::replace_private(&path, token.as_bytes())
        .map_err(|source| AdmitError::Write { path, source })
}

/// Whether the node is in a cluster.
pub fn is_in(machine: &Machine) -> bool {
    machine
        .path("/var/lib/hayrack/volumed/cluster/node.json")
        .exists()
}

fn enter(machine: &Machine, settings: &Settings, node: &Node) -> Result<Joined, AdmissionError> {
    match Admission::of(machine, &node.name) {
        None => Err(AdmissionError::None(node.name.clone())),
        Some(Admission::Join(token)) => {
            volumed(node, &["join", "--token", &token])?;
            Ok(Joined::Now)
        }
        Some(Admission::Found) => {
            // Its disk was replaced, and its old image written once more: the rack has a cluster.
            if let Some(other) = who_answers(settings, node) {
                return Err(AdmissionError::Founded {
                    node: node.name.clone(),
                    other,
                });
            }
            volumed(node, &["init"])?;
            Ok(Joined::Founded)
        }
    }
}

/// Another node that lets nodes into a cluster.
fn who_answers(settings: &Settings, own: &Node) -> Option<String> {
    let others = settings.nodes.iter().filter(|node| node.name != own.name);
    let answers = |node: &&Node| {
        let address = SocketAddr::new(IpAddr::V4(node.address), CLUSTER_PORT);
        TcpStream::connect_timeout(&address, PATIENCE).is_ok()
    };
    others.clone().find(answers).map(|node| node.name.clone())
}

fn volumed(node: &Node, command: &[&str]) -> Result<(), AdmissionError> {
    let user = User::from_name(USER).ok().flatten();
    let user = user.ok_or(AdmissionError::NoUser)?;
    let address = node.address.to_string();
    let mut volumed = Command::new("volumed");
    volumed
        .arg("cluster")
        .args(command)
        .args(["--config", "/etc/hayrack/volumed.toml"])
        .args(["--name", &node.name, "--address", &address])
        .env("VOLUMED_DATA", "/var/lib/hayrack/volumed")
        .current_dir("/")
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw());
    finish("volumed", &mut volumed).map(drop)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::one_node::machine;

    #[test]
    fn an_admission_is_a_token_or_the_word_found() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let file = Admission::file(&machine, "node-1");
        for (text, admission) in [
            ("found\n", Some(Admission::Found)),
            ("ae6u\n", Some(Admission::Join("ae6u".to_owned()))),
            ("\n", None),
        ] {
            durable::replace(&file, text.as_bytes()).unwrap();
            assert_eq!(Admission::of(&machine, "node-1"), admission);
        }
        assert_eq!(Admission::of(&machine, "node-2"), None);
    }

    #[test]
    fn a_node_without_admission_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = join(&machine(folder.path())).unwrap_err().to_string();
        assert!(
            error.contains("node-1") && error.contains("rack admit"),
            "{error}"
        );
    }

    #[test]
    fn a_token_that_comes_later_is_an_admission_too() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let file = Admission::file(&machine, "node-1");
        for text in ["", "found\n", "two words"] {
            assert!(matches!(admit(&machine, text), Err(AdmitError::NoToken)));
        }
        assert!(!file.exists());
        durable::replace(&file, b"found\n").unwrap();
        admit(&machine, "ae6u\n").unwrap();
        let admission = Admission::of(&machine, "node-1");
        assert_eq!(admission, Some(Admission::Join("ae6u".to_owned())));
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        let node = machine.path("/var/lib/hayrack/volumed/cluster/node.json");
        durable::replace(&node, b"{}").unwrap();
        assert!(matches!(admit(&machine, "ae6u"), Err(AdmitError::IsIn(_))));
    }

    #[test]
    fn an_admission_of_a_node_that_is_in_is_erased() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let node = machine.path("/var/lib/hayrack/volumed/cluster/node.json");
        durable::replace(&node, b"{}").unwrap();
        let file = Admission::file(&machine, "node-1");
        durable::replace(&file, b"found\n").unwrap();
        assert_eq!(join(&machine).unwrap(), Joined::Before);
        assert!(!file.exists());
    }
}
