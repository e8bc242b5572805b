//! Volumes in memory, for tests: they can be away, full, or crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use s3d_bucket::Devices;
use volumed_client::{BlockDevice, DeviceError, Durability, Session};

use super::volumes::{Attachment, VolumeError, Volumes};

const PAGE: u64 = 4096;

#[derive(Default)]
struct Pages(Mutex<HashMap<u64, Box<[u8]>>>);

#[derive(Default)]
struct Volume {
    pages: Arc<Pages>,
    epoch: u64,
    /// Ends the connections of the attachment that there is.
    attached: Option<Arc<AtomicBool>>,
}

/// Volumes in memory.
#[derive(Default)]
pub struct FakeVolumes {
    volumes: Mutex<HashMap<String, Volume>>,
    /// Nothing answers.
    pub away: AtomicBool,
    /// Nothing can be made.
    pub full: AtomicBool,
    /// How often a volume was attached.
    pub attached: AtomicUsize,
}

impl FakeVolumes {
    /// Every connection ends, as when the daemon is killed.
    pub fn crash(&self) {
        for volume in self.volumes.lock().values_mut() {
            if let Some(lost) = volume.attached.take() {
                lost.store(true, Ordering::SeqCst);
            }
        }
    }

    /// How many volumes there are.
    pub fn count(&self) -> usize {
        self.volumes.lock().len()
    }

    fn check(&self) -> Result<(), VolumeError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(VolumeError::Unavailable("away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Volumes for FakeVolumes {
    async fn create(&self, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        if self.full.load(Ordering::SeqCst) {
            return Err(VolumeError::NoSpace);
        }
        self.volumes.lock().entry(volume.to_owned()).or_default();
        Ok(())
    }

    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.check()?;
        self.attached.fetch_add(1, Ordering::SeqCst);
        let mut volumes = self.volumes.lock();
        let volume = volumes.get_mut(volume).ok_or(VolumeError::Gone)?;
        if let Some(earlier) = volume.attached.take() {
            earlier.store(true, Ordering::SeqCst);
        }
        let lost = Arc::new(AtomicBool::new(false));
        volume.attached = Some(lost.clone());
        volume.epoch += 1;
        let device = Arc::new(Device {
            pages: volume.pages.clone(),
            lost: lost.clone(),
        });
        Ok(Attachment {
            devices: Devices {
                data: device.clone(),
                index: device,
            },
            epoch: volume.epoch,
            lost: Arc::new(move || lost.load(Ordering::SeqCst)),
        })
    }

    async fn free(&self) -> Result<u64, VolumeError> {
        self.check()?;
        let full = self.full.load(Ordering::SeqCst);
        Ok(if full { 0 } else { 1 << 40 })
    }

    async fn detach(&self, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        let mut volumes = self.volumes.lock();
        if let Some(lost) = volumes
            .get_mut(volume)
            .and_then(|volume| volume.attached.take())
        {
            lost.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn delete(&self, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        self.volumes.lock().remove(volume);
        Ok(())
    }
}

struct Device {
    pages: Arc<Pages>,
    lost: Arc<AtomicBool>,
}

impl Device {
    fn check(&self) -> Result<(), DeviceError> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(DeviceError::Disconnected);
        }
        Ok(())
    }
}

/// The parts of `length` bytes at `offset`, each within one page: page, start in it, length.
fn parts(mut offset: u64, mut length: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    std::iter::from_fn(move || {
        let start = offset % PAGE;
        let part = length.min(PAGE - start);
        let page = offset / PAGE;
        offset += part;
        length -= part;
        (part > 0).then_some((page, start as usize, part as usize))
    })
}

#[async_trait]
impl BlockDevice for Device {
    fn size(&self) -> u64 {
        1 << 60
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        self.check()?;
        let pages = self.pages.0.lock();
        let mut bytes = BytesMut::zeroed(length);
        let mut at = 0;
        for (page, start, part) in parts(offset, length as u64) {
            if let Some(page) = pages.get(&page) {
                bytes[at..at + part].copy_from_slice(&page[start..start + part]);
            }
            at += part;
        }
        Ok(bytes.freeze())
    }

    async fn write(&self, offset: u64, pieces: &[Bytes], _: Durability) -> Result<(), DeviceError> {
        self.check()?;
        let bytes = pieces.concat();
        let mut pages = self.pages.0.lock();
        let mut at = 0;
        for (page, start, part) in parts(offset, bytes.len() as u64) {
            let page = pages
                .entry(page)
                .or_insert_with(|| vec![0; PAGE as usize].into());
            page[start..start + part].copy_from_slice(&bytes[at..at + part]);
            at += part;
        }
        Ok(())
    }

    async fn flush(&self, _: Session) -> Result<(), DeviceError> {
        self.check()
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        self.check()?;
        let end = offset + length;
        let mut pages = self.pages.0.lock();
        pages.retain(|page, bytes| {
            let (from, to) = (page * PAGE, (page + 1) * PAGE);
            if from >= offset && to <= end {
                return false;
            }
            let (start, stop) = (from.max(offset), to.min(end));
            if start < stop {
                bytes[(start - from) as usize..(stop - from) as usize].fill(0);
            }
            true
        });
        Ok(())
    }
}
