//! One client of a bucket: it changes and reads its own keys, one after the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use rand::RngExt;
use rand::rngs::SmallRng;
use s3d_bucket::{
    Attributes, Body, Bucket, ChangeError, Completion, Condition, CopyAttributes, CopySource,
    Found, Key, NamedPart, PartAttributes, PartName, ReadError, Upload, UploadId,
};

use super::model::{Model, Value, bytes};
use super::read;

pub const KEYS: u64 = 5;

/// Keys of a burst, small enough to share blocks.
const BURST: usize = 12;

/// Why a client ended.
#[derive(Debug)]
pub enum End {
    /// The bucket closed, or the power is cut: the model has what was in flight.
    Closed,
    /// Something is wrong.
    Wrong(String),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed(_) => Self::Closed,
            error @ ReadError::Damaged { .. } => Self::Wrong(error.to_string()),
        }
    }
}

/// A client and what it knows.
pub struct Client {
    pub name: u64,
    pub bucket: Rc<Bucket>,
    pub model: Rc<RefCell<Model>>,
    pub rng: SmallRng,
    /// An object that was found a while ago, and what it held then.
    pub held: Option<(Found, (usize, u8))>,
}

impl Client {
    /// Does so many things, until the bucket closes.
    pub async fn run(&mut self, steps: u32) -> Result<(), String> {
        match self.do_all(steps).await {
            Ok(()) | Err(End::Closed) => Ok(()),
            Err(End::Wrong(wrong)) => Err(wrong),
        }
    }

    async fn do_all(&mut self, steps: u32) -> Result<(), End> {
        self.repeat_rename().await?;
        for _ in 0..steps {
            self.step().await?;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), End> {
        let key = self.key();
        match self.rng.random_range(0..108) {
            100..105 => self.rename_folder().await,
            105..108 => self.list().await,
            0..20 => self.change(&key, None, Condition::default()).await,
            20..60 => {
                let value = self.value();
                self.change(&key, Some(value), Condition::default()).await
            }
            60..63 => self.conditional(&key).await,
            63..66 => self.copy(&key).await,
            66..70 => self.rename(&key).await,
            70..72 => self.append(&key).await,
            72..73 => self.patch(&key).await,
            73..80 => self.read(&key).await,
            80..86 => self.burst().await,
            86..91 => self.read_held().await,
            91..97 => {
                // Long enough for a fold, and for what it lets be given back.
                let pause = Duration::from_secs(self.rng.random_range(1..15));
                tokio::time::sleep(pause).await;
                Ok(())
            }
            _ => match self.bucket.checkpoint().await {
                Ok(()) => Ok(()),
                Err(_) => Err(End::Closed),
            },
        }
    }

    fn key(&mut self) -> String {
        format!("{}{}", self.folder(), self.rng.random_range(0..KEYS))
    }

    fn value(&mut self) -> (usize, u8) {
        let length = match self.rng.random_range(0..8) {
            0..5 => self.rng.random_range(0..9_000),
            5..7 => self.rng.random_range(60_000..300_000),
            _ => self.rng.random_range(60_000..2_500_000),
        };
        (length, self.rng.random())
    }

    /// Puts or deletes.
    async fn change(&mut self, key: &str, after: Value, condition: Condition) -> Result<(), End> {
        // From here on the key may hold either.
        self.model.borrow_mut().begin(key, after);
        let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
        let done = match after {
            None => self.bucket.delete(name, condition).await.map(drop),
            Some(value) if condition == Condition::default() && self.rng.random_bool(0.2) => {
                multipart(&self.bucket, name, value).await
            }
            Some(value) => put(&self.bucket, name, value, condition, self.rng.random()).await,
        };
        self.settle(key, after, done)
    }

    pub fn settle(
        &self,
        key: &str,
        after: Value,
        done: Result<(), ChangeError>,
    ) -> Result<(), End> {
        let mut model = self.model.borrow_mut();
        match done {
            Ok(()) => model.settle(key, after),
            // Nothing was changed.
            Err(ChangeError::NoSpace | ChangeError::BodyLost) => {
                let before = model.get(key);
                model.settle(key, before);
            }
            Err(ChangeError::Closed(_)) => return Err(End::Closed),
            Err(error) => return Err(End::Wrong(format!("{key}: {error}"))),
        }
        Ok(())
    }

    /// A put under a condition that holds, or under one that does not.
    async fn conditional(&mut self, key: &str) -> Result<(), End> {
        let before = self.model.borrow().get(key);
        let value = self.value();
        let holds = match before {
            None => Condition::absent(),
            Some(before) => Condition::etag(etag(before)),
        };
        if self.rng.random_bool(0.5) {
            return self.change(key, Some(value), holds).await;
        }
        let fails = match before {
            None => Condition::etag("none".to_owned()),
            Some(_) => Condition::absent(),
        };
        let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
        match put(&self.bucket, name, value, fails, false).await {
            Err(
                ChangeError::ConditionFailed(_)
                | ChangeError::NoSuchKey
                | ChangeError::NoSpace
                | ChangeError::BodyLost,
            ) => Ok(()),
            Err(ChangeError::Closed(_)) => Err(End::Closed),
            other => Err(End::Wrong(format!(
                "{key}: {other:?} under a condition that fails"
            ))),
        }
    }

    /// Copies another of its keys, whole or as parts: no byte moves (B6).
    async fn copy(&mut self, key: &str) -> Result<(), End> {
        let other = self.key();
        let Some(value) = self.model.borrow().get(&other) else {
            return Ok(());
        };
        self.model.borrow_mut().begin(key, Some(value));
        let source = Source {
            key: Key::new(other).map_err(|error| End::Wrong(error.to_string()))?,
            value,
        };
        let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
        let copied = if self.rng.random() {
            source.copy(&self.bucket, name).await
        } else {
            let middle = self.rng.random_range(0..=value.0 as u64);
            source.copy_parts(&self.bucket, name, middle).await
        };
        self.settle(key, Some(value), copied)
    }

    async fn read(&mut self, key: &str) -> Result<(), End> {
        let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
        let found = self.bucket.find(&name).await?;
        let expected = self.model.borrow().get(key);
        match (found, expected) {
            (None, None) => Ok(()),
            (Some(found), Some(value)) if self.rng.random_bool(0.3) => {
                self.held = Some((found, value));
                Ok(())
            }
            (Some(found), Some(value)) => compare(&self.bucket, &found, value).await,
            (found, expected) => Err(End::Wrong(format!(
                "{key} holds {:?}, and must hold {expected:?}",
                found.map(|found| found.size)
            ))),
        }
    }

    /// Reads what was found a while ago, whatever became of its key (B7).
    async fn read_held(&mut self) -> Result<(), End> {
        match self.held.take() {
            Some((found, value)) => compare(&self.bucket, &found, value).await,
            None => Ok(()),
        }
    }

    /// Puts small objects together, so that they share blocks, and deletes most of them.
    async fn burst(&mut self) -> Result<(), End> {
        let folder = self.folder();
        let keys: Vec<String> = (0..BURST)
            .map(|n| format!("{folder}burst/{n:02}"))
            .collect();
        let values: Vec<Value> = keys
            .iter()
            .map(|_| Some((self.rng.random_range(200..1_500), self.rng.random())))
            .collect();
        self.change_all(&keys, &values).await?;
        let deleted: Vec<String> = keys
            .into_iter()
            .filter(|_| self.rng.random_bool(0.8))
            .collect();
        let nothing = vec![None; deleted.len()];
        self.change_all(&deleted, &nothing).await
    }

    /// Puts or deletes together.
    pub async fn change_all(&mut self, keys: &[String], values: &[Value]) -> Result<(), End> {
        let bucket = &self.bucket;
        let changes = keys.iter().zip(values).map(|(key, value)| {
            self.model.borrow_mut().begin(key, *value);
            async move {
                let name = Key::new(key).expect("a short key");
                match value {
                    None => bucket.delete(name, Condition::default()).await.map(drop),
                    Some(value) => put(bucket, name, *value, Condition::default(), true).await,
                }
            }
        });
        let done = join_all(changes.collect::<Vec<_>>()).await;
        let mut end = Ok(());
        for ((key, value), done) in keys.iter().zip(values).zip(done) {
            let settled = self.settle(key, *value, done);
            end = end.and(settled);
        }
        end
    }
}

pub fn etag((length, fill): (usize, u8)) -> String {
    format!("{length}-{fill}")
}

fn attributes(value: (usize, u8)) -> Attributes {
    Attributes {
        etag: etag(value),
        ..Attributes::default()
    }
}

pub async fn body(bucket: &Bucket, bytes: Bytes, hint: bool) -> Result<Body, ChangeError> {
    let mut writer = bucket.writer(hint.then_some(bytes.len() as u64));
    for chunk in bytes.chunks(300_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    writer.finish().await
}

/// Puts a value; `hint`: its length is said before.
pub async fn put(
    bucket: &Bucket,
    key: Key,
    value: (usize, u8),
    condition: Condition,
    hint: bool,
) -> Result<(), ChangeError> {
    let body = body(bucket, bytes(value), hint).await?;
    let stored = bucket.put(key, attributes(value), body, condition).await;
    stored.map(drop)
}

async fn multipart(bucket: &Bucket, key: Key, value: (usize, u8)) -> Result<(), ChangeError> {
    let upload = bucket.create_upload(key.clone(), Upload::default()).await?;
    let bytes = bytes(value);
    let half = bytes.len() / 2;
    let mut parts = Vec::new();
    for (number, part) in [(1, bytes.slice(..half)), (2, bytes.slice(half..))] {
        let etag = format!("part {number}");
        let body = body(bucket, part, true).await?;
        let (key, upload) = (key.clone(), upload.clone());
        let stored = bucket.put_part(key, upload, number, etag.clone(), None, body);
        stored.await?;
        parts.push(NamedPart {
            number,
            etag,
            checksum: None,
        });
    }
    complete(bucket, key, upload, parts, value).await
}

async fn complete(
    bucket: &Bucket,
    key: Key,
    upload: UploadId,
    parts: Vec<NamedPart>,
    value: (usize, u8),
) -> Result<(), ChangeError> {
    let completion = Completion {
        parts,
        attributes: attributes(value),
    };
    let completed = bucket.complete_upload(key, upload, completion, Condition::default());
    completed.await.map(drop)
}

/// What is copied.
struct Source {
    key: Key,
    value: (usize, u8),
}

impl Source {
    fn name(&self) -> CopySource {
        CopySource {
            key: self.key.clone(),
            condition: Condition::etag(etag(self.value)),
        }
    }

    async fn copy(&self, bucket: &Bucket, to: Key) -> Result<(), ChangeError> {
        let (attributes, condition) = (CopyAttributes::default(), Condition::default());
        let copied = bucket.copy(self.name(), to, attributes, condition).await;
        copied.map(drop)
    }

    async fn copy_parts(&self, bucket: &Bucket, to: Key, middle: u64) -> Result<(), ChangeError> {
        let upload = bucket.create_upload(to.clone(), Upload::default()).await?;
        let mut parts = Vec::new();
        for (number, range) in [(1, 0..middle), (2, middle..self.value.0 as u64)] {
            let etag = format!("part {number}");
            let part = PartName {
                key: to.clone(),
                upload: upload.clone(),
                number,
            };
            let attributes = PartAttributes {
                etag: etag.clone(),
                checksum: None,
            };
            let copied = bucket.copy_part(self.name(), Some(range), part, attributes);
            copied.await?;
            parts.push(NamedPart {
                number,
                etag,
                checksum: None,
            });
        }
        complete(bucket, to, upload, parts, self.value).await
    }
}

/// Reads an object to its end, which must hold `value`.
pub async fn compare(bucket: &Bucket, found: &Found, value: (usize, u8)) -> Result<(), End> {
    let held = read(bucket, found).await?;
    if found.attributes.etag != etag(value) || held != bytes(value) {
        let (length, etag) = (held.len(), &found.attributes.etag);
        return Err(End::Wrong(format!(
            "{length} bytes under {etag}, and must hold {value:?}"
        )));
    }
    Ok(())
}
