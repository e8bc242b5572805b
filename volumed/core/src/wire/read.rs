//! Bytes become what a frame holds, if they are within every bound.

use std::collections::BTreeSet;

use bytes::{Buf, Bytes};

use crate::chunk::CHUNK_SIZE;
use crate::message::{Ask, ExtentFile, MOST_DATA, MOST_LISTED, ReplicaError};
use crate::missed;
use crate::{
    Alloc, BLOCK_SIZE, EXTENT_SIZE, ExtentIndex, MAX_VOLUME_SIZE, REGION_SIZE, RegionIndex,
};

use super::kind::numbered_refusal;
use super::write::{CLEAR, DURABLE, KEEP, MISSING, NO_EXTENT};
use super::{Kind, WireError};

pub(super) enum Content {
    Ask(Ask),
    Result {
        allocated: u64,
        granted: u64,
        result: Result<Bytes, ReplicaError>,
    },
}

pub(super) fn content(kind: Kind, mut body: Bytes) -> Result<Content, WireError> {
    let body = &mut body;
    let ask = match kind {
        Kind::Promise => Ask::Promise,
        Kind::Reconcile => Ask::Reconcile {
            from: extent(body)?,
            until: match body.try_get_u64_le()? {
                NO_EXTENT => None,
                until => Some(valid_extent(until)?),
            },
            held: list(body, file)?,
        },
        Kind::Read => {
            let (file, offset, length) = part(body)?;
            valid(length <= MOST_DATA)?;
            Ask::Read {
                file,
                offset,
                length,
            }
        }
        Kind::Map => {
            let (file, offset, length) = part(body)?;
            Ask::Map {
                file,
                offset,
                length,
            }
        }
        Kind::Write => write(body)?,
        Kind::Zero => zero(body)?,
        Kind::Sync => Ask::Sync {
            extents: list(body, extent)?,
        },
        Kind::Mark => Ask::Mark {
            regions: list(body, region)?,
        },
        Kind::Settle => Ask::Settle {
            regions: list(body, region)?,
        },
        Kind::Unmark => Ask::Unmark {
            regions: list(body, region)?,
        },
        Kind::Adopt => Ask::Adopt { file: file(body)? },
        Kind::Remove => Ask::Remove { file: file(body)? },
        Kind::Holes => {
            let (file, offset, length) = part(body)?;
            Ask::Holes {
                file,
                offset,
                length,
            }
        }
        Kind::Grant => Ask::Grant {
            least: body.try_get_u64_le()?,
            most: body.try_get_u64_le()?,
        },
        Kind::GiveBack => Ask::GiveBack {
            blocks: body.try_get_u64_le()?,
        },
        Kind::Empty => Ask::Empty,
        Kind::Receive => Ask::Receive { file: file(body)? },
        Kind::Fetch => fetch(body)?,
        Kind::Store => store(body)?,
        Kind::Digest => digest(body)?,
        Kind::Sums => sums(body)?,
        Kind::Replace => replace(body)?,
        Kind::Create => {
            let [missing] = flags(body, [MISSING])?;
            let files = list(body, file)?;
            Ask::Create { files, missing }
        }
        Kind::Missed => Ask::Missed,
        Kind::KeepMissed => keep_missed(body)?,
        Kind::Done | Kind::Refused => return result(kind, body),
    };
    end(body)?;
    Ok(Content::Ask(ask))
}

fn result(kind: Kind, body: &mut Bytes) -> Result<Content, WireError> {
    let (allocated, granted) = (body.try_get_u64_le()?, body.try_get_u64_le()?);
    let result = if kind == Kind::Done {
        Ok(data(body)?)
    } else {
        Err(numbered_refusal(body.try_get_u8()?).ok_or(WireError::Damaged)?)
    };
    end(body)?;
    Ok(Content::Result {
        allocated,
        granted,
        result,
    })
}

fn write(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset) = (file(body)?, body.try_get_u32_le()?);
    let [durable, clear] = flags(body, [DURABLE, CLEAR])?;
    let data = data(body)?;
    within_extent(offset, data.len() as u32)?;
    Ok(Ask::Write {
        file,
        offset,
        data,
        durable,
        clear,
    })
}

fn fetch(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset, length) = blocks_of_chunk(body)?;
    Ok(Ask::Fetch {
        file,
        offset,
        length,
    })
}

fn store(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset, length) = blocks_of_chunk(body)?;
    Ok(Ask::Store {
        file,
        offset,
        length,
        chunk: data(body)?,
    })
}

fn keep_missed(body: &mut Bytes) -> Result<Ask, WireError> {
    let missed = missed::unpack(&std::mem::take(body));
    let missed = missed.map_err(|_| WireError::Damaged)?;
    Ok(Ask::KeepMissed { missed })
}

fn replace(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset, length) = blocks_of_chunk(body)?;
    Ok(Ask::Replace {
        file,
        offset,
        length,
        chunk: data(body)?,
    })
}

fn zero(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset, length) = part(body)?;
    let [durable, keep] = flags(body, [DURABLE, KEEP])?;
    whole_blocks(offset, length)?;
    Ok(Ask::Zero {
        file,
        offset,
        length,
        durable,
        keep,
    })
}

fn whole_blocks(offset: u32, length: u32) -> Result<(), WireError> {
    let block = BLOCK_SIZE as u32;
    valid(offset.is_multiple_of(block) && length.is_multiple_of(block))
}

fn digest(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset, length) = blocks_of_region(body)?;
    Ok(Ask::Digest {
        file,
        offset,
        length,
    })
}

fn sums(body: &mut Bytes) -> Result<Ask, WireError> {
    let (file, offset, length) = blocks_of_region(body)?;
    Ok(Ask::Sums {
        file,
        offset,
        length,
    })
}

/// As many blocks as a region has, at most.
fn blocks_of_region(body: &mut Bytes) -> Result<(ExtentFile, u32, u32), WireError> {
    let (file, offset, length) = part(body)?;
    whole_blocks(offset, length)?;
    valid(u64::from(length) <= REGION_SIZE)?;
    Ok((file, offset, length))
}

/// The blocks of a chunk.
fn blocks_of_chunk(body: &mut Bytes) -> Result<(ExtentFile, u32, u32), WireError> {
    let (file, offset, length) = part(body)?;
    whole_blocks(offset, length)?;
    valid(length <= CHUNK_SIZE)?;
    Ok((file, offset, length))
}

/// A part of an extent that has at least one byte.
fn part(body: &mut Bytes) -> Result<(ExtentFile, u32, u32), WireError> {
    let (file, offset, length) = (file(body)?, body.try_get_u32_le()?, body.try_get_u32_le()?);
    within_extent(offset, length)?;
    Ok((file, offset, length))
}

fn within_extent(offset: u32, length: u32) -> Result<(), WireError> {
    let end = u64::from(offset) + u64::from(length);
    valid(length > 0 && end <= EXTENT_SIZE)
}

/// What is left of a body, as data.
fn data(body: &mut Bytes) -> Result<Bytes, WireError> {
    valid(body.len() <= MOST_DATA as usize)?;
    Ok(std::mem::take(body))
}

/// What is left of a body, as a list.
fn list<T: Ord>(
    body: &mut Bytes,
    item: impl Fn(&mut Bytes) -> Result<T, WireError>,
) -> Result<BTreeSet<T>, WireError> {
    let mut list = BTreeSet::new();
    while body.has_remaining() {
        let next = item(body)?;
        let ascends = list.last().is_none_or(|last| *last < next);
        valid(ascends && list.len() < MOST_LISTED)?;
        list.insert(next);
    }
    Ok(list)
}

fn file(body: &mut Bytes) -> Result<ExtentFile, WireError> {
    Ok(ExtentFile {
        extent: extent(body)?,
        alloc: Alloc(body.try_get_u64_le()?),
    })
}

fn extent(body: &mut Bytes) -> Result<ExtentIndex, WireError> {
    valid_extent(body.try_get_u64_le()?)
}

fn valid_extent(extent: u64) -> Result<ExtentIndex, WireError> {
    valid(extent < MAX_VOLUME_SIZE.0 / EXTENT_SIZE)?;
    Ok(ExtentIndex(extent))
}

fn region(body: &mut Bytes) -> Result<RegionIndex, WireError> {
    let region = body.try_get_u64_le()?;
    valid(region < MAX_VOLUME_SIZE.0 / REGION_SIZE)?;
    Ok(RegionIndex(region))
}

/// Whether each of these bits is set, and no other is.
fn flags<const N: usize>(body: &mut Bytes, bits: [u8; N]) -> Result<[bool; N], WireError> {
    let set = body.try_get_u8()?;
    let known = bits.iter().fold(0, |known, bit| known | bit);
    valid(set & !known == 0)?;
    Ok(bits.map(|bit| set & bit != 0))
}

fn end(body: &Bytes) -> Result<(), WireError> {
    valid(body.is_empty())
}

fn valid(is: bool) -> Result<(), WireError> {
    if is { Ok(()) } else { Err(WireError::Damaged) }
}
