//! Small files of a directory that are opened one after the other, in the order in which they are
//! listed, as by whoever copies or searches all of it: the next ones are fetched ahead, and more of
//! them the longer that goes on. Whoever opens files in no order has nothing fetched.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use crate::stage::Base;
use crate::tree::Ino;

/// Longest file that is fetched ahead, in bytes.
const SMALL: u64 = 64 << 10;
/// Most files of a directory to be ahead.
const AHEAD: usize = 16;
/// Most files that were passed over and are kept: several readers at once open them in no exact order.
const PASSED: usize = 8;
/// Most names that are looked at for those to fetch.
const LOOKED_AT: usize = 4 * AHEAD;
/// Most directories that are followed at one time.
const FOLLOWED: usize = 4;

/// Follows who opens files. `T`: a file that is fetched, or being fetched.
#[derive(Debug)]
pub struct Successions<T> {
    /// By directory; where something was opened last comes last.
    followed: VecDeque<(Ino, Succession<T>)>,
}

#[derive(Debug)]
struct Succession<T> {
    /// The furthest file that was opened.
    at: String,
    /// The one behind it.
    next: Option<String>,
    /// How many files to be ahead.
    window: usize,
    fetched: BTreeMap<String, T>,
}

impl<T> Default for Successions<T> {
    fn default() -> Self {
        Self {
            followed: VecDeque::new(),
        }
    }
}

impl<T> Default for Succession<T> {
    fn default() -> Self {
        Self {
            at: String::new(),
            next: None,
            window: 0,
            fetched: BTreeMap::new(),
        }
    }
}

impl<T> Successions<T> {
    /// A file is opened. `behind`: the files behind a name, in order. `fetch` begins to fetch one.
    /// Answers the file if it was fetched ahead.
    pub fn opened<'l, I: Iterator<Item = (&'l str, &'l Base)>>(
        &mut self,
        directory: Ino,
        segment: &str,
        behind: impl Fn(&str) -> I,
        fetch: impl FnMut(&str, &Base) -> T,
    ) -> Option<T> {
        let known = self.followed.iter().position(|(of, _)| *of == directory);
        let known = known.and_then(|at| self.followed.remove(at));
        let mut succession = known.map_or_else(Succession::default, |(_, it)| it);
        let opened = succession.opened(segment, behind, fetch);
        self.followed.push_back((directory, succession));
        if self.followed.len() > FOLLOWED {
            self.followed.pop_front();
        }
        opened
    }
}

impl<T> Succession<T> {
    fn opened<'l, I: Iterator<Item = (&'l str, &'l Base)>>(
        &mut self,
        segment: &str,
        behind: impl Fn(&str) -> I,
        fetch: impl FnMut(&str, &Base) -> T,
    ) -> Option<T> {
        let opened = self.fetched.remove(segment);
        let is_next = self.next.as_deref() == Some(segment);
        if !is_next && opened.is_none() {
            *self = Self::default();
        } else if is_next || *segment > *self.at {
            self.window = (self.window * 2).clamp(2, AHEAD);
        }
        if *segment > *self.at {
            segment.clone_into(&mut self.at);
            self.next = behind(segment).next().map(|(next, _)| next.to_owned());
        }
        self.forget_passed();
        self.fetch_ahead(behind, fetch);
        opened
    }

    fn forget_passed(&mut self) {
        while self.fetched.range(..self.at.clone()).count() > PASSED {
            self.fetched.pop_first();
        }
    }

    fn fetch_ahead<'l, I: Iterator<Item = (&'l str, &'l Base)>>(
        &mut self,
        behind: impl Fn(&str) -> I,
        mut fetch: impl FnMut(&str, &Base) -> T,
    ) {
        let ahead = (Excluded(self.at.clone()), Unbounded);
        let missing = self.window - self.fetched.range(ahead).count().min(self.window);
        let last = self.fetched.last_key_value().map(|(last, _)| last);
        let from = last.filter(|last| **last > self.at).unwrap_or(&self.at);
        let files = behind(from).take(LOOKED_AT);
        let small = files.filter(|(_, base)| (1..=SMALL).contains(&base.size));
        for (segment, base) in small.take(missing) {
            self.fetched
                .insert(segment.to_owned(), fetch(segment, base));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::ROOT;

    /// A directory of files of these sizes, and what was fetched of it.
    struct Directory {
        files: BTreeMap<String, Base>,
        successions: Successions<String>,
        fetched: Vec<String>,
    }

    impl Directory {
        fn new(sizes: impl IntoIterator<Item = u64>) -> Self {
            let base = |size: u64| Base {
                etag: size.to_string(),
                size,
            };
            let files = sizes.into_iter().enumerate();
            Self {
                files: files
                    .map(|(number, size)| (name(number), base(size)))
                    .collect(),
                successions: Successions::default(),
                fetched: Vec::new(),
            }
        }

        fn open(&mut self, number: usize) -> bool {
            let files = &self.files;
            let behind = |name: &str| {
                let behind = files.range::<str, _>((Excluded(name), Unbounded));
                behind.map(|(name, base)| (name.as_str(), base))
            };
            let fetch = |name: &str, _: &Base| {
                self.fetched.push(name.to_owned());
                name.to_owned()
            };
            let name = name(number);
            let opened = self.successions.opened(ROOT, &name, behind, fetch);
            assert!(opened.as_ref().is_none_or(|opened| *opened == name));
            opened.is_some()
        }
    }

    fn name(number: usize) -> String {
        format!("{number:03}")
    }

    #[test]
    fn files_that_are_opened_in_order_are_fetched_once_each() {
        let mut directory = Directory::new([10; 100]);
        let missed = (0..100).filter(|number| !directory.open(*number));
        assert_eq!(missed.collect::<Vec<_>>(), [0, 1]);
        let expected: Vec<_> = (2..100).map(name).collect();
        assert_eq!(directory.fetched, expected);
    }

    #[test]
    fn only_small_files_are_fetched() {
        let mut directory = Directory::new([10, 10, SMALL + 1, 0, SMALL, 10]);
        let found: Vec<_> = (0..6).map(|number| directory.open(number)).collect();
        assert_eq!(found, [false, false, false, false, true, true]);
        assert_eq!(directory.fetched, [name(4), name(5)]);
    }

    #[test]
    fn files_that_are_opened_in_no_order_are_not_fetched() {
        let mut directory = Directory::new([10; 100]);
        for number in [5, 3, 50, 20, 99, 98, 97, 0, 2, 4, 6] {
            assert!(!directory.open(number));
        }
        assert!(directory.fetched.is_empty());
    }

    #[test]
    fn two_readers_of_one_directory_do_not_get_in_each_others_way() {
        let mut directory = Directory::new([10; 100]);
        let swapped = (4..100).map(|number| number ^ 1);
        let missed = (0..4).chain(swapped).filter(|it| !directory.open(*it));
        assert_eq!(missed.collect::<Vec<_>>(), [0, 1]);
        assert_eq!(directory.fetched.len(), 98);
    }

    proptest! {
        #[test]
        fn there_is_never_much_ahead(
            sizes in prop::collection::vec(0..2 * SMALL, 1..80),
            opened in prop::collection::vec((0..80_usize, any::<bool>()), 1..200),
        ) {
            let count = sizes.len();
            let mut directory = Directory::new(sizes);
            let mut at = 0;
            for (number, follows) in opened {
                at = if follows { at + 1 } else { number } % count;
                directory.open(at);
                let held = directory.successions.followed.iter();
                let held: usize = held.map(|(_, it)| it.fetched.len()).sum();
                prop_assert!(held <= AHEAD + PASSED);
            }
        }
    }
}
