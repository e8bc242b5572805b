//! The kernel's requests, handed to the mount. What is answered from memory is answered on the thread
//! that read the request; everything else runs beside the others.

/// Unwraps an outcome, or answers the error.
macro_rules! ok_or_reply {
    ($outcome:expr, $reply:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(error) => return $reply.error(error),
        }
    };
}

mod listing;
mod requests;

use std::sync::Arc;

use bytes::Bytes;
use fused_fs::names::MAX_NAME;
use fused_fs::tree::Ino;
use fused_s3::Space;
use fuser::{
    Errno, FileAttr, FileHandle, Generation, INodeNo, InitFlags, KernelConfig, ReplyAttr,
    ReplyData, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyXattr,
};

use crate::errno::Outcome;
use crate::metrics::Operation;
use crate::mount::Mount;

/// Most bytes that the kernel sends or asks for at once.
const MAX_TRANSFER: u32 = 1 << 20;

/// Files up to this length are read and summed up on the thread that took the request; that of longer
/// ones would keep other requests waiting.
const AT_ONCE: u64 = 64 << 10;

/// Inode numbers are never used twice.
const GENERATION: Generation = Generation(0);

/// Answers the kernel.
pub struct FileSystem(pub Arc<Mount>);

/// Asks the kernel for what makes the mount faster.
fn configure(config: &mut KernelConfig, hayrack: bool) {
    let wanted = InitFlags::FUSE_PARALLEL_DIROPS
        | InitFlags::FUSE_MAX_PAGES
        | InitFlags::FUSE_CACHE_SYMLINKS
        | InitFlags::FUSE_ASYNC_DIO
        | InitFlags::FUSE_EXPLICIT_INVAL_DATA;
    // What the kernel does not have it does not need.
    let _ = config.add_capabilities(wanted & config.capabilities());
    if hayrack {
        // Elsewhere each entry would have to be asked for. Whoever wants names only is not to have the
        // kernel remember every one of them, and this process with it.
        let plus = InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_READDIRPLUS_AUTO;
        let _ = config.add_capabilities(plus & config.capabilities());
    }
    let _ = config.set_max_write(MAX_TRANSFER);
    let _ = config.set_max_readahead(MAX_TRANSFER);
    let _ = config.set_max_background(64);
}

fn ino(number: INodeNo) -> Ino {
    Ino(number.0)
}

impl FileSystem {
    /// Runs an operation, beside others as soon as it has to wait, and answers what it says.
    fn run<T, F>(
        &self,
        asked: Operation,
        operation: impl FnOnce(Arc<Mount>) -> F,
        answer: impl FnOnce(Outcome<T>) + Send + 'static,
    ) where
        F: Future<Output = Outcome<T>> + Send + 'static,
        T: Send + 'static,
    {
        let mount = self.0.clone();
        let operation = operation(mount.clone());
        self.0.start(async move {
            let _timer = mount.metrics.timer(asked);
            answer(operation.await);
        });
    }

    /// The same for operations that answer bytes.
    fn give<F>(&self, asked: Operation, operation: impl FnOnce(Arc<Mount>) -> F, reply: ReplyData)
    where
        F: Future<Output = Outcome<Bytes>> + Send + 'static,
    {
        let mount = self.0.clone();
        self.run(asked, operation, move |outcome| {
            answer_data(&mount, outcome, reply);
        });
    }

    /// The same for operations that make or find something.
    fn enter<F>(&self, asked: Operation, operation: impl FnOnce(Arc<Mount>) -> F, reply: ReplyEntry)
    where
        F: Future<Output = Outcome<Ino>> + Send + 'static,
    {
        let mount = self.0.clone();
        self.run(asked, operation, move |outcome| {
            match outcome.and_then(|ino| entered(&mount, ino)) {
                Ok(attr) => reply.entry(&mount.kernel_keeps(), &attr, GENERATION),
                Err(error) => reply.error(error),
            }
        });
    }

    /// The same for operations that answer the attributes of an inode.
    fn describe<F>(
        &self,
        asked: Operation,
        ino: Ino,
        operation: impl FnOnce(Arc<Mount>) -> F,
        reply: ReplyAttr,
    ) where
        F: Future<Output = Outcome<()>> + Send + 'static,
    {
        let mount = self.0.clone();
        self.run(asked, operation, move |outcome| {
            match outcome.and_then(|()| mount.attr(ino)) {
                Ok(attr) => reply.attr(&mount.kernel_keeps(), &attr),
                Err(error) => reply.error(error),
            }
        });
    }

    /// The same for operations that answer nothing but whether they worked.
    fn act<F>(&self, asked: Operation, operation: impl FnOnce(Arc<Mount>) -> F, reply: ReplyEmpty)
    where
        F: Future<Output = Outcome<()>> + Send + 'static,
    {
        self.run(asked, operation, move |outcome| match outcome {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        });
    }
}

/// The kernel is given an inode.
fn entered(mount: &Mount, ino: Ino) -> Outcome<FileAttr> {
    let attr = mount.attr(ino)?;
    mount.tree.lock().looked_up(ino);
    Ok(attr)
}

impl FileSystem {
    /// Answers when what changed of a file is durable.
    fn store(&self, asked: Operation, handle: FileHandle, reply: ReplyEmpty) {
        let opened = match self.0.opener(handle.0) {
            Ok(opened) => opened,
            Err(error) => return reply.error(error),
        };
        let short = {
            let state = opened.file.state.lock();
            if let Err(error) = opened.check_conflicts(&state) {
                return reply.error(error);
            }
            if !state.is_changed() {
                return reply.ok();
            }
            let staged = state.staged.as_ref();
            staged.is_none_or(|staged| staged.stage.size() <= AT_ONCE)
        };
        let mount = self.0.clone();
        let store = async move {
            let _timer = mount.metrics.timer(asked);
            match mount.upload(&opened.file).await {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(error),
            }
        };
        if short {
            self.0.start(store);
        } else {
            self.0.spawn(store);
        }
    }
}

fn answer_data(mount: &Mount, outcome: Outcome<Bytes>, reply: ReplyData) {
    match outcome {
        Ok(bytes) => {
            mount.metrics.read(bytes.len());
            reply.data(&bytes);
        }
        Err(error) => reply.error(error),
    }
}

fn answer_space(space: Space, reply: ReplyStatfs) {
    const BLOCK: u32 = 4096;
    const FILES: u64 = 1 << 40;
    let blocks = |bytes: u64| bytes / u64::from(BLOCK);
    let free = blocks(space.free);
    let all = free + blocks(space.used);
    let files = FILES + space.objects;
    reply.statfs(all, free, free, files, FILES, BLOCK, MAX_NAME as u32, BLOCK);
}

fn answer_xattr(outcome: Outcome<Vec<u8>>, size: u32, reply: ReplyXattr) {
    match outcome {
        Err(error) => reply.error(error),
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}
