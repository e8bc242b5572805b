//! One connection to a server.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Bytes of a connection, with TLS or without.
pub(crate) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Most bytes that are received at once.
const BUFFER: usize = 1 << 20;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// Nobody listens there, or is not who they should be.
    #[error("there is no connection")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke, or what came is not HTTP.
    #[error("there is no answer")]
    Http(#[from] hyper::Error),
    /// The answer is longer than anybody expects.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
}

impl ExchangeError {
    /// What went wrong beneath all others' words.
    pub fn root_cause(&self) -> String {
        let mut cause: &dyn std::error::Error = self;
        while let Some(next) = cause.source() {
            cause = next;
        }
        cause.to_string()
    }
}

/// A connection. It is driven by whoever has a request on it, within the same task: another task for it would have
/// to be woken for the request, and wake the first one for the answer.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driven: Driven,
}

struct Driven {
    /// Elsewhere, since it is large: whoever waits for an answer would carry it along.
    inner: Box<http1::Connection<Stream, Full<Bytes>>>,
    ended: bool,
}

/// Why there is no answer.
pub(crate) enum Failed {
    /// Nothing of the request was sent: the server had closed the connection.
    Unsent(Box<Request<Full<Bytes>>>, hyper::Error),
    /// Anything else.
    Broken(ExchangeError),
}

impl From<Failed> for ExchangeError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unsent(_, error) => error.into(),
            Failed::Broken(error) => error,
        }
    }
}

impl Connection {
    pub async fn new(stream: Stream) -> Result<Self, ExchangeError> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER);
        let (sender, inner) = builder.handshake(stream).await?;
        Ok(Self {
            sender,
            driven: Driven {
                inner: Box::new(inner),
                ended: false,
            },
        })
    }

    /// Whether it can take a request: the answer before was received whole, and the server has not closed it.
    pub fn is_free(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        self.driven.drive(&mut context);
        !self.driven.ended && self.sender.is_ready()
    }

    /// Sends a request and receives its answer whole. `longest`: most bytes of its body.
    pub async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        longest: usize,
    ) -> Result<(Parts, Bytes), Failed> {
        let sent = self.sender.try_send_request(request);
        let exchange = async {
            let (parts, body) = match sent.await {
                Ok(answer) => answer.into_parts(),
                Err(mut error) => {
                    let request = error.take_message();
                    let error = error.into_error();
                    return Err(match request {
                        Some(request) => Failed::Unsent(Box::new(request), error),
                        None => Failed::Broken(error.into()),
                    });
                }
            };
            let body = collect(body, &parts.headers, longest).await;
            Ok((parts, body.map_err(Failed::Broken)?))
        };
        self.driven.until(exchange).await
    }

    /// Sends a request and answers before the body has come, which is received for as long as it is kept. Nothing
    /// else can be asked on the connection.
    pub async fn begin(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let answer = self.sender.send_request(request);
        tokio::spawn(async move {
            // Who reads the body learns how it ended.
            let _ = self.driven.inner.await;
            drop(self.sender);
        });
        Ok(answer.await?)
    }
}

impl Driven {
    /// Sends and receives what can be without waiting.
    fn drive(&mut self, context: &mut Context<'_>) {
        if !self.ended {
            // Why it ended, the request on it is answered.
            self.ended = Pin::new(&mut self.inner).poll(context).is_ready();
        }
    }

    /// Drives it until what happens on it is done.
    async fn until<T>(&mut self, exchange: impl Future<Output = T>) -> T {
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            // The body comes only once it is asked for, which may then be here already.
            for _ in 0..2 {
                self.drive(context);
                if let Poll::Ready(done) = exchange.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
            }
            Poll::Pending
        })
        .await
    }
}

async fn collect(
    mut body: Incoming,
    headers: &HeaderMap,
    longest: usize,
) -> Result<Bytes, ExchangeError> {
    let length = headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        received += data.len();
        if received > longest {
            return Err(ExchangeError::TooLong(longest));
        }
        match first.take() {
            None if joined.is_empty() => first = Some(data),
            None => joined.extend_from_slice(&data),
            Some(begun) => {
                joined.reserve(length.unwrap_or(received));
                joined.extend_from_slice(&begun);
                joined.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| joined.freeze()))
}
