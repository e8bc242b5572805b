//! Reading files: from what is staged, and from the object beneath.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fused_fs::stage::{Base, Piece};
use fused_fs::tree::Ino;
use fused_s3::ErrorKind;
use fuser::Errno;

use crate::errno::{self, Outcome};
use crate::files::{Fetch, OpenFile, Opened, shared};
use crate::mount::Mount;
use crate::staging::StageFile;

/// Most bytes that all openers together read ahead, unless there are so many that each has a MiB.
const ALL_AHEAD: u64 = 64 << 20;

/// Where the bytes of a read are.
pub struct Source {
    pieces: Vec<Piece>,
    base: Option<Base>,
    staged: Option<Arc<StageFile>>,
}

impl Source {
    /// Whether none of it has to be asked of the server.
    pub fn is_here(&self) -> bool {
        !self
            .pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Base(_)))
    }

    /// The bytes, when all of them are here.
    pub fn bytes(&self) -> Outcome<Bytes> {
        if let [Piece::Staged(range)] = &self.pieces[..] {
            return self.staged(range);
        }
        let mut joined = BytesMut::new();
        for piece in &self.pieces {
            self.add_local(piece, &mut joined)?;
        }
        Ok(joined.freeze())
    }

    fn add_local(&self, piece: &Piece, joined: &mut BytesMut) -> Outcome<()> {
        match piece {
            Piece::Staged(range) => joined.extend_from_slice(&self.staged(range)?),
            Piece::Zeros(range) => {
                joined.resize(joined.len() + (range.end - range.start) as usize, 0);
            }
            Piece::Base(_) => return Err(Errno::EIO),
        }
        Ok(())
    }

    fn staged(&self, range: &Range<u64>) -> Outcome<Bytes> {
        let file = self.staged.as_ref().ok_or(Errno::EIO)?;
        file.bytes(range.start, (range.end - range.start) as usize)
            .map_err(|error| errno::of_io(&error))
    }
}

impl Mount {
    /// Where a range of a file's bytes is.
    pub fn source(&self, file: &OpenFile, range: Range<u64>) -> Outcome<Source> {
        let state = file.state.lock();
        if let Some(staged) = &state.staged {
            return Ok(Source {
                pieces: staged.stage.pieces(range),
                base: staged.stage.base().cloned(),
                staged: Some(staged.file.clone()),
            });
        }
        let tree = self.tree.lock();
        let node = tree.get(file.ino).ok_or(Errno::ESTALE)?;
        let size = node.object.as_ref().map_or(0, |object| object.size);
        let range = range.start.min(size)..range.end.min(size);
        Ok(Source {
            pieces: if range.is_empty() {
                Vec::new()
            } else {
                vec![Piece::Base(range)]
            },
            base: node.object.clone(),
            staged: None,
        })
    }

    /// Reads for an opener. When the object was replaced by somebody else meanwhile, the new one is
    /// read.
    pub async fn read(self: &Arc<Self>, opened: &Opened, range: Range<u64>) -> Outcome<Bytes> {
        // What was fetched ahead may be of an object that is gone; what was changed here is not.
        if !opened.file.is_changed() {
            self.refresh(opened.file.ino).await?;
        }
        for _ in 0..3 {
            let source = self.source(&opened.file, range.clone())?;
            match self.read_source(opened, &source).await {
                Err(Errno::ESTALE) => self.renew(opened.file.ino).await?,
                other => return other,
            }
        }
        Err(Errno::ESTALE)
    }

    async fn read_source(self: &Arc<Self>, opened: &Opened, source: &Source) -> Outcome<Bytes> {
        let mut joined = BytesMut::new();
        for piece in &source.pieces {
            let Piece::Base(range) = piece else {
                source.add_local(piece, &mut joined)?;
                continue;
            };
            let base = source.base.as_ref().ok_or(Errno::EIO)?;
            let fetched = self.fetch(opened, base, range.clone()).await?;
            if source.pieces.len() == 1 && fetched.len() == 1 {
                return Ok(fetched.into_iter().next().unwrap_or_default());
            }
            for bytes in fetched {
                joined.extend_from_slice(&bytes);
            }
        }
        Ok(joined.freeze())
    }

    /// The object's bytes of a range, in pieces; fetches ahead if the opener reads a stream.
    async fn fetch(
        self: &Arc<Self>,
        opened: &Opened,
        base: &Base,
        range: Range<u64>,
    ) -> Outcome<Vec<Bytes>> {
        let waited_for = self.begin_fetches(opened, base, range.clone())?;
        let mut pieces = Vec::new();
        for (chunk, fetch) in waited_for {
            let bytes = match fetch.await {
                Ok(bytes) => bytes,
                Err(error) => {
                    let mut reads = opened.reads.lock();
                    reads.prefetch.failed(chunk.start);
                    reads.chunks.remove(&chunk.start);
                    return Err(error);
                }
            };
            let start = range.start.saturating_sub(chunk.start) as usize;
            let end = (range.end.min(chunk.end) - chunk.start) as usize;
            if bytes.len() < end {
                return Err(Errno::EIO);
            }
            pieces.push(bytes.slice(start..end));
        }
        Ok(pieces)
    }

    fn begin_fetches(
        self: &Arc<Self>,
        opened: &Opened,
        base: &Base,
        range: Range<u64>,
    ) -> Outcome<Vec<(Range<u64>, Fetch)>> {
        let key = self.key(opened.file.ino)?;
        let limit = self.read_ahead();
        let mut reads = opened.reads.lock();
        if reads.etag != base.etag {
            reads.etag.clone_from(&base.etag);
            reads.chunks.clear();
            reads.prefetch = fused_fs::prefetch::Prefetch::new(limit);
        }
        reads.prefetch.set_limit(limit);
        let fetches = reads.prefetch.read(range, base.size);
        for chunk in fetches.fetch {
            let fetch = shared(get(
                self.clone(),
                Some(opened.file.clone()),
                key.clone(),
                base.clone(),
                chunk.clone(),
            ));
            // It goes on whether or not anybody waits for it.
            self.runtime.spawn(fetch.clone());
            reads.chunks.insert(chunk.start, fetch);
        }
        for start in fetches.forget {
            reads.chunks.remove(&start);
        }
        let waited_for = fetches.read.into_iter();
        waited_for
            .map(|chunk| {
                let fetch = reads.chunks.get(&chunk.start).cloned();
                Ok((chunk, fetch.ok_or(Errno::EIO)?))
            })
            .collect()
    }

    /// Where the next data or hole begins, as of lseek(2): what nobody wrote is a hole.
    pub fn seek(&self, ino: Ino, file: &OpenFile, offset: i64, whence: i32) -> Outcome<i64> {
        let size = self.tree.lock().get(ino).map_or(0, |node| node.size);
        let at = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
        if at >= size {
            return Err(Errno::ENXIO);
        }
        let hole = match whence {
            libc::SEEK_DATA => false,
            libc::SEEK_HOLE => true,
            _ => return Err(Errno::EINVAL),
        };
        let pieces = self.source(file, at..size)?.pieces;
        let mut wanted = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Zeros(_)) == hole);
        let found = match wanted.next() {
            Some(piece) => piece.range().start,
            // Behind the last byte there is a hole.
            None if hole => size,
            None => return Err(Errno::ENXIO),
        };
        i64::try_from(found).map_err(|_| Errno::EOVERFLOW)
    }

    /// How far one opener may read ahead, so that all of them together keep to a limit.
    fn read_ahead(&self) -> u64 {
        let openers = self.openers.lock().len().max(1) as u64;
        (ALL_AHEAD / openers).clamp(1 << 20, self.options.read_ahead)
    }

    /// Asks the server anew what an inode is.
    pub async fn renew(self: &Arc<Self>, ino: Ino) -> Outcome<()> {
        if let Some(node) = self.tree.lock().get_mut(ino) {
            node.fresh_until = fused_fs::attributes::Timestamp::default();
        }
        self.refresh(ino).await
    }

    /// Asks the server for an object's bytes. ESTALE when it was replaced or removed.
    pub async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Outcome<Bytes> {
        let bytes = self.client.get(key, etag, range).await;
        bytes.map_err(|error| match error.kind {
            ErrorKind::NotFound | ErrorKind::Range => Errno::ESTALE,
            _ => errno::reported(key, "reading it", &error),
        })
    }

    /// The whole of an object that is not changed here, such as a symbolic link's target.
    pub async fn read_object(&self, ino: Ino) -> Outcome<Bytes> {
        let (key, base) = {
            let tree = self.tree.lock();
            let node = tree.get(ino).ok_or(Errno::ESTALE)?;
            (tree.key(ino), node.object.clone())
        };
        let (Some(key), Some(base)) = (key, base) else {
            return Err(Errno::ESTALE);
        };
        let bytes = self.client.get(&key, &base.etag, 0..base.size).await;
        bytes.map_err(|error| errno::reported(&key, "reading it", &error))
    }
}

/// Bytes of an object, from the cache or the server. `file`: what must be the object still; `None`: whoever
/// reads the bytes sees to that.
pub async fn get(
    mount: Arc<Mount>,
    file: Option<Arc<OpenFile>>,
    key: String,
    base: Base,
    range: Range<u64>,
) -> Outcome<Bytes> {
    match &mount.cache {
        Some(cache) => {
            let file = file.as_deref();
            mount.get_cached(cache, file, &base, &key, range).await
        }
        None => mount.get(&key, &base.etag, range).await,
    }
}
