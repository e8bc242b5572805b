//! Any sequence of transactions does to the store what it does to a map.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome, SqliteStore};

#[derive(Default)]
struct Model {
    revision: u64,
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl Model {
    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Absent(key) => !self.entries.contains_key(key),
            Compare::Present(key) => self.entries.contains_key(key),
            Compare::Unchanged(key, revision) => self
                .entries
                .get(key)
                .is_some_and(|entry| entry.modified == *revision),
        }
    }

    fn transact(&mut self, compares: &[Compare], changes: &[Change]) -> Outcome {
        if !compares.iter().all(|compare| self.holds(compare)) {
            return Outcome::Refused;
        }
        let next = self.revision + 1;
        let mut changed = false;
        for change in changes {
            changed |= self.apply(change, next);
        }
        self.revision += u64::from(changed);
        Outcome::Committed(self.revision)
    }

    fn apply(&mut self, change: &Change, revision: u64) -> bool {
        match change {
            Change::Put(key, value) | Change::PutLeased(key, value, _) => {
                let created = self
                    .entries
                    .get(key)
                    .map_or(revision, |entry| entry.created);
                let entry = Entry {
                    key: key.clone(),
                    value: value.clone(),
                    created,
                    modified: revision,
                };
                self.entries.insert(key.clone(), entry);
                true
            }
            Change::Delete(key) => self.entries.remove(key).is_some(),
            Change::DeletePrefix(prefix) => {
                let before = self.entries.len();
                self.entries.retain(|key, _| !key.starts_with(prefix));
                self.entries.len() < before
            }
        }
    }

    fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Entry> {
        let entries = self.entries.values().filter(|entry| {
            entry.key.starts_with(prefix) && after.is_none_or(|after| *entry.key > *after)
        });
        entries.take(limit).cloned().collect()
    }
}

/// Few keys, so that they meet; bytes at the ends of their range, so that prefixes do.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(0), Just(b'a'), Just(0xfe), Just(0xff)],
        0..4,
    )
}

fn compare() -> impl Strategy<Value = Compare> {
    prop_oneof![
        key().prop_map(Compare::Absent),
        key().prop_map(Compare::Present),
        (key(), 0..20_u64).prop_map(|(key, revision)| Compare::Unchanged(key, revision)),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (key(), any::<[u8; 2]>()).prop_map(|(key, value)| Change::Put(key, value.to_vec())),
        2 => key().prop_map(Change::Delete),
        1 => key().prop_map(Change::DeletePrefix),
    ]
}

fn transaction() -> impl Strategy<Value = (Vec<Compare>, Vec<Change>)> {
    (
        proptest::collection::vec(compare(), 0..2),
        proptest::collection::vec(change(), 0..5),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_is_a_map(
        transactions in proptest::collection::vec(transaction(), 1..30),
        ranges in proptest::collection::vec((key(), proptest::option::of(key()), 0..9_usize), 8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut model = Model::default();
        runtime.block_on(async {
            for (compares, changes) in transactions {
                let expected = model.transact(&compares, &changes);
                prop_assert_eq!(store.transact(compares, changes).await.unwrap(), expected);
            }
            for (prefix, after, limit) in ranges {
                let got = store.range(&prefix, after.as_deref(), limit).await.unwrap();
                let expected = model.range(&prefix, after.as_deref(), limit);
                prop_assert_eq!(got, (model.revision, expected));
                prop_assert_eq!(
                    store.get(&prefix).await.unwrap(),
                    model.entries.get(&prefix).cloned()
                );
            }
            Ok(())
        })?;
    }
}
