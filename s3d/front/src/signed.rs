//! What must hold of a signature before s3s verifies it.
//!
//! s3s verifies what the client says that it signed. Here is asked that the client signed all that
//! matters: a header that nobody signed was perhaps added on the way.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3d_bucket::ChecksumAlgorithm;

use super::checksum;
use super::query::Query;

/// Longest life of a presigned URL, in seconds: seven days.
const MAX_EXPIRES: u64 = 7 * 24 * 3600;

/// Why a signature is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Neither SigV4 in the header nor in the query.
    #[error("the authorization mechanism is not supported: use AWS4-HMAC-SHA256")]
    Mechanism,
    /// Signed in the header and in the query.
    #[error("sign a request in its Authorization header or in its query, not in both")]
    Both,
    /// The `Authorization` header cannot be read.
    #[error(
        "the Authorization header is malformed: it must name Credential, SignedHeaders and Signature, for the service s3"
    )]
    Header,
    /// The parameters of a presigned URL cannot be read.
    #[error("the presigned URL must have each X-Amz- parameter once, for the service s3")]
    Query,
    /// It would be valid for more than seven days.
    #[error("X-Amz-Expires must be a number of seconds, at most a week (604800)")]
    Expires,
    /// A header that matters was not signed.
    #[error("there is a header in the request that was not signed: {0}")]
    Unsigned(String),
    /// A header was signed and not sent.
    #[error("a query parameter and a header say different things: {0}")]
    Contradiction(String),
}

/// How a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// Not at all.
    Not,
    /// In its `Authorization` header.
    InHeader(Seed),
    /// In its query.
    InQuery {
        /// `<day>/<region>/s3/aws4_request`.
        scope: String,
    },
}

impl Signed {
    /// The region that it is signed for.
    pub fn region(&self) -> Option<&str> {
        let scope = match self {
            Self::Not => return None,
            Self::InHeader(Seed { scope, .. }) | Self::InQuery { scope } => scope,
        };
        scope.split('/').nth(1)
    }
}

/// What the signatures of chunks build on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// `<day>/<region>/s3/aws4_request`.
    pub scope: String,
    /// The request's signature.
    pub signature: String,
}

/// Reads how a request is signed, and takes the headers that a presigned URL carries in its query
/// over into the headers.
pub fn read(query: &Query<'_>, headers: &mut HeaderMap) -> Result<Signed, SignedError> {
    let authorization = headers.get(header::AUTHORIZATION);
    let mut presigned = false;
    for (name, _) in query.pairs() {
        match name {
            "X-Amz-Signature" | "X-Amz-Algorithm" | "X-Amz-Credential" => presigned = true,
            "Signature" | "AWSAccessKeyId" => return Err(SignedError::Mechanism),
            _ => {}
        }
    }
    match (authorization, presigned) {
        (None, false) => Ok(Signed::Not),
        (Some(_), true) => Err(SignedError::Both),
        (Some(value), false) => {
            let value = value.to_str().map_err(|_| SignedError::Header)?;
            in_header(value, headers).map(Signed::InHeader)
        }
        (None, true) => {
            let (scope, hoisted) = in_query(query, headers)?;
            for (name, value) in hoisted {
                headers.append(name, value);
            }
            Ok(Signed::InQuery { scope })
        }
    }
}

fn in_header(value: &str, headers: &HeaderMap) -> Result<Seed, SignedError> {
    let fields = value
        .strip_prefix("AWS4-HMAC-SHA256")
        .ok_or(SignedError::Mechanism)?;
    let field = |wanted: &str| {
        let mut fields = fields
            .split(',')
            .filter_map(|field| field.trim().split_once('='));
        fields
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    let scope = field("Credential")
        .and_then(scope)
        .ok_or(SignedError::Header)?;
    let signature = field("Signature").ok_or(SignedError::Header)?;
    check_signed(field("SignedHeaders").ok_or(SignedError::Header)?, headers)?;
    Ok(Seed {
        scope: scope.to_owned(),
        signature: signature.to_owned(),
    })
}

/// The scope in a credential, if it is one of S3.
fn scope(credential: &str) -> Option<&str> {
    // An access key id may have slashes; a scope has three.
    let mut slashes = credential.rmatch_indices('/').map(|(at, _)| at);
    let scope = &credential[slashes.nth(3)? + 1..];
    scope.ends_with("/s3/aws4_request").then_some(scope)
}

type Hoisted = Vec<(HeaderName, HeaderValue)>;

/// The scope of a presigned URL, and the headers in its query.
fn in_query(query: &Query<'_>, headers: &HeaderMap) -> Result<(String, Hoisted), SignedError> {
    let mut hoisted = Hoisted::new();
    let (mut signed_headers, mut expires, mut credential) = (None, None, None);
    for (name, value) in query.pairs() {
        let before = match name {
            "X-Amz-SignedHeaders" => signed_headers.replace(value),
            "X-Amz-Expires" => expires.replace(value),
            "X-Amz-Credential" => credential.replace(value),
            "X-Amz-Algorithm" | "X-Amz-Date" | "X-Amz-Signature" => None,
            _ => {
                hoisted.extend(as_header(name, value, headers)?);
                None
            }
        };
        if before.is_some() {
            return Err(SignedError::Query);
        }
    }
    let (Some(signed_headers), Some(expires), Some(credential)) =
        (signed_headers, expires, credential)
    else {
        return Err(SignedError::Query);
    };
    let scope = scope(credential).ok_or(SignedError::Query)?;
    if expires
        .parse::<u64>()
        .map_or(true, |seconds| seconds > MAX_EXPIRES)
    {
        return Err(SignedError::Expires);
    }
    check_signed(signed_headers, headers)?;
    Ok((scope.to_owned(), hoisted))
}

/// The header that a parameter of a presigned URL stands for, if it stands for one.
fn as_header(
    name: &str,
    value: &str,
    headers: &HeaderMap,
) -> Result<Option<(HeaderName, HeaderValue)>, SignedError> {
    let name = name.to_ascii_lowercase();
    if !name.starts_with("x-amz-") {
        return Ok(None);
    }
    // SDKs that presign know no body and put in the checksum of an empty one: it is no promise.
    if checksum::of_header(&name).is_some_and(|algorithm| is_of_nothing(algorithm, value)) {
        return Ok(None);
    }
    let header = HeaderName::try_from(&name).map_err(|_| SignedError::Query)?;
    let value = HeaderValue::try_from(value).map_err(|_| SignedError::Query)?;
    match headers.get(&header) {
        Some(sent) if *sent != value => Err(SignedError::Contradiction(name)),
        Some(_) => Ok(None),
        None => Ok(Some((header, value))),
    }
}

fn is_of_nothing(algorithm: ChecksumAlgorithm, value: &str) -> bool {
    checksum::of_bytes(algorithm, b"") == value
}

/// The host and every `x-amz-` header are among the signed ones.
fn check_signed(signed: &str, headers: &HeaderMap) -> Result<(), SignedError> {
    let is_signed = |name: &str| signed.split(';').any(|it| it.eq_ignore_ascii_case(name));
    if !is_signed("host") {
        return Err(SignedError::Unsigned("host".to_owned()));
    }
    for name in headers.keys() {
        let name = name.as_str();
        // The hash of the payload can only narrow what a presigned URL allows.
        let matters = name.starts_with("x-amz-") && name != "x-amz-content-sha256";
        if matters && !is_signed(name) {
            return Err(SignedError::Unsigned(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::request::Parts;

    use super::*;

    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AK/20260101/eu-1/s3/aws4_request, \
                                 SignedHeaders=host;x-amz-date, Signature=abc";
    const PRESIGNED: &str = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z\
                             &X-Amz-Credential=AK%2F20260101%2Feu-1%2Fs3%2Faws4_request\
                             &X-Amz-SignedHeaders=host&X-Amz-Signature=abc";

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn read(parts: &mut Parts) -> Result<Signed, SignedError> {
        super::read(&Query::parse(parts.uri.query()), &mut parts.headers)
    }

    fn refusal(uri: &str, headers: &[(&str, &str)]) -> SignedError {
        read(&mut parts(uri, headers)).expect_err("refused")
    }

    #[test]
    fn the_seed_of_chunks_is_read() {
        let mut parts = parts(
            "/b/k",
            &[("authorization", AUTHORIZATION), ("x-amz-date", "d")],
        );
        let seed = Seed {
            scope: "20260101/eu-1/s3/aws4_request".into(),
            signature: "abc".into(),
        };
        assert_eq!(read(&mut parts), Ok(Signed::InHeader(seed)));
    }

    #[test]
    fn unsigned_headers_that_matter_are_refused() {
        let acl = SignedError::Unsigned("x-amz-acl".into());
        let header = [
            ("authorization", AUTHORIZATION),
            ("x-amz-acl", "public-read"),
        ];
        assert_eq!(refusal("/b/k", &header), acl);
        let presigned = format!("{PRESIGNED}&X-Amz-Expires=60");
        assert_eq!(refusal(&presigned, &[("x-amz-acl", "public-read")]), acl);
        assert_eq!(
            refusal(&presigned, &[("x-amz-meta-a", "b")]),
            SignedError::Unsigned("x-amz-meta-a".into())
        );
        let without_host = AUTHORIZATION.replace("host;", "");
        assert_eq!(
            refusal("/b/k", &[("authorization", &without_host)]),
            SignedError::Unsigned("host".into())
        );
    }

    #[test]
    fn hoisted_parameters_become_headers() {
        let uri = format!(
            "{PRESIGNED}&X-Amz-Expires=60&X-Amz-Acl=public-read&x-amz-meta-a=b%20c\
             &x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-checksum-sha1=x"
        );
        let mut parts = parts(&uri, &[]);
        let scope = "20260101/eu-1/s3/aws4_request".into();
        assert_eq!(read(&mut parts), Ok(Signed::InQuery { scope }));
        assert_eq!(parts.headers["x-amz-acl"], "public-read");
        assert_eq!(parts.headers["x-amz-meta-a"], "b c");
        assert_eq!(parts.headers["x-amz-checksum-sha1"], "x");
        assert!(!parts.headers.contains_key("x-amz-checksum-crc32"));
        assert!(!parts.headers.contains_key("x-amz-signature"));
    }

    #[test]
    fn lives_of_more_than_a_week_and_nonsense_are_refused() {
        for expires in ["604801", "-1", "x", "", "99999999999999999999"] {
            let uri = format!("{PRESIGNED}&X-Amz-Expires={expires}");
            assert_eq!(refusal(&uri, &[]), SignedError::Expires, "{expires}");
        }
        assert_eq!(refusal(PRESIGNED, &[]), SignedError::Query);
        let twice = format!("{PRESIGNED}&X-Amz-Expires=60&X-Amz-Expires=60");
        assert_eq!(refusal(&twice, &[]), SignedError::Query);
        assert_eq!(refusal("/b/k?X-Amz-Signature=x", &[]), SignedError::Query);
    }

    #[test]
    fn other_mechanisms_are_refused() {
        assert_eq!(
            refusal("/b/k", &[("authorization", "AWS AK:x")]),
            SignedError::Mechanism
        );
        assert_eq!(
            refusal("/b/k", &[("authorization", "Bearer x")]),
            SignedError::Mechanism
        );
        assert_eq!(
            refusal("/b/k?AWSAccessKeyId=a&Signature=x", &[]),
            SignedError::Mechanism
        );
        let presigned = format!("{PRESIGNED}&X-Amz-Expires=60");
        assert_eq!(
            refusal(&presigned, &[("authorization", AUTHORIZATION)]),
            SignedError::Both
        );
        let sts = AUTHORIZATION.replace("/s3/", "/sts/");
        assert_eq!(
            refusal("/b/k", &[("authorization", &sts)]),
            SignedError::Header
        );
        assert_eq!(
            refusal("/b/k", &[("authorization", "AWS4-HMAC-SHA256 x")]),
            SignedError::Header
        );
    }
}
