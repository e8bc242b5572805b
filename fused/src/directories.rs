//! Directories: listing them, making them, removing them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use fused_fs::attributes::{Attributes, Kind};
use fused_fs::entries::{Entries, Entry};
use fused_fs::names;
use fused_fs::stage::Base;
use fused_fs::tree::{Found, Ino, ROOT};
use fused_s3::{Condition, ErrorKind};
use fuser::Errno;

use crate::errno::{self, Outcome};
use crate::lookup::{Named, headers};
use crate::mount::{Mount, now};
use crate::walking::Walker;

/// An entry as an application sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub ino: Ino,
    pub name: String,
    pub kind: Kind,
}

/// Somebody's walk through a directory. Entries are counted from its begin, and the last ones that were
/// read are kept, since the kernel may not have had room for all of them.
pub struct Directory {
    ino: Ino,
    /// The number of the first entry in `ready`.
    first: u64,
    ready: VecDeque<Shown>,
    lines: Entries<Kind>,
    /// Names that are here and that the server does not know yet.
    here: BTreeSet<String>,
    /// The first page was read.
    begun: bool,
    next: Next,
}

enum Next {
    Page(Walker),
    Here,
    End,
}

impl Directory {
    /// Begins at the first entry.
    pub fn open(mount: &Arc<Mount>, ino: Ino) -> Outcome<Self> {
        let walker = Walker::new(mount, ino)?;
        let tree = mount.tree.lock();
        let parent = tree.parent(ino).unwrap_or(ROOT);
        let dots = [(ino, "."), (parent, "..")].map(|(ino, name)| Shown {
            ino,
            name: name.to_owned(),
            kind: Kind::Directory,
        });
        let here = tree.children(ino).filter_map(|(segment, beside, child)| {
            let unknown = tree.get(child).is_some_and(|node| node.object.is_none());
            let file = tree
                .get(child)
                .is_some_and(|node| node.kind() != Kind::Directory);
            let name = (unknown && file && !beside).then(|| names::shown(segment))??;
            Some(name.into_owned())
        });
        let here = here.collect();
        Ok(Self {
            ino,
            first: 0,
            ready: dots.into(),
            lines: Entries::default(),
            here,
            begun: false,
            next: Next::Page(walker),
        })
    }

    /// Which directory it is.
    pub fn ino(&self) -> Ino {
        self.ino
    }

    /// The entries from number `at` on that are at hand: none at the end.
    pub async fn from(
        &mut self,
        mount: &Arc<Mount>,
        at: u64,
    ) -> Outcome<impl Iterator<Item = (u64, &Shown)>> {
        if at < self.first {
            *self = Self::open(mount, self.ino)?;
        }
        if !self.begun {
            // The two names that every directory has are no answer of their own.
            self.read_on(mount).await?;
            self.begun = true;
        }
        while self.first + self.ready.len() as u64 <= at {
            self.first += self.ready.len() as u64;
            self.ready.clear();
            if !self.read_on(mount).await? {
                break;
            }
        }
        let skipped = at.saturating_sub(self.first) as usize;
        let first = self.first;
        let numbered = (first..).zip(&self.ready);
        Ok(numbered.skip(skipped))
    }

    /// Reads more entries; false at the end.
    async fn read_on(&mut self, mount: &Mount) -> Outcome<bool> {
        match &mut self.next {
            Next::End => return Ok(false),
            Next::Here => {
                for name in std::mem::take(&mut self.here) {
                    self.show(mount, name, Kind::File);
                }
                self.next = Next::End;
            }
            Next::Page(walker) => {
                let mut entries = Vec::new();
                for line in walker.page().await? {
                    entries.extend(if line.directory {
                        self.lines.directory(&line.segment)
                    } else {
                        let kind = line.kind.unwrap_or(Kind::File);
                        self.lines.object(&line.segment, kind)
                    });
                }
                if walker.has_ended() {
                    entries.extend(self.lines.end());
                    self.next = Next::Here;
                }
                for Entry { name, object } in entries {
                    self.here.remove(&name);
                    self.show(mount, name, object.unwrap_or(Kind::Directory));
                }
            }
        }
        Ok(true)
    }

    fn show(&mut self, mount: &Mount, name: String, kind: Kind) {
        let tree = mount.tree.lock();
        let known = names::segment(&name)
            .and_then(|segment| tree.child(self.ino, &segment, names::is_beside_directory(&name)));
        // Where the inode is known, so is the kind: not every listing tells links from files.
        let kind = known
            .and_then(|ino| tree.get(ino))
            .map_or(kind, fused_fs::tree::Node::kind);
        self.ready.push_back(Shown {
            ino: known.unwrap_or(UNKNOWN),
            name,
            kind,
        });
    }
}

/// The number that stands for one that is not known, as in libfuse.
const UNKNOWN: Ino = Ino(0xffff_ffff);

impl Mount {
    /// Makes a directory that lasts until it is removed.
    pub async fn make_directory(
        self: &Arc<Self>,
        named: &Named,
        permissions: u32,
        owner: (u32, u32),
    ) -> Outcome<Ino> {
        self.check_writable()?;
        let _names = self.names.read().await;
        let key = self.tree.lock().key_in(named.parent, &named.segment);
        let key = key.ok_or(Errno::ENOENT)? + "/";
        check_length(&key)?;
        let attributes = Attributes::new(Kind::Directory, permissions, owner, now());
        let found = self.put_marker(&key, attributes).await?;
        Ok(self.made(named, found))
    }

    async fn put_marker(&self, key: &str, attributes: Attributes) -> Outcome<Found> {
        let others = vec![(
            "content-type".to_owned(),
            "application/x-directory".to_owned(),
        )];
        let headers = headers(&attributes, &others);
        let put = self
            .client
            .put(key, &headers, Bytes::new(), Condition::Absent);
        let stored = self
            .own(&[key], put)
            .await
            .map_err(|error| match error.kind {
                ErrorKind::Precondition => Errno::EEXIST,
                _ => errno::reported(key, "making it", &error),
            })?;
        Ok(Found {
            attributes,
            object: Some(Base {
                etag: stored.etag,
                size: 0,
            }),
            beside_directory: false,
            others,
        })
    }

    /// Something new is under a name.
    pub fn made(&self, named: &Named, found: Found) -> Ino {
        let fresh_until = self.fresh_until();
        let mut tree = self.tree.lock();
        let ino = tree.put(named.parent, &named.segment, found);
        self.note_present(named);
        if let Some(node) = tree.change(ino) {
            node.fresh_until = fresh_until;
        }
        touch(&mut tree, named.parent);
        ino
    }

    /// Removes an empty directory.
    pub async fn remove_directory(self: &Arc<Self>, named: &Named) -> Outcome<()> {
        self.check_writable()?;
        let ino = self.lookup(named).await?;
        let _names = self.names.read().await;
        let key = {
            let tree = self.tree.lock();
            if tree.get(ino).map(fused_fs::tree::Node::kind) != Some(Kind::Directory) {
                return Err(Errno::ENOTDIR);
            }
            tree.key(ino).ok_or(Errno::ENOENT)?
        };
        self.check_empty(ino, &key).await?;
        self.keep_directory(named.parent).await?;
        let deleted = self.own(&[&key], self.client.delete(&key)).await;
        deleted.map_err(|error| errno::reported(&key, "removing it", &error))?;
        let mut tree = self.tree.lock();
        tree.remove(ino);
        touch(&mut tree, named.parent);
        Ok(())
    }

    /// Refuses a directory in which something is.
    pub async fn check_empty(&self, ino: Ino, key: &str) -> Outcome<()> {
        if self.has_changed_children(ino) {
            return Err(Errno::ENOTEMPTY);
        }
        let listed = self.client.list(key, false, None, 2).await;
        let listed = listed.map_err(|error| errno::reported(key, "listing it", &error))?;
        if listed.entries.iter().any(|entry| entry.name() != key) {
            return Err(Errno::ENOTEMPTY);
        }
        Ok(())
    }

    /// Whether there are files in a directory of which the server does not know yet.
    fn has_changed_children(&self, ino: Ino) -> bool {
        let children: Vec<Ino> = {
            let tree = self.tree.lock();
            tree.children(ino).map(|(_, _, child)| child).collect()
        };
        let files = self.files.lock();
        let mut open = children.iter().filter_map(|child| files.get(child));
        open.any(|file| file.is_changed())
    }

    /// Gives a directory a marker if it has none: it must not go with the last key below it.
    pub async fn keep_directory(&self, ino: Ino) -> Outcome<()> {
        let (key, attributes) = {
            let tree = self.tree.lock();
            let node = tree.get(ino).ok_or(Errno::ENOENT)?;
            if ino == ROOT || node.object.is_some() {
                return Ok(());
            }
            (tree.key(ino).ok_or(Errno::ENOENT)?, node.attributes.clone())
        };
        match self.put_marker(&key, attributes).await {
            Ok(found) => {
                if let Some(node) = self.tree.lock().change(ino) {
                    node.object = found.object;
                    node.others = found.others;
                }
                Ok(())
            }
            // Somebody else made it.
            Err(Errno::EEXIST) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The entries of a directory changed.
pub fn touch(tree: &mut fused_fs::tree::Tree, directory: Ino) {
    if let Some(node) = tree.change(directory) {
        node.attributes.modified = now();
        node.attributes.changed = node.attributes.modified;
    }
}

/// Longest key, in bytes, as in S3.
const MAX_KEY: usize = 1024;

/// Refuses keys that S3 does not take.
pub fn check_length(key: &str) -> Outcome<()> {
    if key.len() > MAX_KEY {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(())
}
