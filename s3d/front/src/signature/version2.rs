//! AWS Signature Version 2, which clients of before 2014 and some libraries still sign with:
//! HMAC-SHA1, with the secret itself as the key.
//!
//! It signs neither the host nor all of the query. What the host says therefore goes into what is
//! signed, and parameters that change what is asked for must be among those that it signs.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;

use super::{Received, SignatureError};
use crate::query::Query;
use crate::supported;

/// The query parameters that are signed.
const SIGNED: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Headers other than `x-amz-` ones that a presigned URL may carry in its query.
pub const CARRIED: [&str; 2] = ["content-md5", "content-type"];

/// A signature of Version 2.
#[derive(Debug, PartialEq, Eq)]
pub struct Version2<'r> {
    /// Who says to have signed.
    pub access_key_id: &'r str,
    /// In base64.
    signature: &'r str,
    /// Until when a presigned URL holds, as it was signed; `None` if it is in the header.
    pub expires: Option<&'r str>,
}

impl<'r> Version2<'r> {
    /// Whether a query has such a signature.
    pub fn is_in(query: &Query<'_>) -> bool {
        query.has("AWSAccessKeyId")
    }

    /// Reads what an `Authorization` header has behind the name of the mechanism.
    pub fn in_header(fields: &'r str) -> Result<Self, SignatureError> {
        let pair = fields.trim().split_once(':');
        let (access_key_id, signature) = pair.ok_or(SignatureError::MalformedVersion2)?;
        Ok(Self {
            access_key_id,
            signature,
            expires: None,
        })
    }

    /// Reads the query of a presigned URL.
    pub fn in_query(query: &'r Query<'_>, now: SystemTime) -> Result<Self, SignatureError> {
        let parameter = |name| query.only(name).ok_or(SignatureError::Version2Query);
        let expires = parameter("Expires")?;
        let claim = Self {
            access_key_id: parameter("AWSAccessKeyId")?,
            signature: parameter("Signature")?,
            expires: Some(expires),
        };
        let seconds = expires.parse::<u64>();
        let seconds = seconds.map_err(|_| SignatureError::Version2Query)?;
        let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        match end {
            Some(end) if now >= end => Err(SignatureError::Expired),
            _ => Ok(claim),
        }
    }

    /// Checks that all that matters is signed, and that `secret` signed it.
    pub fn verify(&self, request: Received<'_>, secret: &str) -> Result<(), SignatureError> {
        let mut names = request.query.pairs().map(|(name, _)| name);
        if let Some(name) = names.find(|name| supported::selects(name) && !is_signed(name)) {
            return Err(SignatureError::UnsignedQuery(name.to_owned()));
        }
        let head = self.head(request)?;
        // Clients sign a bucket with or without a `/` behind it, and a parameter without a value
        // with or without its `=`.
        let slash = names_bucket(request).then_some("/");
        let ends = std::iter::once("").chain(slash);
        let mut forms = ends.flat_map(|end| ["", "="].map(|empty| (end, empty)));
        let signed = forms.any(|(end, empty)| {
            let mut text = head.clone();
            write_resource(request, end, empty, &mut text);
            verifies(secret, &text, self.signature)
        });
        signed.then_some(()).ok_or(SignatureError::Mismatch)
    }

    /// The string to sign, but for the resource at its end.
    fn head(&self, request: Received<'_>) -> Result<Vec<u8>, SignatureError> {
        let mut headers = request.headers.clone();
        if self.expires.is_some() {
            carry(request, &mut headers)?;
        }
        let value = |name: &str| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        let date = match self.expires {
            Some(expires) => expires.as_bytes(),
            None if headers.contains_key("x-amz-date") => b"",
            None => value("date"),
        };
        let mut text = Vec::with_capacity(256);
        let method = request.method.as_str().as_bytes();
        for line in [method, value("content-md5"), value("content-type"), date] {
            text.extend_from_slice(line.trim_ascii());
            text.push(b'\n');
        }
        write_headers(&headers, &mut text);
        Ok(text)
    }
}

/// Adds the headers that the query of a presigned URL stands for. What no header can be might be
/// read in two ways in the string to sign.
fn carry(request: Received<'_>, headers: &mut HeaderMap) -> Result<(), SignatureError> {
    for (name, value) in request.query.pairs() {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-amz-") && !CARRIED.contains(&&*name) {
            continue;
        }
        let unfit = || SignatureError::NoHeader(name.clone());
        let header = HeaderName::try_from(&name).map_err(|_| unfit())?;
        let value = HeaderValue::try_from(value).map_err(|_| unfit())?;
        if !request.headers.contains_key(&header) {
            headers.append(header, value);
        }
    }
    Ok(())
}

/// The `x-amz-` headers by their names, the values of one joined.
fn write_headers(headers: &HeaderMap, text: &mut Vec<u8>) {
    let mut lines: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with("x-amz-") {
            continue;
        }
        let line = lines.entry(name).or_default();
        line.push(if line.is_empty() { b':' } else { b',' });
        line.extend_from_slice(value.as_bytes().trim_ascii());
    }
    for (name, line) in lines {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
}

/// Whether the path is that of a bucket with nothing behind it.
fn names_bucket(request: Received<'_>) -> bool {
    let name = request.path.strip_prefix('/').unwrap_or_default();
    request.host_bucket.is_none() && !name.is_empty() && !name.contains('/')
}

/// What is asked for, with `end` behind the path and `empty` behind a parameter without a value. The
/// bucket of the host stands in front of the path: without it, what was signed for one bucket would
/// hold for every other host, too.
fn write_resource(request: Received<'_>, end: &str, empty: &str, text: &mut Vec<u8>) {
    if let Some(bucket) = request.host_bucket {
        text.push(b'/');
        text.extend_from_slice(bucket.as_bytes());
    }
    text.extend_from_slice(request.path.as_bytes());
    text.extend_from_slice(end.as_bytes());
    let mut pairs: Vec<_> = request
        .query
        .pairs()
        .filter(|(name, _)| is_signed(name))
        .collect();
    pairs.sort_by_key(|(name, _)| *name);
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        text.push(if at == 0 { b'?' } else { b'&' });
        text.extend_from_slice(name.as_bytes());
        let equals = if value.is_empty() { empty } else { "=" };
        text.extend_from_slice(equals.as_bytes());
        text.extend_from_slice(value.as_bytes());
    }
}

/// Whether a query parameter is signed.
pub fn is_signed(name: &str) -> bool {
    SIGNED.contains(&name)
}

/// Whether a signature, in base64, is that of `text`. Takes the same time for every wrong one.
pub fn verifies(secret: &str, text: &[u8], signature: &str) -> bool {
    let claimed = STANDARD.decode(signature);
    claimed.is_ok_and(|claimed| mac(secret, text).verify_slice(&claimed).is_ok())
}

fn mac(secret: &str, text: &[u8]) -> Hmac<Sha1> {
    let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.as_bytes());
    let mut mac = mac.expect("HMAC takes any key");
    mac.update(text);
    mac
}

/// The signature of `text`, as a client makes it.
#[cfg(test)]
pub fn sign(secret: &str, text: &[u8]) -> String {
    STANDARD.encode(mac(secret, text).finalize().into_bytes())
}

#[cfg(test)]
mod tests;
