//! Inodes: the files and directories that the kernel knows, by number and by name.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::attributes::{Attributes, Kind, Timestamp};
use crate::stage::Base;

/// An inode's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino(pub u64);

/// The directory that is mounted.
pub const ROOT: Ino = Ino(1);

/// What the server has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Mode, owner, times.
    pub attributes: Attributes,
    /// The object; `None` for a directory that only keys below it make.
    pub object: Option<Base>,
    /// The segment's object lies beside a directory of that name.
    pub beside_directory: bool,
    /// What else is stored with the object: names and values of headers.
    pub others: Vec<(String, String)>,
}

impl Found {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.attributes.kind == Kind::Directory
    }
}

/// A file or a directory.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is; `None` once it was removed, and for the root.
    place: Option<Place>,
    /// Mode, owner, times.
    pub attributes: Attributes,
    /// Length in bytes.
    pub size: u64,
    /// The object as the server has it. Of a directory: its marker.
    pub object: Option<Base>,
    /// What else is stored with the object: names and values of headers.
    pub others: Vec<(String, String)>,
    /// The ETag of what the kernel's page cache holds.
    pub cached: Option<String>,
    /// Until when it is taken to be as the server has it.
    pub fresh_until: Timestamp,
    /// How often it was changed here.
    changes: u64,
    /// How often the kernel was given it, less how often it forgot.
    lookups: u64,
    /// How many have it open, or are working on it.
    uses: u64,
    children: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    parent: Ino,
    segment: String,
    beside_directory: bool,
}

impl Node {
    fn new(found: Found) -> Self {
        Self {
            place: None,
            size: found.object.as_ref().map_or(0, |object| object.size),
            attributes: found.attributes,
            object: found.object,
            others: found.others,
            cached: None,
            fresh_until: Timestamp::default(),
            changes: 0,
            lookups: 0,
            uses: 0,
            children: 0,
        }
    }

    /// Whether it has a name: not the root, and not what was removed.
    pub fn is_named(&self) -> bool {
        self.place.is_some()
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.attributes.kind
    }
}

/// A name in a directory: the segment, and whether it is that of an object beside a directory.
type Name = (Ino, String, bool);

/// The inodes.
#[derive(Debug)]
pub struct Tree {
    /// What all keys begin with: empty, or ending in `/`.
    prefix: String,
    nodes: BTreeMap<Ino, Node>,
    names: BTreeMap<Name, Ino>,
    next: u64,
}

impl Tree {
    /// With a root only. `prefix`: what all keys begin with, empty or ending in `/`.
    pub fn new(prefix: &str, root: Attributes) -> Self {
        let mut node = Node::new(Found {
            attributes: root,
            object: None,
            beside_directory: false,
            others: Vec::new(),
        });
        node.lookups = 1;
        Self {
            prefix: prefix.to_owned(),
            nodes: BTreeMap::from([(ROOT, node)]),
            names: BTreeMap::new(),
            next: ROOT.0 + 1,
        }
    }

    /// What all keys begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is the root.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// An inode.
    pub fn get(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(&ino)
    }

    /// An inode, to be noted of what the server or the kernel says.
    pub fn get_mut(&mut self, ino: Ino) -> Option<&mut Node> {
        self.nodes.get_mut(&ino)
    }

    /// The inode of a name, if it is known.
    pub fn child(&self, parent: Ino, segment: &str, beside_directory: bool) -> Option<Ino> {
        let name = (parent, segment.to_owned(), beside_directory);
        self.names.get(&name).copied()
    }

    /// Whether a directory has children that are known.
    pub fn has_children(&self, ino: Ino) -> bool {
        self.nodes.get(&ino).is_some_and(|node| node.children > 0)
    }

    /// The children of a directory that are known.
    pub fn children(&self, parent: Ino) -> impl Iterator<Item = (&str, bool, Ino)> {
        let from = (parent, String::new(), false);
        let children = self.names.range(from..);
        children
            .take_while(move |((of, _, _), _)| *of == parent)
            .map(|((_, segment, beside), ino)| (segment.as_str(), *beside, *ino))
    }

    /// The key of an inode: that of a directory ends in `/`, and the root's is the prefix. `None` when
    /// it was removed.
    pub fn key(&self, ino: Ino) -> Option<String> {
        let node = self.nodes.get(&ino)?;
        let mut segments = Vec::new();
        let mut at = ino;
        while at != ROOT {
            let place = self.nodes.get(&at)?.place.as_ref()?;
            segments.push(place.segment.as_str());
            at = place.parent;
        }
        let mut key = self.prefix.clone();
        for (n, segment) in segments.iter().rev().enumerate() {
            if n > 0 {
                key.push('/');
            }
            key.push_str(segment);
        }
        if node.kind() == Kind::Directory && ino != ROOT {
            key.push('/');
        }
        Some(key)
    }

    /// The key of a name in a directory, without a slash at its end.
    pub fn key_in(&self, parent: Ino, segment: &str) -> Option<String> {
        Some(self.key(parent)? + segment)
    }

    /// The directory that an inode is in.
    pub fn parent(&self, ino: Ino) -> Option<Ino> {
        let place = self.nodes.get(&ino)?.place.as_ref()?;
        Some(place.parent)
    }

    /// What is known of a name: changes whenever something here changes the file, or which one it is.
    /// An answer of the server that was asked before says nothing of a name that changed since.
    pub fn state(&self, parent: Ino, segment: &str, beside_directory: bool) -> Option<(Ino, u64)> {
        let ino = self.child(parent, segment, beside_directory)?;
        Some((ino, self.nodes.get(&ino)?.changes))
    }

    /// An inode, to be changed by what is done here.
    pub fn change(&mut self, ino: Ino) -> Option<&mut Node> {
        let node = self.nodes.get_mut(&ino)?;
        node.changes += 1;
        Some(node)
    }

    /// The name of an inode: its directory, its segment, and whether it lies beside a directory.
    pub fn place(&self, ino: Ino) -> Option<(Ino, &str, bool)> {
        let place = self.nodes.get(&ino)?.place.as_ref()?;
        Some((place.parent, &place.segment, place.beside_directory))
    }

    /// The server has `found` under a name. An inode of the same kind gets to be so; one of another
    /// kind is another file, and is removed.
    pub fn put(&mut self, parent: Ino, segment: &str, found: Found) -> Ino {
        if let Some(ino) = self.child(parent, segment, found.beside_directory)
            && let Some(node) = self.nodes.get_mut(&ino)
        {
            if node.kind() == found.attributes.kind {
                node.size = found.object.as_ref().map_or(0, |object| object.size);
                node.attributes = found.attributes;
                node.object = found.object;
                node.others = found.others;
                return ino;
            }
            self.remove(ino);
        }
        let ino = Ino(self.next);
        self.next += 1;
        let place = Place {
            parent,
            segment: segment.to_owned(),
            beside_directory: found.beside_directory,
        };
        self.nodes.insert(ino, Node::new(found));
        self.put_at(ino, place);
        ino
    }

    fn put_at(&mut self, ino: Ino, place: Place) {
        let name = (place.parent, place.segment.clone(), place.beside_directory);
        if let Some(parent) = self.nodes.get_mut(&place.parent) {
            parent.children += 1;
        }
        self.names.insert(name, ino);
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.place = Some(place);
            node.changes += 1;
        }
    }

    /// The inodes that a change of an object may be about: its own, those of the directories above that
    /// only keys make, and a file above, which a key below makes a directory; from the outermost on.
    pub fn about(&self, key: &str) -> Vec<Ino> {
        let Some(rest) = key.strip_prefix(&self.prefix) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut at = ROOT;
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segments.peek().is_some() {
                let Some(directory) = self.child(at, segment, false) else {
                    break;
                };
                at = directory;
                let node = &self.nodes[&at];
                if node.object.is_none() || node.kind() != Kind::Directory {
                    found.push(at);
                }
            } else if segment.is_empty() {
                // The marker of the directory that was come to.
                found.push(at);
            } else {
                let names = [false, true];
                let objects = names.map(|beside| self.child(at, segment, beside));
                found.extend(objects.into_iter().flatten());
            }
        }
        found.dedup();
        found
    }

    /// The directories on the way to a key, as far as they are known, each with the segment of the
    /// key that is in it, and whether that is the last one. The key of a marker leads to the
    /// directory's name.
    pub fn path(&self, key: &str) -> Vec<(Ino, String, bool)> {
        let mut path = Vec::new();
        let Some(rest) = key.strip_prefix(&self.prefix) else {
            return path;
        };
        let mut at = Some(ROOT);
        let segments = rest.strip_suffix('/').unwrap_or(rest).split('/');
        let mut segments = segments.peekable();
        while let (Some(directory), Some(segment)) = (at, segments.next()) {
            let last = segments.peek().is_none();
            path.push((directory, segment.to_owned(), last));
            at = self.child(directory, segment, false);
        }
        path
    }

    /// The inodes whose keys begin with `prefix`.
    pub fn below(&self, prefix: &str) -> Vec<Ino> {
        let begins = |ino: &Ino| self.key(*ino).is_some_and(|key| key.starts_with(prefix));
        self.names.values().copied().filter(begins).collect()
    }

    /// Files behind `after`, in the order in which they became known, that nobody has open: at most so
    /// many.
    pub fn unused_files(&self, after: Ino, most: usize) -> Vec<Ino> {
        let behind = self.nodes.range(Ino(after.0 + 1)..);
        let unused = behind.filter(|(_, node)| {
            node.kind() != Kind::Directory && node.uses == 0 && node.is_named()
        });
        unused.map(|(ino, _)| *ino).take(most).collect()
    }

    /// Everything that is known may have changed.
    pub fn doubt_all(&mut self) {
        for node in self.nodes.values_mut() {
            node.fresh_until = Timestamp::default();
            node.changes += 1;
        }
    }

    /// All inodes that have a name, with their directories.
    pub fn named(&self) -> impl Iterator<Item = (Ino, &str, Ino)> {
        let names = self.names.iter();
        names.map(|((parent, segment, _), ino)| (*parent, segment.as_str(), *ino))
    }

    /// An inode loses its name; it stays for those who have it open.
    pub fn remove(&mut self, ino: Ino) {
        let Some(place) = self.nodes.get_mut(&ino).and_then(|node| node.place.take()) else {
            return;
        };
        let parent = place.parent;
        self.names
            .remove(&(parent, place.segment, place.beside_directory));
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children -= 1;
        }
        self.drop_unused(ino);
        self.drop_unused(parent);
    }

    /// An inode gets another name; what had that name is removed.
    pub fn rename(&mut self, ino: Ino, parent: Ino, segment: &str) {
        if let Some(replaced) = self.child(parent, segment, false)
            && replaced != ino
        {
            self.remove(replaced);
        }
        self.keep(ino);
        self.remove(ino);
        self.put_at(
            ino,
            Place {
                parent,
                segment: segment.to_owned(),
                beside_directory: false,
            },
        );
        self.release(ino);
    }

    /// The kernel is given it once more.
    pub fn looked_up(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups += 1;
        }
    }

    /// The kernel forgets `count` of the times that it was given it.
    pub fn forget(&mut self, ino: Ino, count: u64) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups = node.lookups.saturating_sub(count);
        }
        self.drop_unused(ino);
    }

    /// It must not go: it is opened, or worked on.
    pub fn keep(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.uses += 1;
        }
    }

    /// Undoes [`Tree::keep`].
    pub fn release(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.uses = node.uses.saturating_sub(1);
        }
        self.drop_unused(ino);
    }

    /// Whether somebody has it open, or works on it.
    pub fn is_used(&self, ino: Ino) -> bool {
        self.nodes.get(&ino).is_some_and(|node| node.uses > 0)
    }

    fn drop_unused(&mut self, ino: Ino) {
        let mut at = ino;
        while at != ROOT {
            let Some(node) = self.nodes.get(&at) else {
                return;
            };
            if node.lookups > 0 || node.uses > 0 || node.children > 0 {
                return;
            }
            let place = node.place.clone();
            self.nodes.remove(&at);
            let Some(place) = place else {
                return;
            };
            self.names
                .remove(&(place.parent, place.segment, place.beside_directory));
            if let Some(parent) = self.nodes.get_mut(&place.parent) {
                parent.children -= 1;
            }
            at = place.parent;
        }
    }
}
