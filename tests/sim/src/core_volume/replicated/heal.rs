//! The weather clears: everything comes to its end, is made durable, and is whole again (V13).

use volumed_core::head::HeadEvent;
use volumed_core::{BLOCK_SIZE, Request};

use super::{Checked, Rig};

impl Rig {
    /// Lets everything come to its end.
    pub(super) fn drain(&mut self) -> Checked {
        for _ in 0..2_000_000 {
            if self.step()? || !self.resyncing.is_empty() || self.moves.paused() > 0 {
                self.resync_on()?;
                self.copy_on()?;
                continue;
            }
            return match (self.asked.len(), self.moves.len()) {
                (0, 0) => Ok(()),
                (asked, copies) => Err(format!(
                    "V13: {asked} requests and {copies} copies never end"
                )),
            };
        }
        Err("V13: it never ends".to_owned())
    }

    pub(super) fn settle(&mut self) -> Checked {
        self.drain()?;
        self.settled = None;
        self.tell(HeadEvent::Settle)?;
        self.drain()?;
        match self.settled.take() {
            None if self.may_lack => self.begin_head(),
            None => Err("V13: the head never settles".to_owned()),
            Some(Err(error)) if self.weather.is_fine() && !self.troubled => {
                Err(format!("the head cannot settle: {error}"))
            }
            Some(Err(_)) => self.begin_head(),
            Some(Ok(())) => {
                self.model.flushed(self.time);
                self.begin_head()
            }
        }
    }

    /// V13: once nothing goes wrong any more, everything works, and every replica is in sync again.
    pub(super) fn heal(&mut self) -> Checked {
        self.drain()?;
        self.repair();
        self.begin_head()?;
        self.troubled = false;
        for _ in 0..3 {
            self.time += 1000;
            self.join_nodes()?;
            self.tell(HeadEvent::Tick)?;
            self.drain()?;
        }
        if !self.stale.is_empty() {
            return Err(format!("V13: {:?} stay stale", self.stale));
        }
        self.fill()?;
        self.give_up_what_is_too_much()?;
        self.read_everything()?;
        self.compare_replicas()?;
        self.settle()?;
        self.compare_replicas()?;
        for (extent, block) in self.rot_where_it_is_read() {
            let offset = extent.start() + u64::from(block) * BLOCK_SIZE;
            let length = BLOCK_SIZE as u32;
            self.submit(Request::Read { offset, length })?;
            self.drain()?;
        }
        self.compare_replicas()
    }
}
