//! What the measures work on: a mount, its bucket, and what its files must hold.

use std::fs::{self, File};
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::mount::Mount;
use super::noise::Noise;
use crate::ask::ask;

/// The size of a small file, of a random read and of a random write, in bytes.
pub const BLOCK: usize = 4096;
/// The large file.
pub const BIG: &str = "big";
/// The directory of the small files.
pub const SMALL: &str = "small";
/// How much of an object is compared at a time, in bytes.
const PIECE: usize = 8 << 20;
/// For what a mount uploads after it was asked for it.
const UPLOADS: Duration = Duration::from_mins(1);

/// A mount and what is on it.
pub struct Bed {
    /// The mount.
    pub mount: Mount,
    /// What the large file holds, or is about to.
    pub big: Vec<u8>,
    /// What the small files hold, one after the other.
    pub small: Vec<u8>,
    /// Whether the large file was written.
    pub has_big: bool,
    /// Whether the small files were.
    pub has_small: bool,
    /// Where random reads and writes go.
    pub noise: Noise,
}

impl Bed {
    /// Sizes in bytes; `files` is the number of small files.
    pub fn new(mount: Mount, big: usize, files: usize) -> Self {
        let mut noise = Noise::new(0x5eed_0ac1);
        Self {
            mount,
            big: noise.bytes(big),
            small: noise.bytes(files * BLOCK),
            has_big: false,
            has_small: false,
            noise,
        }
    }

    /// The names of the small files under this directory, and what they hold.
    pub fn files(&self, directory: &str) -> impl DoubleEndedIterator<Item = (String, &[u8])> {
        let blocks = self.small.chunks(BLOCK).enumerate();
        blocks.map(move |(number, bytes)| (format!("{directory}/{number:06}"), bytes))
    }

    /// Waits for late uploads and mounts again with nothing cached.
    pub fn remount_cold(&mut self) -> anyhow::Result<()> {
        let settled = self.settle();
        self.mount.remount_cold()?;
        settled
    }

    /// Mounts again after a failure, and writes the large file anew if it was lost.
    pub fn restore(&mut self) -> anyhow::Result<()> {
        self.mount.remount_cold()?;
        if self.has_big && check(&self.mount, BIG, &self.big).is_err() {
            self.has_big = false;
            let mut file = File::create(self.mount.path(BIG))?;
            file.write_all(&self.big)?;
            file.sync_all()?;
            self.has_big = true;
        }
        Ok(())
    }

    /// Waits until the bucket holds what was written.
    fn settle(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + UPLOADS;
        while self.mount.peer.has_plain_keys() && !self.bucket_holds_all()? {
            ensure!(
                Instant::now() < deadline,
                "the bucket does not hold what was written {UPLOADS:?} later"
            );
            thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    fn bucket_holds_all(&self) -> anyhow::Result<bool> {
        if self.has_big && !bucket_holds(&self.mount, BIG, &self.big)? {
            return Ok(false);
        }
        if self.has_small {
            for (name, bytes) in self.files(SMALL) {
                if !bucket_holds(&self.mount, &name, bytes)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Whether a file that was written is out of danger: the bucket holds it under its key. Where keys
/// say nothing, whether it is there after the mount was killed and its caches removed.
pub fn is_durable(mount: &mut Mount, name: &str, bytes: &[u8]) -> anyhow::Result<bool> {
    if mount.peer.has_plain_keys() {
        return bucket_holds(mount, name, bytes);
    }
    mount.crash()?;
    Ok(fs::read(mount.path(name)).is_ok_and(|it| it == bytes))
}

/// The same for a file that was removed.
pub fn is_durably_gone(mount: &mut Mount, name: &str) -> anyhow::Result<bool> {
    if mount.peer.has_plain_keys() {
        let target = &mount.place.target;
        let answer = ask(target, "HEAD", &target.presign("HEAD", name, "")?, None)?;
        return Ok(answer.status == 404);
    }
    mount.crash()?;
    Ok(!mount.path(name).try_exists()?)
}

/// Whether an object has just these bytes.
fn bucket_holds(mount: &Mount, key: &str, bytes: &[u8]) -> anyhow::Result<bool> {
    let target = &mount.place.target;
    let path = target.presign("GET", key, "")?;
    for start in (0..=bytes.len()).step_by(PIECE) {
        // The range goes past the end, so that a longer object is found out.
        let range = format!("bytes={start}-{}", start + PIECE - 1);
        let answer = ask(target, "GET", &path, Some(&range))?;
        let expected = &bytes[start..bytes.len().min(start + PIECE)];
        let same = match answer.status {
            206 => answer.body == expected,
            416 => expected.is_empty(),
            404 => false,
            other => bail!("GET of {key:?} was answered with {other}"),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sees to it that a file reads as it should, through the mount.
pub fn check(mount: &Mount, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let read = fs::read(mount.path(name)).with_context(|| format!("could not read {name}"))?;
    ensure!(
        read == bytes,
        "{name} does not read as it was written: {} bytes of {}",
        read.len(),
        bytes.len()
    );
    Ok(())
}
