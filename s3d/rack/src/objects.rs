//! Objects of other nodes' buckets, for copies: one node asks in its own name, after it has found that its
//! client may read what it finds.
//!
//! `GET /object?bucket=…&id=…&key=…` answers the object as JSON, without its parts and where its bytes lie;
//! with `sequence`, `first` and `end` the bytes `first..end` of this very object.

use std::ops::Range;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use s3d_bucket::{Blob, Key, Object};
use s3d_buckets::{BucketRecord, NodeNumber};
use s3d_front::{Elsewhere, ElsewhereError};
use serde::Deserialize;

use crate::moved::moved;
use crate::node_calls::call;
use crate::rack::Rack;

const PATH: &str = "/object";

/// The longest description of an object that is read, in bytes.
const MOST: usize = 256 << 10;

/// Which object, and what of it.
#[derive(Debug, Deserialize)]
struct Asked {
    bucket: String,
    id: String,
    key: String,
    sequence: Option<u64>,
    first: Option<u64>,
    end: Option<u64>,
}

/// The call that answers.
pub fn objects(rack: Rack) -> Router {
    Router::new().route(PATH, get(answer)).with_state(rack)
}

async fn answer(State(rack): State<Rack>, Query(asked): Query<Asked>) -> Response {
    match rack.find_asked(&asked).await {
        Ok(response) => response,
        Err(status) => status.into_response(),
    }
}

impl Rack {
    async fn find_asked(&self, asked: &Asked) -> Result<Response, StatusCode> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let record = self.0.buckets.find(&asked.bucket).await;
        let record = record.map_err(|_| unavailable)?;
        let record = record.filter(|record| record.id_text() == asked.id);
        let record = record.ok_or(StatusCode::GONE)?;
        if !self.0.owners.keeps(&record).await {
            return Ok(moved(&Body::empty()));
        }
        let began = self.0.buckets.begin();
        let open = self.0.buckets.open(&record).await;
        let open = open.map_err(|_| unavailable)?;
        let key = Key::new(asked.key.as_str()).map_err(|_| StatusCode::BAD_REQUEST)?;
        let found = open.find(&key).await.map_err(|_| unavailable)?;
        if !self.counts(&record, began).await {
            return Err(unavailable);
        }
        let found = found.ok_or(StatusCode::NOT_FOUND)?;
        let (Some(sequence), Some(first), Some(end)) = (asked.sequence, asked.first, asked.end)
        else {
            return Ok(axum::Json(described(&found)).into_response());
        };
        if found.sequence != sequence || first > end || end > found.size {
            return Err(StatusCode::GONE);
        }
        let reader = open.read(&found, first..end);
        let bytes = stream::unfold(reader, |mut reader| async {
            Some((reader.next().await?, reader))
        });
        let mut response = Response::new(Body::from_stream(bytes));
        let length = HeaderValue::from(end - first);
        response.headers_mut().insert(CONTENT_LENGTH, length);
        Ok(response)
    }

    async fn ask(
        &self,
        node: NodeNumber,
        asked: &Asked,
    ) -> Result<http::Response<Incoming>, ElsewhereError> {
        let gone = || ElsewhereError(format!("node {node} is gone"));
        let presence = self.0.nodes.get(node).ok_or_else(gone)?;
        let uri: Uri = asked.uri().parse().expect("an encoded query makes a URI");
        let answer = self.0.connections.send(&presence, call(uri)).await;
        answer.map_err(|error| ElsewhereError(error.to_string()))
    }
}

/// An object as a copy needs it.
fn described(object: &Object) -> Object {
    Object {
        size: object.size,
        modified: object.modified,
        sequence: object.sequence,
        attributes: object.attributes.clone(),
        upload: None,
        parts: Vec::new(),
        blob: Blob::default(),
    }
}

impl Asked {
    fn new(bucket: &BucketRecord, key: &Key) -> Self {
        Self {
            bucket: bucket.name.to_string(),
            id: bucket.id_text(),
            key: key.as_str().to_owned(),
            sequence: None,
            first: None,
            end: None,
        }
    }

    fn uri(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(format!("{PATH}?"));
        query.append_pair("bucket", &self.bucket);
        query.append_pair("id", &self.id);
        query.append_pair("key", &self.key);
        for (name, number) in [
            ("sequence", self.sequence),
            ("first", self.first),
            ("end", self.end),
        ] {
            if let Some(number) = number {
                query.append_pair(name, &number.to_string());
            }
        }
        query.finish()
    }
}

#[async_trait]
impl Elsewhere for Rack {
    async fn find(
        &self,
        node: NodeNumber,
        bucket: &BucketRecord,
        key: &Key,
    ) -> Result<Option<Object>, ElsewhereError> {
        let answer = self.ask(node, &Asked::new(bucket, key)).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(refused(node, status)),
        }
        let broken = |error: &dyn std::fmt::Display| ElsewhereError(error.to_string());
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let bytes = body.map_err(|error| broken(&error))?.to_bytes();
        let object = serde_json::from_slice(&bytes).map_err(|error| broken(&error))?;
        Ok(Some(object))
    }

    async fn read(
        &self,
        node: NodeNumber,
        bucket: &BucketRecord,
        key: &Key,
        object: &Object,
        range: Range<u64>,
    ) -> Result<Body, ElsewhereError> {
        let asked = Asked {
            sequence: Some(object.sequence),
            first: Some(range.start),
            end: Some(range.end),
            ..Asked::new(bucket, key)
        };
        let answer = self.ask(node, &asked).await?;
        match answer.status() {
            StatusCode::OK => Ok(Body::new(answer.into_body())),
            status => Err(refused(node, status)),
        }
    }
}

fn refused(node: NodeNumber, status: StatusCode) -> ElsewhereError {
    ElsewhereError(match status {
        StatusCode::MISDIRECTED_REQUEST => "its bucket moved".to_owned(),
        StatusCode::GONE => "the object was changed meanwhile".to_owned(),
        status => format!("node {node} answered {status}"),
    })
}
