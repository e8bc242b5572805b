//! Signing an S3 request in its query (Signature Version 4).

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign as signature,
};
use aws_sigv4::sign::v4;
use axum::http::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3d_accounts::Key;

use super::super::error::ApiError;

/// S3 takes a signature for any region.
const REGION: &str = "us-east-1";

const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The parameters that the signature itself brings.
const OF_SIGNATURE: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// A request to a bucket, or to one of its objects.
#[derive(Debug)]
pub struct Unsigned {
    pub method: Method,
    /// Empty: the bucket.
    pub key: String,
    pub query: Vec<(String, String)>,
}

/// Whether a parameter is one that only the signature may bring.
pub fn is_of_signature(name: &str) -> bool {
    OF_SIGNATURE.contains(&name.to_ascii_lowercase().as_str())
}

/// The URL of a request below the URL of its bucket, signed and good for `life` from now on.
pub fn sign(
    request: &Unsigned,
    bucket: &str,
    key: &Key,
    life: Duration,
) -> Result<String, ApiError> {
    let url = unsigned_url(request, bucket);
    let identity = Credentials::new(&key.id, &key.secret, None, None, "hayrack").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings(life))
        .build()
        .map_err(|error| ApiError::unsignable(&error))?
        .into();
    let body = SignableBody::UnsignedPayload;
    let signable = SignableRequest::new(request.method.as_str(), &url, std::iter::empty(), body);
    let signable = signable.map_err(|error| ApiError::unsignable(&error))?;
    let signed = signature(signable, &params).map_err(|error| ApiError::unsignable(&error))?;
    let (instructions, _) = signed.into_parts();
    let mut signed = Request::get(&url)
        .body(())
        .map_err(|error| ApiError::unsignable(&error))?;
    instructions.apply_to_request_http1x(&mut signed);
    Ok(signed.uri().to_string())
}

fn unsigned_url(request: &Unsigned, bucket: &str) -> String {
    let mut url = bucket.to_owned();
    if !request.key.is_empty() {
        url.push('/');
        url.extend(utf8_percent_encode(&request.key, PATH));
    }
    for (index, (name, value)) in request.query.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.extend(utf8_percent_encode(name, QUERY));
        url.push('=');
        url.extend(utf8_percent_encode(value, QUERY));
    }
    url
}

fn settings(life: Duration) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(life);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &str, query: &[(&str, &str)]) -> Unsigned {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Unsigned {
            method: Method::GET,
            key: key.to_owned(),
            query: query.iter().map(owned).collect(),
        }
    }

    #[test]
    fn keys_and_parameters_are_encoded_so_that_nothing_gets_out_of_its_place() {
        let url = |key, query: &[_]| unsigned_url(&request(key, query), "http://s3.x/b");
        assert_eq!(url("", &[("list-type", "2")]), "http://s3.x/b?list-type=2");
        assert_eq!(url("a b/ä?#%", &[]), "http://s3.x/b/a%20b/%C3%A4%3F%23%25");
        assert_eq!(url("k", &[("a", "1&b=2")]), "http://s3.x/b/k?a=1%26b%3D2");
        assert_eq!(url("../x", &[]), "http://s3.x/b/../x");
    }

    #[test]
    fn what_the_signature_brings_is_its_own() {
        assert!(is_of_signature("X-Amz-Expires") && is_of_signature("x-amz-signature"));
        assert!(!is_of_signature("x-amz-copy-source") && !is_of_signature("uploadId"));
    }
}
