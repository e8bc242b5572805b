//! Changing the bytes of files. Changes are staged here and uploaded when the file is flushed.

use std::sync::Arc;

use fused_fs::journal::Record;
use fused_fs::stage::Piece;
use fused_fs::tree::Ino;
use fuser::Errno;

use crate::errno::{self, Outcome};
use crate::files::{FileState, OpenFile, Opened};
use crate::mount::{Mount, now};

/// The largest file, as S3 has it.
const MAX_SIZE: u64 = 5 << 40;

impl Mount {
    /// Stages bytes.
    pub fn write(self: &Arc<Self>, opened: &Opened, offset: u64, bytes: &[u8]) -> Outcome<()> {
        self.check_writable()?;
        let file = &opened.file;
        let end = offset + bytes.len() as u64;
        if end > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let mut state = file.state.lock();
        opened.check_conflicts(&state)?;
        let staged = self.staged(file, &mut state)?;
        let written = staged.file.write(bytes, offset);
        written.map_err(|error| errno::of_io(&error))?;
        staged.stage.write(offset..end);
        self.note_change(file, &mut state);
        if let Some(early) = &mut state.early {
            early.written(&(offset..end));
        }
        self.send_early(file, &mut state);
        Ok(())
    }

    /// Makes a file shorter, or longer by zeros.
    pub fn resize(self: &Arc<Self>, file: &OpenFile, size: u64) -> Outcome<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let mut state = file.state.lock();
        if self.staged(file, &mut state)?.stage.size() > size {
            self.abandon_early(&mut state);
        }
        self.staged(file, &mut state)?.stage.resize(size);
        state.record(Record::Resize(size))?;
        self.note_change(file, &mut state);
        Ok(())
    }

    /// The bytes changed: size and times follow.
    fn note_change(&self, file: &OpenFile, state: &mut FileState) {
        let now = now();
        state.attributes_changed = true;
        let mut tree = self.tree.lock();
        if let Some(node) = tree.change(file.ino) {
            if let Some(staged) = &state.staged {
                node.size = staged.stage.size();
            }
            node.attributes.modified = now;
            node.attributes.changed = now;
        }
    }

    /// Reserves, or zeroes, a range as fallocate does.
    pub fn allocate(
        self: &Arc<Self>,
        opened: &Opened,
        offset: u64,
        length: u64,
        mode: i32,
    ) -> Outcome<()> {
        self.check_writable()?;
        let file = &opened.file;
        opened.check_conflicts(&file.state.lock())?;
        let end = offset.checked_add(length).ok_or(Errno::EFBIG)?;
        let keeps_size = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        let zeroes = mode & (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_ZERO_RANGE) != 0;
        let known =
            libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_ZERO_RANGE;
        if mode & !known != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let size = self.tree.lock().get(file.ino).map_or(0, |node| node.size);
        if end > size && !keeps_size {
            self.resize(file, end)?;
        }
        if zeroes {
            self.zero(opened, offset, end.min(size))?;
        }
        Ok(())
    }

    fn zero(self: &Arc<Self>, opened: &Opened, start: u64, end: u64) -> Outcome<()> {
        const ZEROS: &[u8] = &[0; 1 << 20];
        let mut at = start;
        while at < end {
            let length = (end - at).min(ZEROS.len() as u64);
            self.write(opened, at, &ZEROS[..length as usize])?;
            at += length;
        }
        Ok(())
    }

    /// Stages all bytes of a file that still are the object's, so that it needs the object no more.
    pub async fn fetch_whole(self: &Arc<Self>, file: &Arc<OpenFile>) -> Outcome<()> {
        const STEP: u64 = 4 << 20;
        {
            let mut state = file.state.lock();
            self.staged(file, &mut state)?;
        }
        let mut at = 0;
        loop {
            let source = {
                let state = file.state.lock();
                let Some(staged) = &state.staged else {
                    return Err(Errno::EIO);
                };
                let size = staged.stage.size();
                if at >= size {
                    return Ok(());
                }
                let pieces = staged.stage.pieces(at..at + STEP);
                let missing = pieces.into_iter().filter_map(|piece| match piece {
                    Piece::Base(range) => Some(range),
                    _ => None,
                });
                let base = staged.stage.base().cloned();
                (missing.collect::<Vec<_>>(), base)
            };
            let (missing, base) = source;
            for range in missing {
                let etag = base
                    .as_ref()
                    .map(|base| base.etag.clone())
                    .ok_or(Errno::EIO)?;
                let key = self.key(file.ino)?;
                let bytes = self.client.get(&key, &etag, range.clone()).await;
                let bytes = bytes.map_err(|error| errno::reported(&key, "reading it", &error))?;
                self.keep_fetched(file, range.start, &bytes)?;
            }
            at += STEP;
        }
    }

    /// Stages bytes that were fetched, but for those that changed meanwhile.
    fn keep_fetched(&self, file: &OpenFile, offset: u64, bytes: &[u8]) -> Outcome<()> {
        let mut state = file.state.lock();
        let staged = self.staged(file, &mut state)?;
        for piece in staged.stage.pieces(offset..offset + bytes.len() as u64) {
            let Piece::Base(range) = piece else {
                continue;
            };
            let within = (range.start - offset) as usize..(range.end - offset) as usize;
            let written = staged.file.keep(&bytes[within], range.start);
            written.map_err(|error| errno::of_io(&error))?;
            staged.stage.fetched(range);
        }
        Ok(())
    }

    /// Changes the size of a file. If nobody has it open who will flush it, it is durable when this
    /// answers. (Who opens a file to replace its bytes truncates it so, too: the kernel can leave that to
    /// the opening, but would then do it even to a program that runs, before it refuses.)
    pub async fn truncate(self: &Arc<Self>, ino: Ino, size: u64) -> Outcome<()> {
        let file = self.open_file(ino);
        let changed = file.is_changed();
        let resized = self.resize(&file, size);
        let written = file.state.lock().writers > 0;
        let done = match resized {
            Ok(()) if !written => self.upload(&file).await,
            other => other,
        };
        if !changed {
            self.undo_denied(&file, &done).await;
        }
        self.forget_file(&file);
        done
    }

    /// The only change of a file was refused to whoever made it, who will not ask for it again: the file is
    /// as the server has it.
    pub async fn undo_denied(self: &Arc<Self>, file: &OpenFile, done: &Outcome<()>) {
        if matches!(done, Err(Errno::EACCES)) {
            file.state.lock().discard();
            // If it cannot be asked now, the next who uses it asks.
            let _ = self.renew(file.ino).await;
        }
    }
}
