//! An open bucket.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use volumed_client::BlockDevice;

use crate::blob::reader::BlobReader;
use crate::blob::writer::{BodyWriter, IN_FLIGHT_TOGETHER};
use crate::commit::change::{Change, Done, PartAttributes};
use crate::commit::committer::{Committer, Fold, Message, Submission};
use crate::format::layout::{DATA_ZONE, SEGMENT};
use crate::format::rows::{Row, Span, Table, object_key, span_key, upload_key};
use crate::format::superblock::{BucketId, Fields, Superblock};
use crate::index::listing;
use crate::index::memtable::Lookup;
use crate::index::reader::Reader;
use crate::index::zone::IndexZone;
use crate::index::{Index, IndexError};
use crate::log::position::Position;
use crate::log::replay::replay;
use crate::log::writer::Log;
use crate::object::{Attributes, Checksum, Key, Object, Timestamp, Upload, UploadId};
use crate::offload::Offload;
use crate::requests::{
    Body, ChangeError, ClosedError, Completion, Condition, ListPage, ListRequest, OpenError,
    ReadError, Stored, UploadPage, UploadState,
};
use crate::shared::{Clock, Shared};
use crate::space::allocator::Space;
use crate::space::pins::{Pin, Pins};
use crate::space::reserve::hold_reserve;
use crate::space::sweep;
use crate::space::trimmer;

/// Changes that may wait for the committer.
const QUEUE: usize = 1024;

/// The volume, twice: the I/O of `index` must run on a thread that never blocks on it (B9).
#[derive(Clone)]
pub struct Devices {
    /// For the log and the bodies.
    pub data: Arc<dyn BlockDevice>,
    /// For the index.
    pub index: Arc<dyn BlockDevice>,
}

/// How to open a bucket.
#[derive(Clone)]
pub struct Options {
    /// The epoch under which the volume was attached; greater than any earlier owner's.
    pub epoch: u64,
    /// Bytes of memory for the index's pages; half as much again is for rows.
    pub index_cache: usize,
    /// Where work that blocks on the index runs.
    pub offload: Offload,
    /// Tells the time.
    pub clock: Clock,
}

impl Options {
    /// The usual options under an epoch.
    pub fn new(epoch: u64) -> Self {
        let clock = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Timestamp(now.map_or(0, |now| now.as_millis() as u64))
        };
        Self {
            epoch,
            index_cache: 24 << 20,
            offload: Offload::default(),
            clock: Arc::new(clock),
        }
    }
}

/// A bucket on its volume. One handle at a time may be open on a volume; the volume's epoch sees
/// to that (V1, V2).
pub struct Bucket {
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
}

/// An object whose bytes can be read as long as this lives (B7).
#[derive(Debug, Clone)]
pub struct Found {
    object: Object,
    /// The span in which its bytes begin, when it was met on the way.
    span: Option<Arc<Span>>,
    pin: Pin,
}

impl std::ops::Deref for Found {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

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
            index_length: 0,
            mark: DATA_ZONE + 2 * SEGMENT,
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
        let zone = IndexZone::new(device, staged.clone(), 0);
        let Options {
            index_cache,
            offload,
            ..
        } = options.clone();
        offload
            .run(move || Index::create(zone, &start, index_cache, offload).map(Index::close))
            .await
            .map_err(|error| OpenError::Index(error.0))?;
        // The index is whole; both slots now make the bucket.
        staged.publish().await?;
        Self::open(devices, id, options).await
    }

    /// Opens a bucket: reads the superblock, opens the index, replays the log (B4).
    pub async fn open(devices: Devices, id: BucketId, options: Options) -> Result<Self, OpenError> {
        let fields = Superblock::read(&devices.data)
            .await?
            .ok_or(OpenError::Superblock)?;
        if fields.bucket != id {
            return Err(OpenError::OtherBucket);
        }
        let superblock = Arc::new(Superblock::new(devices.data.clone(), fields));
        superblock
            .change(|fields| fields.epoch = options.epoch)
            .await?;
        let zone = IndexZone::new(devices.index, superblock.clone(), fields.index_length);
        let Options {
            index_cache,
            offload,
            ..
        } = options;
        let (index, applied) = offload
            .run(move || Index::open(zone, index_cache, offload))
            .await
            .map_err(|error| OpenError::Index(error.0))?;
        let mut live = Vec::new();
        let position = replay(&devices.data, applied, options.epoch, |address, group| {
            live.push(address..address + group.length);
            for mutations in &group.records {
                index.apply(mutations);
            }
        })
        .await?;
        let space = Arc::new(Space::new(superblock, fields.mark));
        let shared = Arc::new(Shared {
            data: devices.data.clone(),
            index: Arc::new(index),
            space: space.clone(),
            offload,
            folded: Notify::new(),
            pins: Pins::default(),
            runs: Arc::new(Semaphore::new(IN_FLIGHT_TOGETHER)),
            closed: OnceLock::new(),
            reserve_held: AtomicBool::new(false),
        });
        let (messages, received) = mpsc::channel(QUEUE);
        let committer = Committer {
            shared: shared.clone(),
            log: Log::new(devices.data, space, options.epoch, position),
            epoch: options.epoch,
            clock: options.clock,
            uploads: 0,
            fold: Fold::default(),
        };
        tokio::spawn(committer.run(received));
        hold_reserve(&shared).await?;
        live.push(position.next_segment..position.next_segment + SEGMENT);
        tokio::spawn(sweep::run(shared.clone(), applied.floor..fields.mark, live));
        tokio::spawn(trimmer::run(shared.clone(), messages.downgrade()));
        Ok(Self { shared, messages })
    }

    /// Why this handle is of no more use, if it is not.
    pub fn closed(&self) -> Option<ClosedError> {
        self.shared.closed.get().cloned()
    }

    /// Folds what the log holds into the index, and ends. Changes that wait are made first.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.messages.send(Message::Close(answer)).await.is_ok() {
            // An error means that the bucket ended by itself, which is what was asked for.
            let _ = closed.await;
        }
    }

    /// Folds what the log holds into the index (B3).
    pub async fn checkpoint(&self) -> Result<(), ChangeError> {
        let (answer, done) = oneshot::channel();
        let sent = self
            .messages
            .send(Message::Checkpoint(answer))
            .await
            .is_ok();
        if sent && done.await.is_ok() && self.closed().is_none() {
            return Ok(());
        }
        Err(self.ended())
    }

    /// Begins a body. `length`: how long it will be, when that is known.
    pub fn writer(&self, length: Option<u64>) -> BodyWriter {
        BodyWriter::new(self.shared.clone(), length)
    }

    /// Puts an object; when this answers, it is durable and visible.
    pub async fn put(
        &self,
        key: Key,
        attributes: Attributes,
        body: Body,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Put {
            key,
            attributes,
            body,
            condition,
        })
        .await
    }

    /// The object that has this key.
    pub async fn find(&self, key: &Key) -> Result<Option<Found>, ReadError> {
        let pin = self.shared.pins.pin();
        self.check()?;
        let row = object_key(key);
        let index = &self.shared.index;
        if let Some(Lookup::Removed) = index.known(Table::Objects, &row) {
            return Ok(None);
        }
        let mut found = in_memory(index, &row)?;
        if found.is_none() {
            // Who asks for an object mostly wants its bytes next: one trip for both rows.
            let stored = index.read(move |reader| stored(reader, &row));
            found = self.shared.looked(stored.await)?;
        }
        Ok(found.map(|(object, span)| Found { object, span, pin }))
    }

    /// Reads a range of a found object's bytes, however it is changed meanwhile.
    pub fn read(&self, found: &Found, range: Range<u64>) -> BlobReader {
        let Found { object, span, pin } = found;
        let shared = self.shared.clone();
        BlobReader::new(shared, &object.blob, span.clone(), pin.clone(), range)
    }

    /// Deletes an object; answers whether there was one.
    pub async fn delete(&self, key: Key, condition: Condition) -> Result<bool, ChangeError> {
        match self.submit(Change::Delete { key, condition }).await? {
            Done::Deleted { existed } => Ok(existed),
            _ => unreachable!("a delete answers whether there was one"),
        }
    }

    /// A page of keys and common prefixes.
    pub async fn list(&self, request: ListRequest) -> Result<ListPage, ReadError> {
        self.check()?;
        let page = self
            .shared
            .index
            .read(move |reader| listing::list(reader, &request));
        self.shared.looked(page.await)
    }

    /// Whether the bucket holds no object.
    pub async fn is_empty(&self) -> Result<bool, ReadError> {
        self.check()?;
        self.shared
            .looked(self.shared.index.read(listing::is_empty).await)
    }

    /// Begins a multipart upload.
    pub async fn create_upload(&self, key: Key, upload: Upload) -> Result<UploadId, ChangeError> {
        match self.submit(Change::CreateUpload { key, upload }).await? {
            Done::Began(id) => Ok(id),
            _ => unreachable!("beginning an upload answers its id"),
        }
    }

    /// Stores a part, in place of an earlier one of that number.
    pub async fn put_part(
        &self,
        key: Key,
        upload: UploadId,
        number: u16,
        etag: String,
        checksum: Option<Checksum>,
        body: Body,
    ) -> Result<(), ChangeError> {
        let part = PartAttributes { etag, checksum };
        self.submit(Change::PutPart {
            key,
            upload,
            number,
            part,
            body,
        })
        .await?;
        Ok(())
    }

    /// An upload with all its parts.
    pub async fn upload(
        &self,
        key: &Key,
        upload: &UploadId,
    ) -> Result<Option<UploadState>, ReadError> {
        let id = upload.clone();
        // The parts first: when the upload is still there after them, none of them was missing.
        let parts = self
            .shared
            .index
            .read(move |reader| listing::list_parts(reader, &id));
        let parts = self.shared.looked(parts.await)?;
        let found = self.row::<Upload>(Table::Uploads, upload_key(key, upload));
        Ok(found.await?.map(|upload| UploadState { upload, parts }))
    }

    /// Makes an object of an upload's parts; no byte moves (B6). When that was done before and the
    /// object is still there, answers as it did then, whatever the condition.
    pub async fn complete_upload(
        &self,
        key: Key,
        upload: UploadId,
        completion: Completion,
        condition: Condition,
    ) -> Result<Stored, ChangeError> {
        self.store(Change::Complete {
            key,
            upload,
            completion,
            condition,
        })
        .await
    }

    /// Forgets an upload and its parts.
    pub async fn abort_upload(&self, key: Key, upload: UploadId) -> Result<(), ChangeError> {
        self.submit(Change::Abort { key, upload }).await?;
        Ok(())
    }

    /// A page of the uploads under way.
    pub async fn list_uploads(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<(String, Option<UploadId>)>,
        limit: usize,
    ) -> Result<UploadPage, ReadError> {
        self.check()?;
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
        let page = self.shared.index.read(move |reader| {
            listing::list_uploads(reader, &prefix, delimiter.as_deref(), after.as_ref(), limit)
        });
        self.shared.looked(page.await)
    }

    async fn row<R: Row>(&self, table: Table, key: Bytes) -> Result<Option<R>, ReadError> {
        self.check()?;
        let row = self.shared.index.get(table, key).await;
        let Some(row) = self.shared.looked(row)? else {
            return Ok(None);
        };
        Ok(Some(decode(&row)?))
    }

    async fn store(&self, change: Change) -> Result<Stored, ChangeError> {
        match self.submit(change).await? {
            Done::Stored(object) => Ok(Stored { object: *object }),
            _ => unreachable!("storing answers the object"),
        }
    }

    async fn submit(&self, change: Change) -> Result<Done, ChangeError> {
        let (answer, outcome) = oneshot::channel();
        let submission = Submission {
            change: Box::new(change),
            answer,
        };
        if self
            .messages
            .send(Message::Submit(submission))
            .await
            .is_err()
        {
            return Err(self.ended());
        }
        outcome.await.unwrap_or_else(|_| Err(self.ended()))
    }

    fn check(&self) -> Result<(), ReadError> {
        match self.closed() {
            Some(error) => Err(ReadError::Closed(error)),
            None => Ok(()),
        }
    }

    fn ended(&self) -> ChangeError {
        let unsaid = || ClosedError::Index("the committer ended without a word".into());
        ChangeError::Closed(self.closed().unwrap_or_else(unsaid))
    }
}

fn decode<R: Row>(row: &[u8]) -> Result<R, ReadError> {
    R::decode(row).map_err(|error| ReadError::Closed(ClosedError::Index(error.to_string())))
}

/// An object, and the span in which its bytes begin.
type ObjectAndSpan = (Object, Option<Arc<Span>>);

/// An object of which memory knows every row that a read begins with.
fn in_memory(index: &Index, key: &[u8]) -> Result<Option<ObjectAndSpan>, ReadError> {
    let Some(Lookup::Value(row)) = index.known(Table::Objects, key) else {
        return Ok(None);
    };
    let object = decode::<Object>(&row)?;
    let Some(slice) = object.blob.slices.first() else {
        return Ok(Some((object, None)));
    };
    match index.known(Table::Spans, &span_key(slice.span)) {
        Some(Lookup::Value(span)) => Ok(Some((object, Some(Arc::new(decode(&span)?))))),
        _ => Ok(None),
    }
}

/// The same from redb; blocks.
fn stored(reader: &Reader, key: &[u8]) -> Result<Option<ObjectAndSpan>, IndexError> {
    let Some(row) = reader.get(Table::Objects, key)? else {
        return Ok(None);
    };
    let object = Object::decode(&row)?;
    let mut span = None;
    if let Some(slice) = object.blob.slices.first() {
        let row = reader.get(Table::Spans, &span_key(slice.span))?;
        span = row.map(|row| Span::decode(&row)).transpose()?.map(Arc::new);
    }
    Ok(Some((object, span)))
}

#[cfg(test)]
mod tests;
