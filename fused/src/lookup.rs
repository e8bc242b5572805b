//! What the server has under a name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fused_fs::attributes::{Attributes, Timestamp, metadata};
use fused_fs::names;
use fused_fs::stage::Base;
use fused_fs::tree::{Found, Ino, ROOT, Tree};
use fused_s3::{ErrorKind, Headers, Object, S3Error};
use fuser::Errno;

use crate::asking::Asked;
use crate::directories::check_length;
use crate::errno::{self, Outcome};
use crate::listings::{Said, Storm};
use crate::mount::{Mount, UNTIL_HEARD, timestamp};

/// A name in a directory, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub parent: Ino,
    pub segment: String,
    /// It is the object's that lies beside a directory of the plain name.
    pub beside_directory: bool,
}

impl Named {
    /// A name as an application wrote it.
    pub fn new(parent: Ino, name: &std::ffi::OsStr) -> Outcome<Self> {
        if name.len() > names::MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        // Keys are text.
        let name = name.to_str().ok_or(Errno::EILSEQ)?;
        let segment = names::segment(name).ok_or(Errno::ENOENT)?;
        Ok(Self {
            parent,
            segment: segment.into_owned(),
            beside_directory: names::is_beside_directory(name),
        })
    }

    /// The same for something new, which gets a plain name only.
    pub fn for_new(parent: Ino, name: &std::ffi::OsStr) -> Outcome<Self> {
        match Self::new(parent, name) {
            Ok(named) if named.beside_directory => Err(Errno::EINVAL),
            Err(Errno::ENOENT) => Err(Errno::EINVAL),
            other => other,
        }
    }
}

impl Mount {
    /// The inode of a name.
    pub async fn lookup(self: &Arc<Self>, named: &Named) -> Outcome<Ino> {
        loop {
            if let Some(ino) = self.known(named) {
                return Ok(ino);
            }
            if let Some(outcome) = self.known_listed(named) {
                return outcome;
            }
            if let Some(storm) = self.storm(named) {
                self.read_directory(named, storm).await?;
                continue;
            }
            let before = self.state(named);
            let asked = self.ask(named)?;
            let found = self.find(named).await?;
            if let Some(outcome) = self.learn(named, &asked, before, found) {
                return outcome;
            }
        }
    }

    /// Has changes of a name's object noted for as long as the server is asked for it.
    pub fn ask(self: &Arc<Self>, named: &Named) -> Outcome<Asked> {
        let key = self.tree.lock().key_in(named.parent, &named.segment);
        Ok(Asked::new(self, key.ok_or(Errno::ESTALE)?))
    }

    fn state(&self, named: &Named) -> Option<(Ino, u64)> {
        let tree = self.tree.lock();
        tree.state(named.parent, &named.segment, named.beside_directory)
    }

    /// Takes over what the server said of a name, unless what was heard meanwhile, or changed here, is
    /// newer than the answer.
    fn learn(
        &self,
        named: &Named,
        asked: &Asked,
        before: Option<(Ino, u64)>,
        found: Option<Found>,
    ) -> Option<Outcome<Ino>> {
        let fresh_until = self.fresh_until();
        let mut tree = self.tree.lock();
        // Under the lock: what is heard from here on is noted in what is put now.
        if asked.is_outdated()
            || tree.state(named.parent, &named.segment, named.beside_directory) != before
        {
            return None;
        }
        match found {
            Some(_) => self.note_present(named),
            None => self.note_absent(named, fresh_until),
        }
        Some(put(&mut tree, named, found, fresh_until))
    }

    /// Something is put under a name. For those who hold `tree`.
    pub fn note_present(&self, named: &Named) {
        let mut listed = self.listed.lock();
        listed.end_absent(named.parent, &named.segment);
    }

    /// Nothing is under a name; the feed would say if it changed. For those who hold `tree`.
    fn note_absent(&self, named: &Named, fresh_until: Timestamp) {
        if !named.beside_directory && fresh_until == UNTIL_HEARD {
            let mut listed = self.listed.lock();
            listed.add_absent(named.parent, &named.segment, fresh_until);
        }
    }

    /// What was under a name was removed here, or got another: nothing is there, unless somebody else
    /// used its key since `asked` began. For those who hold `tree`, as long as the name is free there.
    pub fn note_given_up(&self, named: &Named, asked: &Asked) {
        if !asked.is_disturbed() {
            self.note_absent(named, self.fresh_until());
        }
    }

    /// What a listing of the directory says of a name, if it holds. An object beside a directory is
    /// not told from another one there.
    fn known_listed(&self, named: &Named) -> Option<Outcome<Ino>> {
        if named.beside_directory {
            return None;
        }
        // Before the tree, as everywhere; what is changed here is newer than any listing.
        let files = self.files.lock();
        let mut tree = self.tree.lock();
        let ino = tree.child(named.parent, &named.segment, false);
        if ino.is_some_and(|ino| files.contains_key(&ino)) {
            return None;
        }
        let listed = self.listed.lock();
        let holds = |until| self.holds(until);
        let (said, until) = listed.say(named.parent, &named.segment, holds)?;
        let found = match said {
            Said::Found(found) => Some(found),
            Said::Nothing => None,
        };
        Some(put(&mut tree, named, found, until))
    }

    /// Whether so many names of a directory were asked for that it is better listed: only as long as
    /// what is listed holds until something changes.
    fn storm(&self, named: &Named) -> Option<Storm> {
        if !self.options.hayrack || !self.coherent.load(Ordering::Relaxed) {
            return None;
        }
        let holds = |until| self.holds(until);
        let mut listed = self.listed.lock();
        listed.miss(named.parent, &named.segment, holds)
    }

    /// The inode, if what is known of it holds, or is newer than what the server has.
    fn known(&self, named: &Named) -> Option<Ino> {
        let (ino, fresh) = {
            let tree = self.tree.lock();
            let ino = tree.child(named.parent, &named.segment, named.beside_directory)?;
            (ino, self.is_fresh(tree.get(ino)?))
        };
        (fresh || self.is_changed_here(ino)).then_some(ino)
    }

    /// Whether a file has changes of which the server knows nothing.
    pub fn is_changed_here(&self, ino: Ino) -> bool {
        let file = self.files.lock().get(&ino).cloned();
        file.is_some_and(|file| file.is_changed())
    }

    /// Whether what is known of an inode holds, or is newer than what the server has.
    pub fn is_known(&self, ino: Ino) -> bool {
        if self.is_changed_here(ino) {
            return true;
        }
        let tree = self.tree.lock();
        tree.get(ino)
            .is_some_and(|node| self.is_fresh(node) || !node.is_named())
    }

    /// Asks the server anew if what is known of an inode may not hold any more.
    pub async fn refresh(self: &Arc<Self>, ino: Ino) -> Outcome<()> {
        let named = {
            let tree = self.tree.lock();
            let Some(node) = tree.get(ino) else {
                return Err(Errno::ESTALE);
            };
            if ino == ROOT || self.is_fresh(node) {
                return Ok(());
            }
            match tree.place(ino) {
                Some((parent, segment, beside_directory)) => Named {
                    parent,
                    segment: segment.to_owned(),
                    beside_directory,
                },
                // Removed, and open: it is what it was.
                None => return Ok(()),
            }
        };
        match self.lookup(&named).await {
            Ok(found) if found == ino => Ok(()),
            Ok(_) | Err(Errno::ENOENT) => Err(Errno::ESTALE),
            Err(error) => Err(error),
        }
    }

    /// What the server has under a name: a directory goes before an object.
    async fn find(&self, named: &Named) -> Outcome<Option<Found>> {
        let key = self.tree.lock().key_in(named.parent, &named.segment);
        let key = key.ok_or(Errno::ESTALE)?;
        check_length(&key)?;
        let below = format!("{key}/");
        let (object, listed) =
            futures::join!(self.head(&key), self.client.list(&below, false, None, 1));
        let failed = |error: &S3Error| errno::reported(&key, "looking it up", error);
        let first = listed
            .map_err(|error| failed(&error))?
            .entries
            .into_iter()
            .next();
        let object = object.map_err(|error| failed(&error))?;
        let Some(first) = first.filter(|_| !named.beside_directory) else {
            let object = object.map(|object| self.found(object, false));
            return Ok(object.map(|found| Found {
                beside_directory: named.beside_directory,
                ..found
            }));
        };
        if first.name() != below {
            return Ok(Some(self.implied()));
        }
        let marker = self.head(&below).await.map_err(|error| failed(&error))?;
        Ok(Some(marker.map_or_else(
            || self.implied(),
            |marker| self.found(marker, true),
        )))
    }

    async fn head(&self, key: &str) -> Result<Option<Object>, S3Error> {
        // No key ends in nothing.
        if key.is_empty() {
            return Ok(None);
        }
        match self.client.head(key).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A directory that only the keys below it make.
    pub fn implied(&self) -> Found {
        let attributes =
            Attributes::of_object(|_| None, true, self.started, &self.options.defaults);
        Found {
            attributes,
            object: None,
            beside_directory: false,
            others: Vec::new(),
        }
    }

    /// An object as the tree keeps it.
    pub fn found(&self, object: Object, directory: bool) -> Found {
        let attributes = Attributes::of_object(
            |name| object.headers.get(name),
            directory,
            timestamp(object.modified),
            &self.options.defaults,
        );
        let mut others = object.headers;
        let known = |name: &str| metadata::ALL.contains(&name);
        others.user.retain(|(name, _)| !known(name));
        Found {
            attributes,
            object: Some(Base {
                etag: object.etag,
                size: object.size,
            }),
            beside_directory: false,
            others: others.lines(),
        }
    }
}

/// The server has this under a name, or nothing.
fn put(
    tree: &mut Tree,
    named: &Named,
    found: Option<Found>,
    fresh_until: Timestamp,
) -> Outcome<Ino> {
    if tree.get(named.parent).is_none() {
        return Err(Errno::ESTALE);
    }
    let Some(found) = found else {
        let gone = tree.child(named.parent, &named.segment, named.beside_directory);
        if let Some(ino) = gone {
            tree.remove(ino);
        }
        return Err(Errno::ENOENT);
    };
    let ino = tree.put(named.parent, &named.segment, found);
    if let Some(node) = tree.get_mut(ino) {
        node.fresh_until = fresh_until;
    }
    Ok(ino)
}

impl Mount {
    /// What is to be stored with the object of an inode.
    pub fn headers(&self, ino: Ino) -> Outcome<Headers> {
        let tree = self.tree.lock();
        let node = tree.get(ino).ok_or(Errno::ESTALE)?;
        Ok(headers(&node.attributes, &node.others))
    }
}

/// What is stored with an object of these attributes.
pub fn headers(attributes: &Attributes, others: &[(String, String)]) -> Headers {
    let mut headers = Headers::of_lines(others);
    for (name, value) in attributes.to_metadata() {
        headers.set(name, Some(value));
    }
    headers
}
