//! A raw HTTP/1.1 client on blocking sockets: it sends what it is told to, right or wrong.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

const TIMEOUT: Duration = Duration::from_secs(30);

/// One request, whose target and headers are sent as they are.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query, percent-encoded.
    pub target: String,
    /// The headers, with Host; Content-Length is added unless some framing is given.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The head as it goes over the wire.
    pub fn head(&self) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        lines.extend(
            self.headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let framed = self.headers.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("content-length")
                || name.eq_ignore_ascii_case("transfer-encoding")
        });
        let has_body = !self.body.is_empty() || self.method == "PUT" || self.method == "POST";
        if has_body && !framed {
            lines.push(format!("content-length: {}", self.body.len()));
        }
        let mut head = lines.join("\r\n");
        head.push_str("\r\n\r\n");
        head.into_bytes()
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `<Code>` of an S3 error; empty if there is none.
    pub fn code(&self) -> String {
        element(&self.text(), "Code").unwrap_or_default()
    }
}

/// The text of the first XML element of this name.
pub fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
        .map(|(text, _)| text.to_owned())
}

/// A connection that can be kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_within(address, TIMEOUT)
    }

    /// Connects to a server that may be silent for `limit` at a time.
    pub fn open_within(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Sends a request and reads its answer. A server may answer and close before it has read all
    /// of a body that it refuses, so a failed send still looks for the answer.
    pub fn exchange(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let sent = self
            .send(&request.head())
            .and_then(|()| self.send(&request.body));
        match (self.answer(&request.method), sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(error)) => Err(error).context("could not send"),
            (Err(error), Ok(())) => Err(error),
        }
    }

    /// Reads one answer to the end.
    pub fn answer(&mut self, method: &str) -> anyhow::Result<Answer> {
        loop {
            let mut answer = self.answer_head()?;
            if answer.status < 200 {
                continue;
            }
            if method == "HEAD" || answer.status == 204 || answer.status == 304 {
                return Ok(answer);
            }
            answer.body = if let Some(length) = answer.header("content-length") {
                let length = length.parse().context("Content-Length")?;
                self.take(length)?
            } else if answer.header("transfer-encoding").is_some() {
                self.chunks()?
            } else {
                self.stream.read_to_end(&mut self.received)?;
                std::mem::take(&mut self.received)
            };
            return Ok(answer);
        }
    }

    fn answer_head(&mut self) -> anyhow::Result<Answer> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(length) = response.parse(&self.received)? else {
                self.receive()?;
                continue;
            };
            let status = response.code.context("the answer has no status")?;
            let headers = response
                .headers
                .iter()
                .map(|header| {
                    let value = String::from_utf8_lossy(header.value).into_owned();
                    (header.name.to_ascii_lowercase(), value)
                })
                .collect();
            self.received.drain(..length);
            return Ok(Answer {
                status,
                headers,
                body: Vec::new(),
            });
        }
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer)? {
            0 => bail!("the server closed the connection before its answer was whole"),
            count => self.received.extend_from_slice(&buffer[..count]),
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.received.len() < length {
            self.receive()?;
        }
        let rest = self.received.split_off(length);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&self.received) {
                Ok(httparse::Status::Complete((line, length))) => {
                    self.take(line)?;
                    body.extend(self.take(usize::try_from(length)?)?);
                    self.take(2)?;
                    if length == 0 {
                        return Ok(body);
                    }
                }
                Ok(httparse::Status::Partial) => self.receive()?,
                Err(_) => bail!("the answer's chunked body is malformed"),
            }
        }
    }
}

/// Sends one request on a connection of its own.
pub fn exchange(address: SocketAddr, request: &Request) -> anyhow::Result<Answer> {
    Connection::open(address)
        .context("could not connect")?
        .exchange(request)
}

/// As [`exchange`], with a server that may be silent for `limit` at a time.
pub fn exchange_within(
    address: SocketAddr,
    request: &Request,
    limit: Duration,
) -> anyhow::Result<Answer> {
    Connection::open_within(address, limit)
        .context("could not connect")?
        .exchange(request)
}

/// A percent-encoded path segment or query value.
pub fn percent_encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
