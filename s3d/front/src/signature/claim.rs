//! What a request says of its signature, in its `Authorization` header or in its query.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};

use super::SignatureError;
use super::time::{MAX_SKEW, SigningTime};
use crate::query::Query;

/// Longest life of a presigned URL, in seconds: seven days.
const MAX_EXPIRES: i64 = 7 * 24 * 3600;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const PAYLOAD: &str = "x-amz-content-sha256";

/// A signature, before anybody verified it.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim<'r> {
    /// Who says to have signed.
    pub access_key_id: &'r str,
    /// `<day>/<region>/s3/aws4_request`.
    pub scope: &'r str,
    /// The names of the signed headers, with `;` between.
    pub signed_headers: &'r str,
    /// In lower-case hex.
    pub signature: &'r str,
    /// When it was signed.
    pub time: SigningTime,
    /// What was signed as the hash of the body.
    pub payload: &'r str,
    /// Whether it is in the query.
    pub presigned: bool,
}

impl<'r> Claim<'r> {
    /// Reads how a request is signed; `None` if it is not signed at all.
    pub fn read(
        query: &'r Query<'_>,
        headers: &'r HeaderMap,
        now: SystemTime,
    ) -> Result<Option<Self>, SignatureError> {
        let authorization = headers.get(header::AUTHORIZATION);
        let presigned = ["X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential"]
            .into_iter()
            .any(|name| query.has(name));
        if query.has("Signature") && query.has("AWSAccessKeyId") {
            return Err(SignatureError::Version2);
        }
        match authorization {
            Some(_) if presigned => Err(SignatureError::Twice),
            Some(value) if !value.is_empty() => {
                let value = value.to_str().map_err(|_| SignatureError::Mechanism)?;
                Self::in_header(value, headers, now).map(Some)
            }
            _ if presigned => Self::in_query(query, headers, now).map(Some),
            _ => Ok(None),
        }
    }

    fn in_header(
        value: &'r str,
        headers: &'r HeaderMap,
        now: SystemTime,
    ) -> Result<Self, SignatureError> {
        let (mechanism, fields) = value.split_once(' ').unwrap_or((value, ""));
        if mechanism != "AWS4-HMAC-SHA256" && mechanism != "AWS" {
            return Err(SignatureError::Mechanism);
        }
        // The date comes before the mechanism, as in S3.
        let date = headers.get(DATE).or_else(|| headers.get(header::DATE));
        let time = date.and_then(|date| SigningTime::parse(date.to_str().ok()?));
        let time = time.ok_or(SignatureError::NoDate)?;
        if time.age(now).abs() > MAX_SKEW {
            return Err(SignatureError::Skewed);
        }
        if mechanism == "AWS" {
            return Err(if fields.contains(':') {
                SignatureError::Version2
            } else {
                SignatureError::MalformedVersion2
            });
        }
        let field = |wanted: &str| {
            let mut fields = fields.split(',').filter_map(|it| it.trim().split_once('='));
            let found = fields.find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value)
        };
        let missing = |it| SignatureError::Header(it);
        let credential = field("Credential").ok_or(missing("Credential is missing"))?;
        let (access_key_id, scope) = credential_of(credential)
            .filter(|(_, scope)| scope.starts_with(time.day()))
            .ok_or(missing(
                "Credential must be <key id>/<day>/<region>/s3/aws4_request, of the request's day",
            ))?;
        let signed_headers = field("SignedHeaders").ok_or(missing("SignedHeaders is missing"))?;
        let signature = field("Signature").ok_or(missing("Signature is missing"))?;
        let payload = headers.get(PAYLOAD).ok_or(SignatureError::NoPayloadHash)?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers,
            signature,
            time,
            payload: payload.to_str().unwrap_or_default(),
            presigned: false,
        })
    }

    fn in_query(
        query: &'r Query<'_>,
        headers: &'r HeaderMap,
        now: SystemTime,
    ) -> Result<Self, SignatureError> {
        let parameter = |name| query.only(name).ok_or(SignatureError::Query(name));
        if parameter("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(SignatureError::Query("X-Amz-Algorithm"));
        }
        let date = parameter("X-Amz-Date")?;
        let time = SigningTime::parse(date).ok_or(SignatureError::Query("X-Amz-Date"))?;
        let (access_key_id, scope) = credential_of(parameter("X-Amz-Credential")?)
            .filter(|(_, scope)| scope.starts_with(time.day()))
            .ok_or(SignatureError::Query("X-Amz-Credential"))?;
        let expires = parameter("X-Amz-Expires")?.parse::<i64>().ok();
        let expires = expires.filter(|seconds| (0..=MAX_EXPIRES).contains(seconds));
        let age = time.age(now);
        if age >= expires.ok_or(SignatureError::Expires)? {
            return Err(SignatureError::Expired);
        }
        if age < -MAX_SKEW {
            return Err(SignatureError::NotYetValid);
        }
        let signed_headers = parameter("X-Amz-SignedHeaders")?;
        // The body of a presigned URL is not known when it is signed, unless it says so.
        let header = headers
            .get(PAYLOAD)
            .filter(|_| names(signed_headers, PAYLOAD));
        let payload = match header {
            Some(payload) => payload.to_str().ok(),
            None => query.only("X-Amz-Content-Sha256"),
        };
        Ok(Self {
            access_key_id,
            scope,
            signed_headers,
            signature: parameter("X-Amz-Signature")?,
            time,
            payload: payload.unwrap_or("UNSIGNED-PAYLOAD"),
            presigned: true,
        })
    }
}

/// The key id and the scope in a credential, if the scope is one of S3.
pub fn credential_of(credential: &str) -> Option<(&str, &str)> {
    // An access key id may have slashes; a scope has three.
    let mut slashes = credential.rmatch_indices('/').map(|(at, _)| at);
    let (id, scope) = credential.split_at(slashes.nth(3)?);
    let scope = &scope[1..];
    scope.ends_with("/s3/aws4_request").then_some((id, scope))
}

/// Whether a list of signed headers names one.
pub fn names(signed_headers: &str, name: &str) -> bool {
    let mut names = signed_headers.split(';');
    names.any(|signed| signed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HEADER: &str = "AWS4-HMAC-SHA256 Credential=A/K/20260101/Eu 1/s3/aws4_request, \
                          SignedHeaders=host;x-amz-date,Signature=abc";
    const PRESIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z\
                             &X-Amz-Credential=AK%2F20260101%2Feu-1%2Fs3%2Faws4_request\
                             &X-Amz-SignedHeaders=host&X-Amz-Signature=abc";

    fn now() -> SystemTime {
        // 2026-01-01T00:00:30Z.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_630)
    }

    /// What becomes of a request's signature: who signed, or why not.
    fn read(query: &str, headers: &[(&'static str, &str)]) -> Result<String, SignatureError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a value"));
        }
        let query = Query::parse(Some(query));
        let claim = Claim::read(&query, &map, now())?;
        Ok(claim.map_or(String::new(), |it| {
            format!("{} {}", it.access_key_id, it.scope)
        }))
    }

    fn in_header(authorization: &str, date: &str) -> Result<String, SignatureError> {
        let headers = [
            ("authorization", authorization),
            ("x-amz-date", date),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ];
        read("", &headers)
    }

    fn presigned(expires: &str) -> Result<String, SignatureError> {
        read(&format!("{PRESIGNED}&X-Amz-Expires={expires}"), &[])
    }

    #[test]
    fn both_places_are_read() {
        let signer = in_header(HEADER, "20260101T000000Z");
        assert_eq!(signer.as_deref(), Ok("A/K 20260101/Eu 1/s3/aws4_request"));
        let signer = in_header(HEADER, "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(signer.as_deref(), Ok("A/K 20260101/Eu 1/s3/aws4_request"));
        let signer = presigned("60");
        assert_eq!(signer.as_deref(), Ok("AK 20260101/eu-1/s3/aws4_request"));
        assert_eq!(read("", &[("authorization", "")]).as_deref(), Ok(""));
        assert_eq!(read("a=b", &[]).as_deref(), Ok(""));
    }

    #[test]
    fn a_date_header_stands_in() {
        let headers = [
            ("authorization", HEADER),
            ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ];
        assert!(read("", &headers).is_ok());
        assert_eq!(read("", &headers[..1]), Err(SignatureError::NoDate));
        assert_eq!(read("", &headers[..2]), Err(SignatureError::NoPayloadHash));
    }

    #[test]
    fn dates_are_checked_first() {
        for (date, refusal) in [
            ("Bad Date", SignatureError::NoDate),
            ("", SignatureError::NoDate),
            ("20260101T001531Z", SignatureError::Skewed),
            ("20251231T234529Z", SignatureError::Skewed),
            ("Tue, 07 Jul 9999 21:53:04 GMT", SignatureError::Skewed),
        ] {
            assert_eq!(in_header(HEADER, date), Err(refusal.clone()), "{date}");
            assert_eq!(in_header("AWS id:signature", date), Err(refusal), "{date}");
        }
    }

    #[test]
    fn other_mechanisms_are_refused() {
        let of = |authorization| in_header(authorization, "20260101T000000Z");
        assert_eq!(of("AWS id:signature"), Err(SignatureError::Version2));
        assert_eq!(of("AWS HAHAHA"), Err(SignatureError::MalformedVersion2));
        assert_eq!(of("Bearer x"), Err(SignatureError::Mechanism));
        let query = read("AWSAccessKeyId=a&Signature=x", &[]);
        assert_eq!(query, Err(SignatureError::Version2));
        let both = read("X-Amz-Signature=x", &[("authorization", HEADER)]);
        assert_eq!(both, Err(SignatureError::Twice));
        for header in [
            "AWS4-HMAC-SHA256 x",
            "AWS4-HMAC-SHA256",
            &HEADER.replace("/s3/", "/sts/"),
            &HEADER.replace("20260101", "20260102"),
            &HEADER.replace("Signature=", "Sig="),
        ] {
            let refusal = of(header);
            assert!(
                matches!(refusal, Err(SignatureError::Header(_))),
                "{header}"
            );
        }
    }

    #[test]
    fn presigned_urls_live_a_week_at_most() {
        for expires in ["604801", "-1", "x", "", "99999999999999999999"] {
            assert_eq!(
                presigned(expires),
                Err(SignatureError::Expires),
                "{expires}"
            );
        }
        for expires in ["0", "30"] {
            assert_eq!(
                presigned(expires),
                Err(SignatureError::Expired),
                "{expires}"
            );
        }
        assert!(presigned("31").is_ok() && presigned("604800").is_ok());
        let ahead = PRESIGNED.replace("T000000Z", "T010000Z");
        let ahead = read(&format!("{ahead}&X-Amz-Expires=60"), &[]);
        assert_eq!(ahead, Err(SignatureError::NotYetValid));
    }

    #[test]
    fn presigned_urls_have_each_parameter_once() {
        let missing = |name| Err(SignatureError::Query(name));
        assert_eq!(read(PRESIGNED, &[]), missing("X-Amz-Expires"));
        let twice = format!("{PRESIGNED}&X-Amz-Expires=60&X-Amz-Expires=60");
        assert_eq!(read(&twice, &[]), missing("X-Amz-Expires"));
        assert_eq!(read("X-Amz-Signature=x", &[]), missing("X-Amz-Algorithm"));
    }
}
