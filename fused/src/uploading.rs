//! Making the object be as the file is.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use fused_fs::attributes::Timestamp;
use fused_fs::journal::Record;
use fused_fs::stage::{Base, Piece, Stage};
use fused_fs::upload::{self, PartPlan, Plan};
use fused_s3::{Condition, ErrorKind, Headers, Part, S3Error, Stored};
use fuser::Errno;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::attempts::Attempts;
use crate::early::{Early, PARALLEL};
use crate::errno::{self, Outcome};
use crate::files::{OpenFile, Staged};
use crate::lookup::headers;
use crate::metrics::Uploaded;
use crate::mount::Mount;
use crate::staging::StageFile;

/// Files up to this many bytes are sent whenever they are flushed.
const SHORT: u64 = 256 << 10;

/// A file as it is to be uploaded.
pub struct Job {
    pub key: String,
    pub plan: Plan,
    pub stage: Stage,
    pub file: Option<Arc<StageFile>>,
    pub modified: Timestamp,
    pub headers: Headers,
    /// Parts that were sent already.
    pub early: Option<Early>,
    /// How many bytes have been sent.
    pub sent: Arc<AtomicU64>,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    S3(S3Error),
    #[error("the staging folder failed ({0:?})")]
    Here(Errno),
}

impl Failure {
    /// Whether the object is not what the job was based on.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::S3(error) if matches!(error.kind, ErrorKind::Precondition | ErrorKind::NotFound)
        )
    }
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        Self::S3(error)
    }
}

impl Job {
    /// Writes down which object is about to be made: a crash may come before its answer.
    fn record_making(&self, etag: String) -> Result<(), Failure> {
        match &self.file {
            Some(file) => file
                .record(&[Record::Making(etag)])
                .map_err(|error| Failure::Here(errno::of_io(&error))),
            None => Ok(()),
        }
    }
}

impl Mount {
    /// Uploads what changed of a file; durable when this answers. What changes meanwhile may need
    /// another upload.
    pub async fn upload(self: &Arc<Self>, file: &Arc<OpenFile>) -> Outcome<()> {
        let _one_at_a_time = file.upload.lock().await;
        self.upload_locked(file).await
    }

    /// The same, for those who hold `file.upload`.
    pub async fn upload_locked(self: &Arc<Self>, file: &Arc<OpenFile>) -> Outcome<()> {
        let _names = self.names.read().await;
        self.upload_named(file).await
    }

    /// The same, for those who also hold `names`.
    pub async fn upload_named(self: &Arc<Self>, file: &Arc<OpenFile>) -> Outcome<()> {
        let Some(job) = self.begin_upload(file)? else {
            return Ok(());
        };
        match self.run(&job).await {
            Ok(stored) => {
                self.metrics.uploaded(Uploaded::Done);
                self.end_upload(file, &job, stored);
                Ok(())
            }
            Err(failure) => Err(self.upload_failed(file, &job, failure).await),
        }
    }

    /// What there is to upload; `None` when there is nothing, or the file was removed.
    fn begin_upload(self: &Arc<Self>, file: &OpenFile) -> Outcome<Option<Job>> {
        let mut state = file.state.lock();
        let tree = self.tree.lock();
        let Some(key) = tree.key(file.ino) else {
            return Ok(None);
        };
        let node = tree.get(file.ino).ok_or(Errno::ESTALE)?;
        let attributes = node.attributes.clone();
        let headers = headers(&attributes, &node.others);
        let object = node.object.clone();
        drop(tree);
        let changed = std::mem::take(&mut state.attributes_changed);
        let (stage, staged) = match &mut state.staged {
            Some(Staged { stage, file }) => {
                let before = stage.clone();
                stage.begin_upload();
                file.record(&[Record::Begin])
                    .map_err(|error| errno::of_io(&error))?;
                (before, Some(file.clone()))
            }
            None => (Stage::new(object), None),
        };
        let plan = upload::plan(&stage, changed, self.options.hayrack);
        if !matches!(plan, Plan::Parts(_)) || state.early.as_ref().is_some_and(|it| it.key != key) {
            self.abandon_early(&mut state);
        }
        if plan == Plan::Nothing {
            if let Some(staged) = &mut state.staged {
                staged.stage.upload_failed();
            }
            state.attempts = None;
            return Ok(None);
        }
        state.uploading = true;
        let (attempts, sent) = Attempts::begin(state.attempts.take(), plan.bytes(stage.size()));
        state.attempts = Some(attempts);
        Ok(Some(Job {
            key,
            plan,
            stage,
            file: staged,
            modified: attributes.modified,
            headers,
            early: state.early.take(),
            sent,
        }))
    }

    /// Does what a job's plan says.
    pub async fn run(&self, job: &Job) -> Result<Stored, Failure> {
        let base = job.stage.base();
        let condition = base.map_or(Condition::Absent, |base| Condition::Etag(&base.etag));
        match &job.plan {
            Plan::Nothing => Err(Failure::Here(Errno::EIO)),
            Plan::Headers => {
                let etag = base.map_or("", |base| &base.etag);
                let set = self.client.set_headers(&job.key, etag, &job.headers);
                Ok(self.own(&[&job.key], set).await?)
            }
            Plan::Whole => {
                // Short ones need not wait for long ones.
                let size = job.stage.size();
                let _turn = if size > SHORT {
                    self.turn(size).await
                } else {
                    None
                };
                let bytes = self.staged_bytes(job, 0..size).await?;
                let etag = fused_s3::etag_of(&bytes);
                let put = self.client.put(&job.key, &job.headers, bytes, condition);
                self.make_object(job, Some(etag), put).await
            }
            Plan::Patch(ranges) => self.write_into(job, ranges).await,
            Plan::Parts(parts) => self.send_parts(job, parts, condition).await,
        }
    }

    async fn write_into(&self, job: &Job, ranges: &[Range<u64>]) -> Result<Stored, Failure> {
        let before = job.stage.base().map_or("", |base| &base.etag);
        let mut bytes = BytesMut::new();
        for range in ranges {
            bytes.extend_from_slice(&self.staged_bytes(job, range.clone()).await?);
        }
        let bytes = bytes.freeze();
        let etag = fused_s3::etag_of_patch(before, ranges, &bytes);
        let (key, headers) = (&job.key, &job.headers);
        let patch = self.client.patch(key, before, headers, ranges, bytes);
        self.make_object(job, Some(etag), patch).await
    }

    /// Makes the object, which then has `etag` if that can be known. A request whose answer is lost is
    /// sent again, and the object that it made is none that it expects: it is known by the ETag.
    async fn make_object(
        &self,
        job: &Job,
        etag: Option<String>,
        request: impl Future<Output = Result<Stored, S3Error>>,
    ) -> Result<Stored, Failure> {
        if let Some(etag) = &etag {
            job.record_making(etag.clone())?;
        }
        let failure = match self.own(&[&job.key], request).await {
            Ok(stored) => return Ok(stored),
            Err(error) => Failure::from(error),
        };
        if failure.is_conflict()
            && let Some(etag) = etag
            && let Ok(object) = self.client.head(&job.key).await
            && object.etag == etag
        {
            return Ok(Stored { etag });
        }
        Err(failure)
    }

    async fn send_parts(
        &self,
        job: &Job,
        parts: &[PartPlan],
        condition: Condition<'_>,
    ) -> Result<Stored, Failure> {
        let key = &job.key;
        let id = match &job.early {
            Some(early) => early.id.clone().await,
            None => None,
        };
        let id = match id {
            Some(id) => id,
            None => self.client.begin_upload(key, &job.headers).await?,
        };
        let numbered: Vec<_> = (1..).zip(parts.iter().cloned()).collect();
        let sent = futures::stream::iter(numbered)
            .map(|(number, part)| self.send_part(job, &id, number, part))
            .buffered(PARALLEL)
            .try_collect::<Vec<_>>()
            .await;
        let done = match sent {
            Ok(parts) => self.complete(job, &id, &parts, condition).await,
            Err(failure) => Err(failure),
        };
        if done.is_err() {
            // The parts would only take room; the bytes are still staged.
            let _ = self.client.abort_upload(key, &id).await;
        }
        done
    }

    async fn complete(
        &self,
        job: &Job,
        id: &str,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Stored, Failure> {
        let key = &job.key;
        let etag = fused_s3::etag_of_parts(parts);
        let request = self.client.complete_upload(key, id, parts, condition);
        let stored = self.make_object(job, etag, request).await?;
        match &job.early {
            // An upload gets its headers when it begins; the times have changed since.
            Some(early) if early.headers != job.headers => {
                let set = self.client.set_headers(key, &stored.etag, &job.headers);
                Ok(self.own(&[key], set).await?)
            }
            _ => Ok(stored),
        }
    }

    async fn send_part(
        &self,
        job: &Job,
        id: &str,
        number: u16,
        part: PartPlan,
    ) -> Result<Part, Failure> {
        match part {
            PartPlan::Send(range) => {
                let length = range.end - range.start;
                if let Some(early) = &job.early
                    && let Some(part) = early.part(number, &range).await
                {
                    job.sent.fetch_add(length, Ordering::Relaxed);
                    return Ok(part);
                }
                let _turn = self.turn(length).await;
                let bytes = self.staged_bytes(job, range).await?;
                let part = self.client.put_part(&job.key, id, number, bytes).await?;
                job.sent.fetch_add(length, Ordering::Relaxed);
                Ok(part)
            }
            PartPlan::Copy(range) => {
                let etag = job.stage.base().map_or("", |base| &base.etag);
                let source = (job.key.as_str(), etag);
                let copied = self.client.copy_part(&job.key, id, number, source, range);
                Ok(copied.await?)
            }
        }
    }

    /// A range of the file that a job uploads. What is written meanwhile may be in it: it is uploaded
    /// again in any case.
    pub async fn staged_bytes(&self, job: &Job, range: Range<u64>) -> Result<Bytes, Failure> {
        let mut bytes = BytesMut::with_capacity((range.end - range.start) as usize);
        for piece in job.stage.pieces(range.clone()) {
            match piece {
                Piece::Zeros(range) => {
                    bytes.resize(bytes.len() + (range.end - range.start) as usize, 0);
                }
                Piece::Staged(range) => {
                    let at = bytes.len();
                    bytes.resize(at + (range.end - range.start) as usize, 0);
                    let file = job.file.as_ref().ok_or(Failure::Here(Errno::EIO))?;
                    file.read(range.start, &mut bytes[at..])
                        .map_err(|error| Failure::Here(errno::of_io(&error)))?;
                }
                Piece::Base(range) => {
                    let etag = job.stage.base().map_or("", |base| &base.etag);
                    let fetched = self.client.get(&job.key, etag, range).await?;
                    bytes.extend_from_slice(&fetched);
                }
            }
        }
        Ok(bytes.freeze())
    }

    fn end_upload(&self, file: &OpenFile, job: &Job, stored: Stored) {
        let base = Base {
            etag: stored.etag,
            size: job.stage.size(),
        };
        let fresh_until = self.fresh_until();
        let mut state = file.state.lock();
        state.uploading = false;
        state.attempts = None;
        if let Some(staged) = &mut state.staged {
            staged.stage.uploaded(base.clone());
        }
        // Else it is uploaded once more after a crash, and found to be there.
        let _ = state.record(Record::Base(Some(base.clone())));
        let mut tree = self.tree.lock();
        if let Some(node) = tree.change(file.ino) {
            // The kernel wrote these bytes, or read those that stayed.
            node.cached = Some(base.etag.clone());
            node.object = Some(base);
            node.fresh_until = fresh_until;
        }
    }

    async fn upload_failed(
        self: &Arc<Self>,
        file: &Arc<OpenFile>,
        job: &Job,
        failure: Failure,
    ) -> Errno {
        {
            let mut state = file.state.lock();
            state.uploading = false;
            state.attributes_changed = true;
            if let Some(attempts) = &mut state.attempts {
                attempts.failed(failure.to_string(), self.options.retry);
            }
            if let Some(staged) = &mut state.staged {
                staged.stage.upload_failed();
            }
        }
        if failure.is_conflict() {
            self.metrics.uploaded(Uploaded::Conflict);
            self.give_way(file, job).await;
            return Errno::ESTALE;
        }
        self.metrics.uploaded(Uploaded::Failed);
        match failure {
            Failure::Here(errno) => errno,
            Failure::S3(error) => errno::reported(&job.key, "uploading it", &error),
        }
    }

    /// Somebody else changed the object: what was written here is stored beside it, also what was while
    /// that was found out, and the file is as the server has it.
    async fn give_way(self: &Arc<Self>, file: &Arc<OpenFile>, job: &Job) {
        let written = {
            let mut state = file.state.lock();
            let staged = state.staged.clone();
            let written = staged.filter(|it| it.stage.is_changed());
            // From here on nobody adds to it who is not told.
            state.conflicts += u64::from(written.is_some());
            written
        };
        if let Some(Staged { stage, file: bytes }) = written {
            if !self.store_aside(job, stage, bytes).await {
                return;
            }
            // Nor did those who opened it since.
            file.state.lock().conflicts += 1;
        }
        file.state.lock().discard();
        // If it cannot be asked now, the next who uses it asks.
        let _ = self.renew(file.ino).await;
    }

    /// Stores what was written here beside an object that somebody else changed. Bytes of the object
    /// that was replaced are not to be had any more: where they were there are zeros.
    pub async fn store_aside(&self, job: &Job, mut stage: Stage, file: Arc<StageFile>) -> bool {
        stage.detach();
        let aside = Job {
            key: format!(
                "{}.conflict-{:08x}",
                job.key,
                job.modified.0.unsigned_abs() as u32
            ),
            plan: upload::plan(&stage, true, false),
            stage,
            file: Some(file),
            modified: job.modified,
            headers: job.headers.clone(),
            early: None,
            sent: Arc::default(),
        };
        match self.run(&aside).await {
            Ok(_) => {
                tracing::warn!(
                    key = job.key,
                    aside = aside.key,
                    "somebody else changed it: what was written here is stored beside it"
                );
                true
            }
            Err(failure) => {
                tracing::error!(
                    key = job.key,
                    %failure,
                    "somebody else changed it, and what was written here cannot be stored beside it"
                );
                false
            }
        }
    }
}
