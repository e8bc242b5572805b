//! Reading directories.

use std::sync::Arc;

use fused_fs::tree::Ino;
use fuser::{
    Errno, FileAttr, FileHandle, FopenFlags, INodeNo, ReplyDirectory, ReplyDirectoryPlus, ReplyOpen,
};

use super::{FileSystem, GENERATION};
use crate::directories::{Directory, Shown};
use crate::errno::Outcome;
use crate::lookup::Named;
use crate::metrics::Operation;
use crate::mount::{Mount, file_type};

impl FileSystem {
    /// Begins a walk through a directory.
    pub fn open_directory(&self, ino: Ino, reply: ReplyOpen) {
        let directory = match Directory::open(&self.0, ino) {
            Ok(directory) => directory,
            Err(error) => return reply.error(error),
        };
        let handle = self.0.handle();
        let directory = Arc::new(tokio::sync::Mutex::new(directory));
        self.0.listings.lock().insert(handle, directory);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    /// Answers as many entries from number `offset` on as there is room for.
    pub fn list(&self, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let Some(directory) = self.0.listings.lock().get(&handle.0).cloned() else {
            return reply.error(Errno::EBADF);
        };
        let mount = self.0.clone();
        self.0.start(async move {
            let _timer = mount.metrics.timer(Operation::Readdir);
            let mut directory = directory.lock().await;
            let entries = match directory.from(&mount, offset).await {
                Ok(entries) => entries,
                Err(error) => return reply.error(error),
            };
            for (number, entry) in entries {
                let number = number + 1;
                let kind = file_type(entry.kind);
                if reply.add(INodeNo(entry.ino.0), number, kind, &entry.name) {
                    break;
                }
            }
            reply.ok();
        });
    }

    /// The same, each with its attributes: the kernel looks none of them up.
    pub fn list_found(&self, handle: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let Some(directory) = self.0.listings.lock().get(&handle.0).cloned() else {
            return reply.error(Errno::EBADF);
        };
        let mount = self.0.clone();
        self.0.start(async move {
            let _timer = mount.metrics.timer(Operation::Readdir);
            let mut directory = directory.lock().await;
            let parent = directory.ino();
            let mut at = offset;
            let mut empty = true;
            // What is gone since it was listed is left out; an answer without entries would be the end.
            while empty {
                let entries = match directory.from(&mount, at).await {
                    Ok(entries) => entries.map(|(number, shown)| (number, shown.clone())),
                    Err(error) => return reply.error(error),
                };
                // No more than there is room for: each may have to be asked for.
                let entries: Vec<_> = entries.take(ENTRIES).collect();
                if entries.is_empty() {
                    break;
                }
                for (number, shown) in entries {
                    at = number + 1;
                    let (ino, attr) = match found(&mount, parent, &shown).await {
                        Ok(Some(found)) => found,
                        Ok(None) => continue,
                        Err(error) if empty => return reply.error(error),
                        // The next answer says it.
                        Err(_) => return reply.ok(),
                    };
                    let keeps = mount.kernel_keeps();
                    if reply.add(attr.ino, at, &shown.name, &keeps, &attr, GENERATION) {
                        return reply.ok();
                    }
                    empty = false;
                    if !is_dot(&shown.name) {
                        mount.tree.lock().looked_up(ino);
                    }
                }
            }
            reply.ok();
        });
    }
}

/// More entries than the kernel has room for at once, mostly.
const ENTRIES: usize = 1024;

/// The kernel takes no note of what these say.
fn is_dot(name: &str) -> bool {
    matches!(name, "." | "..")
}

/// The inode of an entry; `None`: it is gone since.
async fn found(mount: &Arc<Mount>, parent: Ino, shown: &Shown) -> Outcome<Option<(Ino, FileAttr)>> {
    if is_dot(&shown.name) {
        return Ok(Some((shown.ino, mount.attr(shown.ino)?)));
    }
    let named = Named::new(parent, shown.name.as_ref())?;
    let ino = match mount.lookup(&named).await {
        Ok(ino) => ino,
        Err(Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    match mount.attr(ino) {
        Ok(attr) => Ok(Some((ino, attr))),
        Err(_) => Ok(None),
    }
}
