//! Headers that a presigned URL carries in its query.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use s3d_bucket::ChecksumAlgorithm;

use super::SignatureError;
use crate::checksum;
use crate::query::Query;

/// The parameters of a presigned URL that are about its signature, in either version.
const OF_A_SIGNATURE: [&str; 9] = [
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

/// The headers that the query of a presigned URL stands for: `x-amz-` ones and those of `carried`.
pub fn hoisted(
    query: &Query<'_>,
    headers: &HeaderMap,
    carried: &[&str],
) -> Result<Vec<(HeaderName, HeaderValue)>, SignatureError> {
    let parameters = query
        .pairs()
        .filter(|(name, _)| !OF_A_SIGNATURE.contains(name));
    parameters
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| name.starts_with("x-amz-") || carried.contains(&name.as_str()))
        .filter_map(|(name, value)| as_header(name, value, headers).transpose())
        .collect()
}

/// The header that a parameter stands for, if it stands for one that is not there yet.
fn as_header(
    name: String,
    value: &str,
    headers: &HeaderMap,
) -> Result<Option<(HeaderName, HeaderValue)>, SignatureError> {
    // SDKs that presign know no body and put in the checksum of an empty one: it is no promise.
    if checksum::of_header(&name).is_some_and(|algorithm| is_of_nothing(algorithm, value)) {
        return Ok(None);
    }
    let unfit = || SignatureError::NoHeader(name.clone());
    let header = HeaderName::try_from(&name).map_err(|_| unfit())?;
    let value = HeaderValue::try_from(value).map_err(|_| unfit())?;
    match headers.get(&header) {
        Some(sent) if *sent != value => Err(SignatureError::Contradiction(name)),
        Some(_) => Ok(None),
        None => Ok(Some((header, value))),
    }
}

fn is_of_nothing(algorithm: ChecksumAlgorithm, value: &str) -> bool {
    checksum::of_bytes(algorithm, b"") == value
}

/// The URI of a presigned URL without its signature, and without what it carries for headers that
/// no other parameter is named like.
pub fn without_signature(uri: &Uri, carried: &[&str]) -> Result<Uri, http::Error> {
    let is_carried = |name: &str| carried.iter().any(|it| it.eq_ignore_ascii_case(name));
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !OF_A_SIGNATURE.contains(&name) && !is_carried(name)
    });
    let query = kept.collect::<Vec<_>>().join("&");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{query}", uri.path()).try_into()?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hoisted(query: &str, headers: &[(&'static str, &str)]) -> Result<HeaderMap, SignatureError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a value"));
        }
        let query = Query::parse(Some(query));
        Ok(super::hoisted(&query, &map, &["content-type"])?
            .into_iter()
            .collect())
    }

    #[test]
    fn parameters_become_headers() {
        let query = "X-Amz-Date=x&X-Amz-Acl=public-read&x-amz-meta-a=b%20c&prefix=x\
                     &x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-checksum-sha1=x";
        let headers = hoisted(query, &[]).expect("headers");
        assert_eq!(headers["x-amz-acl"], "public-read");
        assert_eq!(headers["x-amz-meta-a"], "b c");
        assert_eq!(headers["x-amz-checksum-sha1"], "x");
        assert_eq!(headers.len(), 3);
        let headers = hoisted("Content-Type=a%2Fb&content-md5=x&Expires=1", &[]);
        let headers = headers.expect("headers");
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["content-type"], "a/b");
    }

    #[test]
    fn a_header_that_says_otherwise_is_refused() {
        let contradiction = SignatureError::Contradiction("x-amz-acl".into());
        let header = [("x-amz-acl", "private")];
        let refusal = hoisted("X-Amz-Acl=public-read", &header);
        assert_eq!(refusal.unwrap_err(), contradiction);
        assert!(hoisted("X-Amz-Acl=private", &header).is_ok_and(|it| it.is_empty()));
        let unfit = hoisted("x-amz-meta-a=%0A", &[]);
        let unfit = unfit.unwrap_err();
        assert_eq!(unfit, SignatureError::NoHeader("x-amz-meta-a".into()));
    }

    #[test]
    fn the_signature_is_taken_off() {
        let of = |uri: &str, carried: &[&str]| {
            let uri = without_signature(&uri.parse().expect("a URI"), carried);
            uri.expect("a URI").to_string()
        };
        let uri = "/b/k%20?a=%2F&X-Amz-Signature=x&X-Amz-Acl=y&X-Amz-Date=z&b";
        assert_eq!(of(uri, &[]), "/b/k%20?a=%2F&X-Amz-Acl=y&b");
        let uri = "/b?acl&AWSAccessKeyId=x&Content-Type=y&Signature=z&Expires=1";
        assert_eq!(of(uri, &["content-type"]), "/b?acl");
        assert_eq!(of(uri, &[]), "/b?acl&Content-Type=y");
    }
}
