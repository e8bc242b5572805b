//! Whatever comes in, in whatever pieces: no panic, no more memory than a payload may take, and
//! the same outcome.
#![allow(clippy::unwrap_used)]

mod peer;

use bytes::{BufMut, Bytes};
use peer::{Server, option, request};
use proptest::collection::vec;
use proptest::prelude::*;
use volumed_nbd::client::{self, encode};
use volumed_nbd::server::{Command, Event};

const SIZE: u64 = 1 << 50;

/// A payload, and what may have come with it.
const MOST_MEMORY: usize = (32 << 20) + (1 << 20);

fn options() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![&b"vol"[..], b"absent", b""]);
    let query = (names, any::<u8>()).prop_map(|(name, infos)| {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.put_slice(name);
        data.put_u16(u16::from(infos % 4));
        data.put_bytes(0, usize::from(infos % 4) * 2);
        data
    });
    let contexts = prop::sample::select(vec![peer::ALLOCATION, &b"\0\0\0\x03vol\0\0\0\0"[..]]);
    let contexts = contexts.prop_map(<[u8]>::to_vec);
    let data = prop_oneof![Just(vec![]), query, contexts, vec(any::<u8>(), 0..50)];
    (0..12_u32, data).prop_map(|(number, data)| option(number, &data))
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    let offset = prop_oneof![0..SIZE, any::<u64>()];
    let length = prop_oneof![4 => 0..5000_u32, 1 => any::<u32>()];
    (0..32_u16, 0..9_u16, any::<u64>(), offset, length).prop_map(
        |(flags, kind, cookie, offset, length)| {
            let mut bytes = request(flags, kind, cookie, offset, length);
            if kind == 1 && length <= 5000 {
                bytes.put_bytes(9, length as usize);
            }
            bytes
        },
    )
}

/// Sensible enough to get far, with nonsense anywhere.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![8 => 0..4_u32, 1 => any::<u32>()];
    let open = option(7, b"\0\0\0\x03vol\0\0");
    let junk = vec(any::<u8>(), 0..40);
    (flags, vec(options(), 0..6), vec(requests(), 0..12), junk).prop_map(
        move |(flags, options, requests, junk)| {
            let flags = flags.to_be_bytes().to_vec();
            [
                vec![flags],
                options,
                vec![open.clone()],
                requests,
                vec![junk],
            ]
            .concat()
            .concat()
        },
    )
}

/// Cuts `bytes` at will and tells what the server said and whether it hung up.
fn run_server(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    let mut server = Server::of_size(SIZE);
    let hung_up = pieces(bytes, cuts).any(|piece| server.try_send(piece).is_err());
    (server.take_output(), hung_up)
}

fn pieces<'a>(mut bytes: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().copied().chain(std::iter::repeat(usize::MAX));
    std::iter::from_fn(move || {
        let length = cuts.next()?.min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn a_server_takes_any_bytes_in_any_pieces(
        bytes in prop_oneof![conversation(), vec(any::<u8>(), 0..300)],
        cuts in vec(1..40_usize, 0..200),
    ) {
        prop_assert_eq!(run_server(&bytes, &cuts), run_server(&bytes, &[]));
    }

    #[test]
    fn nothing_is_opened_or_told_before_tls(
        bytes in conversation(),
        cuts in vec(1..40_usize, 0..200),
    ) {
        let mut server = Server::requiring_tls(SIZE);
        for piece in pieces(&bytes, &cuts) {
            if server.try_send(piece).is_err() || server.secured {
                break;
            }
            let output = server.take_output();
            prop_assert!(!output.windows(3).any(|bytes| bytes == b"vol"));
        }
        prop_assert!(server.secured || server.into_requests().is_none());
    }

    #[test]
    fn requests_never_take_more_memory_than_a_payload(
        stream in vec(requests(), 1..20),
        cuts in vec(1..3000_usize, 0..100),
    ) {
        let mut requests = Server::open(true, SIZE);
        let bytes = stream.concat();
        'pieces: for piece in pieces(&bytes, &cuts) {
            requests.input().put_slice(piece);
            prop_assert!(requests.input().capacity() <= MOST_MEMORY);
            loop {
                match requests.next_event() {
                    Ok(Some(Event::Request { command, .. })) => prop_assert!(fits(&command)),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'pieces,
                }
            }
        }
    }

    #[test]
    fn a_client_takes_any_bytes_in_any_pieces(
        bytes in vec(any::<u8>(), 0..300),
        greet in any::<bool>(),
        cuts in vec(1..40_usize, 0..50),
    ) {
        let mut client = client::Handshake::new("vol");
        if greet {
            client.input().put_slice(b"NBDMAGICIHAVEOPT\0\x03");
        }
        for piece in pieces(&bytes, &cuts) {
            client.input().put_slice(piece);
            match client.step() {
                Ok(client::Step::NeedInput) => {}
                _ => break,
            }
            prop_assert!(client.input().capacity() < 1 << 20);
        }
    }

    #[test]
    fn answers_take_any_bytes_in_any_pieces(
        replies in vec((any::<bool>(), 0..200_u32, 0..4_u64), 0..20),
        junk in vec(any::<u8>(), 0..40),
        cuts in vec(1..40_usize, 0..50),
    ) {
        let (_, mut established) = peer::connect("vol", SIZE).unwrap();
        let mut bytes = Vec::new();
        for (good, error, cookie) in replies {
            bytes.put_u32(0x6744_6698);
            bytes.put_u32(if good { 0 } else { error });
            bytes.put_u64(cookie);
            bytes.put_bytes(1, if good || error == 0 { cookie as usize * 10 } else { 0 });
        }
        bytes.extend_from_slice(&junk);
        'pieces: for piece in pieces(&bytes, &cuts) {
            established.replies.input().put_slice(piece);
            loop {
                let expected = |cookie: u64| (cookie < 4).then_some(cookie as usize * 10);
                match established.replies.next_answer(expected) {
                    Ok(Some(answer)) => if let Ok(data) = answer.result {
                        prop_assert_eq!(data.len(), answer.cookie as usize * 10);
                    },
                    Ok(None) => break,
                    Err(_) => break 'pieces,
                }
            }
        }
    }

    #[test]
    fn the_server_reads_what_the_client_encodes(
        cookie in any::<u64>(),
        offset in 0..SIZE - (1 << 20),
        length in 1..1_u32 << 20,
        kind in 0..4,
        fua in any::<bool>(),
        cuts in vec(1..4000_usize, 0..20),
    ) {
        let data = Bytes::from(vec![5; length as usize]);
        let (sent, expected) = match kind {
            0 => (client::Request::Read { offset, length }, Command::Read { offset, length }),
            1 => (
                client::Request::Write { offset, length, fua },
                Command::Write { offset, data: data.clone(), fua },
            ),
            2 => (client::Request::Flush, Command::Flush),
            _ => (
                client::Request::Trim { offset, length },
                Command::Trim { offset, length, fua: false },
            ),
        };
        let mut bytes = encode(cookie, sent).to_vec();
        if kind == 1 {
            bytes.extend_from_slice(&data);
        }
        let mut requests = Server::open(false, SIZE);
        let mut came = Vec::new();
        for piece in pieces(&bytes, &cuts) {
            requests.input().put_slice(piece);
            while let Some(event) = requests.next_event().unwrap() {
                came.push(event);
            }
        }
        prop_assert_eq!(came.len(), 1);
        let Some(Event::Request { cookie: got, command }) = came.pop() else { panic!() };
        prop_assert_eq!((got, command), (cookie, expected));
    }
}

fn fits(command: &Command) -> bool {
    let (offset, length) = match command {
        Command::Flush => return true,
        Command::Write { offset, data, .. } => (*offset, data.len() as u64),
        Command::Read { offset, length }
        | Command::Trim { offset, length, .. }
        | Command::WriteZeroes { offset, length, .. }
        | Command::Cache { offset, length }
        | Command::BlockStatus { offset, length, .. } => (*offset, u64::from(*length)),
    };
    length > 0 && offset + length <= SIZE
}
