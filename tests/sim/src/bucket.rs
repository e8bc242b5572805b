//! A bucket that lives through power cuts, and a model that says what must be left.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use s3d_bucket::{
    AttributeChange, Attributes, Body, Bucket, BucketId, ChangeError, Completion, Condition,
    CopyAttributes, CopySource, Devices, Key, NamedPart, Offload, Options, PartAttributes,
    PartName, Timestamp, Upload,
};

use crate::bucket_check::check;
use crate::device::{Fault, Image, SimDevice};

const BUCKET: BucketId = BucketId(0x5eed);
const CLIENTS: u64 = 4;
const KEYS_A_CLIENT: u64 = 5;

/// One seed of so many begins with a log that is nearly at its first segment's end …
const FILLED_SEED: u64 = 8;

/// … by this many puts of the largest body that travels in the log, each 18 blocks of 4,096.
const FILLING_PUTS: std::ops::RangeInclusive<u64> = 218..=227;
const FILLING: usize = 64 * 1024;

/// What a key holds: the length and the byte that fills it, or nothing.
pub type Value = Option<(usize, u8)>;

/// A key may hold any of these; one when nothing was in flight.
pub type Model = BTreeMap<String, Vec<Value>>;

/// Lives `lives` lives of one bucket, each ended by a power cut, under the seed.
///
/// Answers what was found wrong: something acknowledged is missing, changed or came back.
pub fn live(seed: u64, lives: u32, fault: Fault) -> Result<(), String> {
    // An index that was damaged by a fault may panic; that is a finding like any other.
    let lived = std::panic::catch_unwind(|| live_on(seed, lives, fault));
    lived.unwrap_or_else(|_| Err("panicked".to_owned()))
}

fn live_on(seed: u64, lives: u32, fault: Fault) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut image = Image::default();
    let mut model = Model::new();
    let mut made = false;
    for life in 0..lives {
        let last = life + 1 == lives;
        let filling = if life == 0 && seed.is_multiple_of(FILLED_SEED) {
            rng.random_range(FILLING_PUTS)
        } else {
            0
        };
        let power = (!last).then(|| filling + rng.random_range(5..400));
        let device = SimDevice::new(image, rng.random(), power, fault);
        let epoch = u64::from(life) + 1;
        let local = tokio::task::LocalSet::new();
        let lived = local.block_on(
            &runtime,
            one_life(&device, epoch, filling, &mut made, model, &mut rng),
        );
        model = lived.map_err(|wrong| format!("life {epoch}: {wrong}"))?;
        image = device.cut_power();
    }
    Ok(())
}

async fn one_life(
    device: &Arc<SimDevice>,
    epoch: u64,
    filling: u64,
    made: &mut bool,
    model: Model,
    rng: &mut SmallRng,
) -> Result<Model, String> {
    let devices = Devices {
        data: device.clone(),
        index: device.clone(),
    };
    let options = Options {
        index_cache: 1 << 20,
        offload: Offload::Inline,
        clock: Arc::new(move || Timestamp(epoch)),
        ..Options::new(epoch)
    };
    let opened = if *made {
        Bucket::open(devices, BUCKET, options).await
    } else {
        Bucket::create(devices, BUCKET, options).await
    };
    let bucket = match opened {
        Ok(bucket) => Rc::new(bucket),
        Err(_) if !device.is_on() => return Ok(model),
        Err(error) => return Err(format!("cannot be opened: {error}")),
    };
    *made = true;
    let model = match check(&bucket, model.clone()).await {
        Ok(model) => model,
        Err(_) if !device.is_on() => return Ok(model),
        Err(wrong) => return Err(wrong),
    };
    let model = Rc::new(RefCell::new(model));
    fill(&bucket, filling, &model).await?;
    let changes = rng.random_range(1..30);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let rng = SmallRng::seed_from_u64(rng.random());
            tokio::task::spawn_local(change(client, changes, bucket.clone(), model.clone(), rng))
        })
        .collect();
    for client in clients {
        client.await.map_err(|error| error.to_string())??;
    }
    let model = model.take();
    match check(&bucket, model.clone()).await {
        Ok(model) => Ok(model),
        Err(_) if !device.is_on() => Ok(model),
        Err(wrong) => Err(wrong),
    }
}

/// Fills the log, one group a put, until the power goes.
async fn fill(bucket: &Bucket, puts: u64, model: &RefCell<Model>) -> Result<(), String> {
    let mut before = None;
    for number in 0..puts {
        let value = (FILLING, number as u8);
        model
            .borrow_mut()
            .insert("fill".to_owned(), vec![before, Some(value)]);
        let name = Key::new("fill").map_err(|error| error.to_string())?;
        let body = Body::Small(bytes(value));
        match bucket
            .put(name, attributes(value), body, Condition::default())
            .await
        {
            Ok(_) => before = Some(value),
            Err(ChangeError::Closed(_)) => return Ok(()),
            Err(error) => return Err(format!("fill: {error}")),
        }
        model.borrow_mut().insert("fill".to_owned(), vec![before]);
    }
    Ok(())
}

/// One client: it changes its own keys, one after the other, until the power goes.
async fn change(
    client: u64,
    changes: u32,
    bucket: Rc<Bucket>,
    model: Rc<RefCell<Model>>,
    mut rng: SmallRng,
) -> Result<(), String> {
    for _ in 0..changes {
        let key = format!("{client}/{}", rng.random_range(0..KEYS_A_CLIENT));
        let before = settled_value(&model, &key);
        let other = format!("{client}/{}", rng.random_range(0..KEYS_A_CLIENT));
        let source = settled_value(&model, &other).filter(|_| rng.random_bool(0.2));
        let after = match rng.random_range(0..10) {
            _ if source.is_some() => source,
            0..3 => None,
            3..8 => Some((rng.random_range(0..9000), rng.random())),
            _ => Some((rng.random_range(60_000..2_500_000), rng.random())),
        };
        // From here on the key may hold either.
        model.borrow_mut().insert(key.clone(), vec![before, after]);
        let name = Key::new(key.clone()).map_err(|error| error.to_string())?;
        let done = match after {
            None => bucket.delete(name, Condition::default()).await.map(|_| ()),
            Some(value) if source.is_some() => copy(&bucket, &other, name, value, &mut rng).await,
            Some(value) if rng.random_bool(0.2) => multipart(&bucket, name, value).await,
            Some(value) => put(&bucket, name, value, &mut rng).await,
        };
        match done {
            Ok(()) => model.borrow_mut().insert(key, vec![after]),
            Err(ChangeError::Closed(_)) => return Ok(()),
            Err(error) => return Err(format!("{key}: {error}")),
        };
        if rng.random_bool(0.1) {
            relabel(&bucket, &other, &mut rng).await?;
        }
        if rng.random_bool(0.02) && bucket.checkpoint().await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What a key holds; a client asks about its own keys while none of them changes.
fn settled_value(model: &RefCell<Model>, key: &str) -> Value {
    let model = model.borrow();
    model.get(key).and_then(|it| it.first().copied()).flatten()
}

/// Copies an object whole, or in two parts of any length.
async fn copy(
    bucket: &Bucket,
    from: &str,
    to: Key,
    value: (usize, u8),
    rng: &mut SmallRng,
) -> Result<(), ChangeError> {
    let source = || CopySource {
        key: Key::new(from).expect("a key of the model"),
        condition: Condition::etag(attributes(value).etag),
    };
    if rng.random() {
        let copied = CopyAttributes::default();
        let copied = bucket.copy(source(), to, copied, Condition::default());
        return copied.await.map(|_| ());
    }
    let upload = bucket.create_upload(to.clone(), Upload::default()).await?;
    let length = value.0 as u64;
    let middle = rng.random_range(0..=length);
    let mut parts = Vec::new();
    for (number, range) in [(1, 0..middle), (2, middle..length)] {
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
        let copied = bucket.copy_part(source(), Some(range), part, attributes);
        copied.await?;
        parts.push(NamedPart {
            number,
            etag,
            checksum: None,
        });
    }
    let completion = Completion {
        parts,
        attributes: attributes(value),
    };
    let completed = bucket.complete_upload(to, upload, completion, Condition::default());
    completed.await.map(|_| ())
}

/// Changes tags, which must leave the bytes alone.
async fn relabel(bucket: &Bucket, key: &str, rng: &mut SmallRng) -> Result<(), String> {
    let tags = vec![("n".to_owned(), rng.random::<u8>().to_string())];
    let name = Key::new(key).map_err(|error| error.to_string())?;
    let change = AttributeChange::Tags(tags);
    let changed = bucket.change_attributes(name, change, Condition::default());
    match changed.await {
        Ok(_) | Err(ChangeError::NoSuchKey | ChangeError::Closed(_)) => Ok(()),
        Err(error) => Err(format!("{key}: {error}")),
    }
}

/// The bytes of a value.
pub fn bytes((length, fill): (usize, u8)) -> Bytes {
    (0..length)
        .map(|at| fill.wrapping_add((at / 512) as u8))
        .collect::<Vec<_>>()
        .into()
}

fn attributes((length, fill): (usize, u8)) -> Attributes {
    Attributes {
        etag: format!("{length}-{fill}"),
        ..Attributes::default()
    }
}

async fn body(bucket: &Bucket, bytes: Bytes, hint: bool) -> Result<Body, ChangeError> {
    let mut writer = bucket.writer(hint.then_some(bytes.len() as u64));
    for chunk in bytes.chunks(300_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    writer.finish().await
}

async fn put(
    bucket: &Bucket,
    key: Key,
    value: (usize, u8),
    rng: &mut SmallRng,
) -> Result<(), ChangeError> {
    let body = body(bucket, bytes(value), rng.random()).await?;
    bucket
        .put(key, attributes(value), body, Condition::default())
        .await
        .map(|_| ())
}

async fn multipart(bucket: &Bucket, key: Key, value: (usize, u8)) -> Result<(), ChangeError> {
    let upload = bucket.create_upload(key.clone(), Upload::default()).await?;
    let bytes = bytes(value);
    let half = bytes.len() / 2;
    let mut parts = Vec::new();
    for (number, part) in [(1, bytes.slice(..half)), (2, bytes.slice(half..))] {
        let etag = format!("part {number}");
        let body = body(bucket, part, true).await?;
        bucket
            .put_part(
                key.clone(),
                upload.clone(),
                number,
                etag.clone(),
                None,
                body,
            )
            .await?;
        parts.push(NamedPart {
            number,
            etag,
            checksum: None,
        });
    }
    let completion = Completion {
        parts,
        attributes: attributes(value),
    };
    bucket
        .complete_upload(key, upload, completion, Condition::default())
        .await
        .map(|_| ())
}
