//! Walks through a directory as the server lists it, page by page.

use std::sync::Arc;

use fused_fs::attributes::Kind;
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
    /// What it is, if the listing says it.
    pub kind: Option<Kind>,
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
        let entries = page.entries.into_iter();
        let entries: Vec<_> = entries.filter_map(|entry| self.line(entry)).collect();
        let mut lines = Vec::new();
        let mut listed = self.mount.listed.lock();
        for (line, found) in entries {
            if let Some(walk) = self.walk {
                listed.add(walk, &line.segment, found);
            }
            lines.push(line);
        }
        drop(listed);
        self.next = page.next;
        if self.next.is_none() {
            self.end(self.after.is_none());
        }
        Ok(lines)
    }

    /// A line, and what there is to know, if the listing says it.
    fn line(&self, entry: Entry) -> Option<(Line, Option<Found>)> {
        let name = entry.name().strip_prefix(&self.key)?;
        // The directory's own marker is no name in it.
        if name.is_empty() {
            return None;
        }
        let directory = matches!(entry, Entry::Prefix { .. });
        let folder = name.strip_suffix('/').filter(|_| directory);
        let segment = folder.unwrap_or(name).to_owned();
        let found = self.found(entry);
        let kind = found.as_ref().map(|found| found.attributes.kind);
        let line = Line {
            segment,
            directory,
            kind,
        };
        Some((line, found))
    }

    fn found(&self, entry: Entry) -> Option<Found> {
        match entry {
            Entry::Object {
                etag,
                size,
                modified,
                headers,
                ..
            } => {
                let object = Object {
                    etag,
                    size,
                    modified: fused_s3::whole_seconds(modified),
                    headers: headers?,
                };
                Some(self.mount.found(object, false))
            }
            Entry::Prefix { marker, .. } => match marker {
                Marker::Unknown => None,
                Marker::Absent => Some(self.mount.implied()),
                Marker::Object(marker) => Some(self.mount.found(marker, true)),
            },
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
        let walker = match storm {
            Storm::Whole => Walker::new(self, named.parent)?,
            Storm::Here => Walker::at(self, named.parent, &named.segment)?,
        };
        read_pages(walker, AHEAD).await
    }
}

async fn read_pages(mut walker: Walker, most: usize) -> Outcome<()> {
    for _ in 0..most {
        walker.page().await?;
        if walker.has_ended() {
            return Ok(());
        }
    }
    walker.end(false);
    Ok(())
}
