//! Any sequence of transactions does to the store what it does to a map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::{Backend, Store, commit, open};
use crate::{Change, Compare, Entry, Outcome, StoreError};

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

/// Whether a key that is put occurs in another of the changes.
fn changes_twice(changes: &[Change]) -> bool {
    let touches = |change: &Change, put: &[u8]| match change {
        Change::Put(key, _) | Change::PutLeased(key, _, _) | Change::Delete(key) => key == put,
        Change::DeletePrefix(prefix) => put.starts_with(prefix),
    };
    changes.iter().enumerate().any(|(at, change)| match change {
        Change::Put(key, _) => {
            let mut others = changes.iter().enumerate();
            others.any(|(other, change)| other != at && touches(change, key))
        }
        _ => false,
    })
}

/// Bytes at the ends of their range, so that prefixes meet them.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(b'a'), Just(0xfe), Just(0xff)]
}

/// Few keys, so that they meet.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(byte(), 1..4)
}

fn prefix() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(byte(), 0..4)
}

/// A revision is that many after the one at which the sequence begins.
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
        1 => prefix().prop_map(Change::DeletePrefix),
    ]
}

fn transaction() -> impl Strategy<Value = (Vec<Compare>, Vec<Change>)> {
    (
        proptest::collection::vec(compare(), 0..2),
        proptest::collection::vec(change(), 0..5),
    )
}

type Transactions = Vec<(Vec<Compare>, Vec<Change>)>;
type Ranges = Vec<(Vec<u8>, Option<Vec<u8>>, usize)>;

pub fn the_store_is_a_map<B: Backend>(fresh: impl Fn() -> B) {
    let backend = fresh();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(open(&backend));
    let range = (prefix(), proptest::option::of(key()), 0..9_usize);
    let sequence = (
        proptest::collection::vec(transaction(), 1..30),
        proptest::collection::vec(range, 8),
    );
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    });
    runner
        .run(&sequence, |(transactions, ranges)| {
            runtime.block_on(compare_with_a_map(&store, transactions, ranges))
        })
        .unwrap();
}

async fn compare_with_a_map(
    store: &Store,
    transactions: Transactions,
    ranges: Ranges,
) -> Result<(), TestCaseError> {
    let start = commit(store, vec![Change::DeletePrefix(vec![])]).await;
    let mut model = Model {
        revision: start,
        entries: BTreeMap::new(),
    };
    for (mut compares, changes) in transactions {
        for compare in &mut compares {
            if let Compare::Unchanged(_, revision) = compare {
                *revision += start;
            }
        }
        if changes_twice(&changes) {
            let refused = store.transact(compares, changes).await;
            prop_assert!(matches!(refused, Err(StoreError::Invalid(_))));
            continue;
        }
        let expected = model.transact(&compares, &changes);
        prop_assert_eq!(store.transact(compares, changes).await.unwrap(), expected);
    }
    for (prefix, after, limit) in ranges {
        let got = store.range(&prefix, after.as_deref(), limit).await.unwrap();
        let expected = model.range(&prefix, after.as_deref(), limit);
        prop_assert_eq!(got, (model.revision, expected));
        if !prefix.is_empty() {
            let expected = model.entries.get(&prefix).cloned();
            prop_assert_eq!(store.get(&prefix).await.unwrap(), expected);
        }
    }
    Ok(())
}
