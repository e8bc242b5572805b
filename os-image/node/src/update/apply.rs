//! Writes an update into the slot that does not run.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::firmware::{self, Firmware, FirmwareError, with_partition};
use crate::machine::Machine;
use crate::settings::{Settings, SettingsError};
use crate::slot::{Slot, partition};

use super::manifest::{Manifest, ManifestError};
use super::record::{Content, Outcome, Record, RecordError};
use super::source::Source;

/// What is read and written at once.
const CHUNK: usize = 1 << 20;
/// More than any manifest has.
const LONGEST_MANIFEST: u64 = 64 << 10;

/// Why an update was not written. The running slot is what it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// This is no node.
    #[error("this machine was not started from a node image")]
    NoImage,
    /// The running slot is not confirmed, and the other one is all that is left to go back to.
    #[error(
        "the running slot {0} is on trial: wait until it is confirmed, or run hayrack-update confirm"
    )]
    OnTrial(Slot),
    /// There are no settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody's updates are taken.
    #[error("the rack's settings have no update_key: build the image with one")]
    NoKey,
    /// It is not this rack's update.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It cannot be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// What was read.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The slot cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Its device.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not fit.
    #[error("the update has {needed} bytes, and the slot {free}")]
    TooLarge {
        /// The update's size.
        needed: u64,
        /// The slot's size.
        free: u64,
    },
    /// It is not what the manifest says.
    #[error("{name} is not what its manifest says: fetch it anew")]
    Damaged {
        /// What was read.
        name: String,
    },
    /// The disk did not keep it.
    #[error("{} does not hold what was written to it: replace this disk", .0.display())]
    BadDisk(PathBuf),
    /// There is no whole update to try.
    #[error("slot {0} holds no whole update: run hayrack-update apply")]
    NothingToTry(Slot),
    /// The firmware does not take it.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// It cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Writes the update whose manifest is at `source`, a file or an address, and reports how far it is: bytes of all.
/// Returns its version; nothing is started yet.
pub fn apply(
    machine: &Machine,
    source: &str,
    progress: impl Fn(u64, u64),
) -> Result<String, ApplyError> {
    let firmware = firmware::of(machine);
    let slot = free_slot(machine, firmware.as_ref())?;
    let source = Source::of(source);
    let manifest = read_manifest(machine, &source)?;
    let name = format!("hayrack-root-{slot}");
    let device = partition(machine, &name).ok_or(FirmwareError::NoPartition(name.clone()))?;

    let mut record = Record::load(machine)?;
    record.set_content(slot, Content::Incomplete);
    record.outcome = Outcome::None;
    record.save(machine)?;

    write(&device, &manifest, &source.beside(&manifest.root), progress)?;
    with_partition(machine, &name, "ro", |root| firmware.install(slot, root))?;

    record.set_content(slot, Content::Whole(manifest.version.clone()));
    record.outcome = Outcome::Written(manifest.version.clone());
    record.save(machine)?;
    Ok(manifest.version)
}

/// Starts the machine anew with the update that was written, once.
pub fn try_written(machine: &Machine) -> Result<(), ApplyError> {
    let firmware = firmware::of(machine);
    let slot = free_slot(machine, firmware.as_ref())?;
    let mut record = Record::load(machine)?;
    let Content::Whole(version) = record.content(slot).clone() else {
        return Err(ApplyError::NothingToTry(slot));
    };
    record.outcome = Outcome::Trial(version);
    record.save(machine)?;
    Ok(firmware.try_once(slot)?)
}

/// The slot that may be written: the other one, if the running one is sure to start.
fn free_slot(machine: &Machine, firmware: &dyn Firmware) -> Result<Slot, ApplyError> {
    let running = Slot::running(machine).ok_or(ApplyError::NoImage)?;
    if firmware.default()? != running {
        return Err(ApplyError::OnTrial(running));
    }
    Ok(running.other())
}

fn read_manifest(machine: &Machine, source: &Source) -> Result<Manifest, ApplyError> {
    let settings = Settings::load(&machine.node_state("settings.toml"))?;
    let key = settings.update_key.ok_or(ApplyError::NoKey)?;
    let mut text = String::new();
    let read = source.open().and_then(|bytes| {
        let mut bytes = bytes.take(LONGEST_MANIFEST);
        bytes.read_to_string(&mut text)
    });
    read.map_err(|error| unread(source, error))?;
    Ok(Manifest::read(&text, &key)?)
}

fn unread(source: &Source, error: io::Error) -> ApplyError {
    ApplyError::Read {
        name: source.to_string(),
        source: error,
    }
}

/// Writes the root to its device and reads it back.
fn write(
    device: &Path,
    manifest: &Manifest,
    root: &Source,
    progress: impl Fn(u64, u64),
) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Write {
        path: device.to_owned(),
        source,
    };
    let file = File::options().read(true).write(true).open(device);
    let mut file = file.map_err(failed)?;
    let free = file.seek(SeekFrom::End(0)).map_err(failed)?;
    if manifest.bytes > free {
        return Err(ApplyError::TooLarge {
            needed: manifest.bytes,
            free,
        });
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;

    let mut bytes = root.open().map_err(|error| unread(root, error))?;
    let mut digest = Sha256::new();
    let mut done = 0;
    let mut chunk = vec![0; CHUNK];
    while done < manifest.bytes {
        let most = (manifest.bytes - done).min(CHUNK as u64) as usize;
        let count = bytes.read(&mut chunk[..most]);
        let count = count.map_err(|error| unread(root, error))?;
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
        file.write_all(&chunk[..count]).map_err(failed)?;
        done += count as u64;
        progress(done, manifest.bytes);
    }
    if hex::encode(digest.finalize()) != manifest.sha256 {
        return Err(ApplyError::Damaged {
            name: root.to_string(),
        });
    }
    file.sync_all().map_err(failed)?;
    let kept = read_back(device, manifest.bytes).map_err(failed)?;
    if kept != manifest.sha256 {
        return Err(ApplyError::BadDisk(device.to_owned()));
    }
    Ok(())
}

/// The SHA-256 of the first bytes, as the disk holds them and not memory.
fn read_back(device: &Path, bytes: u64) -> io::Result<String> {
    let file = File::open(device)?;
    nix::fcntl::posix_fadvise(
        &file,
        0,
        0,
        nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED,
    )?;
    let mut digest = Sha256::new();
    let mut file = file.take(bytes);
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(&chunk[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Signature;

    const ROOT: &[u8] = b"a root of some bytes";

    fn manifest() -> Manifest {
        Manifest {
            version: "0.2.0".to_owned(),
            arch: "amd64".to_owned(),
            root: "root.squashfs".to_owned(),
            bytes: ROOT.len() as u64,
            sha256: hex::encode(Sha256::digest(ROOT)),
            signature: Signature::missing(),
        }
    }

    /// Writes `root` as the root of the manifest into a slot of 64 bytes, and returns what the slot holds then.
    fn written(root: &[u8], manifest: &Manifest) -> (Result<(), ApplyError>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.squashfs");
        std::fs::write(&path, root).unwrap();
        let device = folder.path().join("slot");
        std::fs::write(&device, [7; 64]).unwrap();
        let done = write(&device, manifest, &Source::File(path), |_, _| {});
        (done, std::fs::read(&device).unwrap())
    }

    #[test]
    fn a_root_is_written_and_what_follows_it_is_not() {
        let (done, slot) = written(ROOT, &manifest());
        done.unwrap();
        assert_eq!(&slot[..ROOT.len()], ROOT);
        assert_eq!(slot[ROOT.len()..], [7; 64][ROOT.len()..]);
        // More than the manifest says is not this update.
        let (done, slot) = written(&[ROOT, b"more"].concat(), &manifest());
        done.unwrap();
        assert_eq!(slot[ROOT.len()], 7);
    }

    #[test]
    fn a_root_that_is_not_the_manifests_is_refused() {
        for root in [&ROOT[1..], b"A root of some bytes", b""] {
            let (done, _) = written(root, &manifest());
            assert!(matches!(done, Err(ApplyError::Damaged { .. })), "{root:?}");
        }
        let large = Manifest {
            bytes: 65,
            ..manifest()
        };
        let (done, slot) = written(ROOT, &large);
        assert!(matches!(done, Err(ApplyError::TooLarge { .. })));
        assert_eq!(slot, [7; 64], "nothing was written");
    }
}
