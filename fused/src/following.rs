//! Following the change feed: what others change is known at once, and what nobody changes is not asked
//! for again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fused_fs::attributes::{Kind, Timestamp};
use fused_fs::names;
use fused_fs::tree::{Ino, Node, Tree};
use fused_s3::{Change, Changes, ErrorKind, News, S3Error};
use fuser::{INodeNo, Notifier};

use crate::mount::Mount;

/// How long to wait before a feed that ended is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long after something was done here the feed may say it. What it says later is taken for
/// somebody else's, which costs a question.
const OWN: Duration = Duration::from_secs(1);

/// What was done here and what the feed has not said yet: how often, by key, and since when.
#[derive(Debug, Default)]
pub struct Expected(HashMap<String, (usize, Option<Instant>)>);

impl Expected {
    fn begin(&mut self, key: &str, now: Instant) {
        let (count, since) = self.0.entry(key.to_owned()).or_default();
        *count += 1;
        *since = Some(now);
    }

    /// What was begun was not done. Whether the feed said nothing that was taken for it: else that was
    /// somebody else's doing.
    fn failed(&mut self, key: &str) -> bool {
        self.take(key, None)
    }

    /// Whether a change is what was done here: if somebody else's comes first, then ours is taken for
    /// theirs, and it comes to the same.
    fn is_own(&mut self, key: &str, now: Instant) -> bool {
        self.take(key, Some(now))
    }

    fn take(&mut self, key: &str, now: Option<Instant>) -> bool {
        let Some((count, since)) = self.0.get_mut(key) else {
            return false;
        };
        *count -= 1;
        let late = now
            .zip(*since)
            .is_some_and(|(now, since)| now > since + OWN);
        if *count == 0 || late {
            self.0.remove(key);
        }
        !late
    }
}

impl Mount {
    /// Does something that changes the objects of these keys, so that the feed's saying so is not taken
    /// for somebody else's doing.
    pub async fn own<T>(
        &self,
        keys: &[&str],
        change: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T, S3Error> {
        self.note_own(keys);
        let expects = self.coherent.load(Ordering::Relaxed);
        let now = Instant::now();
        if expects {
            for key in keys {
                self.expected.lock().begin(key, now);
            }
        }
        let done = change.await;
        // A directory may have been listed meanwhile, as it was before.
        self.note_own(keys);
        if expects && done.is_err() {
            for key in keys {
                let unheard = self.expected.lock().failed(key);
                if !unheard {
                    self.heard(key, true);
                }
            }
        }
        done
    }
}

impl Mount {
    /// Somebody else changed an object, or deleted it.
    fn heard(&self, key: &str, deleted: bool) {
        self.asking.lock().note(key, false);
        let stale = {
            let mut tree = self.tree.lock();
            self.listed.lock().note(&tree, key, deleted);
            doubt_object(&mut tree, key, deleted)
        };
        self.forget_in_kernel(stale);
    }

    /// Somebody else gave other keys to all objects of one prefix.
    fn heard_move(&self, from: &str, to: &str) {
        {
            let mut asking = self.asking.lock();
            asking.note_prefix(from);
            asking.note_prefix(to);
        }
        let stale = {
            let mut tree = self.tree.lock();
            self.listed.lock().clear();
            let mut stale = doubt_prefix(&mut tree, from);
            stale.extend(doubt_prefix(&mut tree, to));
            stale
        };
        self.forget_in_kernel(stale);
    }

    fn forget_in_kernel(&self, stale: Vec<Stale>) {
        let Some(kernel) = self.kernel.get() else {
            return;
        };
        for stale in stale {
            // The thread lives as long as this does.
            let _ = kernel.send(stale);
        }
    }

    /// What was listed of these keys may not be so any more.
    fn note_own(&self, keys: &[&str]) {
        let tree = self.tree.lock();
        let mut listed = self.listed.lock();
        for key in keys {
            listed.note_own(&tree, key);
        }
    }
}

/// Something that the kernel has to be told to forget.
pub enum Stale {
    /// Attributes and bytes of an inode.
    Inode(Ino),
    /// A name in a directory.
    Name(Ino, OsString),
}

/// Starts to follow the feed, if the server has one.
pub fn start(mount: &Arc<Mount>, notifier: Notifier) {
    let (stale, received) = channel();
    // The kernel may have to wait for an answer of this process before it can forget something: that
    // must keep nobody else waiting.
    std::thread::spawn(move || tell_kernel(&received, &notifier));
    let _ = mount.kernel.set(stale);
    let follower = Follower {
        mount: mount.clone(),
        prefix: mount.tree.lock().prefix().to_owned(),
    };
    mount.spawn(follower.follow());
}

fn tell_kernel(stale: &Receiver<Stale>, notifier: &Notifier) {
    for stale in stale {
        let told = match &stale {
            Stale::Inode(ino) => notifier.inval_inode(INodeNo(ino.0), 0, 0),
            Stale::Name(parent, name) => notifier.inval_entry(INodeNo(parent.0), name),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "the kernel forgets nothing");
        }
    }
}

struct Follower {
    mount: Arc<Mount>,
    prefix: String,
}

impl Follower {
    async fn follow(self) {
        let mut last = None;
        let mut denied = false;
        loop {
            match self.mount.client.changes(&self.prefix, last).await {
                Ok(mut changes) => {
                    if last.is_none() {
                        // What changed before the feed began is not in it.
                        self.doubt_all();
                    }
                    denied = false;
                    let ended = self.read(&mut changes).await;
                    self.mount.coherent.store(false, Ordering::Relaxed);
                    last = changes.last;
                    tracing::debug!(error = %ended, "the change feed ended");
                }
                Err(error) if error.kind == ErrorKind::NotImplemented => {
                    tracing::info!(
                        "the server has no change feed: what others change is seen late"
                    );
                    return;
                }
                Err(error) if error.kind == ErrorKind::NotFound => last = None,
                Err(error) if error.kind == ErrorKind::Denied && !denied => {
                    tracing::warn!(%error, "the keys do not give access to the change feed");
                    denied = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads a feed until it ends.
    async fn read(&self, changes: &mut Changes) -> S3Error {
        loop {
            match changes.next().await {
                Ok(News::Change(change)) => self.apply(&change),
                // Everything up to here was seen.
                Ok(News::Nothing) => self.mount.coherent.store(true, Ordering::Relaxed),
                Err(error) => return error,
            }
        }
    }

    fn apply(&self, change: &Change) {
        let now = Instant::now();
        let own = self.mount.expected.lock().is_own(&change.key, now);
        match (&change.to, own) {
            (None, false) => self.mount.heard(&change.key, change.etag.is_none()),
            (Some(to), false) => self.mount.heard_move(&change.key, to),
            (None, true) => self.mount.asking.lock().note(&change.key, true),
            // What moves is noted from its beginning to its end.
            (Some(_), true) => {}
        }
    }

    fn doubt_all(&self) {
        *self.mount.expected.lock() = Expected::default();
        let mut tree = self.mount.tree.lock();
        self.mount.listed.lock().clear();
        tree.doubt_all();
        let mut stale = Vec::new();
        for (parent, segment, ino) in tree.named() {
            let name = names::shown(segment).unwrap_or_default().into_owned();
            stale.push(Stale::Inode(ino));
            stale.push(Stale::Name(parent, name.into()));
        }
        drop(tree);
        self.mount.forget_in_kernel(stale);
    }
}

/// What an object's change is about may not be as it is known; what the kernel has to forget for that.
fn doubt_object(tree: &mut Tree, key: &str, deleted: bool) -> Vec<Stale> {
    let mut stale = Vec::new();
    for ino in tree.about(key) {
        let kind = tree.get(ino).map(Node::kind);
        let is_object = kind != Some(Kind::Directory) || key.ends_with('/');
        // A directory that keys make may go with the last of them, and only then.
        if is_object || deleted {
            stale.extend(doubt(tree, ino));
        }
    }
    stale
}

/// The same of all that begins with a prefix, whose keys others got or had before.
fn doubt_prefix(tree: &mut Tree, prefix: &str) -> Vec<Stale> {
    let mut inos = tree.about(prefix);
    inos.extend(tree.below(prefix));
    inos.sort_unstable();
    inos.dedup();
    let doubted = inos.into_iter().flat_map(|ino| doubt(tree, ino));
    doubted.collect()
}

fn doubt(tree: &mut Tree, ino: Ino) -> Vec<Stale> {
    if let Some(node) = tree.change(ino) {
        node.fresh_until = Timestamp::default();
    }
    let mut stale = vec![Stale::Inode(ino)];
    stale.extend(shown(tree, ino).map(|(parent, name)| Stale::Name(parent, name)));
    stale
}

/// The directory of an inode, and its name there as the kernel knows it.
pub fn shown(tree: &Tree, ino: Ino) -> Option<(Ino, OsString)> {
    let (parent, segment, beside) = tree.place(ino)?;
    let name = if beside {
        names::shown_beside_directory(segment)
    } else {
        names::shown(segment).map(Into::into)
    };
    Some((parent, name?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_here_is_known_as_often_as_it_was_done() {
        let now = Instant::now();
        let mut expected = Expected::default();
        expected.begin("a", now);
        expected.begin("a", now);
        assert!(!expected.is_own("b", now));
        assert!(expected.is_own("a", now) && expected.is_own("a", now));
        assert!(!expected.is_own("a", now));
        expected.begin("a", now);
        assert!(expected.failed("a"));
        assert!(!expected.is_own("a", now));
        expected.begin("a", now);
        assert!(expected.is_own("a", now));
        assert!(!expected.failed("a"), "that was somebody else's");
        expected.begin("a", now);
        assert!(
            !expected.is_own("a", now + OWN * 2),
            "it is too late to be ours"
        );
        assert!(expected.0.is_empty());
    }
}
