//! Mounts the node's disks at /srv/ssd0, /srv/ssd1 …, those that are new after they were formatted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::machine::Machine;
use crate::program::ProgramError;
use crate::settings::{Node, Settings};

use super::choice::{Choice, choose};
use super::content::{Content, ContentError, Owner};
use super::disk::{Disk, list};
use super::file_system::{bind, check, is_mounted, mount, unmount};
use super::format::{FormatError, format};
use super::intent;

/// More than any board has connectors for.
const MOST: u8 = 16;
/// What is on disk 0 beside its part of the pool: all that makes this machine this node.
const STATE: &str = "node";
/// Where the daemons look for it.
const STATE_FOLDER: &str = "/var/lib/hayrack";

/// A disk of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Which disk of the node.
    pub number: u8,
    /// Where it is.
    pub mount_point: PathBuf,
}

/// Why the node has no disks.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It is unknown what is there.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A disk cannot be formatted.
    #[error("cannot format {disk}: {source}")]
    Format {
        /// Which one.
        disk: String,
        /// Why not.
        source: FormatError,
    },
    /// A disk cannot be mounted.
    #[error("cannot mount {disk}: {source}")]
    Mount {
        /// Which one.
        disk: String,
        /// Why not.
        source: ProgramError,
    },
    /// A folder cannot be made.
    #[error("cannot make {}: {source}", .path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is none that may be taken.
    #[error("this node has no disk for the pool: {}", list_of(.0))]
    None(Vec<String>),
    /// The one that says which node this is is missing.
    #[error(
        "disk 0 of this node is missing, which holds its place in the cluster; plug it in, or plug in an empty one and \
         have the node join anew"
    )]
    NoFirst,
}

fn list_of(left: &[String]) -> String {
    if left.is_empty() {
        return "there is none but the system's".to_owned();
    }
    left.join("; ")
}

/// Takes every disk that may be taken, and mounts the node's own folder of disk 0 at /var/lib/hayrack. What is
/// formatted or left alone is reported, a sentence each.
pub fn take(
    machine: &Machine,
    settings: &Settings,
    node: &Node,
    report: impl Fn(&str),
) -> Result<Vec<Mounted>, TakeError> {
    let mut taking = Taking {
        machine,
        node,
        owner: Owner {
            rack: settings.rack.clone(),
            node: node.name.clone(),
        },
        mounted: Vec::new(),
        left: Vec::new(),
    };
    let choice = look(machine, node)?;
    for (disk, why) in &choice.left {
        taking.leave(disk, why);
    }
    let mut format = choice.format;
    for (disk, number) in choice.mount {
        if let Some(others) = taking.mount(disk, number)? {
            format.push(others);
        }
    }
    for disk in format {
        taking.format(disk, &report)?;
    }
    taking.left.iter().for_each(|sentence| report(sentence));
    taking.finish()
}

fn look(machine: &Machine, node: &Node) -> Result<Choice, ContentError> {
    let mut seen = Vec::new();
    for disk in list(machine) {
        let content = if disk.system {
            Content::Nothing
        } else {
            Content::of(&disk.device())?
        };
        seen.push((disk, content));
    }
    Ok(choose(seen, intent::read(machine).as_ref(), &node.wipe))
}

/// How far it is.
struct Taking<'a> {
    machine: &'a Machine,
    node: &'a Node,
    owner: Owner,
    mounted: Vec<Mounted>,
    left: Vec<String>,
}

impl Taking<'_> {
    fn leave(&mut self, disk: &Disk, why: &dyn std::fmt::Display) {
        self.left.push(format!("{disk} is left alone: {why}"));
    }

    /// Mounts a disk that some node formatted. Another node's is handed back if it may be formatted.
    fn mount(&mut self, disk: Disk, number: u8) -> Result<Option<Disk>, TakeError> {
        let mount_point = mount_point(number);
        let mounting = |source| TakeError::Mount {
            disk: disk.to_string(),
            source,
        };
        if !is_mounted(&mount_point) {
            check(&disk.device()).map_err(mounting)?;
            mount(&disk.device(), &mount_point).map_err(mounting)?;
        }
        let owner = Owner::of(&mount_point);
        if owner.as_ref() == Some(&self.owner) {
            self.mounted.push(Mounted {
                number,
                mount_point,
            });
            return Ok(None);
        }
        unmount(&mount_point).map_err(mounting)?;
        if self.node.wipe.iter().any(|name| disk.is_called(name)) {
            return Ok(Some(disk));
        }
        let whose = owner.map_or_else(
            || "no node's".to_owned(),
            |owner| format!("the node {}'s of the rack {}", owner.node, owner.rack),
        );
        self.leave(
            &disk,
            &format!(
                "it is {whose}; if what it holds may go, name it in `wipe` of this node's settings"
            ),
        );
        Ok(None)
    }

    fn format(&mut self, disk: Disk, report: impl Fn(&str)) -> Result<(), TakeError> {
        let Some(number) = free_number(&self.mounted) else {
            self.leave(&disk, &format!("the node has {MOST} disks"));
            return Ok(());
        };
        report(&format!("formatting {disk} as disk {number} of this node"));
        format(self.machine, &disk, number, &self.owner).map_err(|source| TakeError::Format {
            disk: disk.to_string(),
            source,
        })?;
        self.mount(disk, number).map(drop)
    }

    fn finish(mut self) -> Result<Vec<Mounted>, TakeError> {
        self.mounted.sort_by_key(|disk| disk.number);
        let Some(first) = self.mounted.first() else {
            return Err(TakeError::None(self.left));
        };
        if first.number != 0 {
            return Err(TakeError::NoFirst);
        }
        let own = first.mount_point.join(STATE);
        let target = Path::new(STATE_FOLDER);
        for folder in [own.as_path(), target] {
            fs::create_dir_all(folder).map_err(|source| TakeError::Folder {
                path: folder.to_owned(),
                source,
            })?;
        }
        if !is_mounted(target) {
            let mounting = |source| TakeError::Mount {
                disk: STATE_FOLDER.to_owned(),
                source,
            };
            bind(&own, target).map_err(mounting)?;
        }
        Ok(self.mounted)
    }
}

fn mount_point(number: u8) -> PathBuf {
    PathBuf::from(format!("/srv/ssd{number}"))
}

/// The least number that no disk has.
fn free_number(mounted: &[Mounted]) -> Option<u8> {
    (0..MOST).find(|number| !mounted.iter().any(|disk| disk.number == *number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_disk_gets_the_least_free_number() {
        let mounted = |numbers: &[u8]| -> Vec<Mounted> {
            let numbers = numbers.iter();
            numbers
                .map(|number| Mounted {
                    number: *number,
                    mount_point: mount_point(*number),
                })
                .collect()
        };
        assert_eq!(free_number(&mounted(&[])), Some(0));
        assert_eq!(free_number(&mounted(&[0, 2])), Some(1));
        let all: Vec<u8> = (0..MOST).collect();
        assert_eq!(free_number(&mounted(&all)), None);
    }

    #[test]
    fn a_node_without_disks_says_why() {
        let none = TakeError::None(vec![]).to_string();
        assert!(none.contains("none but the system's"), "{none}");
        let none = TakeError::None(vec!["sda is left alone: x".to_owned()]).to_string();
        assert!(none.contains("sda is left alone"), "{none}");
    }
}
