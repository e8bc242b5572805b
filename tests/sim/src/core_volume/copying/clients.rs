//! What clients ask of the volume, and whether the answers are right.

use bytes::Bytes;
use volumed_core::head::{HeadEvent, RequestId};
use volumed_core::{BLOCK_SIZE, IoError, Reply, Request};

use super::super::model::SECTOR;
use super::super::requests::{is_durable, is_in, range_of};
use super::{Checked, Input, Rig};

/// A request that is not answered.
pub(super) struct Asked {
    request: Request,
    since: u64,
    /// Something of it was lost when it was asked.
    lost: bool,
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

    /// Writes what rotted, which is damaged until then.
    pub(super) fn write_harmed(&mut self) -> Checked {
        self.doubtful.clear();
        for (extent, block) in std::mem::take(&mut self.harmed) {
            let offset = extent.start() + u64::from(block) * BLOCK_SIZE;
            let data = Bytes::from(vec![7; BLOCK_SIZE as usize]);
            self.submit(Request::Write {
                offset,
                data,
                fua: true,
            })?;
            self.drain()?;
        }
        Ok(())
    }

    pub(super) fn submit(&mut self, request: Request) -> Checked {
        let number = self.next_request;
        self.next_request += 1;
        self.model.ask(number, &request);
        let (id, since) = (RequestId(number), self.time);
        let lost = self.is_lost_in(&range_of(&request));
        let asked = request.clone();
        self.asked.insert(
            id,
            Asked {
                request,
                since,
                lost,
            },
        );
        self.feed(Input::Head(HeadEvent::Request(id, asked)))
    }

    pub(super) fn replied(&mut self, id: RequestId, reply: Reply) -> Checked {
        let Some(Asked {
            request,
            since,
            lost,
        }) = self.asked.remove(&id)
        else {
            return Err(format!("request {} is answered twice", id.0));
        };
        let range = range_of(&request);
        if reply.is_ok() && self.is_lost_in(&range) {
            return Err(format!(
                "V10: what is lost is taken for well: sectors {range:?}"
            ));
        }
        if let Err(error) = reply {
            let harmed = error == IoError::Io && is_in(&self.harmed, &range);
            let other = matches!(error, IoError::Invalid | IoError::Gone);
            let lost = lost && error == IoError::Lost;
            let other = other || error == IoError::Lost && !lost;
            if other || self.weather.is_fine() && !harmed && !lost {
                return Err(format!("V13: {error}, and nothing is wrong: {request:?}"));
            }
        }
        match (&request, reply) {
            (Request::Read { .. }, Ok(_)) if is_in(&self.doubtful, &range) => Ok(()),
            (Request::Read { .. }, Ok(bytes)) => self.model.read(id.0, range.start, &bytes),
            (Request::Flush, Ok(_)) => {
                self.model.flushed(since);
                Ok(())
            }
            (Request::Read { .. } | Request::Flush, Err(_)) => Ok(()),
            (_, reply) => {
                let (well, durable) = (reply.is_ok(), is_durable(&request));
                self.model.answered(id.0, range, durable, well, self.time)
            }
        }
    }
}
