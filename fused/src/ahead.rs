//! Small files that are fetched before they are opened, as those before them are opened in order.

use std::sync::Arc;

use fused_fs::stage::Base;
use fused_fs::tree::Ino;

use crate::files::{Fetch, Opened, shared};
use crate::mount::Mount;
use crate::reading::get;

/// A version of a small file that is fetched, or being fetched.
#[derive(Debug)]
pub struct Ahead {
    base: Base,
    fetch: Fetch,
}

impl Mount {
    /// A file was opened to be read: what was fetched of it is its first chunk, and the next files may
    /// be fetched.
    pub fn follow_opening(self: &Arc<Self>, opened: &Opened) {
        let ahead = self.successor(opened.file.ino);
        if let Some(Ahead { base, fetch }) = ahead {
            let mut reads = opened.reads.lock();
            reads.prefetch.have(0..base.size);
            reads.chunks.insert(0, fetch);
            // Whoever reads drops it unless the object is this one still.
            reads.etag = base.etag;
        }
    }

    /// What was fetched of a file.
    fn successor(self: &Arc<Self>, ino: Ino) -> Option<Ahead> {
        let tree = self.tree.lock();
        let (directory, segment, beside) = tree.place(ino)?;
        if beside {
            return None;
        }
        let listed = self.listed.lock();
        let listing = listed.listing(directory, |until| self.holds(until))?;
        let fetch = |segment: &str, base: &Base| {
            let key = tree.key_in(directory, segment).unwrap_or_default();
            self.fetch_ahead(key, base)
        };
        self.successions.lock().opened(
            directory,
            segment,
            |segment| listing.files_behind(segment),
            fetch,
        )
    }

    fn fetch_ahead(self: &Arc<Self>, key: String, base: &Base) -> Ahead {
        let fetch = shared(get(self.clone(), None, key, base.clone(), 0..base.size));
        self.runtime.spawn(fetch.clone());
        Ahead {
            base: base.clone(),
            fetch,
        }
    }
}
