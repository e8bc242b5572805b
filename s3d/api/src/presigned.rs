//! `/api/v1/buckets/{name}/presigned-urls`: S3 requests, signed for whoever is signed in.
//!
//! So a page or a script that has only a session can do with a bucket all that S3 can, and the bytes of
//! objects never pass the REST API. What signs is an ordinary key: see [`SigningKeys`].

mod keys;
mod signing;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use s3d_accounts::{Access, Role, clock};
use s3d_bucket::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::path::Name;

pub use keys::SigningKeys;
use signing::{Unsigned, is_of_signature, sign};

/// Requests of one call, at most.
const MOST: usize = 100;

/// Seconds that URLs are good for, if the call does not say.
const USUAL_LIFE: u64 = 15 * 60;

/// S3's own limit: seven days.
const LONGEST_LIFE: u64 = 7 * 24 * 3_600;

const REQUESTS: &str = "Give 1 to 100 requests, each like {\"method\": \"GET\", \"key\": \"a/b.txt\", \
    \"query\": {\"partNumber\": \"1\"}}; key and query may be left out.";

/// S3 requests to sign.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Presign {
    /// 1 to 100.
    #[schema(value_type = Vec<RequestToSign>)]
    requests: Vec<Unsigned>,
    /// Seconds for which the URLs are good, 900 if left out, at most seven days.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 604_800)]
    expires_in_seconds: u64,
}

/// What one URL shall be good for.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it documents what `Unsigned` is read from")]
pub struct RequestToSign {
    /// `GET`, `HEAD`, `PUT`, `POST` or `DELETE`.
    method: String,
    /// The object; without it the request is about the bucket.
    key: Option<String>,
    /// Parameters of the request, such as `uploadId`; a header that S3 takes from the query, such as
    /// `x-amz-copy-source`, too.
    query: Option<std::collections::BTreeMap<String, String>>,
}

impl Input for Presign {
    fn read(fields: &mut Fields) -> Option<Self> {
        let life = fields.number("expiresInSeconds").unwrap_or(USUAL_LIFE);
        if !(1..=LONGEST_LIFE).contains(&life) {
            let sentence = "URLs are good for 1 second to seven days, 604800 seconds.";
            fields.wrong("expiresInSeconds", sentence);
        }
        let requests = match fields.take("requests") {
            Some(Value::Array(items)) if (1..=MOST).contains(&items.len()) => {
                items.into_iter().map(unsigned).collect()
            }
            _ => None,
        };
        if requests.is_none() {
            fields.wrong("requests", REQUESTS);
        }
        Some(Self {
            requests: requests?,
            expires_in_seconds: life,
        })
    }
}

fn unsigned(item: Value) -> Option<Unsigned> {
    let Value::Object(mut item) = item else {
        return None;
    };
    let method = match item.remove("method")?.as_str()? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "PUT" => Method::PUT,
        "POST" => Method::POST,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    let key = match item.remove("key") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(key)) => key,
        Some(_) => return None,
    };
    let query = match item.remove("query") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(query)) => parameters(query)?,
        Some(_) => return None,
    };
    item.is_empty().then_some(Unsigned { method, key, query })
}

fn parameters(query: Map<String, Value>) -> Option<Vec<(String, String)>> {
    let parameter = |(name, value): (String, Value)| match value {
        Value::String(value) if !is_of_signature(&name) => Some((name, value)),
        _ => None,
    };
    query.into_iter().map(parameter).collect()
}

/// URLs, in the order of the requests.
#[derive(Serialize, ToSchema)]
pub struct PresignedUrls {
    urls: Vec<String>,
    /// When they end; they end sooner when the key that signed them is revoked.
    expires: String,
}

/// Have S3 requests signed: whoever has such a URL may make that one request. A viewer may have only those
/// signed that read
#[utoipa::path(
    post, path = "/api/v1/buckets/{name}/presigned-urls", operation_id = "presign",
    params(("name" = String, Path)),
    request_body = Presign,
    responses((status = 200, body = PresignedUrls), ApiError)
)]
pub async fn presign(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Body(body): Body<Presign>,
) -> Result<Json<PresignedUrls>, ApiError> {
    let reads = body.requests.iter().all(|it| it.method.is_safe());
    let (access, least) = if reads {
        (Access::ReadOnly, Role::Viewer)
    } else {
        (Access::ReadWrite, Role::Member)
    };
    let record = caller.bucket_of(&state, &name, least).await?;
    let life = Duration::from_secs(body.expires_in_seconds);
    let keys = &state.signing_keys;
    let key = keys.find(&state, &caller, &record, access, life).await?;
    let bucket = format!("{}/{name}", state.endpoint.origin());
    let signed = body.requests.iter().map(|it| sign(it, &bucket, &key, life));
    let end = clock::now().0 + life.as_millis() as u64;
    Ok(Json(PresignedUrls {
        urls: signed.collect::<Result<_, _>>()?,
        expires: clock::text(Timestamp(end)),
    }))
}
