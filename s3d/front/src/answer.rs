//! What every answer has, whatever made it: ids, complete error documents, and a connection in
//! order.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use s3s::{HttpError, S3Error};

use super::details::{self, escape};
use super::drain::drain;
use super::object_attributes::BareEtag;
use super::observer::{Observer, OperationName, Served};
use super::reading::StatusOverride;
use super::request_body::RequestBody;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Gives out the ids of requests.
pub struct Ids {
    /// Sets those of this process apart from those of others.
    start: u64,
    host: HeaderValue,
    count: AtomicU64,
}

impl Ids {
    /// `start`: any number that other processes are unlikely to have.
    pub fn new(start: u64) -> Self {
        let host = HeaderValue::try_from(format!("{start:016x}"));
        Self {
            start,
            host: host.unwrap_or(HeaderValue::from_static("0")),
            count: AtomicU64::new(0),
        }
    }

    /// The next id.
    pub fn next(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{:08X}{number:08X}", self.start as u32)
    }
}

/// What is remembered of a request until it is answered.
pub struct Asked {
    /// Its id.
    pub id: String,
    /// Which operation it turned out to be.
    pub operation: OperationName,
    client: Option<IpAddr>,
    began: Instant,
    method: Method,
    uri: Uri,
    /// The length that its headers announce.
    length: u64,
    /// It waits for 100 before it sends its body.
    waits: bool,
    body: RequestBody,
}

impl Asked {
    /// Remembers a request.
    pub fn new(id: String, parts: &Parts, body: RequestBody) -> Self {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|it| it.to_str().ok());
        let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            id,
            client: peer.map(|ConnectInfo(peer)| peer.ip().to_canonical()),
            operation: OperationName::default(),
            began: Instant::now(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            length: length.unwrap_or_default(),
            waits: text(EXPECT).is_some_and(|it| it.eq_ignore_ascii_case("100-continue")),
            body,
        }
    }
}

/// The answer of s3s, with the status that the operation chose.
pub fn of_s3s(answer: Result<Response<s3s::Body>, HttpError>) -> Response<s3s::Body> {
    match answer {
        Ok(mut response) => {
            if response.extensions().get::<BareEtag>().is_some() {
                response = BareEtag::apply(response);
            }
            if let Some(StatusOverride(status)) = response.extensions().get().copied() {
                *response.status_mut() = status;
            }
            response
        }
        Err(error) => {
            tracing::error!(?error, "an answer could not be written");
            internal_error()
        }
    }
}

/// The answer that a refusal is.
pub fn of_refusal(refusal: S3Error) -> Response<s3s::Body> {
    refusal
        .to_http_response()
        .unwrap_or_else(|_| internal_error())
}

fn internal_error() -> Response<s3s::Body> {
    let mut response = Response::new(s3s::Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Completes the answer to a request.
pub fn finish(
    mut answer: Response<s3s::Body>,
    asked: &Asked,
    ids: &Ids,
    observer: &dyn Observer,
) -> Response<Body> {
    let status = answer.status();
    let fails = status.is_client_error() || status.is_server_error();
    let details = details::take(answer.headers_mut());
    if fails && asked.method == Method::HEAD {
        *answer.body_mut() = s3s::Body::empty();
    } else if fails {
        answer = answer.map(|body| complete(body, &details, asked, ids));
    }
    answer = with_id(answer, &asked.id);
    let headers = answer.headers_mut();
    headers.insert(HOST_ID, ids.host.clone());
    headers.insert(SERVER, HeaderValue::from_static("Hayrack"));
    keep_or_close(headers, asked, fails);
    observer.served(&Served {
        client: asked.client,
        method: &asked.method,
        operation: asked.operation.get(),
        status,
        duration: asked.began.elapsed(),
        received: asked.length,
        sent: answer.body().size_hint().exact().unwrap_or_default(),
    });
    answer.map(Body::new)
}

/// An answer with the id of its request.
pub fn with_id<B>(mut answer: Response<B>, id: &str) -> Response<B> {
    if let Ok(id) = HeaderValue::try_from(id) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// Leaves the connection as a client can use it.
fn keep_or_close(headers: &mut HeaderMap, asked: &Asked, fails: bool) {
    // aws-cli v1 waits for 100 even if it has nothing to send, and 100 is sent only to those that
    // have: on a kept connection it would take its next answer for this one's.
    let in_vain = asked.waits && asked.length == 0;
    let unread = asked.body.unread().filter(|_| fails);
    if in_vain || unread.is_some() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // A client that waits for 100 will not send the rest.
    if let Some(unread) = unread.filter(|_| !asked.waits) {
        tokio::spawn(drain(unread));
    }
}

/// An error document with what s3s leaves out: a sentence for people, details, and what was asked.
fn complete(mut body: s3s::Body, details: &str, asked: &Asked, ids: &Ids) -> s3s::Body {
    let document = body.take_bytes().unwrap_or_default();
    let text = std::str::from_utf8(&document).ok();
    let Some((text, code)) = text.and_then(parse) else {
        return document.into();
    };
    let sentence = match sentence(code) {
        Some(sentence) if !text.contains("<Message>") => format!("<Message>{sentence}</Message>"),
        _ => String::new(),
    };
    let resource = escape(asked.uri.path());
    let (id, host) = (&asked.id, ids.host.to_str().unwrap_or_default());
    let text = format!(
        "{text}{sentence}{details}<Resource>{resource}</Resource><RequestId>{id}</RequestId>\
         <HostId>{host}</HostId></Error>"
    );
    text.into()
}

/// An error document without its end, and its code.
fn parse(document: &str) -> Option<(&str, &str)> {
    let text = document.strip_suffix("</Error>")?;
    let (_, code) = text.split_once("<Code>")?;
    Some((text, code.split_once("</Code>")?.0))
}

/// A sentence for the codes that s3s gives none.
fn sentence(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidBucketName" => "the specified bucket is not valid",
        "InvalidURI" => "the specified URI could not be parsed: a path is UTF-8",
        "KeyTooLongError" => "a key has at most 1,024 bytes",
        "MalformedXML" => "the document is not well-formed, or not what this operation takes",
        "MethodNotAllowed" => "this method is not allowed here",
        "MissingRequestBodyError" => "this operation takes a document, and the body is empty",
        "MissingContentLength" => "say in Content-Length how long the body is",
        _ => return None,
    })
}
