//! Open files: their staged changes, and their openers.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use fused_fs::attributes::Kind;
use fused_fs::journal::Record;
use fused_fs::prefetch::Prefetch;
use fused_fs::stage::Stage;
use fused_fs::tree::Ino;
use fuser::{Errno, FopenFlags, OpenAccMode, OpenFlags};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use crate::attempts::Attempts;
use crate::early::Early;
use crate::errno::{self, Outcome};
use crate::lookup::headers;
use crate::mount::Mount;
use crate::staging::StageFile;

/// A file that is open, or whose changes are not uploaded yet.
pub struct OpenFile {
    pub ino: Ino,
    pub state: Mutex<FileState>,
    /// Held while the object is made to be as the file is, or renamed, or removed.
    pub upload: tokio::sync::Mutex<()>,
}

/// What changed of an open file.
#[derive(Default)]
pub struct FileState {
    /// Its bytes, once any of them changed.
    pub staged: Option<Staged>,
    /// What is stored beside the bytes is to be changed.
    pub attributes_changed: bool,
    /// An upload is under way: until it has ended, what the server says is not what the file is.
    pub uploading: bool,
    /// Parts that were sent before the file is flushed.
    pub early: Option<Early>,
    /// The uploads since it was as the object.
    pub attempts: Option<Attempts>,
    /// How often what was written here gave way to what somebody else stored.
    pub conflicts: u64,
    pub openers: usize,
    /// Those of them who may write.
    pub writers: usize,
}

/// Changed bytes.
#[derive(Clone)]
pub struct Staged {
    pub stage: Stage,
    pub file: Arc<StageFile>,
}

impl OpenFile {
    /// Whether there is something that the server does not have.
    pub fn is_changed(&self) -> bool {
        self.state.lock().is_changed()
    }
}

impl FileState {
    /// The same of a file that is locked.
    pub fn is_changed(&self) -> bool {
        let bytes = self.staged.as_ref();
        self.uploading
            || self.attributes_changed
            || bytes.is_some_and(|staged| staged.stage.is_changed())
    }
}

/// Bytes that were asked of the server.
pub type Fetch = Shared<BoxFuture<'static, Result<Bytes, Errno>>>;

/// Somebody who opened a file.
pub struct Opened {
    pub file: Arc<OpenFile>,
    pub writes: bool,
    /// How often the file had given way when it was opened.
    conflicts: u64,
    pub reads: Mutex<Reads>,
}

impl Opened {
    /// Refuses those who wrote, or may have written, what gave way since: it is not in the file, and what
    /// they write now was not meant for what somebody else stored.
    pub fn check_conflicts(&self, state: &FileState) -> Outcome<()> {
        if self.writes && self.conflicts != state.conflicts {
            return Err(Errno::ESTALE);
        }
        Ok(())
    }
}

/// The reads of one opener.
pub struct Reads {
    pub prefetch: Prefetch,
    pub chunks: HashMap<u64, Fetch>,
    /// The object that the chunks are of.
    pub etag: String,
}

impl Mount {
    /// The open file of an inode; it becomes one if it is none.
    pub fn open_file(&self, ino: Ino) -> Arc<OpenFile> {
        let mut files = self.files.lock();
        let file = files.entry(ino).or_insert_with(|| {
            self.tree.lock().keep(ino);
            Arc::new(OpenFile {
                ino,
                state: Mutex::default(),
                upload: tokio::sync::Mutex::default(),
            })
        });
        file.clone()
    }

    /// One more opener of a file.
    pub fn opened(&self, ino: Ino, writes: bool) -> (u64, Arc<Opened>) {
        let file = self.open_file(ino);
        let conflicts = {
            let mut state = file.state.lock();
            state.openers += 1;
            state.writers += usize::from(writes);
            state.conflicts
        };
        let handle = self.handle();
        let reads = Reads {
            prefetch: Prefetch::new(self.options.read_ahead),
            chunks: HashMap::new(),
            etag: String::new(),
        };
        let opened = Arc::new(Opened {
            file,
            writes,
            conflicts,
            reads: Mutex::new(reads),
        });
        self.openers.lock().insert(handle, opened.clone());
        (handle, opened)
    }

    /// Opens a file.
    pub async fn open(self: &Arc<Self>, ino: Ino, flags: OpenFlags) -> Outcome<(u64, FopenFlags)> {
        let writes = flags.acc_mode() != OpenAccMode::O_RDONLY;
        if writes || flags.0 & libc::O_TRUNC != 0 {
            self.check_writable()?;
        }
        let changed_here = self.is_changed_here(ino);
        if !changed_here {
            self.refresh(ino).await?;
        }
        let keep = {
            let mut tree = self.tree.lock();
            let node = tree.get_mut(ino).ok_or(Errno::ESTALE)?;
            if node.kind() == Kind::Directory {
                return Err(Errno::EISDIR);
            }
            let etag = node.object.as_ref().map(|object| object.etag.clone());
            let same = changed_here || node.cached == etag;
            node.cached = etag;
            same
        };
        let (handle, opened) = self.opened(ino, writes);
        if !writes && !changed_here {
            self.follow_opening(&opened);
        }
        let mut flags = FopenFlags::empty();
        flags.set(FopenFlags::FOPEN_KEEP_CACHE, keep);
        // Who may not write has nothing to flush.
        flags.set(FopenFlags::FOPEN_NOFLUSH, !writes);
        Ok((handle, flags))
    }

    /// The file that somebody opened.
    pub fn opener(&self, handle: u64) -> Outcome<Arc<Opened>> {
        let opener = self.openers.lock().get(&handle).cloned();
        opener.ok_or(Errno::EBADF)
    }

    /// An opener is gone. When it was the last, what changed since the last flush, by a mapping of the
    /// file, is uploaded.
    pub async fn close(self: &Arc<Self>, handle: u64) {
        let Some(opened) = self.openers.lock().remove(&handle) else {
            return;
        };
        let (file, wrote) = (opened.file.clone(), opened.writes);
        drop(opened);
        let last = {
            let mut state = file.state.lock();
            state.openers -= 1;
            state.writers -= usize::from(wrote);
            state.openers == 0
        };
        if last && let Err(error) = self.upload_closed(&file).await {
            tracing::error!(
                ino = file.ino.0,
                ?error,
                "a file that was closed could not be uploaded"
            );
        }
        self.forget_file(&file);
    }

    /// Uploads a file that nobody has open. Who opened it meanwhile flushes it when it is written.
    async fn upload_closed(self: &Arc<Self>, file: &Arc<OpenFile>) -> Outcome<()> {
        let _one_at_a_time = file.upload.lock().await;
        let wanted = {
            let state = file.state.lock();
            state.openers == 0 && state.is_changed()
        };
        if wanted {
            self.upload_locked(file).await
        } else {
            Ok(())
        }
    }

    /// The mount ends: uploads what could not be uploaded before.
    pub async fn finish(self: &Arc<Self>) -> anyhow::Result<()> {
        let files: Vec<_> = self.files.lock().values().cloned().collect();
        let mut left = 0;
        for file in files {
            if file.is_changed() && self.upload(&file).await.is_err() {
                left += 1;
            } else {
                file.state.lock().discard();
            }
        }
        self.staging.close();
        anyhow::ensure!(
            left == 0,
            "{left} changed files could not be uploaded; they are kept, and uploaded when the \
             bucket is mounted again"
        );
        Ok(())
    }

    /// Drops an open file that nobody has open and that has no changes.
    pub fn forget_file(self: &Arc<Self>, file: &Arc<OpenFile>) {
        let staged = self.take_unused(file);
        // The next request waits for the locks, and not for the disk.
        if let Some(staged) = staged {
            staged.file.discard();
        }
    }

    /// What is staged for an open file that is dropped, if it can be.
    fn take_unused(self: &Arc<Self>, file: &Arc<OpenFile>) -> Option<Staged> {
        let mut files = self.files.lock();
        let mut state = file.state.lock();
        let changed = state.is_changed();
        let mut tree = self.tree.lock();
        let removed = tree.place(file.ino).is_none();
        if state.openers > 0 || (changed && !removed) {
            return None;
        }
        let held = files.get(&file.ino)?;
        if !Arc::ptr_eq(held, file) {
            return None;
        }
        self.abandon_early(&mut state);
        files.remove(&file.ino);
        tree.release(file.ino);
        state.take_staged()
    }

    /// The staged bytes of a file, which it gets if it has none yet.
    pub fn staged<'s>(&self, file: &OpenFile, state: &'s mut FileState) -> Outcome<&'s mut Staged> {
        if state.staged.is_none() {
            state.staged = Some(self.stage(file.ino)?);
        }
        Ok(state
            .staged
            .as_mut()
            .expect("it has been made if it was not there"))
    }

    fn stage(&self, ino: Ino) -> Outcome<Staged> {
        let (key, base, headers) = {
            let tree = self.tree.lock();
            let node = tree.get(ino).ok_or(Errno::ESTALE)?;
            let headers = headers(&node.attributes, &node.others);
            (tree.key(ino), node.object.clone(), headers)
        };
        let create = || {
            let file = self.staging.create()?;
            // What has no key any more is not uploaded, now or later.
            if let Some(key) = key {
                let base = Record::Base(base.clone());
                file.record(&[Record::Key(key), base, Record::Headers(headers.lines())])?;
            } else {
                file.discard();
            }
            Ok(file)
        };
        let file = create().map_err(|error| errno::of_io(&error))?;
        Ok(Staged {
            stage: Stage::new(base),
            file: Arc::new(file),
        })
    }
}

impl FileState {
    /// Writes a change down, if there are staged bytes to which it belongs.
    pub fn record(&self, record: Record) -> Outcome<()> {
        match &self.staged {
            Some(staged) => {
                let recorded = staged.file.record(&[record]);
                recorded.map_err(|error| errno::of_io(&error))
            }
            None => Ok(()),
        }
    }

    /// What was staged is of no use any more.
    pub fn discard(&mut self) {
        if let Some(staged) = self.take_staged() {
            staged.file.discard();
        }
    }

    /// The file is as the object; what was staged of it.
    fn take_staged(&mut self) -> Option<Staged> {
        self.attributes_changed = false;
        self.attempts = None;
        self.staged.take()
    }
}

/// A future that several can wait for.
pub fn shared(fetch: impl Future<Output = Result<Bytes, Errno>> + Send + 'static) -> Fetch {
    fetch.boxed().shared()
}
