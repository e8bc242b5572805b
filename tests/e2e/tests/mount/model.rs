//! A file system in memory, as far as the steps of the comparison need one: what POSIX and Linux say
//! of each, whatever some file system does.

use std::collections::BTreeMap;

use nix::errno::Errno;

/// Most symbolic links that one path may lead through.
const MOST_LINKS: usize = 40;

/// What a path leads to: its names from the root.
type Place = Vec<String>;

type Answer<T> = Result<T, Errno>;

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File { bytes: Vec<u8>, permissions: u32 },
    Directory { permissions: u32 },
    Link { target: String },
}

/// All that there is.
#[derive(Debug, Default)]
pub struct Model {
    nodes: BTreeMap<Place, Node>,
    umask: u32,
}

impl Model {
    /// An empty one.
    pub fn new(umask: u32) -> Self {
        let nodes = BTreeMap::new();
        Self { nodes, umask }
    }

    /// What is at a path, itself and not what it links to.
    pub fn at(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&self.place(path, false).ok()?)
    }

    /// All paths and what is there.
    pub fn all(&self) -> BTreeMap<String, &Node> {
        let paths = self
            .nodes
            .iter()
            .map(|(place, node)| (place.join("/"), node));
        paths.collect()
    }

    fn is_directory(&self, place: &Place) -> bool {
        place.is_empty() || matches!(self.nodes.get(place), Some(Node::Directory { .. }))
    }

    /// Where a path leads, whether or not anything is there; through its last name, too, if `follow`.
    fn place(&self, path: &str, follow: bool) -> Answer<Place> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut at, mut links) = (Place::new(), 0);
        while let Some(name) = left.pop() {
            match self.nodes.get(&at) {
                None if !at.is_empty() => return Err(Errno::ENOENT),
                Some(Node::File { .. } | Node::Link { .. }) => return Err(Errno::ENOTDIR),
                _ => {}
            }
            at.push(name);
            if let Some(Node::Link { target }) = self.nodes.get(&at)
                && (follow || !left.is_empty())
            {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP);
                }
                left.extend(target.split('/').rev().map(str::to_owned));
                at.pop();
            }
        }
        Ok(at)
    }

    fn existing(&self, path: &str, follow: bool) -> Answer<Place> {
        let place = self.place(path, follow)?;
        if self.nodes.contains_key(&place) {
            Ok(place)
        } else {
            Err(Errno::ENOENT)
        }
    }

    /// The place of something new.
    fn free(&self, path: &str) -> Answer<Place> {
        let place = self.place(path, false)?;
        if self.nodes.contains_key(&place) {
            Err(Errno::EEXIST)
        } else {
            Ok(place)
        }
    }

    fn bytes(&mut self, place: &Place) -> Answer<&mut Vec<u8>> {
        match self.nodes.get_mut(place) {
            Some(Node::File { bytes, .. }) => Ok(bytes),
            Some(Node::Directory { .. }) => Err(Errno::EISDIR),
            _ => Err(Errno::ENOENT),
        }
    }

    fn is_empty(&self, place: &Place) -> bool {
        !self
            .nodes
            .keys()
            .any(|it| it.len() > place.len() && it.starts_with(place))
    }

    /// Opens with `O_CREAT`, writes at an offset and closes.
    pub fn write(&mut self, path: &str, at: u64, new: &[u8], truncate: bool) -> Answer<()> {
        let place = self.place(path, true)?;
        let permissions = 0o640 & !self.umask;
        self.nodes
            .entry(place.clone())
            .or_insert_with(|| Node::File {
                bytes: Vec::new(),
                permissions,
            });
        let bytes = self.bytes(&place)?;
        if truncate {
            bytes.clear();
        }
        if !new.is_empty() {
            let (start, end) = (at as usize, at as usize + new.len());
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(new);
        }
        Ok(())
    }

    /// Appends to what is there.
    pub fn append(&mut self, path: &str, more: &[u8]) -> Answer<()> {
        let place = self.existing(path, true)?;
        self.bytes(&place)?.extend_from_slice(more);
        Ok(())
    }

    /// Opens with `O_CREAT | O_EXCL`.
    pub fn create(&mut self, path: &str) -> Answer<()> {
        let place = self.free(path)?;
        let file = Node::File {
            bytes: Vec::new(),
            permissions: 0o666 & !self.umask,
        };
        self.nodes.insert(place, file);
        Ok(())
    }

    /// truncate(2).
    pub fn truncate(&mut self, path: &str, size: u64) -> Answer<()> {
        let place = self.existing(path, true)?;
        self.bytes(&place)?.resize(size as usize, 0);
        Ok(())
    }

    /// Reads from an offset.
    pub fn read(&mut self, path: &str, at: u64, length: usize) -> Answer<Vec<u8>> {
        let place = self.existing(path, true)?;
        let bytes = self.bytes(&place)?;
        let start = bytes.len().min(at as usize);
        let end = bytes.len().min(start + length);
        Ok(bytes[start..end].to_vec())
    }

    /// mkdir(2).
    pub fn make_directory(&mut self, path: &str) -> Answer<()> {
        let place = self.free(path)?;
        let permissions = 0o777 & !self.umask;
        self.nodes.insert(place, Node::Directory { permissions });
        Ok(())
    }

    /// rmdir(2).
    pub fn remove_directory(&mut self, path: &str) -> Answer<()> {
        let place = self.existing(path, false)?;
        if !self.is_directory(&place) {
            return Err(Errno::ENOTDIR);
        }
        if !self.is_empty(&place) {
            return Err(Errno::ENOTEMPTY);
        }
        self.nodes.remove(&place);
        Ok(())
    }

    /// unlink(2).
    pub fn remove(&mut self, path: &str) -> Answer<()> {
        let place = self.existing(path, false)?;
        if self.is_directory(&place) {
            return Err(Errno::EISDIR);
        }
        self.nodes.remove(&place);
        Ok(())
    }

    /// symlink(2).
    pub fn link(&mut self, path: &str, target: &str) -> Answer<()> {
        let place = self.free(path)?;
        let target = target.to_owned();
        self.nodes.insert(place, Node::Link { target });
        Ok(())
    }

    /// chmod(2).
    pub fn set_permissions(&mut self, path: &str, mode: u32) -> Answer<()> {
        let place = self.existing(path, true)?;
        if let Some(Node::File { permissions, .. } | Node::Directory { permissions }) =
            self.nodes.get_mut(&place)
        {
            *permissions = mode;
        }
        Ok(())
    }

    /// Whether something can be opened to be read.
    pub fn open(&self, path: &str) -> Answer<()> {
        self.existing(path, true).map(drop)
    }

    /// rename(2).
    pub fn rename(&mut self, from: &str, to: &str) -> Answer<()> {
        let (from, to) = (self.place(from, false), self.place(to, false));
        let (from, to) = (from?, to?);
        let moved = self.nodes.get(&from).ok_or(Errno::ENOENT)?;
        if from == to {
            return Ok(());
        }
        let is_directory = matches!(moved, Node::Directory { .. });
        if to.starts_with(&from) {
            return Err(Errno::EINVAL);
        }
        if from.starts_with(&to) {
            return Err(Errno::ENOTEMPTY);
        }
        match (self.nodes.get(&to), is_directory) {
            (Some(Node::Directory { .. }), false) => return Err(Errno::EISDIR),
            (Some(Node::File { .. } | Node::Link { .. }), true) => return Err(Errno::ENOTDIR),
            (Some(Node::Directory { .. }), true) if !self.is_empty(&to) => {
                return Err(Errno::ENOTEMPTY);
            }
            _ => {}
        }
        let below = self.nodes.keys().filter(|place| place.starts_with(&from));
        let below: Vec<_> = below.cloned().collect();
        for place in below {
            if let Some(node) = self.nodes.remove(&place) {
                let new = to.iter().chain(&place[from.len()..]).cloned().collect();
                self.nodes.insert(new, node);
            }
        }
        Ok(())
    }
}
