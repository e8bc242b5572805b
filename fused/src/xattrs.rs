//! Extended attributes.

use std::ffi::OsStr;
use std::sync::Arc;

use fused_fs::tree::Ino;
use fuser::Errno;

use crate::errno::Outcome;
use crate::mount::{Mount, now};

/// S3 keeps at most 2 KiB of metadata; as text in base64, percent-encoded, a value takes up to twice its
/// room.
const MAX_TOTAL: usize = 800;

impl Mount {
    /// Sets one. `flags`: as of setxattr(2).
    pub async fn set_xattr(
        self: &Arc<Self>,
        ino: Ino,
        name: &OsStr,
        value: &[u8],
        flags: i32,
    ) -> Outcome<()> {
        self.check_writable()?;
        let name = name.to_str().ok_or(Errno::EILSEQ)?;
        // Lists of who may do what are more than something stored: nobody here would keep to them.
        if name.starts_with("system.") {
            return Err(Errno::EOPNOTSUPP);
        }
        let exists = {
            let tree = self.tree.lock();
            let node = tree.get(ino).ok_or(Errno::ESTALE)?;
            let xattrs = &node.attributes.xattrs;
            let others = xattrs.iter().filter(|(it, _)| *it != name);
            let total: usize = others.map(|(name, value)| name.len() + value.len()).sum();
            if total + name.len() + value.len() > MAX_TOTAL {
                return Err(Errno::ENOSPC);
            }
            xattrs.contains_key(name)
        };
        if exists && flags & libc::XATTR_CREATE != 0 {
            return Err(Errno::EEXIST);
        }
        if !exists && flags & libc::XATTR_REPLACE != 0 {
            return Err(Errno::ENODATA);
        }
        self.change_attributes(ino, |attributes| {
            attributes.xattrs.insert(name.to_owned(), value.to_vec());
            attributes.changed = now();
        })
        .await
    }

    /// Removes one.
    pub async fn remove_xattr(self: &Arc<Self>, ino: Ino, name: &OsStr) -> Outcome<()> {
        self.check_writable()?;
        let name = name.to_str().ok_or(Errno::ENODATA)?;
        self.xattr(ino, OsStr::new(name))?;
        self.change_attributes(ino, |attributes| {
            attributes.xattrs.remove(name);
            attributes.changed = now();
        })
        .await
    }

    /// The value of one.
    pub fn xattr(&self, ino: Ino, name: &OsStr) -> Outcome<Vec<u8>> {
        let tree = self.tree.lock();
        let node = tree.get(ino).ok_or(Errno::ESTALE)?;
        let value = name
            .to_str()
            .and_then(|name| node.attributes.xattrs.get(name));
        value.cloned().ok_or(Errno::ENODATA)
    }

    /// The names of all, each ended by a NUL.
    pub fn xattr_names(&self, ino: Ino) -> Outcome<Vec<u8>> {
        let tree = self.tree.lock();
        let node = tree.get(ino).ok_or(Errno::ESTALE)?;
        let mut names = Vec::new();
        for name in node.attributes.xattrs.keys() {
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        Ok(names)
    }
}
