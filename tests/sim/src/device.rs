//! A block device that forgets: at a power cut any subset of what was not yet durable is lost,
//! sector by sector, in whatever order it was written.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_client::{BlockDevice, DeviceError, Durability};

const BLOCK: u64 = 4096;
const SECTOR: usize = 512;
const EXBIBYTE: u64 = 1 << 60;

const SECTORS: usize = BLOCK as usize / SECTOR;

type Block = [u8; BLOCK as usize];

/// What a device does wrong on purpose, to prove that the tests would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A flush is skipped, and answered all the same.
    SkipsFlush,
    /// A durable write that begins below this address is answered before it is durable.
    AnswersEarlyBelow(u64),
    /// A durable write that begins at or above this address and is longer than 512 KiB (a run of
    /// a body) is answered before it is durable.
    AnswersBodiesEarly,
}

/// What survives a power cut.
#[derive(Debug, Clone, Default)]
pub struct Image {
    blocks: BTreeMap<u64, Arc<Block>>,
}

/// A device over an image, until its power is cut.
pub struct SimDevice {
    state: Mutex<State>,
}

struct State {
    rng: SmallRng,
    fault: Fault,
    durable: Image,
    /// By block, what was written and is not yet durable, oldest first.
    pending: BTreeMap<u64, Vec<Pending>>,
    writes: u64,
    /// Calls until the power is cut.
    power: Option<u64>,
}

/// What a write left in a block.
struct Pending {
    write: u64,
    /// The sectors it wrote.
    sectors: std::ops::Range<usize>,
    /// The block as it left it.
    block: Arc<Block>,
}

impl SimDevice {
    /// A device that holds `image`; its power is cut within the call number `power`.
    pub fn new(image: Image, seed: u64, power: Option<u64>, fault: Fault) -> Arc<Self> {
        let state = State {
            rng: SmallRng::seed_from_u64(seed),
            fault,
            durable: image,
            pending: BTreeMap::new(),
            writes: 0,
            power,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// Cuts the power, and answers what is left: all that is durable, and of the rest any subset.
    pub fn cut_power(&self) -> Image {
        let mut state = self.lock();
        state.power = Some(0);
        let State {
            rng,
            durable,
            pending,
            ..
        } = &mut *state;
        // Of some cuts everything survives, of some nothing: both are subsets that hide or show
        // faults which the mixed ones do not.
        let survives = [0.0, 0.1, 0.5, 0.9, 1.0][rng.random_range(0..5)];
        for (block, writes) in std::mem::take(pending) {
            for write in writes {
                let lucky = (0..SECTORS)
                    .map(|_| rng.random_bool(survives))
                    .collect::<Vec<_>>();
                durable.put(block, &write, |sector| lucky[sector]);
            }
        }
        durable.clone()
    }

    /// How many bytes of `range` are allocated, durably or not.
    pub fn allocated(&self, range: std::ops::Range<u64>) -> u64 {
        let state = self.lock();
        let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
        let mut held: std::collections::BTreeSet<u64> = state
            .durable
            .blocks
            .range(blocks.clone())
            .filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0))
            .map(|it| *it.0)
            .collect();
        for (block, writes) in state.pending.range(blocks) {
            let newest = writes.last();
            if newest.is_some_and(|it| it.block.iter().any(|byte| *byte != 0)) {
                held.insert(*block);
            } else {
                held.remove(block);
            }
        }
        held.len() as u64 * BLOCK
    }

    /// Whether the power is still on.
    pub fn is_on(&self) -> bool {
        self.lock().power != Some(0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test thread panics while it holds the device")
    }

    /// Uses up one call. The last one is under way when the power is cut.
    fn call(&self) -> Result<u32, DeviceError> {
        let mut state = self.lock();
        if let Some(power) = &mut state.power {
            if *power == 0 {
                return Err(DeviceError::Disconnected);
            }
            *power -= 1;
        }
        Ok(state.rng.random_range(0..3))
    }

    fn answer<T>(&self, answer: T) -> Result<T, DeviceError> {
        if self.is_on() {
            Ok(answer)
        } else {
            Err(DeviceError::Disconnected)
        }
    }
}

impl Image {
    fn put(&mut self, block: u64, write: &Pending, which: impl Fn(usize) -> bool) {
        let block = self
            .blocks
            .entry(block)
            .or_insert_with(|| Arc::new([0; BLOCK as usize]));
        if write.sectors == (0..SECTORS) && (0..SECTORS).all(&which) {
            *block = write.block.clone();
            return;
        }
        for sector in write.sectors.clone().filter(|sector| which(*sector)) {
            let bytes = sector * SECTOR..(sector + 1) * SECTOR;
            Arc::make_mut(block)[bytes.clone()].copy_from_slice(&write.block[bytes]);
        }
    }
}

impl State {
    /// A block as a read sees it.
    fn block(&self, block: u64) -> Option<Arc<Block>> {
        let newest = self.pending.get(&block).and_then(|writes| writes.last());
        newest
            .map(|write| &write.block)
            .or_else(|| self.durable.blocks.get(&block))
            .cloned()
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> u64 {
        self.writes += 1;
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (block, within) = (at / BLOCK, (at % BLOCK) as usize);
            let length = (bytes.len() - done).min(BLOCK as usize - within);
            let mut whole = self
                .block(block)
                .unwrap_or_else(|| Arc::new([0; BLOCK as usize]));
            Arc::make_mut(&mut whole)[within..within + length]
                .copy_from_slice(&bytes[done..done + length]);
            self.pending.entry(block).or_default().push(Pending {
                write: self.writes,
                sectors: within / SECTOR..(within + length).div_ceil(SECTOR),
                block: whole,
            });
            done += length;
        }
        self.writes
    }

    /// Makes the blocks that `write` touched durable, with what older writes left in them: a
    /// sector does not go back in time.
    fn make_durable(&mut self, offset: u64, length: usize, write: u64) {
        let blocks = offset / BLOCK..(offset + length as u64).div_ceil(BLOCK);
        for (block, writes) in self.pending.range_mut(blocks) {
            settle(&mut self.durable, *block, writes, write);
        }
        self.pending.retain(|_, writes| !writes.is_empty());
    }

    fn make_all_durable(&mut self, up_to: u64) {
        for (block, writes) in &mut self.pending {
            settle(&mut self.durable, *block, writes, up_to);
        }
        self.pending.retain(|_, writes| !writes.is_empty());
    }

    fn answers_early(&self, offset: u64, length: usize) -> bool {
        match self.fault {
            Fault::None | Fault::SkipsFlush => false,
            Fault::AnswersEarlyBelow(end) => offset < end,
            Fault::AnswersBodiesEarly => length > 512 * 1024,
        }
    }
}

/// Moves a block's writes up to number `up_to` into the durable image.
fn settle(durable: &mut Image, block: u64, writes: &mut Vec<Pending>, up_to: u64) {
    let later = writes.partition_point(|write| write.write <= up_to);
    for write in writes.drain(..later) {
        durable.put(block, &write, |_| true);
    }
}

#[async_trait]
impl BlockDevice for SimDevice {
    fn size(&self) -> u64 {
        EXBIBYTE
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        pause(self.call()?).await;
        let mut bytes = BytesMut::with_capacity(length);
        let state = self.lock();
        while bytes.len() < length {
            let at = offset + bytes.len() as u64;
            let within = (at % BLOCK) as usize;
            let take = (length - bytes.len()).min(BLOCK as usize - within);
            match state.block(at / BLOCK) {
                Some(block) => bytes.extend_from_slice(&block[within..within + take]),
                None => bytes.put_bytes(0, take),
            }
        }
        drop(state);
        self.answer(bytes.freeze())
    }

    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError> {
        let pauses = self.call()?;
        pause(pauses).await;
        let bytes = pieces.concat();
        let write = self.lock().write(offset, &bytes);
        // The power may be cut here, with the write in the cache and not answered.
        pause(2 - pauses).await;
        self.answer(())?;
        let mut state = self.lock();
        if durability == Durability::Durable && !state.answers_early(offset, bytes.len()) {
            state.make_durable(offset, bytes.len(), write);
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        let pauses = self.call()?;
        let covered = self.lock().writes;
        pause(pauses).await;
        self.answer(())?;
        let mut state = self.lock();
        if state.fault != Fault::SkipsFlush {
            state.make_all_durable(covered);
        }
        Ok(())
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        pause(self.call()?).await;
        self.answer(())?;
        let mut state = self.lock();
        let (first, end) = (offset.div_ceil(BLOCK), (offset + length) / BLOCK);
        let mut blocks: Vec<u64> = state
            .durable
            .blocks
            .range(first..end)
            .map(|it| *it.0)
            .collect();
        blocks.extend(state.pending.range(first..end).map(|it| *it.0));
        blocks.sort_unstable();
        blocks.dedup();
        for block in blocks {
            state.write(block * BLOCK, &[0; BLOCK as usize]);
        }
        Ok(())
    }
}

/// Lets others go first, `times` over; wakes itself, so it works under any executor.
async fn pause(times: u32) {
    for _ in 0..times {
        PauseOnce(false).await;
    }
}

struct PauseOnce(bool);

impl Future for PauseOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
