//! Objects that browsers post in forms (`multipart/form-data`, "POST Object").
//!
//! A form becomes the PutObject that it stands for: its fields become headers, its policy is checked
//! here, and the file streams on as the body. Only the fields are held in memory.

mod fields;
mod policy;
mod reply;
mod signer;

use std::ops::RangeInclusive;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use multer::{Constraints, Field, Multipart, SizeLimit};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3d_accounts::Accounts;
use s3s::S3Result;
use s3s::dto::Tagging;
use time::OffsetDateTime;
use tokio::time::timeout;

use self::fields::Fields;
use self::policy::Policy;
pub use self::policy::PolicyError;
pub use self::reply::Reply;
use crate::access::TlsVersion;
use crate::context::Signer;
use crate::host::Addressing;
use crate::request_body::{BodyReader, Broken, RequestBody};
use crate::resource::bucket_name;

/// Most bytes of all fields but the file, as in S3.
const MAX_FIELDS: usize = 20 << 10;

/// How long the fields before the file may take to come.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is no well-formed multipart/form-data.
    #[error("the body of the form is not well-formed multipart/form-data")]
    Malformed,
    /// A field is missing.
    #[error("a form must contain a field named {0}")]
    Missing(&'static str),
    /// Its fields are too long.
    #[error("the fields of a form have at most {MAX_FIELDS} bytes together")]
    TooLong,
    /// A field cannot become a header.
    #[error("a field of the form has a value that no header can have")]
    Value,
    /// The tags are no document of tags.
    #[error("the field tagging is no well-formed Tagging document")]
    Tagging,
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// The PutObject that a form stands for.
pub struct Form {
    /// Who signed the policy; `None` if there is none.
    pub signer: Option<Signer>,
    /// The file.
    pub file: RequestBody,
    /// How many bytes it may have.
    pub length: RangeInclusive<u64>,
    /// How its sender wants to be answered.
    pub reply: Reply,
}

/// Whether a request is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..19))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/form-data"))
}

/// Reads a form up to its file, checks it, and makes `parts` those of the PutObject.
pub async fn receive(
    accounts: &Accounts,
    parts: &mut Parts,
    addressing: &Addressing,
    body: &RequestBody,
) -> S3Result<Form> {
    let boundary = parts.headers.get(CONTENT_TYPE);
    let boundary = boundary.and_then(|kind| multer::parse_boundary(kind.to_str().ok()?).ok());
    let boundary = boundary.ok_or(FormError::Malformed)?;
    let read = timeout(PATIENCE, read(body.reader(), boundary)).await;
    let (mut fields, file) = read.map_err(|_| FormError::Malformed)??;
    fields.fill_in(file.file_name().unwrap_or_default());
    let signer = signer::authenticate(accounts, &fields).await?;
    let bucket = bucket_name(&parts.uri, addressing)
        .unwrap_or_default()
        .to_owned();
    let mut length = 0..=u64::MAX;
    if let Some(policy) = fields.get("policy") {
        let policy = Policy::read(policy).map_err(FormError::from)?;
        let now = OffsetDateTime::now_utc();
        policy
            .check(&fields, &bucket, now)
            .map_err(FormError::from)?;
        length = policy.length;
    }
    let key = fields.get("key").filter(|key| !key.is_empty());
    let key = key.ok_or(FormError::Missing("key"))?.to_owned();
    let host = parts.headers.get(HOST).cloned();
    let tls = parts.extensions.get::<TlsVersion>().is_some();
    let reply = Reply::new(&fields, tls, host.as_ref(), bucket, key.clone());
    parts.headers = headers(&fields, host)?;
    parts.method = Method::PUT;
    parts.uri = object_uri(parts.uri.path(), &key)?.into();
    let file = stream::try_unfold(file, |mut file| async {
        let chunk = file.chunk().await.map_err(|_| Broken)?;
        Ok::<_, Broken>(chunk.map(|chunk| (chunk, file)))
    });
    let file = RequestBody::new(Body::from_stream(file));
    Ok(Form {
        signer,
        file,
        length,
        reply,
    })
}

/// The fields in front of the file, and the file.
async fn read(body: BodyReader, boundary: String) -> Result<(Fields, Field<'static>), FormError> {
    let limits = SizeLimit::new()
        .per_field(MAX_FIELDS as u64)
        .for_field("file", u64::MAX);
    let constraints = Constraints::new().size_limit(limits);
    let bytes = stream::try_unfold(body, |mut body| async {
        let bytes: Option<Bytes> = body.next().await?;
        Ok::<_, Broken>(bytes.map(|bytes| (bytes, body)))
    });
    let mut form = Multipart::with_constraints(bytes, boundary, constraints);
    let (mut fields, mut length) = (Fields::default(), 0);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name.eq_ignore_ascii_case("file") {
            return Ok((fields, field));
        }
        let value = field.text().await.map_err(malformed)?;
        length += name.len() + value.len();
        if length > MAX_FIELDS {
            return Err(FormError::TooLong);
        }
        fields.add(&name, value);
    }
    Err(FormError::Missing("file"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn malformed(error: multer::Error) -> FormError {
    match error {
        multer::Error::FieldSizeExceeded { .. } => FormError::TooLong,
        _ => FormError::Malformed,
    }
}

/// The headers of the PutObject.
fn headers(fields: &Fields, host: Option<HeaderValue>) -> Result<HeaderMap, FormError> {
    let mut headers = fields.headers().map_err(|_| FormError::Value)?;
    headers.extend(host.map(|host| (HOST, host)));
    if let Some(tags) = fields.get("tagging") {
        let tags = tags_header(tags).ok_or(FormError::Tagging)?;
        headers.insert(HeaderName::from_static("x-amz-tagging"), tags);
    }
    headers.remove(CONTENT_LENGTH);
    Ok(headers)
}

/// A Tagging document as PutObject's header has it.
fn tags_header(document: &str) -> Option<HeaderValue> {
    let mut document = s3s::xml::Deserializer::new(document.as_bytes());
    let tagging = <Tagging as s3s::xml::Deserialize>::deserialize(&mut document).ok()?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for tag in &tagging.tag_set {
        let value = tag.value.as_deref().unwrap_or_default();
        query.append_pair(tag.key.as_deref()?, value);
    }
    query.finish().try_into().ok()
}

const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The path of an object behind that of its bucket.
fn object_uri(bucket: &str, key: &str) -> Result<PathAndQuery, FormError> {
    let bucket = bucket.strip_suffix('/').unwrap_or(bucket);
    let path = format!("{bucket}/{}", utf8_percent_encode(key, KEY));
    path.try_into().map_err(|_| FormError::Missing("key"))
}
