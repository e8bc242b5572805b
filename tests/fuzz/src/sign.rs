//! Signatures of the requests.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Request;
use s3d_accounts::Key;

use crate::s3::HOST;

/// The clock of the signer.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Now, as `x-amz-date` has it.
pub fn date(key: &Key) -> String {
    let signed = signed(Request::new(Vec::new()), key).expect("it can be signed");
    let date = signed.headers().get("x-amz-date").expect("it is signed");
    date.to_str().expect("dates are ASCII").to_owned()
}

/// Signs in the headers: the body, or what its own `x-amz-content-sha256` says.
pub fn signed(request: Request<Vec<u8>>, key: &Key) -> Option<Request<Vec<u8>>> {
    let mut settings = settings();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let payload = request.headers().get("x-amz-content-sha256").cloned();
    let payload = payload.as_ref().and_then(|payload| payload.to_str().ok());
    let body = payload.map_or_else(
        || SignableBody::Bytes(request.body()),
        |payload| SignableBody::Precomputed(payload.to_owned()),
    );
    let signature = signature(&request, key, settings, body)?;
    let mut request = request;
    for (name, value) in signature.headers() {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    Some(request)
}

/// Signs in the query.
pub fn presigned(mut request: Request<Vec<u8>>, key: &Key) -> Option<Request<Vec<u8>>> {
    let mut settings = settings();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_hours(1));
    let signature = signature(&request, key, settings, SignableBody::UnsignedPayload)?;
    *request.uri_mut() = signature.uri().path_and_query()?.as_str().parse().ok()?;
    Some(request)
}

/// The headers or the URI that the signature adds; none if such a request cannot be signed.
fn signature(
    request: &Request<Vec<u8>>,
    key: &Key,
    settings: SigningSettings,
    body: SignableBody<'_>,
) -> Option<Request<()>> {
    let identity = Credentials::new(&key.id, &key.secret, None, None, "fuzz").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(now())
        .settings(settings)
        .build()
        .ok()?
        .into();
    let url = format!("http://{HOST}{}", request.uri().path_and_query()?);
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(request.method().as_str(), &url, headers, body).ok()?;
    let (instructions, _) = sign(signable, &parameters).ok()?.into_parts();
    let mut signed = Request::builder().uri(url).body(()).ok()?;
    instructions.apply_to_request_http1x(&mut signed);
    Some(signed)
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}
