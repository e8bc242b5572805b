//! Copies that the server makes: a file whose whole bytes are wanted in an empty one.
//!
//! A large file is asked for in several ranges. For the first of them the server copies the whole file,
//! and the copy is cut here; for each of the others it is cut later. Other ranges are read and written by the
//! kernel, which is what a refusal makes it do.

use std::sync::Arc;

use fused_fs::attributes::Timestamp;
use fused_fs::stage::Base;
use fused_s3::{Condition, ErrorKind, Stored};
use fuser::Errno;

use crate::errno::Outcome;
use crate::files::{OpenFile, Opened};
use crate::lookup::headers;
use crate::mount::{Mount, now};

/// What the kernel takes for: copy it yourself.
const BY_HAND: Errno = Errno::EOPNOTSUPP;

/// Whoever asks for so much of a larger file is taken to ask for the rest, too.
const LARGE: u64 = 1 << 30;

/// Most bytes that are answered at once; the kernel itself copies no more.
const MOST: u64 = 0x7fff_f000;

/// A range that is to be copied.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    /// Where it begins in the one file.
    pub from: u64,
    /// Where in the other.
    pub to: u64,
    /// Bytes, at most.
    pub length: u64,
}

impl Mount {
    /// Copies bytes from one open file to another; answers how many.
    pub async fn copy_range(
        self: &Arc<Self>,
        from: &Opened,
        to: &Opened,
        copy: Copy,
    ) -> Outcome<u32> {
        self.check_writable()?;
        let (source, target) = (&from.file, &to.file);
        // Elsewhere a copy may replace what somebody else stored meanwhile.
        let by_server = self.options.hayrack && copy.from == copy.to;
        if !by_server || source.ino == target.ino {
            return Err(BY_HAND);
        }
        if source.is_changed() {
            self.upload(source).await?;
        }
        let _one_at_a_time = target.upload.lock().await;
        let _names = self.names.read().await;
        let base = self.object(source)?;
        let end = base.size.min(copy.from + copy.length.min(MOST));
        let copied = end.checked_sub(copy.from).ok_or(BY_HAND)?;
        if copied == 0 || (end < base.size && copied < LARGE) {
            return Err(BY_HAND);
        }
        to.check_conflicts(&target.state.lock())?;
        if copy.from == 0 {
            let replaced = self.begin_copy(target)?;
            let stored = self.copy_object(source, &base, target, replaced).await;
            target.state.lock().uploading = false;
            // Nothing was changed: the kernel may try.
            let stored = stored.map_err(|_| BY_HAND)?;
            self.end_copy(target, stored, base.size);
        } else {
            self.uncut(target, &base, copy.to)?;
        }
        if end < base.size {
            self.resize(target, end)?;
        }
        u32::try_from(copied).map_err(|_| BY_HAND)
    }

    fn object(&self, file: &OpenFile) -> Outcome<Base> {
        let tree = self.tree.lock();
        let object = tree.get(file.ino).and_then(|node| node.object.clone());
        object.ok_or(BY_HAND)
    }

    /// Gives a copy all its bytes back, of which only the first `length` were asked for before. A copy has the
    /// ETag of what was copied.
    fn uncut(&self, file: &OpenFile, source: &Base, length: u64) -> Outcome<()> {
        let mut state = file.state.lock();
        let staged = state.staged.as_ref().filter(|_| !state.uploading);
        if !staged.is_some_and(|it| it.stage.is_cut(source, length)) {
            return Err(BY_HAND);
        }
        state.discard();
        if let Some(node) = self.tree.lock().change(file.ino) {
            node.size = source.size;
            // Its times are those of the cut.
            node.fresh_until = Timestamp::default();
        }
        Ok(())
    }

    /// Answers the object that the empty file lies over, if there is one.
    fn begin_copy(&self, file: &OpenFile) -> Outcome<Option<Base>> {
        let mut state = file.state.lock();
        let tree = self.tree.lock();
        let node = tree.get(file.ino).ok_or(BY_HAND)?;
        if node.size != 0 || state.uploading {
            return Err(BY_HAND);
        }
        state.uploading = true;
        Ok(match &state.staged {
            Some(staged) => staged.stage.base().cloned(),
            None => node.object.clone(),
        })
    }

    async fn copy_object(
        self: &Arc<Self>,
        source: &OpenFile,
        base: &Base,
        target: &OpenFile,
        replaced: Option<Base>,
    ) -> Outcome<Stored> {
        let (from, to, headers) = {
            let mut tree = self.tree.lock();
            let from = tree.key(source.ino).ok_or(BY_HAND)?;
            let to = tree.key(target.ino).ok_or(BY_HAND)?;
            let node = tree.change(target.ino).ok_or(BY_HAND)?;
            let now = now();
            (node.attributes.modified, node.attributes.changed) = (now, now);
            (from, to, headers(&node.attributes, &node.others))
        };
        let condition = replaced.as_ref();
        let condition = condition.map_or(Condition::Absent, |it| Condition::Etag(&it.etag));
        let client = &self.client;
        let copy = client.copy_as(&from, &base.etag, &to, &headers, condition);
        match self.own(&[&to], copy).await {
            Ok(stored) => Ok(stored),
            // One whose answer was lost was sent again; a copy has the ETag of what was copied.
            Err(error) if error.kind == ErrorKind::Precondition => {
                let object = client.head(&to).await.map_err(|_| BY_HAND)?;
                let etag = object.etag;
                (etag == base.etag)
                    .then_some(Stored { etag })
                    .ok_or(BY_HAND)
            }
            Err(_) => Err(BY_HAND),
        }
    }

    fn end_copy(self: &Arc<Self>, file: &OpenFile, stored: Stored, size: u64) {
        let fresh_until = self.fresh_until();
        let mut state = file.state.lock();
        let mut tree = self.tree.lock();
        let Some(node) = tree.change(file.ino) else {
            return;
        };
        let etag = stored.etag;
        node.cached = Some(etag.clone());
        node.object = Some(Base { etag, size });
        // What was written meanwhile is about an object that is gone, and its upload finds that out.
        if node.size == 0 {
            node.size = size;
            node.fresh_until = fresh_until;
            drop(tree);
            self.abandon_early(&mut state);
            state.discard();
        }
    }
}
