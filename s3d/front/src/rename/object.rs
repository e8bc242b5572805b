//! RenameObject.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use s3d_bucket::{Bucket, ChangeError, Condition, CopySource, Found, Key, RequestToken, Unmet};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Result};

use super::source::{self, RenameError};
use super::token;
use crate::access::{self, ObjectUse, bucket, caller, check_delete};
use crate::context::RequestContext;
use crate::error;
use crate::operations::Operations;
use crate::resource::object_key;

impl Operations {
    /// Gives an object another key in its bucket.
    pub(crate) async fn rename(&self, request: &S3Request<Body>) -> S3Result<()> {
        check_no_body(&request.headers)?;
        let context = RequestContext::of(request)?;
        let key = object_key(&request.uri, &context.addressing)?;
        let key = Key::new(key).map_err(error::key)?;
        let from = source::read(&request.headers, bucket(request)?.name.as_str())?;
        let token = token(request, &from, &key)?;
        check_delete(request, from.as_str())?;
        let open = self.open(request).await?;
        let found = match find(&open, request, &from).await {
            Ok(found) => found,
            Err(refusal) => return answer_again(&open, token, refusal).await,
        };
        let source = CopySource {
            key: from,
            condition: Condition::seen(&found),
        };
        let condition = context.headers.condition.clone();
        let renamed = open.rename(source, key, condition, token).await;
        renamed.map_err(|refusal| error::change(&refusal))
    }
}

/// The source, if the caller may read it and its conditions hold.
async fn find(open: &Bucket, request: &S3Request<Body>, key: &Key) -> S3Result<Found> {
    let found = access::find(open, request, key, ObjectUse::READ).await;
    let found = found.map_err(|refusal| match refusal.code() {
        S3ErrorCode::NoSuchKey => no_such_key(request, key),
        _ => refusal,
    })?;
    let condition = &RequestContext::of(request)?.headers.source_condition;
    match condition.check(Some(&found)) {
        Err(Unmet::Precondition(unmet)) => Err(RenameError::Precondition(unmet).into()),
        Ok(()) | Err(Unmet::NoObject) => Ok(found),
    }
}

fn no_such_key(request: &S3Request<Body>, key: &Key) -> S3Error {
    let key = key.as_str().to_owned();
    match bucket(request) {
        Ok(bucket) => RenameError::NoSuchKey {
            bucket: bucket.name.as_str().to_owned(),
            key,
        }
        .into(),
        Err(refusal) => refusal.into(),
    }
}

/// A rename that was made before is answered as it was then, although its source is gone.
async fn answer_again(
    open: &Bucket,
    token: Option<RequestToken>,
    refusal: S3Error,
) -> S3Result<()> {
    let Some(token) = token else {
        return Err(refusal);
    };
    let used = open.used_token(&token.token).await;
    match used.map_err(|refusal| error::read(&refusal))? {
        None => Err(refusal),
        Some(parameters) if parameters == token.parameters => Ok(()),
        Some(_) => Err(error::change(&ChangeError::TokenReused)),
    }
}

fn token(request: &S3Request<Body>, from: &Key, to: &Key) -> S3Result<Option<RequestToken>> {
    let key = caller(request)?.key.as_ref();
    let namespace = key.map_or("", |key| key.namespace.as_str());
    let token = token::read(&request.headers, namespace)?;
    let headers = &RequestContext::of(request)?.headers;
    let conditions = [&headers.source_condition, &headers.condition];
    Ok(token.map(|token| token::request(token, [from, to], conditions)))
}

/// Whoever sends bytes meant something else.
pub(super) fn check_no_body(headers: &HeaderMap) -> Result<(), RenameError> {
    let length = headers.get(CONTENT_LENGTH);
    let empty = length.is_none_or(|length| length.as_bytes() == b"0");
    if empty && !headers.contains_key(TRANSFER_ENCODING) {
        Ok(())
    } else {
        Err(RenameError::Body)
    }
}
