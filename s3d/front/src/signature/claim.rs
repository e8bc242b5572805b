//! What a request says of its signature, in its `Authorization` header or in its query.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};

use super::time::{MAX_SKEW, SigningTime};
use super::version2::Version2;
use super::version4::Version4;
use super::{Received, Seed, SignatureError};
use crate::query::Query;

/// The mechanism of Signature Version 4.
pub const VERSION4: &str = "AWS4-HMAC-SHA256";

/// That of Version 2.
pub const VERSION2: &str = "AWS";

const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// A signature, before anybody verified it.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim<'r> {
    /// Version 2, of old clients.
    Two(Version2<'r>),
    /// Version 4.
    Four(Version4<'r>),
}

impl<'r> Claim<'r> {
    /// Reads how a request is signed; `None` if it is not signed at all.
    pub fn read(
        query: &'r Query<'_>,
        headers: &'r HeaderMap,
        now: SystemTime,
    ) -> Result<Option<Self>, SignatureError> {
        // A header that is empty says nothing.
        let header = headers.get(header::AUTHORIZATION);
        let header = header.filter(|value| !value.is_empty());
        match (header, Version4::is_in(query), Version2::is_in(query)) {
            (None, false, false) => Ok(None),
            (None, true, false) => Ok(Some(Self::Four(Version4::in_query(query, headers, now)?))),
            (None, false, true) => Ok(Some(Self::Two(Version2::in_query(query, now)?))),
            (Some(value), false, false) => {
                let value = value.to_str().map_err(|_| SignatureError::Mechanism)?;
                Self::in_header(value, headers, now).map(Some)
            }
            _ => Err(SignatureError::Twice),
        }
    }

    fn in_header(
        value: &'r str,
        headers: &'r HeaderMap,
        now: SystemTime,
    ) -> Result<Self, SignatureError> {
        let (mechanism, fields) = value.split_once(' ').unwrap_or((value, ""));
        let version4 = match mechanism {
            VERSION4 => true,
            VERSION2 => false,
            _ => return Err(SignatureError::Mechanism),
        };
        // The date comes before the rest, as in S3.
        let time = time(headers, now)?;
        Ok(if version4 {
            Self::Four(Version4::in_header(fields, headers, time)?)
        } else {
            Self::Two(Version2::in_header(fields)?)
        })
    }

    /// Who says to have signed.
    pub fn access_key_id(&self) -> &'r str {
        match self {
            Self::Two(claim) => claim.access_key_id,
            Self::Four(claim) => claim.access_key_id,
        }
    }

    /// Whether the signature is in the query.
    pub fn presigned(&self) -> bool {
        match self {
            Self::Two(claim) => claim.expires.is_some(),
            Self::Four(claim) => claim.presigned,
        }
    }

    /// How it is signed.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Two(_) => VERSION2,
            Self::Four(_) => VERSION4,
        }
    }

    /// When it was signed, in seconds since 1970, if it says.
    pub fn signed_at(&self) -> Option<i64> {
        match self {
            Self::Two(_) => None,
            Self::Four(claim) => Some(claim.time.seconds()),
        }
    }

    /// Checks that all that matters is signed, and that `secret` signed it.
    pub fn verify(&self, request: Received<'_>, secret: &str) -> Result<(), SignatureError> {
        match self {
            Self::Two(claim) => claim.verify(request, secret),
            Self::Four(claim) => claim.verify(request, secret),
        }
    }

    /// What the signatures of chunks build on; Version 2 and presigned URLs sign none.
    pub fn seed(&self) -> Option<Seed> {
        match self {
            Self::Four(claim) if !claim.presigned => Some(claim.seed()),
            _ => None,
        }
    }

    /// Headers other than `x-amz-` ones that a presigned URL may carry in its query.
    pub fn carried(&self) -> &'static [&'static str] {
        match self {
            Self::Two(_) => &super::version2::CARRIED,
            Self::Four(_) => &[],
        }
    }
}

/// When a request was signed, which must be about now.
fn time(headers: &HeaderMap, now: SystemTime) -> Result<SigningTime, SignatureError> {
    let date = headers.get(DATE).or_else(|| headers.get(header::DATE));
    let time = date.and_then(|date| SigningTime::parse(date.to_str().ok()?));
    let time = time.ok_or(SignatureError::NoDate)?;
    if time.age(now).abs() > MAX_SKEW {
        return Err(SignatureError::Skewed);
    }
    Ok(time)
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
        Ok(match claim {
            None => String::new(),
            Some(Claim::Two(claim)) => claim.access_key_id.to_owned(),
            Some(Claim::Four(claim)) => format!("{} {}", claim.access_key_id, claim.scope),
        })
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
    fn version_2_is_read_in_both_places() {
        let signer = in_header("AWS id:signature", "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(signer.as_deref(), Ok("id"));
        let presigned = |expires| {
            let query = format!("AWSAccessKeyId=id&Signature=x&Expires={expires}");
            read(&query, &[])
        };
        assert_eq!(presigned("1767225631").as_deref(), Ok("id"));
        assert_eq!(presigned("18446744073709551615").as_deref(), Ok("id"));
        assert_eq!(presigned("1767225630"), Err(SignatureError::Expired));
        for expires in ["", "-1", "soon", "1767225631&Expires=1767225632"] {
            let refusal = presigned(expires);
            assert_eq!(refusal, Err(SignatureError::Version2Query), "{expires}");
        }
        let missing = read("AWSAccessKeyId=id&Expires=1767225631", &[]);
        assert_eq!(missing, Err(SignatureError::Version2Query));
    }

    #[test]
    fn other_mechanisms_are_refused() {
        let of = |authorization| in_header(authorization, "20260101T000000Z");
        assert_eq!(of("AWS HAHAHA"), Err(SignatureError::MalformedVersion2));
        assert_eq!(of("Bearer x"), Err(SignatureError::Mechanism));
        for query in ["X-Amz-Signature=x", "AWSAccessKeyId=a"] {
            let both = read(query, &[("authorization", HEADER)]);
            assert_eq!(both, Err(SignatureError::Twice));
        }
        let both = read("X-Amz-Signature=x&AWSAccessKeyId=a", &[]);
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
