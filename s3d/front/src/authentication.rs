//! Who signed a request.

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::request::Parts;
use s3d_accounts::Accounts;
use s3s::S3Result;

use super::context::Signer;
use super::error;
use super::host::Addressing;
use super::query::Query;
use super::refusal::Refusal;
use super::signature::{Claim, Received, SignatureError, hoisted, without_signature};

/// Finds out who signed a request, and takes the signature off it. The headers that a presigned URL
/// carries in its query become headers.
pub async fn authenticate(
    accounts: &Accounts,
    parts: &mut Parts,
    addressing: &Addressing,
    now: SystemTime,
) -> S3Result<Option<Signer>> {
    let query = Query::parse(parts.uri.query());
    let Some(claim) = Claim::read(&query, &parts.headers, now)? else {
        // One that is empty says nothing.
        parts.headers.remove(AUTHORIZATION);
        return Ok(None);
    };
    let key = accounts.key(claim.access_key_id()).await;
    let key = key.map_err(error::accounts)?.ok_or(Refusal::UnknownKey)?;
    let request = Received {
        method: &parts.method,
        path: parts.uri.path(),
        host_bucket: match addressing {
            Addressing::VirtualHost { bucket, .. } => Some(bucket),
            _ => None,
        },
        query: &query,
        headers: &parts.headers,
    };
    claim.verify(request, &key.secret)?;
    let (presigned, seed) = (claim.presigned(), claim.seed());
    let (algorithm, signed_at) = (claim.algorithm(), claim.signed_at());
    let unsigned = if presigned {
        let carried = claim.carried();
        let headers = hoisted(&query, &parts.headers, carried)?;
        let uri = without_signature(&parts.uri, carried);
        let uri = uri.map_err(|_| SignatureError::Query("its parameters"))?;
        Some((headers, uri))
    } else {
        None
    };
    parts.headers.remove(AUTHORIZATION);
    if let Some((headers, uri)) = unsigned {
        for (name, value) in headers {
            parts.headers.append(name, value);
        }
        parts.uri = uri;
    }
    Ok(Some(Signer {
        key,
        seed,
        presigned,
        algorithm,
        signed_at,
    }))
}
