//! The redirect of a prefix rename (B10): where the rows of objects lie while they move.
//!
//! From the record that begins a rename of `from` to `to`, objects have their new keys. Their rows
//! still lie under the old ones and move in slices, in order; `next` says how far that came. It is
//! compared with what follows the prefix in a key, the *rest*:
//!
//! | object | row, where rest < `next` | row, where rest >= `next` |
//! |---|---|---|
//! | `to` + rest | objects, `to` + rest | objects, `from` + rest |
//! | `from` + rest | objects, `from` + rest | arrivals, `from` + rest |
//!
//! Every key has one place, and no two share one: nothing has to be merged or compared.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::format::rows::{Mutation, Row, RowError, Table};
use crate::rules::{Rule, kept};

/// A prefix rename under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The old prefix.
    pub from: String,
    /// The new prefix; neither starts with the other.
    pub to: String,
    /// The least rest whose row did not move yet.
    pub next: String,
    /// Sequence number of the record that began the rename.
    pub began: u64,
}

impl Row for Redirect {}

/// A run of keys whose rows lie together, from where it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    pub table: Table,
    /// Where its rows begin.
    pub start: Bytes,
    /// Where its rows end; `None`: with the table.
    end: Option<Bytes>,
    /// The prefix of its rows, and that of their keys.
    renamed: Option<(String, String)>,
    /// The first key behind it, if there can be one.
    pub behind: Option<Bytes>,
}

impl Stretch {
    /// A whole table, from `start` on.
    pub fn whole(table: Table, start: Bytes) -> Self {
        Self {
            table,
            start,
            end: None,
            renamed: None,
            behind: None,
        }
    }

    /// Whether a row at or behind its start is one of it.
    pub fn holds(&self, row: &[u8]) -> bool {
        self.end.as_ref().is_none_or(|end| row < &end[..])
    }

    /// The key of one of its rows.
    pub fn key(&self, row: Bytes) -> Bytes {
        match &self.renamed {
            Some((from, to)) => join(to, &row[from.len()..]),
            None => row,
        }
    }
}

impl Redirect {
    /// Where the row of an object lies; `None`: among the objects, under its key.
    pub fn place(&self, key: &[u8]) -> Option<(Table, Bytes)> {
        if self.rest(&self.from, key).is_some() && kept(Rule::ArrivalsApart) {
            return Some((Table::Arrivals, Bytes::copy_from_slice(key)));
        }
        let rest = self.rest(&self.to, key)?;
        Some((Table::Objects, join(&self.from, rest)))
    }

    /// The key of an object whose row lies there.
    pub fn key_of(&self, table: Table, row: &Bytes) -> Bytes {
        match self.rest(&self.from, row) {
            Some(rest) if table == Table::Objects => join(&self.to, rest),
            _ => row.clone(),
        }
    }

    /// The rest of a key under a prefix, if it is at or behind `next`.
    fn rest<'k>(&self, prefix: &str, key: &'k [u8]) -> Option<&'k [u8]> {
        let rest = key.strip_prefix(prefix.as_bytes())?;
        (rest >= self.next.as_bytes()).then_some(rest)
    }

    /// The keys at and behind `at` that lie together with it.
    pub fn stretch(&self, at: Bytes) -> Stretch {
        let mut windows = [&self.from, &self.to].map(|prefix| {
            let start = join(prefix, self.next.as_bytes());
            (start, behind_prefix(prefix), prefix)
        });
        windows.sort();
        for (start, end, prefix) in windows {
            if at >= end {
                continue;
            }
            if at < start {
                return Stretch {
                    end: Some(start.clone()),
                    behind: Some(start),
                    ..Stretch::whole(Table::Objects, at)
                };
            }
            return if *prefix == self.from {
                Stretch {
                    end: Some(end.clone()),
                    behind: Some(end),
                    ..Stretch::whole(Table::Arrivals, at)
                }
            } else {
                Stretch {
                    end: Some(behind_prefix(&self.from)),
                    renamed: Some((self.from.clone(), self.to.clone())),
                    behind: Some(end),
                    ..Stretch::whole(Table::Objects, join(&self.from, &at[self.to.len()..]))
                }
            };
        }
        Stretch::whole(Table::Objects, at)
    }

    /// Where the rows begin that did not move yet.
    pub fn start(&self) -> Bytes {
        join(&self.from, self.next.as_bytes())
    }

    /// Whether keys under a prefix may be its own.
    pub fn touches(&self, prefix: &str) -> bool {
        overlap(&self.from, prefix) || overlap(&self.to, prefix)
    }

    /// The row of the redirect.
    pub fn row(redirect: Option<&Self>) -> Mutation {
        Mutation {
            table: Table::Redirect,
            key: Bytes::new(),
            value: redirect.map(Row::encode),
        }
    }

    /// Whether a record changes the redirect and moves rows with it: such a one says so first.
    pub fn is_changed_by(record: &[Mutation]) -> bool {
        let first = record.first();
        first.is_some_and(|it| it.table == Table::Redirect)
    }

    /// What such a record leaves of the redirect: it may say so again at its end.
    pub fn left_by(record: &[Mutation]) -> Option<Self> {
        let last = record.iter().rev().find(|it| it.table == Table::Redirect)?;
        let row = last.value.as_ref()?;
        // The checksum of its group held, so the row is as it was written.
        Some(Self::decode(row).expect("a redirect that was written whole"))
    }

    /// The rename that the record of this sequence number began, if it began one.
    pub fn begun_by(sequence: u64, record: &[Mutation]) -> Option<Self> {
        let first = record.first().filter(|it| it.table == Table::Redirect)?;
        let redirect = Self::decode(first.value.as_ref()?).ok()?;
        (redirect.began == sequence).then_some(redirect)
    }
}

/// A prefix and the rest of a key.
pub fn join(prefix: &str, rest: &[u8]) -> Bytes {
    [prefix.as_bytes(), rest].concat().into()
}

/// Whether a key may lie under both prefixes.
pub fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// The rest of an object's row under a prefix, as text.
pub fn rest_of(prefix: &str, row: &[u8]) -> Result<String, RowError> {
    let rest = row.get(prefix.len()..).unwrap_or_default();
    String::from_utf8(rest.to_vec()).map_err(|_| RowError::Damaged)
}

/// The least key behind all that start with a prefix.
fn behind_prefix(prefix: &str) -> Bytes {
    // No UTF-8 text has the byte 0xff, so raising the last byte never carries.
    let mut behind = prefix.as_bytes().to_vec();
    if let Some(last) = behind.last_mut() {
        *last += 1;
    }
    behind.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redirect(from: &str, to: &str, next: &str) -> Redirect {
        Redirect {
            from: from.into(),
            to: to.into(),
            next: next.into(),
            began: 7,
        }
    }

    #[test]
    fn each_key_has_a_place() {
        let redirect = redirect("a/", "b/", "m");
        let place = |key: &str| redirect.place(key.as_bytes());
        let row = |table, key: &'static str| Some((table, Bytes::from(key)));
        assert_eq!(place("a/c"), None);
        assert_eq!(place("a/m"), row(Table::Arrivals, "a/m"));
        assert_eq!(place("b/c"), None);
        assert_eq!(place("b/m"), row(Table::Objects, "a/m"));
        for elsewhere in ["a", "b", "a.", "b0", "c/z"] {
            assert_eq!(place(elsewhere), None);
        }
    }

    proptest! {
        #[test]
        fn a_place_leads_back_to_its_key(key in "[ab]/?[a-z]{0,3}", next in "[a-z]{0,2}") {
            for (from, to) in [("a/", "b/"), ("b", "a"), ("b/", "a")] {
                let redirect = redirect(from, to, &next);
                let own = (Table::Objects, Bytes::from(key.clone()));
                let (table, row) = redirect.place(key.as_bytes()).unwrap_or(own);
                prop_assert_eq!(redirect.key_of(table, &row), Bytes::from(key.clone()));
            }
        }

        #[test]
        fn stretches_cover_every_key_once(key in "[a-c]/?[a-z]{0,3}", next in "[a-z]{0,2}") {
            for (from, to) in [("a/", "b/"), ("b", "a"), ("b/", "a")] {
                let redirect = redirect(from, to, &next);
                let key = Bytes::from(key.clone());
                let own = (Table::Objects, key.clone());
                let (table, row) = redirect.place(&key).unwrap_or(own);
                let (mut at, mut met) = (Some(Bytes::new()), 0);
                while let Some(from) = at {
                    let stretch = redirect.stretch(from);
                    let holds = stretch.table == table && row >= stretch.start && stretch.holds(&row);
                    if holds {
                        prop_assert_eq!(stretch.key(row.clone()), key.clone());
                        met += 1;
                    }
                    at = stretch.behind;
                }
                prop_assert_eq!(met, 1);
            }
        }
    }

    #[test]
    fn a_record_says_what_becomes_of_the_redirect() {
        let (mine, other) = (redirect("a/", "b/", ""), redirect("c/", "d/", ""));
        let moved = Mutation {
            table: Table::Objects,
            key: "b/1".into(),
            value: None,
        };
        let begun = [Redirect::row(Some(&mine)), moved.clone()];
        assert_eq!(Redirect::left_by(&begun), Some(mine.clone()));
        assert_eq!(Redirect::begun_by(7, &begun), Some(mine.clone()));
        assert_eq!(Redirect::begun_by(8, &begun), None);
        let beside = [
            Redirect::row(Some(&mine)),
            moved.clone(),
            Redirect::row(Some(&other)),
        ];
        assert_eq!(Redirect::left_by(&beside), Some(other));
        assert_eq!(Redirect::begun_by(7, &beside), Some(mine));
        let ended = [Redirect::row(None), moved.clone()];
        assert_eq!(Redirect::left_by(&ended), None);
        assert_eq!(Redirect::begun_by(7, &ended), None);
        assert!(Redirect::is_changed_by(&ended));
        assert!(!Redirect::is_changed_by(&[moved, Redirect::row(None)]));
    }
}
