//! Where a store's keys are among the keys of an etcd that others use, too.

use crate::location::EtcdLocation;

/// The keys of one store: all that begin with `/NAME/`.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: Vec<u8>,
    importing: Vec<u8>,
}

impl Keys {
    pub fn of(location: &EtcdLocation) -> Self {
        Self {
            prefix: format!("/{}/", location.name).into_bytes(),
            importing: format!("/{}.importing", location.name).into_bytes(),
        }
    }

    /// A key, or a prefix, as etcd has it.
    pub fn in_etcd(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// A key of etcd's as callers have it.
    pub fn of_caller(&self, mut key: Vec<u8>) -> Vec<u8> {
        debug_assert!(key.starts_with(&self.prefix));
        key.drain(..self.prefix.len());
        key
    }

    /// The first key of etcd's behind all whose callers' keys start with `prefix`.
    pub fn end_of(&self, prefix: &[u8]) -> Vec<u8> {
        let mut end = self.in_etcd(prefix);
        while end.last() == Some(&0xff) {
            end.pop();
        }
        // The store's own prefix ends in a slash, so something is left.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        end
    }

    /// Is there while a store is imported, outside of what callers see.
    pub fn importing(&self) -> Vec<u8> {
        self.importing.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Location;

    fn keys() -> Keys {
        match "etcd://host/name".parse() {
            Ok(Location::Etcd(etcd)) => Keys::of(&etcd),
            other => panic!("{other:?}"),
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0), Just(b'a'), Just(0xfe), Just(0xff)];
        proptest::collection::vec(byte, 0..4)
    }

    proptest! {
        #[test]
        fn a_prefix_ends_behind_its_keys_and_before_all_others(prefix in bytes(), key in bytes()) {
            let keys = keys();
            let (begin, end) = (keys.in_etcd(&prefix), keys.end_of(&prefix));
            let there = keys.in_etcd(&key);
            let within = begin <= there && there < end;
            prop_assert_eq!(within, key.starts_with(&prefix));
            prop_assert_eq!(keys.of_caller(there), key);
        }
    }

    #[test]
    fn what_is_no_key_of_the_store_is_outside_of_it() {
        let keys = keys();
        for other in [keys.importing(), b"/name".to_vec(), b"/name2/a".to_vec()] {
            let all = keys.in_etcd(b"")..keys.end_of(b"");
            assert!(!all.contains(&other), "{}", other.escape_ascii());
        }
    }
}
