//! What clients were promised.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hayrack_e2e::random::content;

use crate::client::Client;

/// A bucket with the objects that were acknowledged.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    /// The volume that it is on.
    pub volume: String,
    /// By path: what the bytes were made of.
    acknowledged: Mutex<BTreeMap<String, Bytes>>,
}

#[derive(Clone, Copy, Debug)]
struct Bytes {
    tag: u64,
    length: usize,
}

impl Bytes {
    fn content(self) -> Vec<u8> {
        content(self.tag, self.length)
    }
}

impl Bucket {
    /// One without objects.
    pub fn new(name: &str, volume: &str) -> Self {
        Self {
            name: name.to_owned(),
            volume: volume.to_owned(),
            acknowledged: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of a key.
    pub fn path(&self, key: &str) -> String {
        format!("/{}/{key}", self.name)
    }

    /// Puts an object of its own bytes under a key that was not used before.
    ///
    /// # Errors
    /// When it is not acknowledged in time.
    pub fn put(&self, client: &Client, key: &str, length: usize) -> anyhow::Result<()> {
        let path = self.path(key);
        let tag = path.bytes().fold(length as u64, |tag, byte| {
            tag.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
        });
        let bytes = Bytes { tag, length };
        client.put(&path, bytes.content())?;
        let mut acknowledged = self.acknowledged.lock().expect("nobody panics in here");
        let before = acknowledged.insert(path, bytes);
        assert!(before.is_none(), "{key} was put twice");
        Ok(())
    }

    /// The bytes of an object that was acknowledged.
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        let acknowledged = self.acknowledged.lock().expect("nobody panics in here");
        acknowledged[&self.path(key)].content()
    }

    /// How many objects were acknowledged.
    pub fn count(&self) -> usize {
        self.acknowledged
            .lock()
            .expect("nobody panics in here")
            .len()
    }

    /// Reads every object that was acknowledged, and compares it.
    ///
    /// # Panics
    /// When one is not there, or has other bytes.
    pub fn check(&self, client: &Client) {
        let acknowledged = self
            .acknowledged
            .lock()
            .expect("nobody panics in here")
            .clone();
        for (number, (path, bytes)) in acknowledged.into_iter().enumerate() {
            let read = client.beginning_with(number).get(&path);
            let read = read.expect("what was acknowledged can be read");
            assert!(read.is_some(), "{path} was acknowledged, and is missing");
            assert!(read == Some(bytes.content()), "{path} has other bytes");
        }
    }
}
