//! Regions that s3s takes for impossible.
//!
//! Clients may sign for any region, and some sign for one such as `US` (s3cmd, unless it is told
//! otherwise). s3s refuses every name that is not of `[a-z0-9-]`, but only behind a signature that
//! it found good. So that refusal, and no other, says that the key whose secret it asked for signed
//! the request; which is then asked again without its signature, in that key's name.

use std::cell::RefCell;

use http::request::Parts;
use http::{Response, StatusCode, Uri, header};
use tokio::task::futures::TaskLocalFuture;

use super::signed::Signed;

/// How s3s begins that refusal. No text of a client's can make another look like it: it is escaped.
const REFUSAL: &str =
    "<Code>InvalidRequest</Code><Message>invalid credential region: invalid region: ";

/// The parameters of a presigned URL that are about its signature.
const OF_A_SIGNATURE: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

tokio::task_local! {
    static ASKED_FOR: RefCell<Option<String>>;
}

/// The key in whose name a request without a signature is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(pub String);

/// Whether s3s would refuse the region that a request is signed for.
pub fn is_odd(signed: &Signed) -> bool {
    let possible = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let region = signed.region().unwrap_or_default();
    !region.bytes().all(possible)
}

/// Notes the key whose secret s3s asks for while it works on `call`.
pub fn noting<F: Future>(call: F) -> TaskLocalFuture<RefCell<Option<String>>, F> {
    ASKED_FOR.scope(RefCell::new(None), call)
}

/// s3s asks for the secret of this key.
pub fn note(access_key_id: &str) {
    // Outside of `noting` nobody wants to know.
    let _ = ASKED_FOR.try_with(|asked| asked.replace(Some(access_key_id.to_owned())));
}

/// The key that signed the request which s3s answered like this; within [`noting`].
pub fn verified(answer: &mut Response<s3s::Body>) -> Option<Verified> {
    if answer.status() != StatusCode::BAD_REQUEST {
        return None;
    }
    let document = answer.body_mut().take_bytes()?;
    let refused = std::str::from_utf8(&document).is_ok_and(|text| text.contains(REFUSAL));
    *answer.body_mut() = document.into();
    let asked = ASKED_FOR.with(RefCell::take);
    asked.filter(|_| refused).map(Verified)
}

/// Takes the signature off a request, in which `verified` stands for it from now on.
pub fn strip(parts: &mut Parts, verified: Verified) -> Result<(), http::Error> {
    parts.headers.remove(header::AUTHORIZATION);
    parts.extensions.insert(verified);
    let Some(query) = parts.uri.query() else {
        return Ok(());
    };
    let kept = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !OF_A_SIGNATURE.contains(&name)
    });
    let target = format!(
        "{}?{}",
        parts.uri.path(),
        kept.collect::<Vec<_>>().join("&")
    );
    parts.uri = Uri::try_from(target)?;
    Ok(())
}
