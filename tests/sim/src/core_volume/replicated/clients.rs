//! What clients ask of the volume, and whether the answers are right.

use std::ops::Range;

use bytes::Bytes;
use rand::RngExt;
use volumed_core::head::{HeadEvent, RequestId};
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, IoError, REGION_SIZE, Reply, Request};

use super::super::model::{SECTOR, Stamp};
use super::{Checked, EXTENTS, Rig};

/// A request that is not answered.
pub(super) struct Asked {
    request: Request,
    since: u64,
}

impl Rig {
    pub(super) fn read_everything(&mut self) -> Checked {
        for sector in self.model.written() {
            let (offset, length) = (sector * SECTOR, SECTOR as u32);
            self.submit(Request::Read { offset, length })?;
            while !self.asked.is_empty() && self.step()? {}
        }
        Ok(())
    }

    pub(super) fn read_what_failed(&mut self) -> Checked {
        let Some(range) = self.failed.pop() else {
            return Ok(());
        };
        let (offset, length) = (range.start * SECTOR, (range.end - range.start) * SECTOR);
        // Of a whole extent, a part will do.
        let length = length.min(1 << 20) as u32;
        self.submit(Request::Read { offset, length })
    }

    pub(super) fn some_request(&mut self) -> Request {
        let rng = &mut self.rng;
        let extent = rng.random_range(0..EXTENTS);
        let region = rng.random_range(0..16);
        // Chunks of 128 blocks meet at the second and third.
        let block = [0, 1, 126, 127, 128, 700][rng.random_range(0..6)];
        let sector = [0, 0, 3, 7][rng.random_range(0..4)];
        let within = region * REGION_SIZE + block * BLOCK_SIZE + sector * SECTOR;
        let offset = extent * EXTENT_SIZE + within;
        let length = [1, 8, 16, 20, 600][rng.random_range(0..5)] * SECTOR;
        let length = length.min(EXTENTS * EXTENT_SIZE - offset);
        let fua = rng.random_bool(0.4);
        match rng.random_range(0..100) {
            0..55 => {
                let stamp = rng.random_range(1..u32::MAX).to_le_bytes();
                let data = Bytes::from(stamp.repeat(length as usize / 4));
                Request::Write { offset, data, fua }
            }
            55..75 => Request::Read {
                offset,
                length: length as u32,
            },
            75..85 => Request::Flush,
            85..92 => Request::Trim {
                offset,
                length,
                fua,
            },
            92..98 => Request::WriteZeroes {
                offset,
                length,
                fua,
                no_hole: rng.random_bool(0.5),
            },
            _ => Request::Trim {
                offset: extent * EXTENT_SIZE,
                length: EXTENT_SIZE,
                fua,
            },
        }
    }

    pub(super) fn submit(&mut self, request: Request) -> Checked {
        let number = self.next_request;
        self.next_request += 1;
        match &request {
            Request::Write { offset, data, .. } => {
                let stamp = Stamp::from_le_bytes([data[0], data[1], data[2], data[3]]);
                let sectors = sectors(*offset, data.len() as u64);
                self.model.write(number, sectors, stamp);
            }
            Request::Trim { offset, length, .. } | Request::WriteZeroes { offset, length, .. } => {
                self.model.clear(number, sectors(*offset, *length));
            }
            _ => {}
        }
        let (id, since) = (RequestId(number), self.time);
        let asked = request.clone();
        self.asked.insert(id, Asked { request, since });
        self.tell(HeadEvent::Request(id, asked))
    }

    pub(super) fn replied(&mut self, id: RequestId, reply: Reply) -> Checked {
        let Some(Asked { request, since }) = self.asked.remove(&id) else {
            return Err(format!("request {} is answered twice", id.0));
        };
        let (range, fua) = range_of(&request);
        if let Err(error) = reply {
            if !matches!(request, Request::Read { .. } | Request::Flush) {
                self.failed.push(range.clone());
            }
            let impossible = matches!(error, IoError::Invalid | IoError::Gone | IoError::Lost);
            if impossible || self.weather.is_fine() && !self.troubled {
                return Err(format!("V13: {error}, and nothing is wrong: {request:?}"));
            }
        }
        match (&request, reply) {
            (Request::Read { .. }, Ok(bytes)) => self.model.read(id.0, range.start, &bytes),
            (Request::Flush, Ok(_)) => {
                self.model.flushed(since);
                Ok(())
            }
            (Request::Read { .. } | Request::Flush, Err(_)) => Ok(()),
            (_, reply) => {
                let well = reply.is_ok();
                self.model.answered(id.0, range, fua, well, self.time)
            }
        }
    }
}

/// The sectors that a request is about, and whether its answer says that they are durable.
fn range_of(request: &Request) -> (Range<u64>, bool) {
    match request {
        Request::Read { offset, length } => (sectors(*offset, u64::from(*length)), false),
        Request::Write { offset, data, fua } => (sectors(*offset, data.len() as u64), *fua),
        Request::Trim {
            offset,
            length,
            fua,
        }
        | Request::WriteZeroes {
            offset,
            length,
            fua,
            ..
        } => (sectors(*offset, *length), *fua),
        _ => (0..0, false),
    }
}

fn sectors(offset: u64, length: u64) -> Range<u64> {
    offset / SECTOR..(offset + length) / SECTOR
}
