//! A shell around the machines: it opens `vol`, and lists and opens nothing else.
#![allow(dead_code)]

use bytes::BufMut;
use volumed_nbd::Violation;
use volumed_nbd::client::{self, Established, Refused};
use volumed_nbd::server::{Handshake, Refusal, Requests, Step};

pub const GREETING_LENGTH: usize = 18;

/// SET_META_CONTEXT's data for `base:allocation` of `vol`.
pub const ALLOCATION: &[u8] = b"\0\0\0\x03vol\0\0\0\x01\0\0\0\x0fbase:allocation";

pub struct Server {
    state: State,
    output: Vec<u8>,
    size: u64,
    pub secured: bool,
}

enum State {
    Handshake(Box<Handshake>),
    Open(Box<Requests>),
    Over,
}

impl Server {
    pub fn of_size(size: u64) -> Self {
        Self::with(Handshake::new(), size)
    }

    pub fn requiring_tls(size: u64) -> Self {
        Self::with(Handshake::requiring_tls(), size)
    }

    fn with(mut handshake: Handshake, size: u64) -> Self {
        let output = handshake.take_output().to_vec();
        Self {
            state: State::Handshake(Box::new(handshake)),
            output,
            size,
            secured: false,
        }
    }

    /// A server in the transmission phase.
    pub fn open(structured: bool, size: u64) -> Requests {
        let mut server = Self::of_size(size);
        server.send(&3_u32.to_be_bytes());
        if structured {
            server.send(&option(8, b""));
            server.send(&option(10, ALLOCATION));
        }
        server.send(&option(7, b"\0\0\0\x03vol\0\0"));
        server.into_requests().unwrap()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        match &mut self.state {
            State::Handshake(handshake) => handshake.input().put_slice(bytes),
            State::Open(requests) => requests.input().put_slice(bytes),
            State::Over => {}
        }
        self.negotiate()?;
        if let State::Open(requests) = &mut self.state {
            while requests.next_event()?.is_some() {}
        }
        Ok(())
    }

    fn negotiate(&mut self) -> Result<(), Violation> {
        while let State::Handshake(handshake) = &mut self.state {
            let step = answered_step(handshake, self.size);
            self.output.extend_from_slice(&handshake.take_output());
            match step? {
                Step::NeedInput => return Ok(()),
                Step::Aborted => self.state = State::Over,
                Step::Open(name) if name == "vol" => self.open_export(),
                // What follows is taken for what TLS carried.
                Step::StartTls => self.secured = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn open_export(&mut self) {
        if let State::Handshake(handshake) = std::mem::replace(&mut self.state, State::Over) {
            let mut requests = handshake.open(self.size);
            self.output.extend_from_slice(&requests.take_output());
            self.state = State::Open(Box::new(requests));
        }
    }

    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The option and the kind of every option reply since the greeting or the last call.
    pub fn option_replies(&mut self) -> Vec<(u32, u32)> {
        let output = self.take_output();
        let mut rest = output
            .strip_prefix(b"NBDMAGICIHAVEOPT\0\x03")
            .unwrap_or(&output);
        let mut replies = Vec::new();
        while !rest.is_empty() {
            let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
            replies.push((number(8), number(12)));
            rest = &rest[20 + number(16) as usize..];
        }
        replies
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub fn into_requests(self) -> Option<Requests> {
        match self.state {
            State::Open(requests) => Some(*requests),
            _ => None,
        }
    }
}

fn answered_step(handshake: &mut Handshake, size: u64) -> Result<Step, Violation> {
    let step = handshake.step()?;
    match &step {
        Step::List => handshake.list(["vol"]),
        Step::Describe(name) | Step::Open(name) if name != "vol" => {
            handshake.refuse(Refusal::Unknown, "there is only vol")?;
        }
        Step::Describe(_) => handshake.describe(size),
        Step::NeedInput | Step::Aborted | Step::StartTls | Step::Open(_) => {}
    }
    Ok(step)
}

/// A client and a server, through the handshake.
pub fn connect(export: &str, size: u64) -> Result<(Requests, Established), Refused> {
    let mut server = Server::of_size(size);
    let mut client = client::Handshake::new(export);
    loop {
        client.input().put_slice(&server.take_output());
        match client.step().unwrap() {
            client::Step::NeedInput => server.send(&client.take_output()),
            client::Step::Established(established) => {
                return Ok((server.into_requests().unwrap(), established));
            }
            client::Step::Refused(refused) => return Err(refused),
        }
    }
}

pub fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"IHAVEOPT".to_vec();
    bytes.put_u32(number);
    bytes.put_u32(data.len() as u32);
    bytes.put_slice(data);
    bytes
}

pub fn request(flags: u16, kind: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
    bytes.put_u16(flags);
    bytes.put_u16(kind);
    bytes.put_u64(cookie);
    bytes.put_u64(offset);
    bytes.put_u32(length);
    bytes
}
