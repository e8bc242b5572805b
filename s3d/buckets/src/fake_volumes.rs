//! Volumes in memory, for tests: they can be away, full, or crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use s3d_bucket::Devices;
use volumed_client::{BlockDevice, DeviceError, Durability, Session};
use volumed_cluster::NodeNumber;

use super::volumes::{Attachment, Hold, VolumeError, Volumes};

const PAGE: u64 = 4096;

/// How often whoever attaches lets others run first.
const OTHERS_BEGIN: usize = 16;

#[derive(Default)]
struct Pages(Mutex<HashMap<u64, Box<[u8]>>>);

#[derive(Default)]
struct Volume {
    pages: Arc<Pages>,
    epoch: u64,
    attached: Option<Attached>,
    replicas: u8,
}

/// The attachment of a volume that there is.
struct Attached {
    /// Ends its connections.
    lost: Arc<AtomicBool>,
    /// The node whose daemon serves it; `None`: the only one.
    node: Option<NodeNumber>,
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
    attaching: AtomicUsize,
    /// How many were attached at one time at most.
    pub most_attaching: AtomicUsize,
}

impl FakeVolumes {
    /// Every connection ends, as when the daemon is killed.
    pub fn crash(&self) {
        for volume in self.volumes.lock().values_mut() {
            volume.end();
        }
    }

    /// The volumes as the daemon of one node of a cluster serves them.
    pub fn of_node(self: &Arc<Self>, node: NodeNumber) -> Arc<FakeNode> {
        Arc::new(FakeNode {
            volumes: self.clone(),
            node,
            away: AtomicBool::new(false),
        })
    }

    /// The replicas of each volume.
    pub fn replicas(&self) -> Vec<u8> {
        self.volumes.lock().values().map(|it| it.replicas).collect()
    }

    /// How many volumes there are.
    pub fn count(&self) -> usize {
        self.volumes.lock().len()
    }

    /// Lets others begin to attach, too.
    async fn take_a_moment(&self) {
        let now = self.attaching.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_attaching.fetch_max(now, Ordering::SeqCst);
        for _ in 0..OTHERS_BEGIN {
            tokio::task::yield_now().await;
        }
        self.attaching.fetch_sub(1, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), VolumeError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(VolumeError::Unavailable("away".into()));
        }
        Ok(())
    }

    fn attach_to(
        &self,
        node: Option<NodeNumber>,
        volume: &str,
        unless_served: bool,
    ) -> Result<Attachment, VolumeError> {
        self.check()?;
        let mut volumes = self.volumes.lock();
        let volume = volumes.get_mut(volume).ok_or(VolumeError::Gone)?;
        if unless_served && volume.attached.as_ref().is_some_and(|it| it.node != node) {
            return Err(VolumeError::ServedElsewhere);
        }
        self.attached.fetch_add(1, Ordering::SeqCst);
        volume.end();
        let lost = Arc::new(AtomicBool::new(false));
        volume.attached = Some(Attached {
            lost: lost.clone(),
            node,
        });
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
            hold: Arc::new(Held { lost }),
        })
    }

    fn detach_from(&self, node: Option<NodeNumber>, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        let mut volumes = self.volumes.lock();
        let volume = volumes.get_mut(volume);
        // Another node's is not this one's to give up.
        let served = |it: &&mut Volume| it.attached.as_ref().is_some_and(|it| it.node == node);
        if let Some(volume) = volume.filter(served) {
            volume.end();
        }
        Ok(())
    }
}

impl Volume {
    /// Ends the attachment that there is.
    fn end(&mut self) {
        if let Some(attached) = self.attached.take() {
            attached.lost.store(true, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Volumes for FakeVolumes {
    async fn create(&self, volume: &str, replicas: u8) -> Result<(), VolumeError> {
        self.check()?;
        if self.full.load(Ordering::SeqCst) {
            return Err(VolumeError::NoSpace);
        }
        let mut volumes = self.volumes.lock();
        volumes.entry(volume.to_owned()).or_default().replicas = replicas;
        Ok(())
    }

    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.take_a_moment().await;
        self.attach_to(None, volume, false)
    }

    async fn attach_unless_served(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.take_a_moment().await;
        self.attach_to(None, volume, true)
    }

    async fn server(&self, volume: &str) -> Result<Option<NodeNumber>, VolumeError> {
        self.check()?;
        let volumes = self.volumes.lock();
        let volume = volumes.get(volume).ok_or(VolumeError::Gone)?;
        Ok(volume.attached.as_ref().and_then(|it| it.node))
    }

    async fn free(&self) -> Result<u64, VolumeError> {
        self.check()?;
        let full = self.full.load(Ordering::SeqCst);
        Ok(if full { 0 } else { 1 << 40 })
    }

    async fn held(&self) -> Result<u64, VolumeError> {
        self.check()?;
        Ok(1 << 20)
    }

    async fn detach(&self, volume: &str) -> Result<(), VolumeError> {
        self.detach_from(None, volume)
    }

    async fn delete(&self, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        self.volumes.lock().remove(volume);
        Ok(())
    }
}

/// The volumes as one node of a cluster serves them.
pub struct FakeNode {
    volumes: Arc<FakeVolumes>,
    node: NodeNumber,
    /// The daemon of this node does not answer.
    pub away: AtomicBool,
}

impl FakeNode {
    /// The daemon of this node is killed, and its lease ends: what it served, nobody serves.
    pub fn die(&self) {
        self.away.store(true, Ordering::SeqCst);
        for volume in self.volumes.volumes.lock().values_mut() {
            if volume
                .attached
                .as_ref()
                .is_some_and(|it| it.node == Some(self.node))
            {
                volume.end();
            }
        }
    }

    fn check(&self) -> Result<(), VolumeError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(VolumeError::Unavailable("away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Volumes for FakeNode {
    async fn create(&self, volume: &str, replicas: u8) -> Result<(), VolumeError> {
        self.check()?;
        self.volumes.create(volume, replicas).await
    }

    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.check()?;
        self.volumes.attach_to(Some(self.node), volume, false)
    }

    async fn attach_unless_served(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.check()?;
        self.volumes.attach_to(Some(self.node), volume, true)
    }

    async fn server(&self, volume: &str) -> Result<Option<NodeNumber>, VolumeError> {
        self.check()?;
        self.volumes.server(volume).await
    }

    async fn detach(&self, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        self.volumes.detach_from(Some(self.node), volume)
    }

    async fn delete(&self, volume: &str) -> Result<(), VolumeError> {
        self.check()?;
        self.volumes.delete(volume).await
    }

    async fn free(&self) -> Result<u64, VolumeError> {
        self.check()?;
        self.volumes.free().await
    }

    async fn held(&self) -> Result<u64, VolumeError> {
        self.check()?;
        self.volumes.held().await
    }
}

struct Held {
    lost: Arc<AtomicBool>,
}

#[async_trait]
impl Hold for Held {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    async fn stands(&self) -> bool {
        !self.is_lost()
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
