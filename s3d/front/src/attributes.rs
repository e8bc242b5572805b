//! From headers to what a bucket keeps of an object, and back.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use s3d_bucket::{Attributes, Checksum, Object, Timestamp};

use super::checksum;
use super::http_date;
use super::lenient::{KEPT, LenientHeaders};

/// Most bytes of user metadata, names and values together, as in S3.
const MAX_METADATA: usize = 2048;

/// What an object is when nobody said.
pub const UNKNOWN_TYPE: &str = "binary/octet-stream";

/// Why headers do not become attributes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// Too much user metadata.
    #[error("user metadata has at most {MAX_METADATA} bytes; this has {0}")]
    MetadataTooLarge(usize),
    /// A value that is not UTF-8.
    #[error("the header {0} is not UTF-8")]
    NotUtf8(String),
}

/// What a request says of an object; without ETag, checksum, owner, ACL and tags.
pub fn read(lenient: &LenientHeaders) -> Result<Attributes, AttributesError> {
    let headers = &lenient.object;
    let mut attributes = Attributes::default();
    for name in KEPT {
        let Some(value) = headers.get(&name) else {
            continue;
        };
        let value = text(&name, value)?;
        let value = if name == CONTENT_ENCODING {
            without_chunks(value)
        } else {
            value.to_owned()
        };
        if !value.is_empty() {
            attributes.headers.push((name.as_str().to_owned(), value));
        }
    }
    let mut length = 0;
    for name in headers.keys() {
        let Some(rest) = name.as_str().strip_prefix("x-amz-meta-") else {
            continue;
        };
        // S3 joins a header that came more than once.
        let values = headers.get_all(name).iter().map(metadata_text);
        let value = values.collect::<Vec<_>>().join(",");
        length += rest.len() + value.len();
        attributes.metadata.push((rest.to_owned(), value));
    }
    if length > MAX_METADATA {
        return Err(AttributesError::MetadataTooLarge(length));
    }
    Ok(attributes)
}

/// The text of a value of user metadata: UTF-8, or else ISO 8859-1.
fn metadata_text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A value of user metadata as a header: what is not ASCII is an encoded word (RFC 2047 §2), as in
/// S3.
pub fn metadata_value(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    format!("=?UTF-8?B?{}?=", STANDARD.encode(text)).into()
}

fn text<'v>(name: &HeaderName, value: &'v HeaderValue) -> Result<&'v str, AttributesError> {
    std::str::from_utf8(value.as_bytes())
        .map_err(|_| AttributesError::NotUtf8(name.as_str().to_owned()))
}

/// `aws-chunked` is how the bytes travelled, not what they are.
fn without_chunks(encoding: &str) -> String {
    let codings = encoding.split(',').map(str::trim);
    codings
        .filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The headers that describe an object, with what the query overrides (`response-…`).
pub fn write(object: &Object, query: Option<&str>) -> HeaderMap {
    let Attributes {
        etag,
        headers,
        metadata,
        tags,
        ..
    } = &object.attributes;
    let mut map = HeaderMap::with_capacity(8 + headers.len() + metadata.len());
    map.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    put(&mut map, ETAG, &format!("\"{etag}\""));
    put(&mut map, LAST_MODIFIED, &http_date::write(object.modified));
    map.insert(CONTENT_TYPE, HeaderValue::from_static(UNKNOWN_TYPE));
    for (name, value) in headers {
        put_named(&mut map, name, value);
    }
    for (name, value) in metadata {
        let value = metadata_value(value);
        put_named(&mut map, &format!("x-amz-meta-{name}"), &value);
    }
    if !tags.is_empty() {
        map.insert("x-amz-tagging-count", tags.len().into());
    }
    for (name, value) in overrides(query) {
        put(&mut map, name, &value);
    }
    map
}

/// Whether a query overrides headers of the answer.
pub fn has_overrides(query: Option<&str>) -> bool {
    overrides(query).next().is_some()
}

fn overrides(query: Option<&str>) -> impl Iterator<Item = (HeaderName, String)> {
    // Most queries have none: they are not decoded.
    let query = query.filter(|query| query.contains("response-"));
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).filter_map(|(name, value)| {
        let name = name.strip_prefix("response-")?;
        let name = KEPT.into_iter().find(|kept| kept.as_str() == name)?;
        Some((name, value.into_owned()))
    })
}

/// Adds a checksum to headers.
pub fn write_checksum(map: &mut HeaderMap, checksum: &Checksum) {
    let name = HeaderName::from_static(checksum::header(checksum.algorithm));
    put(map, name, &checksum.value);
    let kind = HeaderValue::from_static(checksum::kind_name(checksum.kind));
    map.insert("x-amz-checksum-type", kind);
}

fn put_named(map: &mut HeaderMap, name: &str, value: &str) {
    if let Ok(name) = HeaderName::try_from(name) {
        put(map, name, value);
    }
}

/// What came in a header goes back in one; what a query brought may not, and is left out.
fn put(map: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        map.insert(name, value);
    }
}

/// A time as s3s writes it.
pub fn timestamp(time: Timestamp) -> s3s::dto::Timestamp {
    (SystemTime::UNIX_EPOCH + Duration::from_millis(time.0)).into()
}

/// A time as s3s read it; what lies before 1970 is as good as 1970.
pub fn time(timestamp: &s3s::dto::Timestamp) -> Timestamp {
    let mut text = Vec::new();
    let written = timestamp.format(s3s::dto::TimestampFormat::EpochSeconds, &mut text);
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    let (seconds, fraction) = match text.as_deref() {
        Some(text) => text.split_once('.').unwrap_or((text, "")),
        None => ("0", ""),
    };
    let millis = format!("{fraction:0<3}");
    let millis = millis.get(..3).and_then(|digits| digits.parse().ok());
    let seconds = seconds.parse::<u64>().unwrap_or_default();
    Timestamp(seconds * 1000 + millis.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                *name,
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        map
    }

    fn read_all(mut headers: HeaderMap) -> Result<Attributes, AttributesError> {
        let lenient = LenientHeaders::take(&mut headers);
        read(&lenient)
    }

    fn object(attributes: Attributes) -> Object {
        Object {
            modified: Timestamp(1_700_000_000_123),
            attributes,
            ..Object::default()
        }
    }

    #[test]
    fn headers_come_back() {
        let sent = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip, aws-chunked"),
            ("x-amz-meta-name", "Zoë"),
            ("x-amz-meta-twice", "a"),
            ("x-amz-meta-twice", "b"),
            ("x-other", "gone"),
        ]);
        let attributes = read_all(sent).expect("fine");
        let back = write(
            &object(Attributes {
                etag: "e".into(),
                ..attributes
            }),
            None,
        );
        assert_eq!(back["content-type"], "text/plain");
        assert_eq!(back["content-encoding"], "gzip");
        assert_eq!(back["x-amz-meta-name"], "=?UTF-8?B?Wm/Dqw==?=");
        assert_eq!(back["x-amz-meta-twice"], "a,b");
        assert_eq!(back["etag"], "\"e\"");
        assert_eq!(back["last-modified"], "Tue, 14 Nov 2023 22:13:20 GMT");
        assert!(!back.contains_key("x-other"));
    }

    #[test]
    fn metadata_that_is_not_utf8_is_latin1() {
        let mut sent = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"Zo\xeb").expect("a value");
        sent.insert("x-amz-meta-name", value);
        let attributes = read_all(sent).expect("fine");
        assert_eq!(attributes.metadata, [("name".to_owned(), "Zoë".to_owned())]);
    }

    #[test]
    fn only_aws_chunked_is_taken_out_of_the_encoding() {
        for (sent, kept) in [
            ("gzip", "gzip"),
            ("deflate, gzip", "deflate, gzip"),
            ("gzip,aws-chunked", "gzip"),
            ("aws-chunked, deflate, gzip", "deflate, gzip"),
            ("aws-chunked, AWS-Chunked", ""),
        ] {
            assert_eq!(without_chunks(sent), kept);
        }
    }

    #[test]
    fn expires_comes_back_as_it_was_sent() {
        for expires in ["0", "2030-01-01T00:00:00Z", "Tue, 1 Jan 2030 00:00:00 GMT"] {
            let attributes = read_all(headers(&[("expires", expires)])).expect("fine");
            let back = write(&object(attributes), None);
            assert_eq!(back["expires"], expires);
        }
    }

    #[test]
    fn the_query_overrides_headers() {
        let query = "response-content-type=a%2Fb&response-x=y&response-expires=x%0Ay";
        let back = write(&object(Attributes::default()), Some(query));
        assert_eq!(back["content-type"], "a/b");
        assert!(!back.contains_key("expires"));
        assert!(has_overrides(Some(query)) && !has_overrides(Some("response=1")));
    }

    #[test]
    fn limits_hold() {
        let long = "x".repeat(MAX_METADATA - 1);
        assert!(read_all(headers(&[("x-amz-meta-a", &long)])).is_ok());
        let longer = "x".repeat(MAX_METADATA);
        let refusal = read_all(headers(&[("x-amz-meta-a", &longer)]));
        assert_eq!(
            refusal,
            Err(AttributesError::MetadataTooLarge(MAX_METADATA + 1))
        );
    }

    #[test]
    fn times_come_back() {
        let sent = Timestamp(1_700_000_000_123);
        assert_eq!(time(&timestamp(sent)), sent);
    }
}
