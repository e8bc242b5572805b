//! A block device that forgets, fails, fills up and loses its connection.
//!
//! At a power cut any subset of what was not yet durable is lost, sector by sector, in whatever order
//! it was written. A connection that breaks may lose the same of what no flush has covered; the calls
//! under way are made again on the next one, as `ReconnectingDevice` makes them.

mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use volumed_client::{BlockDevice, DeviceError, Durability, Session};

pub use image::Image;
use image::{BLOCK, Block, Pending, SECTOR, SECTORS, settle};

const EXBIBYTE: u64 = 1 << 60;

/// What happens to a device.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Calls until the power is cut, within the last of them.
    pub power: Option<u64>,
    /// One call in so many breaks the connection.
    pub breaks: Option<u32>,
    /// One write in so many fails, having happened in part or, half of the time, in whole.
    pub failures: Option<u32>,
    /// Blocks that the pool has for it.
    pub capacity: Option<usize>,
    /// Turns that a write waits for its answer, beside those that every call takes.
    pub lag: u32,
}

/// A device over an image, until its power is cut.
pub struct SimDevice {
    state: Mutex<State>,
}

/// A connection to it, which is made anew when it breaks.
pub struct Connection {
    device: Arc<SimDevice>,
    attachment: u64,
}

struct State {
    rng: SmallRng,
    weather: Weather,
    durable: Image,
    /// By block, what was written and is not yet durable, oldest first.
    pending: BTreeMap<u64, Vec<Pending>>,
    writes: u64,
    /// The writes that were not answered: no flush covers them.
    unanswered: BTreeSet<u64>,
    breaks: u64,
    allocated: usize,
    /// Reads that checked nothing.
    unchecked: u64,
    /// Connections of an earlier attachment do nothing any more.
    attachment: u64,
}

impl SimDevice {
    /// A device that holds `image`.
    pub fn new(image: Image, seed: u64, weather: Weather) -> Arc<Self> {
        let state = State {
            rng: SmallRng::seed_from_u64(seed),
            weather,
            allocated: image.allocated(0..u64::MAX),
            unchecked: 0,
            durable: image,
            pending: BTreeMap::new(),
            writes: 0,
            unanswered: BTreeSet::new(),
            breaks: 0,
            attachment: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// Attaches the device anew: nothing that was sent on an earlier connection lands (V2).
    pub fn attach(&self) {
        self.lock().attachment += 1;
    }

    /// A connection to the device.
    pub fn connect(self: &Arc<Self>) -> Arc<Connection> {
        Arc::new(Connection {
            device: self.clone(),
            attachment: self.lock().attachment,
        })
    }

    /// Cuts the power, and answers what is left: all that is durable, and of the rest any subset.
    pub fn cut_power(&self) -> Image {
        let mut state = self.lock();
        state.weather.power = Some(0);
        state.lose_pending();
        state.durable.clone()
    }

    /// How many bytes of `range` are allocated, durably or not.
    pub fn allocated(&self, range: Range<u64>) -> u64 {
        let state = self.lock();
        let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
        state.count_allocated(blocks) as u64 * BLOCK
    }

    /// Whether the power is still on.
    pub fn is_on(&self) -> bool {
        self.lock().weather.power != Some(0)
    }

    /// From now on nothing happens to it.
    pub fn calm(&self) {
        let mut state = self.lock();
        if state.weather.power != Some(0) {
            state.weather = Weather::default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test thread panics while it holds the device")
    }

    fn answer<T>(&self, answer: T) -> Result<T, DeviceError> {
        if self.is_on() {
            Ok(answer)
        } else {
            Err(DeviceError::Disconnected)
        }
    }
}

impl State {
    /// Uses up one call. The last one is under way when the power is cut.
    fn call(&mut self) -> Result<u32, DeviceError> {
        if let Some(power) = &mut self.weather.power {
            if *power == 0 {
                return Err(DeviceError::Disconnected);
            }
            *power -= 1;
        }
        if let Some(breaks) = self.weather.breaks
            && self.rng.random_ratio(1, breaks)
        {
            self.break_connections();
        }
        Ok(self.rng.random_range(0..3))
    }

    /// What was pending is durable or gone.
    fn break_connections(&mut self) {
        self.breaks += 1;
        self.lose_pending();
        if self.weather.capacity.is_some() {
            self.allocated = self.durable.allocated(0..u64::MAX);
        }
    }

    fn lose_pending(&mut self) {
        // Of some cuts everything survives, of some nothing: both are subsets that hide or show
        // faults which the mixed ones do not.
        let survives = [0.0, 0.1, 0.5, 0.9, 1.0][self.rng.random_range(0..5)];
        for (block, writes) in std::mem::take(&mut self.pending) {
            for write in writes {
                let lucky = (0..SECTORS)
                    .map(|_| self.rng.random_bool(survives))
                    .collect::<Vec<_>>();
                self.durable.put(block, &write, |sector| lucky[sector]);
            }
        }
    }

    /// A block as a read sees it.
    fn block(&self, block: u64) -> Option<Arc<Block>> {
        let newest = self.pending.get(&block).and_then(|writes| writes.last());
        newest
            .map(|write| &write.block)
            .or_else(|| self.durable.get(block))
            .cloned()
    }

    /// Bytes as a read sees them.
    fn bytes(&self, offset: u64, length: usize) -> BytesMut {
        let mut bytes = BytesMut::with_capacity(length);
        while bytes.len() < length {
            let at = offset + bytes.len() as u64;
            let within = (at % BLOCK) as usize;
            let take = (length - bytes.len()).min(BLOCK as usize - within);
            match self.block(at / BLOCK) {
                Some(block) => bytes.extend_from_slice(&block[within..within + take]),
                None => bytes.put_bytes(0, take),
            }
        }
        bytes
    }

    /// The same as a read sees them that nobody checks: of every eight one answers nothing, and one
    /// something else.
    fn unchecked(&mut self, offset: u64, length: usize) -> Option<BytesMut> {
        self.unchecked += 1;
        let mut bytes = self.bytes(offset, length);
        match self.unchecked % 8 {
            3 => return None,
            6 => bytes[length / 2] ^= 1,
            _ => {}
        }
        Some(bytes)
    }

    /// Takes the space of a write that `length` bytes at `offset` need, or none.
    fn take_space(&mut self, offset: u64, length: usize) -> Result<(), DeviceError> {
        let blocks = offset / BLOCK..(offset + length as u64).div_ceil(BLOCK);
        let fresh = blocks.filter(|block| !self.is_allocated(*block)).count();
        if self
            .weather
            .capacity
            .is_some_and(|capacity| self.allocated + fresh > capacity)
        {
            return Err(DeviceError::NoSpace);
        }
        self.allocated += fresh;
        Ok(())
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

    /// Makes what was answered durable, with what older writes left in the same blocks.
    fn make_answered_durable(&mut self) {
        for (block, writes) in &mut self.pending {
            let mut newest_first = writes.iter().rev().map(|write| write.write);
            if let Some(up_to) = newest_first.find(|write| !self.unanswered.contains(write)) {
                settle(&mut self.durable, *block, writes, up_to);
            }
        }
        self.pending.retain(|_, writes| !writes.is_empty());
    }

    fn trim(&mut self, offset: u64, length: u64) {
        let (first, end) = (offset.div_ceil(BLOCK), (offset + length) / BLOCK);
        let mut blocks: Vec<u64> = self.durable.written(first..end).collect();
        blocks.extend(self.pending.range(first..end).map(|it| *it.0));
        blocks.sort_unstable();
        blocks.dedup();
        for block in blocks {
            let given_back = usize::from(self.is_allocated(block));
            self.allocated = self.allocated.saturating_sub(given_back);
            self.write(block * BLOCK, &[0; BLOCK as usize]);
        }
    }

    fn is_allocated(&self, block: u64) -> bool {
        self.block(block)
            .is_some_and(|block| block.iter().any(|byte| *byte != 0))
    }

    fn count_allocated(&self, blocks: Range<u64>) -> usize {
        let mut held: BTreeSet<u64> = self.durable.written(blocks.clone()).collect();
        for (block, writes) in self.pending.range(blocks) {
            match writes.last() {
                Some(write) if write.block.iter().any(|byte| *byte != 0) => held.insert(*block),
                _ => held.remove(block),
            };
        }
        held.len()
    }
}

impl Connection {
    async fn call(&self) -> Result<u32, DeviceError> {
        self.check()?;
        let pauses = self.device.lock().call()?;
        pause(pauses).await;
        self.check()?;
        Ok(pauses)
    }

    fn unchecked(&self, offset: u64, length: usize) -> Option<BytesMut> {
        self.check().ok()?;
        let read = self.device.lock().unchecked(offset, length);
        self.device.answer(read).ok()?
    }

    fn check(&self) -> Result<(), DeviceError> {
        if self.attachment == self.device.lock().attachment {
            Ok(())
        } else {
            Err(DeviceError::Disconnected)
        }
    }
}

#[async_trait]
impl BlockDevice for Connection {
    fn size(&self) -> u64 {
        EXBIBYTE
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        self.call().await?;
        let bytes = self.device.lock().bytes(offset, length);
        self.device.answer(bytes.freeze())
    }

    async fn read_unchecked(&self, offset: u64, length: usize) -> Option<Bytes> {
        self.unchecked(offset, length).map(BytesMut::freeze)
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        self.unchecked(offset, length).map(BytesMut::freeze)
    }

    fn read_unchecked_blocking(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let read = self.unchecked(offset, bytes.len());
        if let Some(read) = &read {
            bytes.copy_from_slice(read);
        }
        read.is_some()
    }

    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError> {
        let pauses = self.call().await?;
        let bytes = pieces.concat();
        let (write, breaks, fails, lag) = {
            let mut state = self.device.lock();
            state.take_space(offset, bytes.len())?;
            let fails = state.weather.failures;
            let fails = fails.is_some_and(|failures| state.rng.random_ratio(1, failures));
            let in_part = fails && state.rng.random_bool(0.5);
            let length = if in_part {
                state.rng.random_range(0..=bytes.len())
            } else {
                bytes.len()
            };
            let write = state.write(offset, &bytes[..length]);
            state.unanswered.insert(write);
            (write, state.breaks, fails, state.weather.lag)
        };
        if fails {
            return Err(DeviceError::Io);
        }
        // The power may be cut here, with the write in the cache and not answered.
        pause(2 - pauses + lag).await;
        self.device.answer(())?;
        self.check()?;
        let mut state = self.device.lock();
        state.unanswered.remove(&write);
        // What the connection that broke meanwhile did not answer is sent again.
        let write = if state.breaks == breaks {
            write
        } else {
            state.write(offset, &bytes)
        };
        if durability == Durability::Durable {
            state.make_durable(offset, bytes.len(), write);
        }
        Ok(())
    }

    /// Each break begins one.
    fn session(&self) -> Session {
        Session(self.device.lock().breaks)
    }

    async fn flush(&self, since: Session) -> Result<(), DeviceError> {
        self.call().await?;
        self.device.answer(())?;
        let mut state = self.device.lock();
        if since != Session(state.breaks) {
            return Err(DeviceError::Disconnected);
        }
        state.make_answered_durable();
        Ok(())
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        self.call().await?;
        self.device.answer(())?;
        let mut state = self.device.lock();
        state.trim(offset, length);
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
