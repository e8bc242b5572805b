//! The entries of a directory, made from the lines of a listing as they come.

use crate::names;

/// An entry of a directory. `T`: what is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The file name.
    pub name: String,
    /// The object, or `None` for a directory.
    pub object: Option<T>,
}

/// Takes the lines of a listing in the order of their bytes and gives entries.
///
/// Whether an object `blue` is shown under its own name depends on whether `blue/` comes, and there may
/// be others in between, such as `blue-x`: it is held back until then. What is held back at one time
/// are beginnings of one another, so they are at most as many as a segment has bytes.
#[derive(Debug)]
pub struct Entries<T> {
    held: Vec<(String, T)>,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self { held: Vec::new() }
    }
}

impl<T> Entries<T> {
    /// The next line is an object whose key, behind that of the directory, is `segment`.
    pub fn object(&mut self, segment: &str, object: T) -> Vec<Entry<T>> {
        let ready = self.release(segment);
        // The directory's own marker is no entry of it.
        if !segment.is_empty() {
            self.held.push((segment.to_owned(), object));
        }
        ready
    }

    /// The next line is a common prefix: `segment` and a slash.
    pub fn directory(&mut self, segment: &str) -> Vec<Entry<T>> {
        let mut ready = self.release(segment);
        if self.held.last().is_some_and(|(held, _)| held == segment)
            && let Some((_, object)) = self.held.pop()
            && let Some(name) = names::shown_beside_directory(segment)
        {
            ready.push(Entry {
                name,
                object: Some(object),
            });
        }
        if let Some(name) = names::shown(segment) {
            ready.push(Entry {
                name: name.into_owned(),
                object: None,
            });
        }
        ready
    }

    /// The listing has ended.
    pub fn end(&mut self) -> Vec<Entry<T>> {
        self.held.drain(..).filter_map(plain).collect()
    }

    /// Gives what can have no directory of its name any more, as `next` lies behind it.
    fn release(&mut self, next: &str) -> Vec<Entry<T>> {
        let mut ready = Vec::new();
        while let Some((held, _)) = self.held.last() {
            let behind = format!("{held}/");
            if *next <= *behind && next.starts_with(held.as_str()) {
                break;
            }
            ready.extend(self.held.pop().and_then(plain));
        }
        ready
    }
}

fn plain<T>((segment, object): (String, T)) -> Option<Entry<T>> {
    Some(Entry {
        name: names::shown(&segment)?.into_owned(),
        object: Some(object),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// The entries of a directory that holds these keys, in their own order.
    fn entries(keys: &[&str]) -> Vec<Entry<String>> {
        let mut lines: BTreeMap<String, Option<String>> = BTreeMap::new();
        for key in keys {
            match key.split_once('/') {
                Some((segment, _)) => lines.insert(format!("{segment}/"), None),
                None => lines.insert((*key).to_owned(), Some((*key).to_owned())),
            };
        }
        let mut entries = Entries::default();
        let mut found = Vec::new();
        for (line, object) in lines {
            found.extend(match object {
                Some(object) => entries.object(&line, object),
                None => entries.directory(line.trim_end_matches('/')),
            });
        }
        found.extend(entries.end());
        found
    }

    fn names(keys: &[&str]) -> BTreeSet<String> {
        let found = entries(keys);
        let names: BTreeSet<_> = found.iter().map(|entry| entry.name.clone()).collect();
        assert_eq!(names.len(), found.len(), "no name comes twice: {found:?}");
        names
    }

    #[test]
    fn an_object_beside_a_directory_has_a_name_of_its_own() {
        let found = names(&["blue", "blue-x", "blue!", "blue/x", "blues", "b"]);
        let expected = ["b", "blue", "%fused=blue", "blue-x", "blue!", "blues"];
        assert_eq!(found, expected.map(str::to_owned).into());
    }

    #[test]
    fn a_marker_is_no_entry_and_an_empty_segment_is_a_directory() {
        assert_eq!(names(&["", "/x"]), ["%fused-".to_owned()].into());
    }

    proptest! {
        #[test]
        fn every_key_is_found(keys in prop::collection::btree_set("[a!0/.-]{1,4}", 0..12)) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let found = names(&keys);
            for key in &keys {
                let (segment, directory) = match key.split_once('/') {
                    Some((segment, _)) => (segment, true),
                    None => (*key, false),
                };
                let beside = !directory && keys.iter().any(|it| it.split_once('/').is_some_and(|it| it.0 == segment));
                let name = if beside {
                    names::shown_beside_directory(segment)
                } else {
                    names::shown(segment).map(Into::into)
                };
                prop_assert!(found.contains(&name.unwrap()), "{} in {:?}", key, found);
            }
        }
    }
}
