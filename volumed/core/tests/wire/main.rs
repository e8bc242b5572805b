//! Frames are read as they were written, within their bounds, and anything may be received.

mod any;

use std::collections::BTreeSet;
use std::fmt::Write;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use volumed_core::chunk::CHUNK_SIZE;
use volumed_core::message::{
    Answer, Ask, ExtentFile, MOST_DATA, MOST_LISTED, Message, OpId, ReplicaError,
};
use volumed_core::missed::{Missed, MissedByDisk};
use volumed_core::wire::{Frame, HEADER_SIZE, Header, Kind, MAX_BODY, WireError};
use volumed_core::{
    Alloc, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, RegionIndex, VolumeId,
};

const REFUSALS: [ReplicaError; 8] = [
    ReplicaError::Fenced,
    ReplicaError::Restarted,
    ReplicaError::NoSpace,
    ReplicaError::Exhausted,
    ReplicaError::Corrupt,
    ReplicaError::NoExtent,
    ReplicaError::Disk,
    ReplicaError::Unreachable,
];

fn bytes(frame: &Frame) -> Vec<u8> {
    let encoded = frame.encode();
    [&encoded.head[..], &encoded.data].concat()
}

fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
    let (header, body) = bytes.split_first_chunk().expect("a header");
    Header::decode(header)?.frame(Bytes::copy_from_slice(body))
}

fn message(ask: Ask) -> Frame {
    Frame::Message(Message {
        volume: VolumeId(0x0102),
        disk: DiskNumber(3),
        incarnation: Incarnation(0x0405_0607_0809),
        epoch: Epoch(10),
        op: OpId(0x0b0c),
        ask,
    })
}

fn answer(result: Result<Bytes, ReplicaError>) -> Frame {
    Frame::Answer(Answer {
        volume: VolumeId(0x0102),
        disk: DiskNumber(3),
        incarnation: Incarnation(0x0405_0607_0809),
        epoch: Epoch(10),
        op: OpId(0x0b0c),
        allocated: 0x0d,
        granted: 0x0e0f,
        result,
    })
}

/// Of those about blocks that are copied.
fn copying(kind: Kind, file: ExtentFile) -> Ask {
    match kind {
        Kind::Receive => Ask::Receive { file },
        Kind::Fetch => Ask::Fetch {
            file,
            offset: 0x8_0000,
            length: 4096,
        },
        Kind::Store => Ask::Store {
            file,
            offset: 0x8_0000,
            length: 4096,
            chunk: Bytes::from_static(b"chunk"),
        },
        Kind::Digest => Ask::Digest {
            file,
            offset: 0x40_0000,
            length: 0x40_0000,
        },
        Kind::Replace => Ask::Replace {
            file,
            offset: 0x8_0000,
            length: 4096,
            chunk: Bytes::from_static(b"chunk"),
        },
        other => panic!("{other:?}"),
    }
}

/// What one disk missed.
fn missed(regions: BTreeSet<RegionIndex>) -> MissedByDisk {
    let regions = regions.into_iter().collect();
    let since = Alloc(0x1122_3344);
    MissedByDisk::from([(DiskNumber(4), Missed { since, regions })])
}

/// One frame of each kind, whose bytes are frozen.
fn sample(kind: Kind) -> Frame {
    let file = ExtentFile {
        extent: ExtentIndex(0x21),
        alloc: Alloc(0x1122_3344),
    };
    let extents = BTreeSet::from([ExtentIndex(1), ExtentIndex(0x21)]);
    let regions = BTreeSet::from([RegionIndex(0), RegionIndex(0x210)]);
    message(match kind {
        Kind::Promise => Ask::Promise,
        Kind::Reconcile => Ask::Reconcile {
            from: ExtentIndex(0),
            until: Some(ExtentIndex(0x400)),
            held: BTreeSet::from([file]),
        },
        Kind::Read => Ask::Read {
            file,
            offset: 4096,
            length: 512,
        },
        Kind::Map => Ask::Map {
            file,
            offset: 0,
            length: EXTENT_SIZE as u32,
        },
        Kind::Write => Ask::Write {
            file,
            offset: 7,
            data: Bytes::from_static(b"data"),
            durable: true,
            clear: false,
        },
        Kind::Zero => Ask::Zero {
            file,
            offset: 8192,
            length: 4096,
            durable: false,
            keep: true,
        },
        Kind::Sync => Ask::Sync { extents },
        Kind::Mark => Ask::Mark { regions },
        Kind::Settle => Ask::Settle { regions },
        Kind::Unmark => Ask::Unmark { regions },
        Kind::Adopt => Ask::Adopt { file },
        Kind::Remove => Ask::Remove { file },
        Kind::Holes => Ask::Holes {
            file,
            offset: 4096,
            length: 512,
        },
        Kind::Grant => Ask::Grant {
            least: 1,
            most: 0x1000,
        },
        Kind::GiveBack => Ask::GiveBack { blocks: 7 },
        Kind::Empty => Ask::Empty,
        Kind::Receive | Kind::Fetch | Kind::Store | Kind::Digest | Kind::Replace => {
            copying(kind, file)
        }
        Kind::Create => Ask::Create {
            files: [file].into(),
            missing: true,
        },
        Kind::Missed => Ask::Missed,
        Kind::KeepMissed => Ask::KeepMissed {
            missed: missed(regions),
        },
        Kind::Done => return answer(Ok(Bytes::from_static(b"data"))),
        Kind::Refused => return answer(Err(ReplicaError::Disk)),
    })
}

/// A line for each kind: its name, and a frame in hex.
#[test]
fn frames_are_read_and_written_as_version_1_was() {
    let frozen = include_str!("../fixtures/wire-1.txt");
    let mut now = String::new();
    for &kind in Kind::ALL {
        let frame = sample(kind);
        let bytes = bytes(&frame);
        assert_eq!(decode(&bytes).as_ref(), Ok(&frame));
        write!(now, "{kind:?} ").expect("memory");
        for byte in bytes {
            write!(now, "{byte:02x}").expect("memory");
        }
        now.push('\n');
    }
    assert_eq!(now, frozen);
    for (refusal, number) in REFUSALS.into_iter().zip(1..) {
        let bytes = bytes(&answer(Err(refusal)));
        assert_eq!(bytes[HEADER_SIZE + 16..], [number]);
    }
}

#[test]
fn a_newer_version_and_an_unknown_kind_are_refused_with_a_sentence() {
    let mut newer = bytes(&sample(Kind::Promise));
    newer[4] = 2;
    let refusal = decode(&newer).expect_err("a newer version");
    assert_eq!(refusal, WireError::Newer { found: 2, known: 1 });
    assert!(refusal.to_string().contains("newer program"));
    let mut unknown = bytes(&sample(Kind::Promise));
    unknown[6..8].copy_from_slice(&500_u16.to_le_bytes());
    let refusal = decode(&unknown).expect_err("an unknown kind");
    assert_eq!(refusal, WireError::UnknownKind(500));
    assert!(refusal.to_string().contains("newer program"));
}

#[test]
fn a_frame_too_long_is_refused_by_its_header() {
    let mut long = bytes(&sample(Kind::Done));
    long[..4].copy_from_slice(&(MAX_BODY as u32 + 1).to_le_bytes());
    let header = long.first_chunk::<HEADER_SIZE>().expect("a header");
    assert_eq!(
        Header::decode(header),
        Err(WireError::TooLong(MAX_BODY as u32 + 1))
    );
}

#[test]
fn the_longest_of_each_kind_fits() {
    let file = ExtentFile {
        extent: ExtentIndex(0),
        alloc: Alloc(1),
    };
    let data = Bytes::from(vec![7; MOST_DATA as usize]);
    let held = (0..MOST_LISTED as u64).map(|extent| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    });
    let longest = [
        message(Ask::Write {
            file,
            offset: 0,
            data: data.clone(),
            durable: true,
            clear: true,
        }),
        message(Ask::Reconcile {
            from: ExtentIndex(0),
            until: None,
            held: held.collect(),
        }),
        message(Ask::Mark {
            regions: (0..MOST_LISTED as u64).map(RegionIndex).collect(),
        }),
        answer(Ok(data)),
    ];
    for frame in longest {
        assert_eq!(decode(&bytes(&frame)), Ok(frame));
    }
}

/// What lies outside of an extent, of the largest volume or of a message's bounds.
#[test]
fn a_message_that_cannot_be_is_refused() {
    let file = |extent| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    };
    let whole = EXTENT_SIZE as u32;
    let read = |offset, length| Ask::Read {
        file: file(0),
        offset,
        length,
    };
    let zero = |offset, length| Ask::Zero {
        file: file(0),
        offset,
        length,
        durable: false,
        keep: false,
    };
    let map = |offset, length| Ask::Map {
        file: file(0),
        offset,
        length,
    };
    let write = |offset, data| Ask::Write {
        file: file(0),
        offset,
        data,
        durable: false,
        clear: false,
    };
    let fetch = |offset, length| Ask::Fetch {
        file: file(0),
        offset,
        length,
    };
    let refused = [
        read(0, 0),
        read(0, MOST_DATA + 1),
        read(whole - 1, 2),
        map(u32::MAX, u32::MAX),
        zero(1, 4096),
        zero(0, 4097),
        zero(whole, 4096),
        write(0, Bytes::new()),
        fetch(1, 4096),
        fetch(0, 4097),
        fetch(0, CHUNK_SIZE + 4096),
        write(whole, Bytes::from_static(b"x")),
        Ask::Adopt {
            file: file(1 << 34),
        },
        Ask::Sync {
            extents: BTreeSet::from([ExtentIndex(1 << 34)]),
        },
        Ask::Mark {
            regions: BTreeSet::from([RegionIndex(1 << 38)]),
        },
    ];
    for ask in refused {
        assert_eq!(
            decode(&bytes(&message(ask.clone()))),
            Err(WireError::Damaged),
            "{ask:?}"
        );
    }
    let mut twice = bytes(&sample(Kind::Mark));
    let (first, second) = (HEADER_SIZE..HEADER_SIZE + 8, HEADER_SIZE + 8);
    twice.copy_within(first, second);
    assert_eq!(decode(&twice), Err(WireError::Damaged));
    let mut flags = bytes(&sample(Kind::Write));
    flags[HEADER_SIZE + 20] = 4;
    assert_eq!(decode(&flags), Err(WireError::Damaged));
}

proptest! {
    #[test]
    fn frames_are_read_as_they_were_written(frame in any::frame()) {
        let bytes = bytes(&frame);
        let read = decode(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&frame));
        // A body of another length than the header says is refused, whatever it is.
        let (header, body) = bytes.split_first_chunk().expect("a header");
        let header = Header::decode(header).expect("a header");
        let longer = Bytes::from([body, &[0]].concat());
        prop_assert_eq!(header.frame(longer), Err(WireError::Damaged));
    }

    #[test]
    fn what_is_read_of_anything_is_written_as_it_was(
        kind in proptest::sample::select(Kind::ALL),
        body in vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = bytes(&sample(kind));
        bytes.truncate(HEADER_SIZE);
        bytes[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend(body);
        if let Ok(frame) = decode(&bytes) {
            prop_assert_eq!(self::bytes(&frame), bytes);
        }
    }
}
