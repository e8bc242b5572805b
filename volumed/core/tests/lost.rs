//! Extents that were lost with a disk: an error to read, never zeroes, until they are written whole.

#![allow(clippy::unwrap_used)]

mod rig;

use bytes::Bytes;
use rig::{DISK, Rig};
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::map::{Run, runs};
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, ExtentIndex, IoError, Request};

const LOST: ExtentIndex = ExtentIndex(1);

fn rig() -> Rig {
    Rig::with_lost(1, 3 * EXTENT_SIZE, None, 1 << 20, &[LOST])
}

fn read(offset: u64, length: u32) -> Request {
    Request::Read { offset, length }
}

fn write(offset: u64, length: u64) -> Request {
    Request::Write {
        offset,
        data: Bytes::from(vec![1; length as usize]),
        fua: false,
    }
}

fn trim(offset: u64, length: u64) -> Request {
    let fua = false;
    Request::Trim {
        offset,
        length,
        fua,
    }
}

/// Asks for a change that replaces lost blocks: no answer before the store calls them well.
fn mended(rig: &mut Rig, request: Request, blocks: std::ops::Range<u32>) {
    let asked = rig.begin(0, request);
    assert_eq!(rig.reply(0, asked), None, "the store knows nothing yet");
    let (op, extent, mended) = rig.mends.pop_front().unwrap();
    assert_eq!((extent, mended), (LOST, blocks));
    rig.tell(0, HeadEvent::Mended(op, Ok(())));
    assert_eq!(rig.reply(0, asked), Some(Ok(Bytes::new())));
}

#[test]
fn what_is_lost_is_an_error_until_it_is_written_whole_or_made_zero() {
    let (mut rig, start) = (rig(), LOST.start());
    assert_eq!(rig.ask(0, read(start, 1)), Err(IoError::Lost));
    assert_eq!(rig.ask(0, read(start - 1, 2)), Err(IoError::Lost));
    assert!(rig.ask(0, read(start - 4096, 4096)).is_ok());
    for part in [
        (start, 4095),
        (start + 1, 4096),
        (start + 4000, 8192 + 96 + 1),
    ] {
        let refused = rig.ask(0, write(part.0, part.1));
        assert_eq!(refused, Err(IoError::Lost), "{part:?}");
    }
    assert_eq!(rig.ask(0, trim(start + 1, 100)), Err(IoError::Lost));
    assert!(rig.mends.is_empty() && rig.allocated(0) == 0);

    mended(&mut rig, write(start + 4096, 8192), 1..3);
    mended(&mut rig, trim(start + 5 * 4096, 4096), 5..6);
    for well in [1, 2, 5] {
        assert!(rig.ask(0, read(start + well * 4096, 4096)).is_ok());
        assert!(rig.ask(0, write(start + well * 4096 + 7, 9)).is_ok());
    }
    for lost in [0, 3, 4, 6] {
        let read = rig.ask(0, read(start + lost * 4096, 1));
        assert_eq!(read, Err(IoError::Lost), "{lost}");
    }
    assert_eq!(rig.ask(0, write(start + 4095, 4097)), Err(IoError::Lost));
    assert_eq!(rig.placed[0].len(), 1);
}

#[test]
fn what_the_store_does_not_call_well_stays_lost() {
    let (mut rig, start) = (rig(), LOST.start());
    let asked = rig.begin(0, write(start, 4096));
    let behind = rig.begin(0, read(start, 4096));
    let (op, ..) = rig.mends.pop_front().unwrap();
    assert_eq!(rig.reply(0, behind), None, "it waits for its turn");
    rig.tell(0, HeadEvent::Mended(op, Err(PlaceFailure::Failed)));
    assert_eq!(rig.reply(0, asked), Some(Err(IoError::Io)));
    assert_eq!(rig.reply(0, behind), Some(Err(IoError::Lost)));
}

#[test]
fn nobody_takes_what_is_lost_for_zeroes() {
    let mut rig = rig();
    let (offset, length, one) = (0, 3 * EXTENT_SIZE as u32, false);
    let hole_around = |rig: &mut Rig| {
        let map = rig
            .ask(
                0,
                Request::Map {
                    offset,
                    length,
                    one,
                },
            )
            .unwrap();
        let found: Vec<_> = runs(map)
            .map(|Run { length, hole }| (length, hole))
            .collect();
        let whole = EXTENT_SIZE as u32;
        assert_eq!(found, [(whole, true), (whole, false), (whole, true)]);
    };
    hole_around(&mut rig);
    mended(&mut rig, trim(LOST.start(), BLOCK_SIZE), 0..1);
    hole_around(&mut rig);
    // The disk holds nothing of it, and yet it is not to be freed.
    for _ in 0..5 {
        rig.now += 20_000;
        rig.tick(0);
    }
    assert!(rig.placed[0].contains_key(&LOST) && rig.allocated(0) == 0);
    assert_eq!(rig.ask(0, read(LOST.start() + 4096, 1)), Err(IoError::Lost));
}

#[test]
fn a_whole_extent_that_was_lost_is_freed_by_one_trim() {
    let mut rig = rig();
    assert_eq!(
        rig.ask(0, trim(LOST.start(), EXTENT_SIZE)),
        Ok(Bytes::new())
    );
    assert!(rig.placed[0].is_empty() && rig.mends.is_empty());
    assert!(rig.ask(0, read(LOST.start(), 4096)).is_ok());
}

#[test]
fn what_replaces_lost_blocks_is_durable_before_they_are_called_well() {
    let mut rig = rig();
    rig.hold_writes = true;
    let asked = rig.begin(0, write(LOST.start(), 4096));
    assert!(rig.mends.is_empty());
    assert!(rig.held_durably(), "on {DISK}");
    rig.finish_writes();
    let (op, ..) = rig.mends.pop_front().unwrap();
    rig.tell(0, HeadEvent::Mended(op, Ok(())));
    assert_eq!(rig.reply(0, asked), Some(Ok(Bytes::new())));
}
