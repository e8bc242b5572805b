//! Each request of the kernel: taken apart, handed on, answered.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use fused_fs::attributes::{Attributes, Kind};
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, INodeNo,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use super::{
    FileSystem, GENERATION, answer_data, answer_space, answer_xattr, configure, entered, ino,
};
use crate::attributes::Changes;
use crate::copying::Copy;
use crate::lookup::Named;
use crate::metrics::Operation;
use crate::mount::now;

impl Filesystem for FileSystem {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        configure(config, self.0.options.hayrack);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let named = ok_or_reply!(Named::new(ino(parent), name), reply);
        self.enter(
            Operation::Lookup,
            |mount| async move { mount.lookup(&named).await },
            reply,
        );
    }

    fn forget(&self, _: &Request, number: INodeNo, count: u64) {
        self.0.tree.lock().forget(ino(number), count);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let number = ino(number);
        if self.0.is_known(number) {
            let _timer = self.0.metrics.timer(Operation::Getattr);
            return match self.0.attr(number) {
                Ok(attr) => reply.attr(&self.0.kernel_keeps(), &attr),
                Err(error) => reply.error(error),
            };
        }
        self.describe(
            Operation::Getattr,
            number,
            |mount| async move { mount.refresh(number).await },
            reply,
        );
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let number = ino(number);
        let changes = Changes {
            permissions: mode,
            uid,
            gid,
            accessed: atime,
            modified: mtime,
            changed: ctime,
        };
        self.describe(
            Operation::Setattr,
            number,
            |mount| async move {
                if let Some(size) = size {
                    mount.check_writable()?;
                    mount.truncate(number, size).await?;
                }
                mount.set_attributes(number, &changes).await
            },
            reply,
        );
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        let number = ino(number);
        self.give(
            Operation::Readlink,
            |mount| async move { mount.read_object(number).await },
            reply,
        );
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let named = ok_or_reply!(Named::for_new(ino(parent), name), reply);
        let kind = Kind::of_mode(mode).filter(|kind| *kind != Kind::Directory);
        let kind = ok_or_reply!(kind.ok_or(Errno::EPERM), reply);
        let owner = (request.uid(), request.gid());
        let mut attributes = Attributes::new(kind, mode & !umask, owner, now());
        attributes.device = device;
        self.enter(
            Operation::Mknod,
            |mount| async move { mount.make(&named, attributes, Bytes::new()).await },
            reply,
        );
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let named = ok_or_reply!(Named::for_new(ino(parent), name), reply);
        let owner = (request.uid(), request.gid());
        self.enter(
            Operation::Mkdir,
            |mount| async move { mount.make_directory(&named, mode & !umask, owner).await },
            reply,
        );
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let named = ok_or_reply!(Named::new(ino(parent), name), reply);
        self.act(
            Operation::Unlink,
            |mount| async move { mount.unlink(&named).await },
            reply,
        );
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let named = ok_or_reply!(Named::new(ino(parent), name), reply);
        self.act(
            Operation::Rmdir,
            |mount| async move { mount.remove_directory(&named).await },
            reply,
        );
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let named = ok_or_reply!(Named::for_new(ino(parent), name), reply);
        let owner = (request.uid(), request.gid());
        let attributes = Attributes::new(Kind::Symlink, 0o777, owner, now());
        let target = Bytes::copy_from_slice(target.as_os_str().as_bytes());
        self.enter(
            Operation::Symlink,
            |mount| async move { mount.make(&named, attributes, target).await },
            reply,
        );
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let from = ok_or_reply!(Named::new(ino(parent), name), reply);
        let to = ok_or_reply!(Named::for_new(ino(new_parent), new_name), reply);
        self.act(
            Operation::Rename,
            |mount| async move { mount.rename(&from, &to, flags).await },
            reply,
        );
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        // An object has one key.
        reply.error(Errno::EPERM);
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let number = ino(number);
        self.run(
            Operation::Open,
            |mount| async move { mount.open(number, flags).await },
            move |outcome| match outcome {
                Ok((handle, flags)) => reply.opened(FileHandle(handle), flags),
                Err(error) => reply.error(error),
            },
        );
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let opened = ok_or_reply!(self.0.opener(handle.0), reply);
        let range = offset..offset + u64::from(size);
        let source = ok_or_reply!(self.0.source(&opened.file, range.clone()), reply);
        if source.is_here() {
            let _timer = self.0.metrics.timer(Operation::Read);
            return answer_data(&self.0, source.bytes(), reply);
        }
        self.give(
            Operation::Read,
            |mount| async move { mount.read(&opened, range).await },
            reply,
        );
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let _timer = self.0.metrics.timer(Operation::Write);
        let opened = ok_or_reply!(self.0.opener(handle.0), reply);
        match self.0.write(&opened, offset, bytes) {
            Ok(()) => {
                self.0.metrics.written(bytes.len());
                reply.written(bytes.len() as u32);
            }
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, handle: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.store(Operation::Flush, handle, reply);
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        self.store(Operation::Fsync, handle, reply);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.act(
            Operation::Release,
            |mount| async move {
                mount.close(handle.0).await;
                Ok(())
            },
            reply,
        );
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let _timer = self.0.metrics.timer(Operation::Opendir);
        self.open_directory(ino(number), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        self.list(handle, offset, reply);
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        self.list_found(handle, offset, reply);
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.0.listings.lock().remove(&handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // Names are durable when the call that changed them returns.
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let mount = self.0.clone();
        self.0.spawn(async move {
            let _timer = mount.metrics.timer(Operation::Statfs);
            answer_space(mount.space().await, reply);
        });
    }

    fn setxattr(
        &self,
        _: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (number, name, value) = (ino(number), name.to_owned(), value.to_vec());
        self.act(
            Operation::Setxattr,
            |mount| async move { mount.set_xattr(number, &name, &value, flags).await },
            reply,
        );
    }

    fn getxattr(&self, _: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let _timer = self.0.metrics.timer(Operation::Getxattr);
        answer_xattr(self.0.xattr(ino(number), name), size, reply);
    }

    fn listxattr(&self, _: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        let _timer = self.0.metrics.timer(Operation::Listxattr);
        answer_xattr(self.0.xattr_names(ino(number)), size, reply);
    }

    fn removexattr(&self, _: &Request, number: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (number, name) = (ino(number), name.to_owned());
        self.act(
            Operation::Removexattr,
            |mount| async move { mount.remove_xattr(number, &name).await },
            reply,
        );
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let _timer = self.0.metrics.timer(Operation::Create);
        let named = ok_or_reply!(Named::for_new(ino(parent), name), reply);
        let owner = (request.uid(), request.gid());
        let created = self.0.create(&named, mode & !umask, owner);
        let (number, handle) = ok_or_reply!(created, reply);
        let attr = ok_or_reply!(entered(&self.0, number), reply);
        let keep = FopenFlags::FOPEN_KEEP_CACHE;
        let fresh = self.0.kernel_keeps();
        reply.created(&fresh, &attr, GENERATION, FileHandle(handle), keep);
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        // Programs ask so whether it is a terminal.
        reply.error(Errno::ENOTTY);
    }

    fn lseek(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let _timer = self.0.metrics.timer(Operation::Lseek);
        let opened = ok_or_reply!(self.0.opener(handle.0), reply);
        match self.0.seek(ino(number), &opened.file, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(error) => reply.error(error),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _: INodeNo,
        from: FileHandle,
        from_offset: u64,
        _: INodeNo,
        to: FileHandle,
        to_offset: u64,
        length: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let from = ok_or_reply!(self.0.opener(from.0), reply);
        let to = ok_or_reply!(self.0.opener(to.0), reply);
        let copy = Copy {
            from: from_offset,
            to: to_offset,
            length,
        };
        self.run(
            Operation::CopyFileRange,
            |mount| async move { mount.copy_range(&from, &to, copy).await },
            |outcome| match outcome {
                Ok(copied) => reply.written(copied),
                Err(error) => reply.error(error),
            },
        );
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let _timer = self.0.metrics.timer(Operation::Fallocate);
        let opened = ok_or_reply!(self.0.opener(handle.0), reply);
        match self.0.allocate(&opened, offset, length, mode) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }
}
