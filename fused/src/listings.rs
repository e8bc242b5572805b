//! What the server said of whole directories: names in them need not be asked for one by one, and
//! names that are not in them not at all.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use fused_fs::attributes::{Kind, Timestamp};
use fused_fs::stage::Base;
use fused_fs::tree::{Found, Ino, Tree};

/// Most names that are kept of all directories together.
const MOST: usize = 100_000;

/// Most names that are kept of one directory, and a page more: of a longer one those that came last.
const LONGEST: usize = 50_000;

/// Names of a directory that are asked for one after the other before the whole directory is.
const STORM: u32 = 8;

/// Most directories whose misses are counted at one time.
const COUNTED: usize = 1024;

/// Most names that are known not to be there, beside what listings say.
const ABSENT: usize = 4096;

/// What is known of a name.
#[derive(Debug, Clone)]
pub enum Said {
    /// This is there.
    Found(Found),
    /// Nothing is there.
    Nothing,
}

/// What was listed of a directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// By segment; `None`: it may have changed, or was not described.
    lines: BTreeMap<String, Option<Found>>,
    /// All of the directory was listed.
    complete: bool,
    /// It was too long to be kept whole.
    cut: bool,
    /// Until when it holds.
    fresh_until: Timestamp,
}

impl Listing {
    fn say(&self, segment: &str) -> Option<Said> {
        match self.lines.get(segment) {
            Some(line) => line.clone().map(Said::Found),
            None if self.complete => Some(Said::Nothing),
            None => None,
        }
    }

    /// The files behind a name, in the order of their keys.
    pub fn files_behind<'l>(
        &'l self,
        segment: &str,
    ) -> impl Iterator<Item = (&'l str, &'l Base)> + use<'l> {
        let behind = self.lines.range::<str, _>((Excluded(segment), Unbounded));
        behind.filter_map(|(segment, line)| {
            let found = line.as_ref()?;
            let is_file = found.attributes.kind == Kind::File;
            Some((segment.as_str(), found.object.as_ref().filter(|_| is_file)?))
        })
    }
}

/// A walk through a directory that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Walk(u64);

/// Names of a directory that had to be asked for.
#[derive(Debug, Default)]
struct Misses {
    /// How many.
    count: u32,
    /// The last of them.
    last: String,
}

/// From where on a directory is better listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storm {
    /// All of it.
    Whole,
    /// Those at the name that was asked for, and behind it.
    Here,
}

/// The directories that were listed, and those that are being listed. Whatever changes is noted in
/// both, so that what a walk brings later is not taken for newer than it is.
#[derive(Debug, Default)]
pub struct Listings {
    listed: HashMap<Ino, Listing>,
    /// Those of `listed`, the oldest first.
    order: VecDeque<Ino>,
    walks: HashMap<Walk, (Ino, Listing)>,
    misses: HashMap<Ino, Misses>,
    /// Names of which the server said that nothing is there, or that were given up here.
    absent: HashMap<Ino, HashMap<String, Timestamp>>,
    next: u64,
}

impl Listings {
    /// Somebody begins to list a directory; what comes of it holds until then.
    pub fn begin(&mut self, directory: Ino, fresh_until: Timestamp) -> Walk {
        let walk = Walk(self.next);
        self.next += 1;
        let listing = Listing {
            fresh_until,
            ..Listing::default()
        };
        self.walks.insert(walk, (directory, listing));
        walk
    }

    /// A walk is about to ask for the next page: nothing of it is under way, and so nothing that is
    /// dropped now could say that what comes has changed meanwhile.
    pub fn turn(&mut self, walk: Walk) {
        if let Some((_, listing)) = self.walks.get_mut(&walk)
            && listing.lines.len() >= LONGEST
        {
            listing.lines.clear();
            listing.cut = true;
        }
    }

    /// A walk came to a name; `None`: the listing does not describe it.
    pub fn add(&mut self, walk: Walk, segment: &str, found: Option<Found>) {
        let Some((_, listing)) = self.walks.get_mut(&walk) else {
            return;
        };
        let line = listing.lines.entry(segment.to_owned());
        // A second line is that of an object beside a directory, or it changed meanwhile.
        line.and_modify(|line| *line = None).or_insert(found);
    }

    /// A walk has ended; `complete`: it saw all of the directory.
    pub fn end(&mut self, walk: Walk, complete: bool) {
        let Some((directory, mut listing)) = self.walks.remove(&walk) else {
            return;
        };
        self.misses.remove(&directory);
        listing.complete = complete && !listing.cut;
        if self.listed.insert(directory, listing).is_some() {
            self.order.retain(|it| *it != directory);
        }
        self.order.push_back(directory);
        while self.order.len() > 1 && self.count() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.listed.remove(&oldest);
            }
        }
    }

    fn count(&self) -> usize {
        self.listed.values().map(|it| it.lines.len()).sum()
    }

    /// A walk was left.
    pub fn abandon(&mut self, walk: Walk) {
        self.walks.remove(&walk);
    }

    /// What is known of a name, and until when it holds. `holds`: whether something holds now that
    /// holds until then.
    pub fn say(
        &self,
        directory: Ino,
        segment: &str,
        holds: impl Fn(Timestamp) -> bool,
    ) -> Option<(Said, Timestamp)> {
        let listed = self.listed.get(&directory).into_iter();
        let walked = self.walks.values();
        let walked = walked.filter(|(of, _)| *of == directory);
        let listings = listed.chain(walked.map(|(_, listing)| listing));
        let mut listings = listings.filter(|listing| holds(listing.fresh_until));
        listings
            .find_map(|it| Some((it.say(segment)?, it.fresh_until)))
            .or_else(|| {
                let until = *self.absent.get(&directory)?.get(segment)?;
                holds(until).then_some((Said::Nothing, until))
            })
    }

    /// Nothing is under a name until something is noted of it or put there: a program that saves under
    /// one name and renames would have both looked for each time.
    pub fn add_absent(&mut self, directory: Ino, segment: &str, until: Timestamp) {
        if self.absent.values().map(HashMap::len).sum::<usize>() >= ABSENT {
            self.absent.clear();
        }
        let absent = self.absent.entry(directory).or_default();
        absent.insert(segment.to_owned(), until);
    }

    /// Something was put under a name here.
    pub fn end_absent(&mut self, directory: Ino, segment: &str) {
        if let Some(absent) = self.absent.get_mut(&directory) {
            absent.remove(segment);
        }
    }

    /// The directory as it was listed, if that holds.
    pub fn listing(&self, directory: Ino, holds: impl Fn(Timestamp) -> bool) -> Option<&Listing> {
        let listed = self.listed.get(&directory);
        listed.filter(|listing| holds(listing.fresh_until))
    }

    /// A name of a directory has to be asked for. Whether it is one of so many that the directory is
    /// better listed.
    pub fn miss(
        &mut self,
        directory: Ino,
        segment: &str,
        holds: impl Fn(Timestamp) -> bool,
    ) -> Option<Storm> {
        let listed = self.listed.get(&directory);
        let listed = listed.filter(|it| holds(it.fresh_until));
        if listed.is_some_and(|it| it.complete)
            || self.walks.values().any(|(of, _)| *of == directory)
        {
            return None;
        }
        if self.misses.len() > COUNTED {
            self.misses.clear();
        }
        let misses = self.misses.entry(directory).or_default();
        // Of a directory that is too long, names here and there are better asked for one by one.
        if listed.is_some() && misses.last.as_str() >= segment {
            misses.count = 0;
        }
        misses.count += 1;
        segment.clone_into(&mut misses.last);
        let storm = match listed {
            Some(_) => Storm::Here,
            None => Storm::Whole,
        };
        (misses.count >= STORM).then_some(storm)
    }

    /// Something happens to an object, or happened: by what is done here, directories above it stay.
    pub fn note_own(&mut self, tree: &Tree, key: &str) {
        if let Some((directory, segment, true)) = tree.path(key).pop() {
            self.forget(directory, &segment);
        }
    }

    /// The same for what others did. `deleted`: directories that the object alone made are gone.
    pub fn note(&mut self, tree: &Tree, key: &str, deleted: bool) {
        for (directory, segment, last) in tree.path(key) {
            self.end_absent(directory, &segment);
            if last || deleted || !self.is_directory(directory, &segment) {
                self.forget(directory, &segment);
            }
        }
    }

    /// Nothing that was listed is known to hold, and nothing that is being listed will be.
    pub fn clear(&mut self) {
        let next = self.next;
        *self = Self::default();
        self.next = next;
    }

    fn all(&mut self, directory: Ino) -> impl Iterator<Item = &mut Listing> {
        let listed = self.listed.get_mut(&directory).into_iter();
        let walked = self.walks.values_mut();
        let walked = walked.filter(move |(of, _)| *of == directory);
        listed.chain(walked.map(|(_, listing)| listing))
    }

    fn is_directory(&mut self, directory: Ino, segment: &str) -> bool {
        self.all(directory).all(|listing| {
            let line = listing.lines.get(segment);
            line.and_then(Option::as_ref)
                .is_some_and(Found::is_directory)
        })
    }

    fn forget(&mut self, directory: Ino, segment: &str) {
        self.end_absent(directory, segment);
        for listing in self.all(directory) {
            listing.lines.insert(segment.to_owned(), None);
        }
    }
}

#[cfg(test)]
mod tests;
