//! Which disks are taken, formatted, or left alone: a decision from what is seen, without doing any of it.

use std::fmt;

use super::content::Content;
use super::disk::{Disk, DiskId};

/// Of a smaller disk the metadata store and the reserve leave next to nothing.
const LEAST: u64 = 16_000_000_000;

/// What becomes of the disks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Formatted by a node before: by number. Whether by this one shows when they are mounted.
    pub mount: Vec<(Disk, u8)>,
    /// To be formatted, in this order.
    pub format: Vec<Disk>,
    /// Left alone, and why.
    pub left: Vec<(Disk, Left)>,
}

/// Why a disk is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// The system was started from it.
    System,
    /// A stick or card that nobody named.
    Removable,
    /// Too small to be of use.
    Small,
    /// It holds something that nobody said may go.
    Foreign(String),
    /// Another disk has its number: both were this node's once, or it is another node's.
    Twice(u8),
}

impl fmt::Display for Left {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => out.write_str("this system is on it"),
            Self::Removable => out.write_str("it is removable; name it in `wipe` to have it taken"),
            Self::Small => write!(out, "it has less than {} GB", LEAST / 1_000_000_000),
            Self::Foreign(what) => write!(
                out,
                "it holds {what}; if that may go, name the disk in `wipe` of this node's settings"
            ),
            Self::Twice(number) => {
                write!(out, "another disk is number {number} of this node, too")
            }
        }
    }
}

/// Decides. `formatting` is the disk of which a format was begun and not ended; `wipe` names disks that may be formatted
/// whatever they hold, unless they are a node's.
pub fn choose(seen: Vec<(Disk, Content)>, formatting: Option<&DiskId>, wipe: &[String]) -> Choice {
    let mut choice = Choice::default();
    for (disk, content) in seen {
        let named = wipe.iter().any(|name| disk.is_called(name));
        let begun = formatting == Some(&disk.id);
        let left = match content {
            _ if disk.system => Left::System,
            // What was begun is ended from its beginning.
            _ if begun => {
                choice.format.push(disk);
                continue;
            }
            Content::Hayrack(number) if has_number(&choice, number) => Left::Twice(number),
            Content::Hayrack(number) => {
                choice.mount.push((disk, number));
                continue;
            }
            _ if disk.bytes < LEAST => Left::Small,
            Content::Foreign(what) if !named => Left::Foreign(what),
            Content::Nothing if disk.removable && !named => Left::Removable,
            Content::Foreign(_) | Content::Nothing => {
                choice.format.push(disk);
                continue;
            }
        };
        choice.left.push((disk, left));
    }
    choice
}

fn has_number(choice: &Choice, number: u8) -> bool {
    choice.mount.iter().any(|(_, taken)| *taken == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str) -> Disk {
        Disk {
            name: name.to_owned(),
            id: DiskId(format!("id-of-{name}")),
            bytes: LEAST,
            removable: false,
            system: false,
        }
    }

    fn foreign() -> Content {
        Content::Foreign("a file system (ntfs)".to_owned())
    }

    fn names(disks: &[Disk]) -> Vec<&str> {
        disks.iter().map(|disk| disk.name.as_str()).collect()
    }

    #[test]
    fn an_empty_disk_is_taken_and_a_full_one_is_not() {
        let seen = vec![(disk("sda"), Content::Nothing), (disk("sdb"), foreign())];
        let choice = choose(seen, None, &[]);
        assert_eq!(names(&choice.format), ["sda"]);
        let (left, why) = &choice.left[0];
        assert_eq!(left.name, "sdb");
        let why = why.to_string();
        assert!(why.contains("ntfs") && why.contains("wipe"), "{why}");
    }

    #[test]
    fn what_is_named_is_taken_whatever_it_holds() {
        for name in ["sdb", "/dev/sdb", "id-of-sdb"] {
            let choice = choose(vec![(disk("sdb"), foreign())], None, &[name.to_owned()]);
            assert_eq!(names(&choice.format), ["sdb"], "named as {name}");
        }
    }

    #[test]
    fn a_disk_of_a_node_is_kept_also_if_it_is_named() {
        let choice = choose(
            vec![(disk("sda"), Content::Hayrack(0))],
            None,
            &["sda".to_owned()],
        );
        assert_eq!(choice.mount, [(disk("sda"), 0)]);
        assert!(choice.format.is_empty());
    }

    #[test]
    fn the_systems_disk_is_never_taken() {
        let system = Disk {
            system: true,
            ..disk("sda")
        };
        for content in [Content::Nothing, foreign(), Content::Hayrack(0)] {
            let id = system.id.clone();
            let seen = vec![(system.clone(), content)];
            let choice = choose(seen, Some(&id), &["sda".to_owned()]);
            assert_eq!(choice.left, [(system.clone(), Left::System)]);
        }
    }

    #[test]
    fn a_format_that_was_begun_is_begun_again() {
        for content in [Content::Nothing, foreign(), Content::Hayrack(0)] {
            let id = disk("sda").id;
            let choice = choose(vec![(disk("sda"), content)], Some(&id), &[]);
            assert_eq!(names(&choice.format), ["sda"]);
        }
    }

    #[test]
    fn sticks_small_disks_and_second_ones_of_a_number_are_left() {
        let stick = Disk {
            removable: true,
            ..disk("sda")
        };
        let small = Disk {
            bytes: LEAST - 1,
            ..disk("sdb")
        };
        let seen = vec![
            (stick.clone(), Content::Nothing),
            (small, Content::Nothing),
            (disk("sdc"), Content::Hayrack(1)),
            (disk("sdd"), Content::Hayrack(1)),
        ];
        let choice = choose(seen, None, &[]);
        let why: Vec<&Left> = choice.left.iter().map(|(_, why)| why).collect();
        assert_eq!(why, [&Left::Removable, &Left::Small, &Left::Twice(1)]);
        let choice = choose(vec![(stick, Content::Nothing)], None, &["sda".to_owned()]);
        assert_eq!(names(&choice.format), ["sda"]);
    }
}
