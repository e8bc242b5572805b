//! One keep-alive HTTP/1.1 connection, as cheap as a client can be.

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Enough for a page of a listing to arrive in few reads, small enough to stay in the cache.
const READ_SIZE: usize = 256 << 10;
/// Bodies up to this size travel in one write with their head.
const JOINED_SIZE: usize = 64 << 10;

/// An answer; its body is in the connection's buffer, or was counted and dropped.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The length of the body in bytes.
    pub length: u64,
    /// The body, where it was asked for or the status is not a success.
    pub body: Vec<u8>,
}

/// A connection with one request in flight.
pub struct Connection {
    stream: TcpStream,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// The bytes of `incoming` that were received and not used: `start..end`.
    start: usize,
    end: usize,
}

/// What is sent.
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The signed path and query.
    pub target: &'a str,
    /// The Host header.
    pub authority: &'a str,
    /// One more header, if the request needs one.
    pub header: Option<(&'a str, &'a str)>,
    /// The body, if there is one.
    pub body: Option<Payload<'a>>,
    /// Whether the body of the answer is wanted.
    pub keep: bool,
}

/// A body: `length` bytes, the same ones again and again.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// What is repeated.
    pub bytes: &'a [u8],
    /// The whole length.
    pub length: u64,
}

enum Framing {
    None,
    Length(u64),
    Chunked,
}

struct Head {
    status: u16,
    framing: Framing,
}

impl Connection {
    /// Connects.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            outgoing: Vec::new(),
            incoming: vec![0; READ_SIZE],
            start: 0,
            end: 0,
        })
    }

    /// Sends one request and reads its answer to the end.
    pub async fn exchange(&mut self, request: &Request<'_>) -> anyhow::Result<Response> {
        self.send(request).await.context("could not send")?;
        let head = self.head(request.method).await?;
        let keep = request.keep || head.status >= 300;
        let mut kept = Vec::new();
        let sink = keep.then_some(&mut kept);
        let length = match head.framing {
            Framing::None => 0,
            Framing::Length(length) => self.body(length, sink).await.map(|()| length)?,
            Framing::Chunked => self.chunks(sink).await?,
        };
        Ok(Response {
            status: head.status,
            length,
            body: kept,
        })
    }

    async fn send(&mut self, request: &Request<'_>) -> std::io::Result<()> {
        self.outgoing.clear();
        for part in [
            request.method,
            " ",
            request.target,
            " HTTP/1.1\r\nHost: ",
            request.authority,
            "\r\n",
        ] {
            self.outgoing.extend_from_slice(part.as_bytes());
        }
        if let Some((name, value)) = request.header {
            let header = format!("{name}: {value}\r\n");
            self.outgoing.extend_from_slice(header.as_bytes());
        }
        if let Some(body) = request.body {
            let length = format!("Content-Length: {}\r\n", body.length);
            self.outgoing.extend_from_slice(length.as_bytes());
        }
        self.outgoing.extend_from_slice(b"\r\n");
        let mut left = request.body.map_or(0, |body| body.length);
        let bytes = request.body.map_or(&[][..], |body| body.bytes);
        if left <= JOINED_SIZE as u64 {
            self.outgoing.extend_from_slice(&bytes[..left as usize]);
            left = 0;
        }
        self.stream.write_all(&self.outgoing).await?;
        while left > 0 {
            let now = left.min(bytes.len() as u64);
            self.stream.write_all(&bytes[..now as usize]).await?;
            left -= now;
        }
        Ok(())
    }

    /// Receives more, after what is there.
    async fn receive(&mut self) -> anyhow::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.incoming.len() {
            self.incoming.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.incoming.len() {
            bail!("the answer's head or chunk line is longer than {READ_SIZE} bytes");
        }
        let count = self.stream.read(&mut self.incoming[self.end..]).await?;
        if count == 0 {
            bail!("the server closed the connection before its answer was whole");
        }
        self.end += count;
        Ok(())
    }

    async fn head(&mut self, method: &str) -> anyhow::Result<Head> {
        loop {
            let received = &self.incoming[self.start..self.end];
            if let Some((head, length)) = parse_head(received, method)? {
                self.start += length;
                if head.status >= 200 {
                    return Ok(head);
                }
            } else {
                self.receive().await?;
            }
        }
    }

    async fn body(&mut self, length: u64, mut sink: Option<&mut Vec<u8>>) -> anyhow::Result<()> {
        let mut missing = length;
        while missing > 0 {
            if self.start == self.end {
                self.receive().await?;
            }
            let count = missing.min((self.end - self.start) as u64);
            let end = self.start + count as usize;
            if let Some(sink) = sink.as_deref_mut() {
                sink.extend_from_slice(&self.incoming[self.start..end]);
            }
            self.start = end;
            missing -= count;
        }
        Ok(())
    }

    async fn chunks(&mut self, mut sink: Option<&mut Vec<u8>>) -> anyhow::Result<u64> {
        let mut total = 0;
        loop {
            let received = &self.incoming[self.start..self.end];
            match httparse::parse_chunk_size(received) {
                Ok(httparse::Status::Complete((line, length))) => {
                    self.start += line;
                    self.body(length, sink.as_deref_mut()).await?;
                    self.body(2, None).await?;
                    total += length;
                    if length == 0 {
                        return Ok(total);
                    }
                }
                Ok(httparse::Status::Partial) => self.receive().await?,
                Err(_) => bail!("the answer's chunked body is malformed"),
            }
        }
    }
}

fn parse_head(received: &[u8], method: &str) -> anyhow::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) =
        response.parse(received).context("the answer is not HTTP")?
    else {
        return Ok(None);
    };
    let status = response.code.context("the answer has no status")?;
    let mut framing = Framing::None;
    if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let digits = std::str::from_utf8(header.value)?;
                framing = Framing::Length(digits.trim().parse().context("Content-Length")?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
                break;
            }
        }
    }
    Ok(Some((Head { status, framing }, length)))
}
