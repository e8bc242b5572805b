//! Walks through a directory as the server lists it, page by page.

use std::sync::Arc;

use fused_fs::tree::{Found, Ino};
use fused_s3::{Entry, Marker, Object};
use fuser::Errno;

use crate::errno::{self, Outcome};
use crate::listings::{Storm, Walk};
use crate::lookup::Named;
use crate::mount::Mount;

/// Lines of a listing that are asked for at one time.
const PAGE: usize = 1000;

/// Most pages of a directory that are read ahead of those who ask for its names.
const AHEAD: usize = 10;

/// A line of a listing.
#[derive(Debug)]
pub struct Line {
    /// What follows the directory's key, without a slash at its end.
    pub segment: String,
    /// A common prefix.
    pub directory: bool,
    /// What there is to know, if the listing says it.
    pub found: Option<Found>,
}

/// Somebody's walk through a directory.
pub struct Walker {
    mount: Arc<Mount>,
    key: String,
    /// `None`: listings do not describe what is in them, so nothing is kept of them.
    walk: Option<Walk>,
    /// Keys up to this are left out.
    after: Option<String>,
    next: Option<String>,
    ended: bool,
}

impl Walker {
    /// Begins before the first name.
    pub fn new(mount: &Arc<Mount>, directory: Ino) -> Outcome<Self> {
        // Before the server is asked: what holds for a time holds from now on.
        let fresh_until = mount.fresh_until();
        let tree = mount.tree.lock();
        let key = tree.key(directory).ok_or(Errno::ENOENT)?;
        let begin = || mount.listed.lock().begin(directory, fresh_until);
        Ok(Self {
            mount: mount.clone(),
            key,
            walk: mount.options.hayrack.then(begin),
            after: None,
            next: None,
            ended: false,
        })
    }

    /// Begins at a name, or a little before it.
    pub fn at(mount: &Arc<Mount>, directory: Ino, segment: &str) -> Outcome<Self> {
        let mut walker = Self::new(mount, directory)?;
        let mut after = format!("{}{segment}", walker.key);
        after.pop();
        walker.after = Some(after);
        Ok(walker)
    }

    /// Whether there are no more pages.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The lines of the next page, in the order of their keys.
    pub async fn page(&mut self) -> Outcome<Vec<Line>> {
        let (client, next) = (&self.mount.client, self.next.as_deref());
        let page = if let Some(walk) = self.walk {
            self.mount.listed.lock().turn(walk);
            let after = self.after.as_deref();
            client.list_described(&self.key, after, next, PAGE).await
        } else {
            client.list(&self.key, true, next, PAGE).await
        };
        let page = page.map_err(|error| errno::reported(&self.key, "listing it", &error))?;
        let lines = page.entries.into_iter();
        let lines: Vec<_> = lines.filter_map(|entry| self.line(entry)).collect();
        if let Some(walk) = self.walk {
            let mut listed = self.mount.listed.lock();
            for line in &lines {
                listed.add(walk, &line.segment, line.found.clone());
            }
        }
        self.next = page.next;
        if self.next.is_none() {
            self.end(self.after.is_none());
        }
        Ok(lines)
    }

    fn line(&self, entry: Entry) -> Option<Line> {
        let segment = entry.name().strip_prefix(&self.key)?.to_owned();
        match entry {
            // The directory's own marker is no name in it.
            Entry::Object { .. } if segment.is_empty() => None,
            Entry::Object {
                etag,
                size,
                modified,
                headers,
                ..
            } => {
                let object = |headers| Object {
                    etag,
                    size,
                    modified: fused_s3::whole_seconds(modified),
                    headers,
                };
                let object = headers.map(object);
                Some(Line {
                    segment,
                    directory: false,
                    found: object.map(|object| self.mount.found(object, false)),
                })
            }
            Entry::Prefix { marker, .. } => Some(Line {
                segment: segment.strip_suffix('/').unwrap_or(&segment).to_owned(),
                directory: true,
                found: match marker {
                    Marker::Unknown => None,
                    Marker::Absent => Some(self.mount.implied()),
                    Marker::Object(marker) => Some(self.mount.found(marker, true)),
                },
            }),
        }
    }

    fn end(&mut self, complete: bool) {
        self.ended = true;
        if let Some(walk) = self.walk.take() {
            self.mount.listed.lock().end(walk, complete);
        }
    }
}

impl Drop for Walker {
    fn drop(&mut self) {
        if let Some(walk) = self.walk.take() {
            self.mount.listed.lock().abandon(walk);
        }
    }
}

impl Mount {
    /// Has what is in a directory known; of a long one, what is in its beginning, or where the name is
    /// that is asked for.
    pub async fn read_directory(self: &Arc<Self>, named: &Named, storm: Storm) -> Outcome<()> {
        let mut walker = match storm {
            Storm::Whole => Walker::new(self, named.parent)?,
            Storm::Here => Walker::at(self, named.parent, &named.segment)?,
        };
        for _ in 0..AHEAD {
            walker.page().await?;
            if walker.has_ended() {
                return Ok(());
            }
        }
        walker.end(false);
        Ok(())
    }
}
