//! A bucket that lives through power cuts, broken connections, failed writes and full pools, and a
//! model that says what must be left.

mod append;
mod client;
mod model;
mod patch;
mod prefixes;
mod rename;
mod totals_and_feed;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use s3d_bucket::rules::{Rule, break_on_this_thread};
use s3d_bucket::{
    Bucket, BucketId, ChangeError, Condition, Devices, Found, Key, ListEntry, ListRequest, Offload,
    OpenError, Options, ReadError, Timestamp,
};

use crate::device::{Image, SimDevice, Weather};
use client::{Client, End, compare, put};
use model::Model;
use totals_and_feed::{check_feed, check_totals};

const BUCKET: BucketId = BucketId(0x5eed);
const CLIENTS: u64 = 4;

/// Openings of a bucket in one life: failed writes close it.
const OPENINGS: u32 = 20;

/// One seed of so many begins with a log that is nearly at its first segment's end …
const FILLED_SEED: u64 = 8;

/// … by this many puts of the largest body that travels in the log, each 18 blocks of 4,096.
const FILLING_PUTS: std::ops::RangeInclusive<u64> = 218..=227;
const FILLING: usize = 64 * 1024;

/// Where the data zone begins.
const DATA_ZONE: u64 = 1 << 50;

/// Makes a bucket, or opens it, on a device that nobody else serves it from.
///
/// # Errors
/// As [`Bucket::create`].
pub async fn create(device: &Arc<SimDevice>, epoch: u64) -> Result<Bucket, OpenError> {
    Bucket::create(devices(device), BUCKET, options(epoch)).await
}

/// All bytes of an object, in however many pieces they come.
///
/// # Errors
/// As [`s3d_bucket::BlobReader::next`].
pub async fn read(bucket: &Bucket, found: &Found) -> Result<Vec<u8>, ReadError> {
    let mut reader = bucket.read(found, 0..found.size);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

fn devices(device: &Arc<SimDevice>) -> Devices {
    Devices {
        data: device.connect(),
        index: device.connect(),
    }
}

/// Everything happens on the thread that simulates, in little memory.
fn options(epoch: u64) -> Options {
    Options {
        index_cache: 1 << 20,
        offload: Offload::Inline,
        // Groups follow each other as often as they can.
        following: 1,
        // Most renames of prefixes take several records.
        slice: 2,
        ..Options::new(epoch)
    }
}

/// What may be held beyond the blocks of spans when all is quiet: the records of the last folds.
const LOG: u64 = 4 << 20;

/// Lives `lives` lives of one bucket, each ended by a power cut, under the seed; with a rule broken,
/// if one is given.
///
/// Answers what was found wrong: something acknowledged is missing, changed or came back; the index
/// contradicts itself; space is lost.
pub fn live(seed: u64, lives: u32, broken: Option<Rule>) -> Result<(), String> {
    break_on_this_thread(broken);
    // An index that was damaged by a fault may panic; that is a finding like any other.
    let lived = std::panic::catch_unwind(|| live_on(seed, lives));
    break_on_this_thread(None);
    lived.unwrap_or_else(|_| Err("panicked".to_owned()))
}

fn live_on(seed: u64, lives: u32) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut image = Image::default();
    let mut world = World::default();
    for life in 0..lives {
        let filling = if life == 0 && seed.is_multiple_of(FILLED_SEED) {
            rng.random_range(FILLING_PUTS)
        } else {
            0
        };
        let last = life + 1 == lives;
        let weather = weather(&mut rng, last, filling, &image);
        let device = SimDevice::new(image, rng.random(), weather);
        let local = tokio::task::LocalSet::new();
        let lived = local.block_on(&runtime, world.live(&device, filling, last, &mut rng));
        lived.map_err(|wrong| format!("life {}: {wrong}", life + 1))?;
        image = device.cut_power();
    }
    Ok(())
}

fn weather(rng: &mut SmallRng, last: bool, filling: u64, image: &Image) -> Weather {
    let mut some = |share: f64, value: u32| rng.random_bool(share).then_some(value);
    let (breaks, failures) = (some(0.4, 60), some(0.2, 400));
    let full = some(0.15, 1).is_some() && filling == 0;
    let room = rng.random_range(300..3_000);
    Weather {
        power: (!last).then(|| filling + rng.random_range(5..600)),
        breaks,
        failures,
        capacity: full.then(|| image.allocated(0..u64::MAX) + room),
        lag: [0, 0, 10, 40][rng.random_range(0..4)],
    }
}

/// What outlives a power cut.
#[derive(Default)]
struct World {
    model: Model,
    made: bool,
    epoch: u64,
}

impl World {
    /// One life: the bucket is opened, used, and opened again when a failed write closed it.
    async fn live(
        &mut self,
        device: &Arc<SimDevice>,
        filling: u64,
        last: bool,
        rng: &mut SmallRng,
    ) -> Result<(), String> {
        for opening in 0..OPENINGS {
            if opening + 1 == OPENINGS {
                device.calm();
            }
            let Some(bucket) = self.open(device).await? else {
                if device.is_on() {
                    continue;
                }
                return Ok(());
            };
            if self.check(&bucket).await?.is_none() {
                continue;
            }
            if opening == 0 {
                self.fill(&bucket, filling).await?;
            }
            let bucket = Rc::new(bucket);
            self.use_bucket(&bucket, rng).await?;
            if bucket.closed().is_none() && self.check(&bucket).await?.is_some() {
                if last {
                    device.calm();
                    self.check_space(&bucket, device).await?;
                }
                return Ok(());
            }
            if !device.is_on() {
                return Ok(());
            }
        }
        Err("the bucket never stayed open".to_owned())
    }

    /// The bucket; `None` when the device did not let it be opened.
    async fn open(&mut self, device: &Arc<SimDevice>) -> Result<Option<Bucket>, String> {
        self.epoch += 1;
        let epoch = self.epoch;
        device.attach();
        let devices = devices(device);
        let options = Options {
            clock: Arc::new(move || Timestamp(epoch)),
            ..options(epoch)
        };
        let opened = if self.made {
            Bucket::open(devices, BUCKET, options).await
        } else {
            Bucket::create(devices, BUCKET, options).await
        };
        match opened {
            Ok(bucket) => {
                self.made = true;
                Ok(Some(bucket))
            }
            Err(OpenError::Device(_) | OpenError::Index(_)) if !device.is_on() => Ok(None),
            Err(OpenError::Device(_)) => Ok(None),
            Err(OpenError::Index(why)) if is_passing(&why) => Ok(None),
            Err(error) => Err(format!("cannot be opened: {error}")),
        }
    }

    async fn use_bucket(&mut self, bucket: &Rc<Bucket>, rng: &mut SmallRng) -> Result<(), String> {
        let model = Rc::new(RefCell::new(std::mem::take(&mut self.model)));
        let steps = rng.random_range(1..30);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|name| {
                let mut client = Client {
                    name,
                    bucket: bucket.clone(),
                    model: model.clone(),
                    rng: SmallRng::seed_from_u64(rng.random()),
                    held: None,
                };
                tokio::task::spawn_local(async move { client.run(steps).await })
            })
            .collect();
        let mut outcome = Ok(());
        for client in clients {
            let ended = client.await.map_err(|error| error.to_string());
            outcome = outcome.and(ended.and_then(|ended| ended));
        }
        self.model = model.take();
        outcome
    }

    /// Fills the log, one group a put, until the bucket closes.
    async fn fill(&mut self, bucket: &Bucket, puts: u64) -> Result<(), String> {
        for number in 0..puts {
            let value = (FILLING, number as u8);
            self.model.begin("fill", Some(value));
            let name = Key::new("fill").map_err(|error| error.to_string())?;
            match put(bucket, name, value, Condition::default(), true).await {
                Ok(()) => self.model.settle("fill", Some(value)),
                Err(ChangeError::Closed(_)) => return Ok(()),
                Err(error) => return Err(format!("fill: {error}")),
            }
        }
        Ok(())
    }

    /// Compares the bucket with the model; where a key may hold several values, settles on what it
    /// holds. `None` when the bucket closed meanwhile.
    async fn check(&mut self, bucket: &Bucket) -> Result<Option<()>, String> {
        match self.compare(bucket).await {
            Ok(()) => Ok(Some(())),
            Err(End::Closed) => Ok(None),
            Err(End::Wrong(wrong)) => Err(wrong),
        }
    }

    async fn compare(&mut self, bucket: &Bucket) -> Result<(), End> {
        let mut settled = Model::default();
        for (key, allowed) in self.model.iter() {
            let name = Key::new(key).map_err(|error| End::Wrong(error.to_string()))?;
            let Some(found) = bucket.find(&name).await? else {
                if !allowed.contains(&None) {
                    return Err(End::Wrong(format!(
                        "{key} is gone; it may hold {allowed:?}"
                    )));
                }
                settled.settle(key, None);
                continue;
            };
            let etag = &found.attributes.etag;
            let held = |value: &(usize, u8)| format!("{}-{}", value.0, value.1) == *etag;
            let Some(value) = allowed.iter().flatten().find(|value| held(value)) else {
                return Err(End::Wrong(format!(
                    "{key} holds {etag}, and may hold {allowed:?}"
                )));
            };
            compare(bucket, &found, *value).await?;
            settled.settle(key, Some(*value));
        }
        settled.inherit_renames(&self.model).map_err(End::Wrong)?;
        self.model.check_prefixes(&settled).map_err(End::Wrong)?;
        self.model = settled;
        self.compare_listing(bucket).await?;
        let held = self.model.values();
        let counted = check_totals(bucket, &held).await;
        let followed = match counted {
            Ok(()) => check_feed(bucket, &held).await,
            wrong => wrong,
        };
        match followed {
            Ok(()) => {}
            Err(_) if bucket.closed().is_some() => return Err(End::Closed),
            Err(wrong) => return Err(End::Wrong(wrong)),
        }
        let report = bucket.check(true).await?;
        match report.problems.first() {
            Some(problem) => Err(End::Wrong(format!("the check says: {problem:?}"))),
            None => Ok(()),
        }
    }

    async fn compare_listing(&self, bucket: &Bucket) -> Result<(), End> {
        let limit = 1000;
        let page = bucket
            .list(ListRequest {
                limit,
                ..ListRequest::default()
            })
            .await?;
        let listed: Vec<String> = page
            .entries
            .into_iter()
            .map(|entry| match entry {
                ListEntry::Object(key, _) => key.as_str().to_owned(),
                ListEntry::Prefix(prefix) => prefix,
            })
            .collect();
        let held = self.model.held();
        if listed != held {
            return Err(End::Wrong(format!("listed {listed:?}, held {held:?}")));
        }
        Ok(())
    }

    /// When all is quiet, nothing takes space that nothing names (B8).
    async fn check_space(&self, bucket: &Bucket, device: &SimDevice) -> Result<(), String> {
        for _ in 0..3 {
            if bucket.checkpoint().await.is_err() {
                return Err("the bucket closed in good weather".to_owned());
            }
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        let report = bucket
            .check(true)
            .await
            .map_err(|error| error.to_string())?;
        let held = device.allocated(DATA_ZONE..u64::MAX);
        if held > report.block_bytes + LOG {
            return Err(format!("{held} bytes are held for {}", report.block_bytes));
        }
        Ok(())
    }
}

/// Whether the index could not be opened because the device failed under it.
fn is_passing(why: &str) -> bool {
    ["connection", "input/output", "no space", "I/O"]
        .iter()
        .any(|part| why.contains(part))
}
