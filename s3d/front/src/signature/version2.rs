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
        // A parameter without a value may or may not have had its `=` signed.
        let signed = ["", "="].into_iter().any(|empty| {
            let mut text = head.clone();
            write_resource(request, empty, &mut text);
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

/// What is asked for. The bucket of the host stands in front of the path: without it, what was
/// signed for one bucket would hold for every other host, too.
fn write_resource(request: Received<'_>, empty: &str, text: &mut Vec<u8>) {
    if let Some(bucket) = request.host_bucket {
        text.push(b'/');
        text.extend_from_slice(bucket.as_bytes());
    }
    text.extend_from_slice(request.path.as_bytes());
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

fn is_signed(name: &str) -> bool {
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
mod tests {
    use http::Method;

    use super::*;

    /// Of AWS's documentation, "Signing and authenticating REST requests (Signature Version 2)".
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    struct Asked<'a> {
        method: Method,
        target: &'a str,
        host_bucket: Option<&'a str>,
        headers: &'a [(&'static str, &'a str)],
    }

    impl Asked<'_> {
        fn verify(&self, claim: &Version2<'_>) -> Result<(), SignatureError> {
            let mut headers = HeaderMap::new();
            for (name, value) in self.headers {
                headers.append(*name, value.parse().expect("a value"));
            }
            let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
            let request = Received {
                method: &self.method,
                path,
                host_bucket: self.host_bucket,
                query: &Query::parse(Some(query)),
                headers: &headers,
            };
            claim.verify(request, SECRET)
        }

        fn has(&self, signature: &str) -> Result<(), SignatureError> {
            let fields = format!("AKIAIOSFODNN7EXAMPLE:{signature}");
            self.verify(&Version2::in_header(&fields).expect("well-formed"))
        }
    }

    fn get<'a>(target: &'a str, headers: &'a [(&'static str, &'a str)]) -> Asked<'a> {
        Asked {
            method: Method::GET,
            target,
            host_bucket: Some("johnsmith"),
            headers,
        }
    }

    #[test]
    fn aws_examples_hold() {
        let date = [("date", "Tue, 27 Mar 2007 19:36:42 +0000")];
        let object = get("/photos/puppy.jpg", &date);
        assert_eq!(object.has("bWq2s1WEIj+Ydj0vQ697zp+IXMU="), Ok(()));
        let put = [
            ("content-type", "image/jpeg"),
            ("content-length", "94328"),
            ("date", "Tue, 27 Mar 2007 21:15:45 +0000"),
        ];
        let put = Asked {
            method: Method::PUT,
            ..get("/photos/puppy.jpg", &put)
        };
        assert_eq!(put.has("MyyxeRY7whkBe+bq8fHCL/2kKUg="), Ok(()));
        let date = [("date", "Tue, 27 Mar 2007 19:42:41 +0000")];
        let list = get("/?prefix=photos&max-keys=50&marker=puppy", &date);
        assert_eq!(list.has("htDYFYduRNen8P9ZfE/s9SuKy0U="), Ok(()));
        let date = [("date", "Tue, 27 Mar 2007 19:44:46 +0000")];
        let acl = get("/?acl", &date);
        assert_eq!(acl.has("c2WLPFtWHVgbEmeEG93a4cG37dM="), Ok(()));
        let upload = [
            ("date", "Tue, 27 Mar 2007 21:06:08 +0000"),
            ("x-amz-acl", "public-read"),
            ("content-type", "application/x-download"),
            ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
            ("x-amz-meta-reviewedby", " joe@johnsmith.net"),
            ("x-amz-meta-reviewedby", "jane@johnsmith.net "),
            ("x-amz-meta-filechecksum", "0x02661779"),
            ("x-amz-meta-checksumalgorithm", "crc32"),
        ];
        let upload = Asked {
            method: Method::PUT,
            host_bucket: Some("static.johnsmith.net"),
            ..get("/db-backup.dat.gz", &upload)
        };
        assert_eq!(upload.has("ilyl83RwaSoYIEdixDQcA4OnAnc="), Ok(()));
    }

    #[test]
    fn anything_changed_is_found_out() {
        let date = [("date", "Tue, 27 Mar 2007 19:36:42 +0000")];
        let signature = "bWq2s1WEIj+Ydj0vQ697zp+IXMU=";
        let mismatch = Err(SignatureError::Mismatch);
        let other = get("/photos/puppy.png", &date);
        assert_eq!(other.has(signature), mismatch);
        for method in [Method::HEAD, Method::DELETE] {
            let other = Asked {
                method,
                ..get("/photos/puppy.jpg", &date)
            };
            assert_eq!(other.has(signature), mismatch);
        }
        let of = |host_bucket, target| Asked {
            host_bucket,
            ..get(target, &date)
        };
        // The same object in path style; and one whose key is the whole path.
        assert_eq!(
            of(None, "/johnsmith/photos/puppy.jpg").has(signature),
            Ok(())
        );
        for (host, target) in [
            (Some("other"), "/photos/puppy.jpg"),
            (Some("other"), "/johnsmith/photos/puppy.jpg"),
            (None, "/photos/puppy.jpg"),
            (None, "/johnsmith/photos/puppy.jpg?acl"),
        ] {
            assert_eq!(of(host, target).has(signature), mismatch, "{target}");
        }
        let more = [date[0], ("x-amz-acl", "public-read")];
        assert_eq!(get("/photos/puppy.jpg", &more).has(signature), mismatch);
        let object = get("/photos/puppy.jpg", &date);
        for signature in ["", "bWq2", "not base64", "cWq2s1WEIj+Ydj0vQ697zp+IXMU="] {
            assert_eq!(object.has(signature), mismatch, "{signature}");
        }
    }

    #[test]
    fn what_is_not_signed_asks_for_nothing_else() {
        for name in [
            "publicAccessBlock",
            "attributes",
            "retention",
            "renameObject",
        ] {
            let target = format!("/k?{name}");
            let refusal = Err(SignatureError::UnsignedQuery(name.to_owned()));
            assert_eq!(get(&target, &[]).has("x"), refusal);
        }
        let text = "GET\n\n\n\n/johnsmith/";
        let listing = get("/?list-type=2&start-after=a&x-id=ListObjectsV2&v=7", &[]);
        assert_eq!(listing.has(&sign(SECRET, text.as_bytes())), Ok(()));
    }

    #[test]
    fn an_amz_date_takes_the_place_of_the_other() {
        let dates = [("date", "yesterday"), ("x-amz-date", "today")];
        let text = "GET\n\n\n\nx-amz-date:today\n/johnsmith/k";
        let signature = sign(SECRET, text.as_bytes());
        assert_eq!(get("/k", &dates).has(&signature), Ok(()));
    }

    #[test]
    fn signed_parameters_are_sorted_and_decoded() {
        let target = "/k?versionId=&x=y&response-content-type=a%2Fb&partNumber=1&acl";
        for text in [
            "GET\n\n\n\n/johnsmith/k?acl&partNumber=1&response-content-type=a/b&versionId",
            "GET\n\n\n\n/johnsmith/k?acl=&partNumber=1&response-content-type=a/b&versionId=",
        ] {
            let signature = sign(SECRET, text.as_bytes());
            assert_eq!(get(target, &[]).has(&signature), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_presigned_url_carries_headers() {
        let end = "1141889120";
        let claim = |signature| Version2 {
            access_key_id: "AKIAIOSFODNN7EXAMPLE",
            signature,
            expires: Some(end),
        };
        // As in the documentation's example, with the secret of the others.
        let plain = get("/photos/puppy.jpg", &[("date", "no matter")]);
        assert_eq!(plain.verify(&claim("fScKGHCDI0NY5E7CYp9Vc8VKMbY=")), Ok(()));
        let text = "PUT\nmd5\ntext/plain\n1141889120\nx-amz-acl:private\nx-amz-meta-a:b c\n\
                    /johnsmith/k";
        let signature = sign(SECRET, text.as_bytes());
        let put = |target, headers| Asked {
            method: Method::PUT,
            ..get(target, headers)
        };
        let carried = "/k?x-amz-meta-a=b+c&content-type=text%2Fplain&Content-MD5=md5";
        let header = [("x-amz-acl", "private")];
        assert_eq!(put(carried, &header).verify(&claim(&signature)), Ok(()));
        let two_in_one = "/k?x-amz-acl=private%0Ax-amz-meta-a:b+c&content-type=text%2Fplain\
                          &content-md5=md5";
        let unfit = Err(SignatureError::NoHeader("x-amz-acl".to_owned()));
        assert_eq!(put(two_in_one, &[]).verify(&claim(&signature)), unfit);
    }
}
