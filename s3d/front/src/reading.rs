//! GetObject and HeadObject.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use s3d_bucket::{BlobReader, Bucket, Checksum, Found, Key, Object, ReadError};
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{Body, S3Request, S3Response, S3Result, StdError};

use super::access::{self, ObjectUse, caller};
use super::attributes;
use super::conditions::{self, ReadOutcome};
use super::context::RequestContext;
use super::error;
use super::operations::Operations;
use super::range::Wanted;
use super::refusal::Refusal;
use super::versions;

/// The status of an answer, which travels past s3s: it knows 200 and 206 only.
#[derive(Debug, Clone, Copy)]
pub struct StatusOverride(pub StatusCode);

/// What both operations ask, beside what is in the context.
struct Question {
    key: String,
    part: Option<i32>,
    checksum: bool,
}

/// What both operations answer, beside the bytes.
struct Answer {
    object: Found,
    wanted: Wanted,
    headers: HeaderMap,
    not_modified: bool,
}

impl Answer {
    fn status(&self) -> StatusCode {
        match (self.not_modified, self.wanted.partial) {
            (true, _) => StatusCode::NOT_MODIFIED,
            (false, true) => StatusCode::PARTIAL_CONTENT,
            (false, false) => StatusCode::OK,
        }
    }

    fn length(&self) -> u64 {
        self.wanted.bytes.end - self.wanted.bytes.start
    }
}

impl Operations {
    /// Gives an object's bytes.
    pub(super) async fn read_object(
        &self,
        mut request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &mut request.input;
        let question = Question {
            key: std::mem::take(&mut input.key),
            part: input.part_number,
            checksum: input.checksum_mode.is_some(),
        };
        versions::check(request.input.version_id.as_deref())?;
        let open = self.open(&request).await?;
        let answer = find(&open, &request, question).await?;
        let status = answer.status();
        let mut output = GetObjectOutput::default();
        if status != StatusCode::NOT_MODIFIED {
            output.body = Some(body(&open, &answer).await?);
            output.content_length = i64::try_from(answer.length()).ok();
        }
        let mut response = S3Response::with_headers(output, answer.headers);
        response.extensions.insert(StatusOverride(status));
        Ok(response)
    }

    /// Gives what is known of an object.
    pub(super) async fn read_head(
        &self,
        mut request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = &mut request.input;
        let question = Question {
            key: std::mem::take(&mut input.key),
            part: input.part_number,
            checksum: input.checksum_mode.is_some(),
        };
        versions::check(request.input.version_id.as_deref())?;
        let open = self.open(&request).await?;
        let answer = find(&open, &request, question).await?;
        let mut output = HeadObjectOutput::default();
        if !answer.not_modified {
            output.content_length = i64::try_from(answer.length()).ok();
        }
        let status = answer.status();
        let mut response = S3Response::with_headers(output, answer.headers);
        response.extensions.insert(StatusOverride(status));
        Ok(response)
    }
}

async fn find<T>(open: &Bucket, request: &S3Request<T>, question: Question) -> S3Result<Answer> {
    let query = request.uri.query();
    if caller(request)?.key.is_none() && attributes::has_overrides(query) {
        let sentence = "headers of the answer can be overridden in signed requests only";
        return Err(Refusal::Unsigned(sentence).into());
    }
    let key = Key::new(question.key).map_err(error::key)?;
    let object = access::find(open, request, &key, ObjectUse::READ).await?;
    let asked = &RequestContext::of(request)?.headers;
    let not_modified = match conditions::evaluate(&asked.condition, &object) {
        ReadOutcome::Failed(unmet) => return Err(Refusal::Precondition(unmet).into()),
        ReadOutcome::NotModified => true,
        ReadOutcome::Proceed => false,
    };
    let mut headers = attributes::write(&object, query);
    let (bucket, caller) = (access::bucket(request)?, caller(request)?);
    if !access::may_use(bucket, caller, &key, &object, ObjectUse::READ_TAGS) {
        // Who may not read the tags may not know how many there are.
        headers.remove("x-amz-tagging-count");
    }
    let wanted = if not_modified {
        Wanted::of(&object, None, None)?
    } else {
        let wanted = Wanted::of(&object, asked.range, question.part)?;
        describe(&wanted, &object, question.checksum, &mut headers);
        wanted
    };
    Ok(Answer {
        object,
        wanted,
        headers,
        not_modified,
    })
}

/// Adds what describes the bytes that are given.
fn describe(wanted: &Wanted, object: &Object, with_checksum: bool, headers: &mut HeaderMap) {
    if let Some(range) = wanted.content_range(object.size)
        && let Ok(range) = HeaderValue::try_from(range)
    {
        headers.insert(CONTENT_RANGE, range);
    }
    if let Some(parts) = wanted.parts {
        headers.insert("x-amz-mp-parts-count", parts.into());
    }
    if with_checksum && let Some(checksum) = checksum_of(wanted, object) {
        attributes::write_checksum(headers, &checksum);
    }
}

/// The checksum of the bytes that are given, as far as it is known: of the whole object, or of a part.
fn checksum_of<'o>(wanted: &Wanted, object: &'o Object) -> Option<Cow<'o, Checksum>> {
    let whole = object.attributes.checksum.as_ref()?;
    let Some(number) = wanted.part else {
        let all = wanted.bytes == (0..object.size);
        return all.then_some(Cow::Borrowed(whole));
    };
    let part = object.parts.iter().find(|part| part.number == number)?;
    Some(Cow::Owned(Checksum {
        value: part.checksum.clone()?,
        ..whole.clone()
    }))
}

/// The bytes. The first of them are read before the answer begins, so that damage there is an
/// error; damage behind them breaks the connection.
async fn body(open: &Arc<Bucket>, answer: &Answer) -> S3Result<StreamingBlob> {
    let length = answer.length();
    if length == 0 {
        return Ok(Body::empty().into());
    }
    let mut reader = open.read(&answer.object, answer.wanted.bytes.clone());
    let first = next(&mut reader)
        .await
        .map_err(|refusal| error::read(&refusal))?;
    if first.len() as u64 == length {
        return Ok(Body::from(first).into());
    }
    // The bucket stays open as long as its bytes are on their way.
    let rest = futures::stream::try_unfold((reader, open.clone()), |(mut reader, open)| async {
        let next = reader.next().await.transpose()?;
        Ok::<_, ReadError>(next.map(|bytes| (bytes, (reader, open))))
    });
    let first = futures::stream::once(async { Ok(first) });
    let chunks = futures::StreamExt::boxed(futures::StreamExt::chain(first, rest));
    Ok(StreamingBlob::new(ObjectBody {
        chunks: Mutex::new(chunks),
        left: length,
    }))
}

async fn next(reader: &mut BlobReader) -> Result<Bytes, ReadError> {
    match reader.next().await {
        Some(chunk) => chunk,
        // The caller asked for bytes that the object's record says are there.
        None => Err(ReadError::Damaged { address: 0 }),
    }
}

/// The bytes of an object on their way out.
struct ObjectBody {
    /// The lock is never taken: it makes the stream `Sync`, which s3s asks for.
    chunks: Mutex<BoxStream<'static, Result<Bytes, ReadError>>>,
    left: u64,
}

impl Stream for ObjectBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.chunks.get_mut().as_mut().poll_next(context);
        match polled {
            Poll::Ready(Some(Ok(bytes))) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Some(Err(cause))) => {
                tracing::error!(%cause, "an object's bytes could not be read to the end");
                Poll::Ready(Some(Err(cause.into())))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl ByteStream for ObjectBody {
    fn remaining_length(&self) -> RemainingLength {
        match usize::try_from(self.left) {
            Ok(left) => RemainingLength::new_exact(left),
            Err(_) => RemainingLength::unknown(),
        }
    }
}
