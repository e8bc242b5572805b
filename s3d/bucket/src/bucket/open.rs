//! Making a bucket, and opening it.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::{Bucket, Devices, Options};
use crate::blob::writer::IN_FLIGHT_TOGETHER;
use crate::commit::committer::Committer;
use crate::commit::mover;
use crate::errors::OpenError;
use crate::format::layout::{DATA_ZONE, SEGMENT};
use crate::format::rows::{Row, Table};
use crate::format::superblock::{BucketId, Fields, POSITION, Superblock};
use crate::index::reader::Reader;
use crate::index::store::Store;
use crate::index::{Index, IndexError};
use crate::log::position::Position;
use crate::log::replay::replay;
use crate::log::writer::Log;
use crate::object::Timestamp;
use crate::shared::Shared;
use crate::space::allocator::Space;
use crate::space::pins::Pins;
use crate::space::reserve::{Reserve, release_left};
use crate::space::{compactor, sweep, trimmer};
use crate::totals::Totals;

/// Changes that may wait for the committer.
const QUEUE: usize = 1024;

impl Bucket {
    /// Makes a bucket on an empty volume, or opens it if it was made already: making is repeated
    /// after a crash.
    pub async fn create(
        devices: Devices,
        id: BucketId,
        options: Options,
    ) -> Result<Self, OpenError> {
        if Superblock::read(&devices.data).await?.is_some() {
            return Self::open(devices, id, options).await;
        }
        let fields = Fields {
            bucket: id,
            generation: 0,
            epoch: options.epoch,
            index_lengths: [0, 0],
            mark: DATA_ZONE + 2 * SEGMENT,
            index_half: 0,
            log_from: [0; POSITION],
        };
        let start = Position {
            sequence: 0,
            next_record: 1,
            address: DATA_ZONE,
            next_segment: DATA_ZONE + SEGMENT,
            floor: DATA_ZONE,
            crc: 0,
        };
        // What an attempt before this one left in the index zone is not the start of an index.
        let device = devices.index.clone();
        let staged = Arc::new(Superblock::staged(devices.data.clone(), fields));
        let Options {
            index_cache,
            offload,
            ..
        } = options.clone();
        let superblock = staged.clone();
        offload
            .run(move || Store::create(device, superblock, &start, index_cache))
            .await
            .map_err(|error| OpenError::Index(error.0))?;
        // The index is whole; both slots now make the bucket.
        staged.publish().await?;
        Self::open(devices, id, options).await
    }

    /// Opens a bucket: reads the superblock, opens the index, replays the log (B4).
    pub async fn open(devices: Devices, id: BucketId, options: Options) -> Result<Self, OpenError> {
        let superblock = Arc::new(Superblock::of(devices.data.clone(), id).await?);
        let mark = superblock.fields().mark;
        superblock
            .change(|fields| fields.epoch = options.epoch)
            .await?;
        release_left(&*devices.data).await?;
        let Options {
            index_cache,
            offload,
            quota,
            feed,
            transfers,
            following,
            slice,
            epoch,
            clock,
        } = options;
        let (device, zones) = (devices.index, superblock.clone());
        // A row that is not in memory costs two changes of thread, whether redb has its page or not.
        let rows = index_cache / 2;
        let opening = move || {
            let store = Store::open(device, zones, index_cache - rows, offload)?;
            let applied = store.applied()?;
            Ok((Index::new(store, rows, offload)?, applied))
        };
        let opened = offload.run(opening).await;
        let (index, applied) = opened.map_err(|error: IndexError| OpenError::Index(error.0))?;
        let mut replayed = Vec::new();
        let position = replay(&devices.data, applied, epoch, |address, group| {
            replayed.push(address..address + group.length);
            let time = Timestamp(group.link.time);
            index.apply(group.link.first_record, time, &group.records);
        })
        .await?;
        let index = Arc::new(index.retaining(feed));
        let totals = index.read(totals).await;
        let totals = totals.map_err(|error| OpenError::Index(error.0))?;
        let space = Arc::new(Space::new(superblock, offload, mark, applied));
        let shared = Arc::new(Shared {
            data: devices.data.clone(),
            index,
            space: space.clone(),
            offload,
            folded: Notify::new(),
            pins: Pins::default(),
            runs: Arc::new(Semaphore::new(IN_FLIGHT_TOGETHER)),
            transfers,
            closed: OnceLock::new(),
            reserve: Reserve::default(),
            totals: Mutex::new(totals),
            quota: Mutex::new(quota),
            slice,
            last_record: watch::Sender::new(position.next_record - 1),
        });
        let (messages, received) = mpsc::channel(QUEUE);
        let log = Log::new(devices.data, space, epoch, position);
        let committer = Committer::new(shared.clone(), log, epoch, clock, following);
        tokio::spawn(committer.run(received));
        let beginning = sweep::Beginning {
            zone: applied.floor..mark,
            replayed,
            next_segment: position.next_segment,
        };
        tokio::spawn(sweep::run(shared.clone(), beginning));
        tokio::spawn(trimmer::run(shared.clone(), messages.downgrade()));
        tokio::spawn(compactor::run(shared.clone(), messages.downgrade()));
        tokio::spawn(mover::run(shared.clone(), messages.downgrade()));
        Ok(Self { shared, messages })
    }
}

/// A bucket in which nothing was counted yet has no row for it.
fn totals(reader: &Reader) -> Result<Totals, IndexError> {
    let row = reader.get(Table::Totals, &[])?;
    let totals = row.map(|row| Totals::decode(&row)).transpose()?;
    Ok(totals.unwrap_or_default())
}
