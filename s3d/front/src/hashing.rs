//! The digests of bodies, computed while they come in, on threads that may be busy.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parking_lot::Mutex;
use s3d_bucket::{Checksum, ChecksumKind};
use s3d_md5::{LANES, Md5, Stream, update_together};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::checksum::{self, Hasher};
use super::ingest::{Claims, IngestError};
use super::signature::key::hex;

/// Bytes that are hashed in one go: while they are, the next ones come in.
const BATCH: usize = 1 << 20;

/// What is hashed at the end of a body without changing threads: cheaper than the change.
const INLINE: usize = 64 << 10;

static CORES: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// Every digest that is wanted of a body.
pub struct Digests {
    md5: Md5,
    sha256: Option<Sha256>,
    checksum: Option<Hasher>,
}

impl Digests {
    /// MD5 always, the others if they are claimed.
    pub fn new(claims: &Claims, sha256: Option<[u8; 32]>) -> Self {
        Self {
            md5: Md5::new(),
            sha256: sha256.map(|_| Sha256::new()),
            checksum: claims.algorithm.map(Hasher::new),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.update_others(bytes);
    }

    /// Whether there is a digest that takes about as long as MD5.
    fn has_slow_others(&self) -> bool {
        let slow = |hasher: &Hasher| !matches!(hasher, Hasher::Crc(..));
        self.sha256.is_some() || self.checksum.as_ref().is_some_and(slow)
    }

    fn update_others(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    /// The ETag and the checksum of the body, if every claim is true.
    pub fn finish(
        mut self,
        claims: &Claims,
        sha256: Option<[u8; 32]>,
    ) -> Result<(String, Option<Checksum>), IngestError> {
        let md5 = std::mem::take(&mut self.md5).finish();
        if claims.md5.is_some_and(|claimed| claimed != md5) {
            return Err(IngestError::BadDigest("Content-MD5"));
        }
        Ok((hex(&md5), self.finish_others(claims, sha256)?))
    }

    /// The checksum of the body, if every claim but that of its MD5 is true.
    pub fn finish_others(
        self,
        claims: &Claims,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Checksum>, IngestError> {
        let computed: Option<[u8; 32]> = self.sha256.map(|sha256| sha256.finalize().into());
        if computed != sha256 {
            return Err(IngestError::Sha256Mismatch);
        }
        let checksum = claims
            .algorithm
            .zip(self.checksum)
            .map(|(algorithm, hasher)| Checksum {
                algorithm,
                value: hasher.finish(),
                kind: ChecksumKind::FullObject,
            });
        if let (Some(checksum), Some(claimed)) = (&checksum, &claims.value)
            && checksum.value != *claimed
        {
            return Err(IngestError::BadDigest(checksum::header(checksum.algorithm)));
        }
        Ok(checksum)
    }
}

/// Hashes the batches of all bodies, as many as there are lanes side by side.
#[derive(Clone, Default)]
pub struct Hashers(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Bodies that have sent a batch and may send more.
    bodies: usize,
    /// Somebody can do nothing before what waits is hashed.
    urgent: bool,
    /// Threads that take from it.
    busy: usize,
}

struct Job {
    digests: Box<Digests>,
    batch: Vec<Bytes>,
    done: oneshot::Sender<Box<Digests>>,
}

impl Queue {
    /// A lane that stays empty is lost, so what waits goes on waiting while a body that may fill
    /// one is still coming in, unless somebody needs an answer.
    fn is_ready(&self) -> bool {
        let filled = self.waiting.len() >= self.bodies.min(LANES);
        !self.waiting.is_empty() && (filled || self.urgent)
    }

    /// What is hashed next; nothing ends the thread that asks.
    fn take(&mut self) -> Vec<Job> {
        if !self.is_ready() {
            self.busy -= 1;
            return Vec::new();
        }
        let count = self.waiting.len().min(LANES);
        let jobs = self.waiting.drain(..count).collect();
        self.urgent &= !self.waiting.is_empty();
        jobs
    }
}

impl Hashers {
    fn hash(&self, digests: Box<Digests>, batch: Vec<Bytes>) -> oneshot::Receiver<Box<Digests>> {
        let (done, answer) = oneshot::channel();
        let job = Job {
            digests,
            batch,
            done,
        };
        self.change(|queue| queue.waiting.push_back(job));
        answer
    }

    /// Changes the queue, and has it worked off if it is ready then. Another thread begins only
    /// when there is work for all lanes of one more.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.0.lock();
        change(&mut queue);
        let more = queue.busy == 0 || queue.busy < *CORES && queue.waiting.len() > LANES;
        if more && queue.is_ready() {
            queue.busy += 1;
            let hashers = self.clone();
            tokio::task::spawn_blocking(move || hashers.work());
        }
    }

    fn work(&self) {
        loop {
            let jobs = self.0.lock().take();
            if jobs.is_empty() {
                return;
            }
            hash_together(jobs);
        }
    }
}

fn hash_together(mut jobs: Vec<Job>) {
    // The client may have gone meanwhile.
    jobs.retain(|job| !job.done.is_closed());
    let streams = jobs
        .iter_mut()
        .map(|job| Stream::new(&mut job.digests.md5, &job.batch));
    update_together(streams.collect());
    for job in jobs {
        if job.digests.has_slow_others() {
            // Nothing is gained side by side: the processor's other cores may help.
            tokio::task::spawn_blocking(|| finish(job));
        } else {
            finish(job);
        }
    }
}

fn finish(mut job: Job) {
    for bytes in &job.batch {
        job.digests.update_others(bytes);
    }
    let _ = job.done.send(job.digests);
}

/// A body that is counted among [`Queue::bodies`].
struct Counted(Hashers);

impl Counted {
    fn new(hashers: &Hashers) -> Self {
        hashers.change(|queue| queue.bodies += 1);
        Self(hashers.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.change(|queue| queue.bodies -= 1);
    }
}

/// The digests of one body under way: a batch at a time.
pub struct Hashing {
    hashers: Hashers,
    state: State,
    batch: Vec<Bytes>,
    length: usize,
    counted: Option<Counted>,
}

enum State {
    Here(Box<Digests>),
    There(oneshot::Receiver<Box<Digests>>),
}

impl Hashing {
    /// Nothing is hashed yet.
    pub fn new(hashers: Hashers, digests: Digests) -> Self {
        Self {
            hashers,
            state: State::Here(Box::new(digests)),
            batch: Vec::new(),
            length: 0,
            counted: None,
        }
    }

    /// Takes the next bytes; waits while the batch before is being hashed.
    pub async fn push(mut self, bytes: Bytes) -> Self {
        self.length += bytes.len();
        self.batch.push(bytes);
        if self.length < BATCH {
            return self;
        }
        if self.counted.is_none() {
            self.counted = Some(Counted::new(&self.hashers));
        }
        self.send_off().await
    }

    /// The digests of all bytes.
    pub async fn finish(mut self) -> Digests {
        if self.length > INLINE {
            self = self.send_off().await;
        }
        self.counted = None;
        let mut digests = self.state.here(&self.hashers).await;
        for bytes in &self.batch {
            digests.update(bytes);
        }
        *digests
    }

    /// All digests but MD5 of a body that nobody else began to hash: a small one.
    pub async fn finish_others(self) -> Digests {
        let mut digests = self.state.here(&self.hashers).await;
        for bytes in &self.batch {
            digests.update_others(bytes);
        }
        *digests
    }

    async fn send_off(self) -> Self {
        let digests = self.state.here(&self.hashers).await;
        Self {
            state: State::There(self.hashers.hash(digests, self.batch)),
            batch: Vec::new(),
            length: 0,
            ..self
        }
    }
}

impl State {
    async fn here(self, hashers: &Hashers) -> Box<Digests> {
        let mut answer = match self {
            Self::Here(digests) => return digests,
            Self::There(answer) => answer,
        };
        if let Ok(digests) = answer.try_recv() {
            return digests;
        }
        hashers.change(|queue| queue.urgent = !queue.waiting.is_empty());
        answer.await.expect("a thread that hashes does not panic")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[tokio::test]
    async fn digests_do_not_depend_on_the_batches() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amz-sdk-checksum-algorithm",
            "CRC64NVME".parse().expect("a value"),
        );
        let claims = Claims::read(&headers).expect("fine");
        let hashers = Hashers::default();
        let body = |seed: usize| {
            let bytes = (0..3 * BATCH + 5 * seed).map(move |at| (at * seed % 251) as u8);
            bytes.collect::<Vec<u8>>()
        };
        let hash = async |seed: usize| {
            let mut hashing = Hashing::new(hashers.clone(), Digests::new(&claims, None));
            for piece in body(seed).chunks(300_001) {
                hashing = hashing.push(Bytes::copy_from_slice(piece)).await;
            }
            hashing.finish().await.finish(&claims, None)
        };
        let together = futures::future::join_all((1..2 * LANES).map(hash)).await;
        for (seed, digests) in (1..).zip(together) {
            let mut whole = Digests::new(&claims, None);
            whole.update(&body(seed));
            assert_eq!(digests, whole.finish(&claims, None));
        }
    }

    #[tokio::test]
    async fn a_body_waits_for_no_other() {
        let claims = Claims::default();
        let hashers = Hashers::default();
        let batch = || Bytes::from(vec![1; BATCH]);
        let begin = || Hashing::new(hashers.clone(), Digests::new(&claims, None));
        // Two that are slow: one has sent a batch, the other goes away.
        let slow = begin().push(batch()).await.push(Bytes::new()).await;
        let gone = begin().push(batch()).await;
        let mut quick = begin();
        for _ in 0..3 {
            quick = quick.push(batch()).await;
        }
        quick.finish().await;
        drop(gone);
        slow.finish().await;
        assert_eq!(hashers.0.lock().bodies, 0);
    }
}
