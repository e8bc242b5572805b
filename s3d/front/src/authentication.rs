//! Who signed a request.

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::request::Parts;
use s3d_accounts::Accounts;
use s3s::S3Result;

use super::context::Signer;
use super::error;
use super::query::Query;
use super::refusal::Refusal;
use super::signature::{Claim, Received, SignatureError, hoisted, without_signature};

/// Finds out who signed a request, and takes the signature off it. The headers that a presigned URL
/// carries in its query become headers.
pub async fn authenticate(
    accounts: &Accounts,
    parts: &mut Parts,
    now: SystemTime,
) -> S3Result<Option<Signer>> {
    let query = Query::parse(parts.uri.query());
    let Some(claim) = Claim::read(&query, &parts.headers, now)? else {
        // One that is empty says nothing.
        parts.headers.remove(AUTHORIZATION);
        return Ok(None);
    };
    let key = accounts.key(claim.access_key_id).await;
    let key = key.map_err(error::accounts)?.ok_or(Refusal::UnknownKey)?;
    let request = Received {
        method: &parts.method,
        path: parts.uri.path(),
        query: &query,
        headers: &parts.headers,
    };
    claim.verify(request, &key.secret)?;
    if !claim.presigned {
        let seed = Some(claim.seed());
        parts.headers.remove(AUTHORIZATION);
        return Ok(Some(Signer { key, seed }));
    }
    for (name, value) in hoisted(&query, &parts.headers)? {
        parts.headers.append(name, value);
    }
    let unsigned = without_signature(&parts.uri);
    parts.uri = unsigned.map_err(|_| SignatureError::Query("its parameters"))?;
    Ok(Some(Signer { key, seed: None }))
}
