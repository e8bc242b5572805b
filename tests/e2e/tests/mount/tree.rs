//! What is in a directory, so that two can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A file as far as two file systems have to agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Kind and permissions.
    pub mode: u32,
    /// Length in bytes; of directories nothing.
    pub size: u64,
    /// Whole seconds of the last change; of directories nothing.
    pub modified: i64,
    /// Bytes, or the target of a link.
    pub bytes: Vec<u8>,
}

/// Whatever is at a path, itself and not what it links to; `None` when there is nothing.
pub fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let directory = metadata.is_dir();
    let bytes = if metadata.is_symlink() {
        let target = fs::read_link(path).expect("a link can be read");
        target.into_os_string().into_encoded_bytes()
    } else if directory {
        Vec::new()
    } else {
        fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    Some(Seen {
        mode: metadata.mode(),
        size: if directory { 0 } else { metadata.size() },
        modified: if directory { 0 } else { metadata.mtime() },
        bytes,
    })
}

/// Everything below a directory, by path.
pub fn all(root: &Path) -> BTreeMap<String, Seen> {
    let mut found = BTreeMap::new();
    add(root, root, &mut found);
    found
}

fn add(root: &Path, directory: &Path, found: &mut BTreeMap<String, Seen>) {
    let entries = fs::read_dir(directory).expect("a directory can be listed");
    for entry in entries {
        let entry = entry.expect("a directory can be listed");
        let path = entry.path();
        let it = seen(&path).unwrap_or_else(|| panic!("{} is listed and gone", path.display()));
        let kind = entry.file_type().expect("an entry has a kind");
        if kind.is_dir() {
            add(root, &path, found);
        }
        let name = path.strip_prefix(root).expect("it is below the root");
        found.insert(name.to_string_lossy().into_owned(), it);
    }
}
