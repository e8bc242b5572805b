//! What a bucket must hold.

use std::collections::BTreeMap;

use bytes::Bytes;
use s3d_bucket::RequestToken;

/// What a key holds: the length and the byte that fills it, or nothing.
pub type Value = Option<(usize, u8)>;

/// By key, what it may hold: one value when nothing was in flight.
#[derive(Debug, Clone, Default)]
pub struct Model {
    keys: BTreeMap<String, Vec<Value>>,
    /// By client.
    renames: BTreeMap<u64, Rename>,
    /// Renames of prefixes that are in flight.
    prefixes: Vec<Renamed>,
}

/// A rename in flight.
#[derive(Debug, Clone)]
pub struct Rename {
    pub from: String,
    pub to: String,
    /// What the one holds before it, and the other behind it.
    pub value: (usize, u8),
    /// What the other holds before it.
    pub replaced: Value,
    pub token: Option<RequestToken>,
}

/// What a rename of a prefix does: the old key, the new one, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renamed(Vec<(String, String, Value)>);

impl Model {
    /// What a key holds, of which nothing is in flight.
    pub fn get(&self, key: &str) -> Value {
        let allowed = self.keys.get(key);
        allowed
            .and_then(|allowed| allowed.first().copied())
            .flatten()
    }

    /// A change of a key is in flight.
    pub fn begin(&mut self, key: &str, after: Value) {
        let before = self.get(key);
        self.keys.insert(key.to_owned(), vec![before, after]);
    }

    /// A client's rename is in flight.
    pub fn begin_rename(&mut self, client: u64, rename: Rename) {
        self.begin(&rename.from, None);
        self.begin(&rename.to, Some(rename.value));
        self.renames.insert(client, rename);
    }

    /// A client's rename that was in flight when it ended, or has ended now.
    pub fn end_rename(&mut self, client: u64) -> Option<Rename> {
        self.renames.remove(&client)
    }

    /// Takes over what was in flight: the keys of `before` are settled. No rename is half done.
    pub fn inherit_renames(&mut self, before: &Self) -> Result<(), String> {
        self.renames.clone_from(&before.renames);
        for rename in self.renames.values() {
            let wanted = match self.get(&rename.from) {
                None => Some(rename.value),
                Some(_) => rename.replaced,
            };
            if self.get(&rename.to) != wanted {
                return Err(format!("half done: {rename:?}"));
            }
        }
        Ok(())
    }

    /// A key holds this, for certain.
    pub fn settle(&mut self, key: &str, value: Value) {
        self.keys.insert(key.to_owned(), vec![value]);
    }

    /// All keys under a prefix that hold something for certain.
    pub fn held_under(&self, prefix: &str) -> Vec<String> {
        let mut held = self.held();
        held.retain(|key| key.starts_with(prefix));
        held
    }

    /// A rename of one prefix to another, under which nothing is, is in flight.
    pub fn begin_prefix(&mut self, from: &str, to: &str) -> Renamed {
        let pair = |old: String| {
            let (new, value) = (format!("{to}{}", &old[from.len()..]), self.get(&old));
            (old, new, value)
        };
        let renamed = Renamed(self.held_under(from).into_iter().map(pair).collect());
        for (old, new, value) in &renamed.0 {
            self.begin(old, None);
            self.begin(new, *value);
        }
        self.prefixes.push(renamed.clone());
        renamed
    }

    /// A rename was made, or nothing of it.
    pub fn settle_prefix(&mut self, renamed: &Renamed, done: bool) {
        for (old, new, value) in &renamed.0 {
            self.settle(old, value.filter(|_| !done));
            self.settle(new, value.filter(|_| done));
        }
        self.prefixes.retain(|it| it != renamed);
    }

    /// Of each rename that was in flight all was made, or nothing: `settled` is what was found.
    pub fn check_prefixes(&self, settled: &Self) -> Result<(), String> {
        for Renamed(pairs) in &self.prefixes {
            let mut made = pairs.iter().map(|(_, new, _)| settled.get(new).is_some());
            let first = made.next();
            if made.any(|made| Some(made) != first) {
                return Err(format!("a rename was made in part: {pairs:?}"));
            }
        }
        Ok(())
    }

    /// Every key with what it may hold.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Vec<Value>)> {
        self.keys.iter()
    }

    /// What the keys hold for certain.
    pub fn values(&self) -> BTreeMap<String, (usize, u8)> {
        let held = self.keys.iter();
        held.filter_map(|(key, allowed)| Some((key.clone(), allowed[0]?)))
            .collect()
    }

    /// The keys that hold something for certain.
    pub fn held(&self) -> Vec<String> {
        let held = self.keys.iter().filter(|(_, allowed)| allowed[0].is_some());
        held.map(|(key, _)| key.clone()).collect()
    }
}

/// Bytes of a value that are alike.
pub const RUN: usize = 512;

/// Of so many runs, each is altered by another of the last bits of what fills the value.
pub const STRIPES: usize = 4;

/// The bytes of a value. A longer one that is filled alike begins with them.
pub fn bytes((length, fill): (usize, u8)) -> Bytes {
    let byte = |at| {
        let run = at / RUN;
        let altered = fill >> (run % STRIPES) & 1;
        ((fill >> STRIPES << STRIPES).wrapping_add(run as u8)) ^ (altered * 0x55)
    };
    (0..length).map(byte).collect::<Vec<_>>().into()
}
