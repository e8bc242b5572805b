//! The machines as a shell drives them: byte for byte, in any chunks, against each other.
#![allow(clippy::unwrap_used)]

mod peer;

use bytes::{BufMut, Bytes, BytesMut};
use peer::{ALLOCATION, GREETING_LENGTH, Server, option, request};
use volumed_nbd::NbdError;
use volumed_nbd::client::{self, Refused, encode};
use volumed_nbd::server::{self, Command, Event};

const READ: u16 = 0;
const WRITE: u16 = 1;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const CACHE: u16 = 5;
const WRITE_ZEROES: u16 = 6;
const BLOCK_STATUS: u16 = 7;

const FUA: u16 = 1;
const NO_HOLE: u16 = 2;
const DF: u16 = 4;
const REQ_ONE: u16 = 8;
const FAST_ZERO: u16 = 16;

const SIZE: u64 = 1 << 40;

#[test]
fn options_are_answered_and_the_connection_goes_on() {
    let mut server = Server::of_size(SIZE);
    server.send(&3_u32.to_be_bytes());
    server.send(&option(77, b"what"));
    server.send(&option(5, b""));
    server.send(&option(3, b"junk"));
    server.send(&option(99, &vec![0; 100_000]));
    server.send(&option(3, b""));
    server.send(&option(6, b"\0\0\0\x06absent\0\0"));
    server.send(&option(2, b""));
    let kinds = server.option_replies();
    let error = |number: u32| (1 << 31) | number;
    let expected = vec![
        (77, error(1)),
        (5, error(2)),
        (3, error(3)),
        (99, error(9)),
        (3, 2),
        (3, 1),
        (6, error(6)),
        (2, 1),
    ];
    assert_eq!(kinds, expected);
    assert!(server.is_over());
}

#[test]
fn contexts_are_chosen_per_export_and_only_after_structured_replies() {
    let mut server = Server::of_size(SIZE);
    server.send(&3_u32.to_be_bytes());
    server.send(&option(10, ALLOCATION));
    server.send(&option(9, b"\0\0\0\x03vol\0\0\0\0"));
    server.send(&option(8, b""));
    server.send(&option(9, b"\0\0\0\x03vol\0\0\0\0"));
    server.send(&option(10, b"\0\0\0\x06absent\0\0\0\0"));
    server.send(&option(10, b"\0\0\0\x03vol\0\0\0\x01\0\0\0\x06qemu:x"));
    server.send(&option(10, ALLOCATION));
    let error = |number: u32| (1 << 31) | number;
    let expected = vec![
        (10, error(3)),
        (9, error(3)),
        (8, 1),
        (9, 4),
        (9, 1),
        (10, error(6)),
        (10, 1),
        (10, 4),
        (10, 1),
    ];
    assert_eq!(server.option_replies(), expected);
}

#[test]
fn a_block_status_needs_its_context() {
    let mut chosen = Server::open(true, SIZE);
    let status = |requests: &mut server::Requests, flags, length| {
        requests
            .input()
            .put_slice(&request(flags, BLOCK_STATUS, 1, 4096, length));
        requests.next_event().unwrap().unwrap()
    };
    let Event::Request { command, .. } = status(&mut chosen, REQ_ONE, 512) else {
        panic!("refused")
    };
    let expected = Command::BlockStatus {
        offset: 4096,
        length: 512,
        one: true,
    };
    assert_eq!(command, expected);
    assert!(matches!(status(&mut chosen, 0, 0), Event::Answered(_)));
    // Chosen, but no more when another set was asked for; or for another export.
    for last in [
        option(10, b"\0\0\0\x03vol\0\0\0\0"),
        option(10, b"\0\0\0\x06absent\0\0\0\0"),
        option(10, b"junk"),
    ] {
        let mut server = Server::of_size(SIZE);
        server.send(&3_u32.to_be_bytes());
        server.send(&option(8, b""));
        server.send(&option(10, ALLOCATION));
        server.send(&last);
        server.send(&option(7, b"\0\0\0\x03vol\0\0"));
        let mut requests = server.into_requests().unwrap();
        assert!(matches!(status(&mut requests, 0, 512), Event::Answered(_)));
    }
}

#[test]
fn before_tls_nothing_is_told_and_after_it_nothing_is_kept() {
    let mut server = Server::requiring_tls(SIZE);
    server.send(&3_u32.to_be_bytes());
    for number in [8, 3, 77] {
        server.send(&option(number, b""));
    }
    server.send(&option(7, b"\0\0\0\x03vol\0\0"));
    server.send(&option(99, &vec![0; 100_000]));
    let required = |number| (number, (1 << 31) | 5);
    assert_eq!(
        server.option_replies(),
        [8, 3, 77, 7, 99].map(required).to_vec()
    );
    server.send(&option(5, b""));
    assert_eq!(server.option_replies(), [(5, 1)]);
    assert!(server.secured);
    // Contexts show that structured replies must be asked for again.
    server.send(&option(10, ALLOCATION));
    server.send(&option(5, b""));
    let invalid = |number| (number, (1 << 31) | 3);
    assert_eq!(server.option_replies(), [10, 5].map(invalid).to_vec());
    server.send(&option(7, b"\0\0\0\x03vol\0\0"));
    server.into_requests().unwrap();
}

#[test]
fn what_comes_with_starttls_or_in_the_old_way_before_it_ends_the_connection() {
    let pipelined = [option(5, b""), option(3, b"")].concat();
    for bytes in [pipelined, option(1, b"vol")] {
        let mut server = Server::requiring_tls(SIZE);
        server.send(&3_u32.to_be_bytes());
        server.try_send(&bytes).unwrap_err();
    }
}

#[test]
fn go_gives_size_flags_and_block_sizes() {
    let mut server = Server::of_size(SIZE);
    server.send(&3_u32.to_be_bytes());
    server.send(&option(8, b""));
    server.send(&option(7, b"\0\0\0\x03vol\0\x01\0\x01"));
    let output = server.take_output().split_off(GREETING_LENGTH + 20);
    let info = &output[20..32];
    assert_eq!(info[..10], [&[0, 0][..], &SIZE.to_be_bytes()].concat());
    // has flags, flush, FUA, trim, zeroes, DF, multi-conn, cache, fast zero
    assert_eq!(info[10..12], 0b1101_1110_1101_u16.to_be_bytes());
    assert_eq!(output[52..66], *b"\0\x03\0\0\0\x01\0\0\x10\0\x02\0\0\0");
    assert_eq!(output[86..91], *b"\0\x01vol");
    assert_eq!(output.len(), 91 + 20);
}

#[test]
fn export_name_is_answered_the_old_way() {
    for (flags, length) in [(0_u32, 8 + 2 + 124), (1, 8 + 2 + 124), (3, 8 + 2)] {
        let mut server = Server::of_size(SIZE);
        server.send(&flags.to_be_bytes());
        server.send(&option(1, b"vol"));
        let output = server.take_output();
        assert_eq!(output.len(), GREETING_LENGTH + length);
        // No DF without structured replies.
        let flags_at = GREETING_LENGTH + 8;
        assert_eq!(
            output[flags_at..flags_at + 2],
            0b1101_0110_1101_u16.to_be_bytes()
        );
    }
}

#[test]
fn what_cannot_be_answered_ends_the_connection() {
    let strange_flags = [4_u32.to_be_bytes().to_vec()];
    let unknown_old_way = [3_u32.to_be_bytes().to_vec(), option(1, b"absent")];
    let endless_old_way = [3_u32.to_be_bytes().to_vec(), option(1, &vec![b'x'; 70_000])];
    let no_magic = [3_u32.to_be_bytes().to_vec(), vec![b'x'; 16]];
    let after: [&[Vec<u8>]; 4] = [
        &strange_flags,
        &unknown_old_way,
        &endless_old_way,
        &no_magic,
    ];
    for messages in after {
        let mut server = Server::of_size(SIZE);
        assert!(
            messages
                .iter()
                .map(|bytes| server.try_send(bytes))
                .any(|sent| sent.is_err())
        );
    }
}

#[test]
fn good_requests_come_out_as_they_were_sent() {
    let mut requests = Server::open(true, SIZE);
    let data = Bytes::from(vec![7; 5000]);
    let sent = [
        (request(DF, READ, 1, 4096, 512), vec![]),
        (request(FUA, WRITE, 2, SIZE - 5000, 5000), data.to_vec()),
        (request(0, FLUSH, 3, 0, 0), vec![]),
        (request(FUA, TRIM, 4, 0, u32::MAX), vec![]),
        (request(NO_HOLE, WRITE_ZEROES, 5, 8, 9), vec![]),
        (request(FAST_ZERO, WRITE_ZEROES, 6, 8, 9), vec![]),
        (request(FUA, CACHE, 7, 8, 9), vec![]),
    ];
    for (header, payload) in &sent {
        requests.input().put_slice(header);
        requests.input().put_slice(payload);
    }
    let zeroes = |no_hole| Command::WriteZeroes {
        offset: 8,
        length: 9,
        fua: false,
        no_hole,
    };
    let expected = [
        Command::Read {
            offset: 4096,
            length: 512,
        },
        Command::Write {
            offset: SIZE - 5000,
            data,
            fua: true,
        },
        Command::Flush,
        Command::Trim {
            offset: 0,
            length: u32::MAX,
            fua: true,
        },
        zeroes(true),
        zeroes(false),
        Command::Cache {
            offset: 8,
            length: 9,
        },
    ];
    for (number, wanted) in expected.into_iter().enumerate() {
        match requests.next_event().unwrap().unwrap() {
            Event::Request { cookie, command } => {
                assert_eq!((cookie, command), (number as u64 + 1, wanted));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(requests.next_event().unwrap().is_none());
}

#[test]
fn bad_requests_are_answered_with_the_protocols_errors() {
    let mut requests = Server::open(true, 1 << 20);
    let huge = (32 << 20) + 1;
    let cases = [
        (request(0, READ, 1, 1 << 20, 1), 22),
        (request(0, READ, 2, u64::MAX, 1), 22),
        (request(0, READ, 3, 0, huge), 75),
        (request(0, WRITE, 4, 1 << 20, 1), 28),
        (request(0, WRITE, 5, 0, huge), 75),
        (request(DF, WRITE, 6, 0, 1), 22),
        (request(NO_HOLE, READ, 7, 0, 1), 22),
        (request(0, 9, 8, 0, 1), 22),
        (request(0, FLUSH, 9, 1, 0), 22),
        (request(NO_HOLE | FAST_ZERO, WRITE_ZEROES, 10, 0, 1), 95),
        (request(0, WRITE_ZEROES, 11, 0, 2 << 20), 28),
        (request(0, TRIM, 12, 0, 2 << 20), 22),
        (request(0x80, TRIM, 13, 0, 1), 22),
    ];
    for (header, number) in cases {
        requests.input().put_slice(&header);
        if header[6..8] == WRITE.to_be_bytes() {
            let mut left = u32::from_be_bytes(header[24..].try_into().unwrap()) as usize;
            while left > 0 {
                assert!(requests.next_event().unwrap().is_none());
                let now = left.min(1 << 20);
                requests.input().put_bytes(0xee, now);
                left -= now;
                assert!(
                    requests.input().capacity() < 4 << 20,
                    "a refused payload is not kept"
                );
            }
        }
        let Some(Event::Answered(reply)) = requests.next_event().unwrap() else {
            panic!("{header:?}");
        };
        assert_eq!(reply.head()[8..16], header[8..16]);
        assert_eq!(reply.head()[20..24], u32::to_be_bytes(number));
    }
    requests.input().put_slice(&request(0, 2, 0, 0, 0));
    assert!(matches!(
        requests.next_event().unwrap(),
        Some(Event::Disconnect)
    ));
    requests.input().put_slice(&[0; 28]);
    assert!(requests.next_event().is_err());
}

#[test]
fn requests_for_nothing_succeed() {
    let mut requests = Server::open(false, 1 << 20);
    for kind in [READ, WRITE, TRIM, WRITE_ZEROES] {
        requests.input().put_slice(&request(0, kind, 5, 0, 0));
        let Some(Event::Answered(reply)) = requests.next_event().unwrap() else {
            panic!("{kind}");
        };
        assert_eq!(reply.head(), b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\x05");
    }
}

#[test]
fn df_needs_structured_replies() {
    let mut requests = Server::open(false, 1 << 20);
    requests.input().put_slice(&request(DF, READ, 5, 0, 1));
    assert!(matches!(
        requests.next_event().unwrap(),
        Some(Event::Answered(_))
    ));
}

#[test]
fn the_client_learns_what_the_server_says() {
    let (mut requests, mut established) = peer::connect("vol", SIZE).unwrap();
    assert_eq!(
        (established.size, established.max_payload),
        (SIZE, 32 << 20)
    );
    assert!(established.durable && established.can_trim && !established.read_only);
    let write = client::Request::Write {
        offset: 4096,
        length: 3,
        fua: true,
    };
    requests.input().put_slice(&encode(9, write));
    requests.input().put_slice(b"abc");
    let Some(Event::Request { cookie, command }) = requests.next_event().unwrap() else {
        panic!()
    };
    let data = Bytes::from_static(b"abc");
    assert_eq!(
        (cookie, command),
        (
            9,
            Command::Write {
                offset: 4096,
                data,
                fua: true
            }
        )
    );
    let replies = requests.replies();
    let mut wire = BytesMut::new();
    for reply in [
        replies.data(11, 0, Bytes::from_static(b"hello")),
        replies.error(10, NbdError::NoSpace),
        replies.done(9),
    ] {
        wire.put_slice(reply.head());
        wire.put_slice(reply.body());
    }
    established.replies.input().put_slice(&wire);
    let expected = |cookie| if cookie == 11 { Some(5) } else { Some(0) };
    let mut next = || established.replies.next_answer(expected).unwrap().unwrap();
    assert_eq!(next().result.unwrap(), "hello");
    assert_eq!(next().result.unwrap_err(), NbdError::NoSpace);
    assert_eq!(next().cookie, 9);
}

#[test]
fn the_client_is_told_of_an_absent_export() {
    assert_eq!(
        peer::connect("absent", SIZE).unwrap_err(),
        Refused::UnknownExport
    );
}

#[test]
fn an_answer_to_nobody_ends_the_connection() {
    let (_, mut established) = peer::connect("vol", SIZE).unwrap();
    let reply = Server::open(false, 1).replies().done(5);
    established.replies.input().put_slice(reply.head());
    assert!(established.replies.next_answer(|_| None).is_err());
}

#[test]
fn a_refused_export_leaves_the_server_ready_for_another() {
    let mut server = Server::of_size(SIZE);
    server.send(&3_u32.to_be_bytes());
    server.send(&option(7, b"\0\0\0\x06absent\0\0"));
    assert_eq!(server.option_replies(), [(7, (1 << 31) | 6)]);
    server.send(&option(7, b"\0\0\0\x03vol\0\0"));
    assert!(matches!(
        server.into_requests(),
        Some(server::Requests { .. })
    ));
}
