//! Reads that look into the cache before they ask the server.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use fused_fs::cache::{self, Version};
use fused_fs::stage::Base;
use fuser::Errno;

use super::{DiskCache, Loaded};
use crate::errno::Outcome;
use crate::files::OpenFile;
use crate::mount::Mount;

impl DiskCache {
    /// Chunks of a version that are here; `None`: none of them.
    async fn load(&self, version: Version, chunks: Range<u64>) -> Option<Loaded> {
        if !self.shelf.may_have(&version.name) {
            return None;
        }
        let shelf = self.shelf.clone();
        let loading = tokio::task::spawn_blocking(move || shelf.load(&version, chunks));
        loading.await.ok().flatten()
    }
}

impl Mount {
    /// An object's bytes: from the cache as far as it has them. What it has not is fetched in whole
    /// chunks, and kept. ESTALE when the object of `file` is another one by now.
    pub async fn get_cached(
        self: &Arc<Self>,
        cache: &DiskCache,
        file: Option<&OpenFile>,
        base: &Base,
        key: &str,
        range: Range<u64>,
    ) -> Outcome<Bytes> {
        let Some(version) = Version::of(key, &base.etag, base.size) else {
            return self.get(key, &base.etag, range).await;
        };
        let chunks = version.covering(&range);
        let all = version.bytes(&chunks);
        let wanted = (range.start - all.start) as usize..(range.end - all.start) as usize;
        let Some(mut loaded) = cache.load(version, chunks.clone()).await else {
            let fetched = self.get_chunks(cache, base, key, version, chunks).await?;
            return Ok(fetched.slice(wanted));
        };
        if let Some(file) = file {
            self.check_current(file, base).await?;
        }
        if let Some(missing) = cache::missing(&loaded.good) {
            let first = chunks.start + missing.start as u64;
            let missing = first..chunks.start + missing.end as u64;
            let at = (version.bytes(&missing).start - all.start) as usize;
            let fetched = self.get_chunks(cache, base, key, version, missing).await?;
            loaded.bytes[at..at + fetched.len()].copy_from_slice(&fetched);
        }
        Ok(loaded.bytes.freeze().slice(wanted))
    }

    /// Asks the server for chunks, and keeps them.
    async fn get_chunks(
        &self,
        cache: &DiskCache,
        base: &Base,
        key: &str,
        version: Version,
        chunks: Range<u64>,
    ) -> Outcome<Bytes> {
        let range = version.bytes(&chunks);
        let fetched = self.get(key, &base.etag, range.clone()).await?;
        if fetched.len() as u64 != range.end - range.start {
            return Err(Errno::EIO);
        }
        cache.writer.write(version, chunks.start, fetched.clone());
        Ok(fetched)
    }

    /// What the cache has is not asked of the server, which would say if the object is another one by
    /// now: that has to be known. A file that is changed here lies over the object that it was.
    async fn check_current(self: &Arc<Self>, file: &OpenFile, base: &Base) -> Outcome<()> {
        if file.is_changed() {
            return Ok(());
        }
        self.refresh(file.ino).await?;
        let tree = self.tree.lock();
        let object = tree.get(file.ino).and_then(|node| node.object.as_ref());
        match object {
            Some(object) if object.etag == base.etag => Ok(()),
            _ => Err(Errno::ESTALE),
        }
    }
}
