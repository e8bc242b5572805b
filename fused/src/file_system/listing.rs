//! Reading directories.

use std::sync::Arc;

use fused_fs::tree::Ino;
use fuser::{Errno, FileHandle, FopenFlags, INodeNo, ReplyDirectory, ReplyOpen};

use super::FileSystem;
use crate::directories::Directory;
use crate::mount::file_type;

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
        self.0.spawn(async move {
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
}
