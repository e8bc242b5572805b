//! The NBD machines. The first byte says in what pieces the rest arrives.

use bytes::BufMut as _;
use volumed_nbd::client;
use volumed_nbd::server::{Handshake, Refusal, Requests, Step};

const SIZE: u64 = 1 << 50;
/// A payload, and what may have come with it.
const MOST_MEMORY: usize = (32 << 20) + (1 << 20);

/// A server that exports `vol`, through handshake and transmission; it requires TLS if the first
/// byte is 255. What TLS would carry follows STARTTLS as it is.
pub fn server(data: &[u8]) {
    let handshake = match data.first() {
        Some(255) => Handshake::requiring_tls(),
        _ => Handshake::new(),
    };
    let mut state = Some(State::Handshake(Box::new(handshake)));
    for piece in pieces(data) {
        let Some(current) = state.take() else {
            return;
        };
        state = current.receive(piece);
    }
}

enum State {
    Handshake(Box<Handshake>),
    Open(Box<Requests>),
}

impl State {
    /// What it is afterwards; none once the conversation is over.
    fn receive(self, piece: &[u8]) -> Option<Self> {
        match self {
            Self::Handshake(mut handshake) => {
                handshake.input().put_slice(piece);
                negotiate(handshake)
            }
            Self::Open(mut requests) => {
                requests.input().put_slice(piece);
                transmit(requests)
            }
        }
    }
}

fn negotiate(mut handshake: Box<Handshake>) -> Option<State> {
    loop {
        let step = handshake.step().ok()?;
        match step {
            Step::NeedInput => return Some(State::Handshake(handshake)),
            Step::Aborted => return None,
            Step::List => handshake.list(["vol"]),
            Step::Describe(name) | Step::Open(name) if name != "vol" => {
                handshake
                    .refuse(Refusal::Unknown, "there is only vol")
                    .ok()?;
            }
            Step::Describe(_) => handshake.describe(SIZE),
            Step::StartTls => {}
            Step::Open(_) => return transmit(Box::new(handshake.open(SIZE))),
        }
        assert!(handshake.take_output().len() < MOST_MEMORY);
    }
}

fn transmit(mut requests: Box<Requests>) -> Option<State> {
    while requests.next_event().ok()?.is_some() {}
    assert!(requests.input().capacity() <= MOST_MEMORY);
    Some(State::Open(requests))
}

/// A client that opens `vol` and has four requests in flight.
pub fn client(data: &[u8]) {
    let mut handshake = Some(client::Handshake::new("vol"));
    let mut replies = None;
    for piece in pieces(data) {
        if let Some(negotiating) = &mut handshake {
            negotiating.input().put_slice(piece);
            match negotiating.step() {
                Ok(client::Step::NeedInput) => {}
                Ok(client::Step::Established(established)) => {
                    replies = Some(established.replies);
                    handshake = None;
                }
                Ok(client::Step::Refused(_)) | Err(_) => return,
            }
        } else if let Some(replies) = &mut replies {
            replies.input().put_slice(piece);
        }
        if let Some(replies) = &mut replies {
            let expected = |cookie: u64| (cookie < 4).then(|| cookie as usize * 10);
            loop {
                match replies.next_answer(expected) {
                    Ok(Some(answer)) => {
                        let length = answer.result.map_or(0, |data| data.len());
                        assert!(length <= 30, "{length} bytes answer a read of at most 30");
                    }
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }
}

/// The bytes after the first, in pieces of as many bytes as that says, or in one.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let length = if *first == 0 {
        rest.len().max(1)
    } else {
        usize::from(*first)
    };
    rest.chunks(length)
}
