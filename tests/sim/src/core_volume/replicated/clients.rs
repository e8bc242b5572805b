//! What clients ask of the volume, and whether the answers are right.

use volumed_core::head::{HeadEvent, RequestId};
use volumed_core::{IoError, Reply, Request};

use super::super::model::SECTOR;
use super::super::requests::{is_durable, range_of};
use super::{Checked, Rig};

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

    pub(super) fn submit(&mut self, request: Request) -> Checked {
        let number = self.next_request;
        self.next_request += 1;
        self.model.ask(number, &request);
        let (id, since) = (RequestId(number), self.time);
        let asked = request.clone();
        self.asked.insert(id, Asked { request, since });
        self.tell(HeadEvent::Request(id, asked))
    }

    pub(super) fn replied(&mut self, id: RequestId, reply: Reply) -> Checked {
        let Some(Asked { request, since }) = self.asked.remove(&id) else {
            return Err(format!("request {} is answered twice", id.0));
        };
        let (range, fua) = (range_of(&request), is_durable(&request));
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
