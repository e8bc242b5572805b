//! What clients ask and are answered.

use volumed_core::head::{HeadEvent, RequestId};
use volumed_core::{IoError, Reply, Request};

use super::super::model::{SECTOR, Stamp};
use super::{Checked, World};

/// A request that is not answered.
pub(super) struct Asked {
    pub request: Request,
    pub since: u64,
}

impl World {
    pub fn submit(&mut self, request: Request) -> Checked {
        let number = self.next_request;
        self.next_request += 1;
        match &request {
            Request::Write { offset, data, .. } => {
                let stamp = Stamp::from_le_bytes([data[0], data[1], data[2], data[3]]);
                self.model
                    .write(number, sectors(*offset, data.len() as u64), stamp);
            }
            Request::Trim { offset, length, .. } | Request::WriteZeroes { offset, length, .. } => {
                self.model.clear(number, sectors(*offset, *length));
            }
            Request::Read { .. } | Request::Map { .. } | Request::Flush => {}
        }
        let id = RequestId(number);
        self.asked.insert(
            id,
            Asked {
                request: request.clone(),
                since: self.time,
            },
        );
        self.head_event(HeadEvent::Request(id, request))
    }

    pub(super) fn replied(&mut self, id: RequestId, reply: Reply) -> Checked {
        let Some(Asked { request, since }) = self.asked.remove(&id) else {
            return Err(format!("request {} is answered twice", id.0));
        };
        let (range, fua) = match &request {
            Request::Read { offset, .. } => {
                return match reply {
                    Ok(bytes) => self.model.read(id.0, offset / SECTOR, &bytes),
                    Err(IoError::Exhausted) => Ok(()),
                    Err(error) => Err(format!("V10: a read failed: {error}")),
                };
            }
            Request::Map { offset, length, .. } => {
                return match reply {
                    Ok(answer) => self.check_map(id, (*offset, *length), answer),
                    Err(IoError::Exhausted) => Ok(()),
                    Err(error) => Err(format!("a map failed: {error}")),
                };
            }
            Request::Flush => {
                reply.map_err(|error| format!("a flush failed: {error}"))?;
                self.model.flushed(since);
                return Ok(());
            }
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
        };
        if let Err(error @ (IoError::Io | IoError::Invalid | IoError::Gone)) = reply {
            return Err(format!("a write failed: {error}"));
        }
        self.model
            .answered(id.0, range, fua, reply.is_ok(), self.time);
        Ok(())
    }
}

pub(super) fn sectors(offset: u64, length: u64) -> std::ops::Range<u64> {
    offset / SECTOR..(offset + length) / SECTOR
}
