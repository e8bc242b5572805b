//! Extents that have more replicas than they are to have give some up.

use rand::RngExt;
use rand::seq::IteratorRandom;
use volumed_core::ExtentIndex;
use volumed_core::head::HeadEvent;
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Placement, Role};

use super::{Checked, Rig};

/// How often an extent may have to give one up in the end.
const PATIENCE: usize = 8;

impl Rig {
    /// Some extent gives a replica up, whichever that is; now and then all are to have fewer from now on.
    pub(super) fn give_one_up(&mut self) -> Checked {
        if self.rng.random_bool(0.2) {
            self.spread.replicas = self.spread.replicas.saturating_sub(1).max(1);
        }
        let Some(head) = &self.head else {
            return Ok(());
        };
        let extents = head.placed_from(ExtentIndex(0));
        let several = extents.filter(|it| it.1.full().count() > 1 && !self.moves.is_moving(it.0));
        let some = several.map(|(extent, placed)| (extent, placed.clone()));
        match some.choose(&mut self.rng) {
            Some((extent, placed)) => self.begin_to_give_up(extent, &placed),
            None => Ok(()),
        }
    }

    fn begin_to_give_up(&mut self, extent: ExtentIndex, placed: &Placement) -> Checked {
        let Some(&(disk, Role::Full)) = placed.replicas.iter().choose(&mut self.rng) else {
            return Ok(());
        };
        let alloc = placed.alloc;
        let file = ExtentFile { extent, alloc };
        self.moves.give_up(file, disk);
        self.tell(HeadEvent::GiveUp(file, disk))
    }

    /// V13: none has more than it is to have.
    pub(super) fn give_up_what_is_too_much(&mut self) -> Checked {
        for _ in 0..PATIENCE {
            let mut placed = self.placed.extents.iter();
            let too_much = placed.find(|it| it.1.full().count() > self.spread.replicas);
            let Some((extent, placed)) = too_much.map(|it| (*it.0, it.1.clone())) else {
                return Ok(());
            };
            self.begin_to_give_up(extent, &placed)?;
            self.drain()?;
        }
        Err("V13: an extent keeps more replicas than it is to have".to_owned())
    }
}
