//! `<disk>/state`: whose the disk is, and whether it may have lost what was not flushed (V7).

use std::path::Path;

use parking_lot::Mutex;
use rand::RngExt;
use rustix::fs::{Stat, major, minor};
use volumed_core::format::{DISK_STATE_SLOT_SIZE, DiskState, Slots};
use volumed_core::{DiskId, Incarnation, StoreGeneration, StoreId};

use crate::layout::Layout;
use crate::names::DurableNames;
use crate::{DiskError, slots};

/// The newest state of a disk.
#[derive(Debug)]
pub(crate) struct State(Mutex<Option<DiskState>>);

impl State {
    /// What the disk holds. One that was never written is that of a new disk, or of one that an
    /// earlier version of the program used.
    pub fn load(layout: &Layout, disk: DiskId) -> Result<Self, DiskError> {
        let path = layout.state();
        let found = match slots::read::<DiskState>(&path, DISK_STATE_SLOT_SIZE)? {
            Slots::Fresh => None,
            Slots::Newest(state) if state.disk == disk => Some(state),
            Slots::Newest(_) | Slots::Damaged => return Err(DiskError::State { path }),
        };
        Ok(Self(Mutex::new(found)))
    }

    pub fn get(&self) -> Option<DiskState> {
        *self.0.lock()
    }

    /// Notes durably that the disk serves a store. It has another incarnation than before, unless
    /// nothing can have been lost since that was drawn.
    pub fn begin(
        &self,
        layout: &Layout,
        names: &DurableNames,
        disk: DiskId,
        (store, generation): (StoreId, StoreGeneration),
    ) -> std::io::Result<()> {
        let (boot, mount) = (boot()?, mount(layout.root())?);
        let mut state = self.0.lock();
        let same =
            state.filter(|found| !found.failed && (found.boot, found.mount) == (boot, mount));
        let incarnation = same.map(|found| found.incarnation);
        let next = DiskState {
            sequence: state.map_or(0, |found| found.sequence) + 1,
            disk,
            store,
            generation,
            incarnation: incarnation.unwrap_or_else(|| Incarnation(rand::rng().random())),
            boot,
            mount,
            failed: false,
        };
        slots::write(names, &layout.state(), DISK_STATE_SLOT_SIZE, &next)?;
        *state = Some(next);
        Ok(())
    }

    /// Notes durably that a sync failed, unless it was noted: whoever is late must not write over what
    /// the disk says since it was taken back.
    pub fn fail(&self, layout: &Layout, names: &DurableNames) -> std::io::Result<()> {
        let mut state = self.0.lock();
        let Some(found) = state.as_mut().filter(|found| !found.failed) else {
            return Ok(());
        };
        let next = DiskState {
            sequence: found.sequence + 1,
            failed: true,
            ..*found
        };
        slots::write(names, &layout.state(), DISK_STATE_SLOT_SIZE, &next)?;
        *found = next;
        Ok(())
    }
}

/// The boot of the machine: a page cache does not outlive it.
fn boot() -> std::io::Result<u128> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits = text.trim().replace('-', "");
    u128::from_str_radix(&digits, 16).map_err(std::io::Error::other)
}

/// A number that is another one after the file system was mounted anew: the inode of its folder in
/// sysfs, 0 when it has none. The kernel's own ids of mounts would not do: a service manager that
/// gives a daemon a namespace of its own makes new ones at every start.
fn mount(root: &Path) -> std::io::Result<u64> {
    let device = rustix::fs::stat(root)?.st_dev;
    let numbers = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let Ok(device) = std::fs::read_link(numbers) else {
        return Ok(0);
    };
    let folder = |kind| {
        Path::new("/sys/fs")
            .join(kind)
            .join(device.file_name()?)
            .into()
    };
    let inode = |path: Option<std::path::PathBuf>| {
        let found: Stat = rustix::fs::stat(&path?).ok()?;
        Some(found.st_ino)
    };
    Ok(["ext4", "xfs"]
        .into_iter()
        .find_map(|kind| inode(folder(kind)))
        .unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::just_started;

    const DISK: DiskId = DiskId(7);

    fn begin(layout: &Layout, generation: u64) -> DiskState {
        let state = State::load(layout, DISK).expect("a state");
        let serves = (StoreId(9), StoreGeneration(generation));
        state
            .begin(layout, &just_started(), DISK, serves)
            .expect("a write");
        state.get().expect("it was written")
    }

    /// Changes the newest state as another program would have left it.
    fn edit(layout: &Layout, change: impl FnOnce(&mut DiskState)) {
        let state = State::load(layout, DISK).expect("a state");
        let mut found = state.get().expect("it was written");
        found.sequence += 1;
        change(&mut found);
        slots::write(
            &just_started(),
            &layout.state(),
            DISK_STATE_SLOT_SIZE,
            &found,
        )
        .expect("a write");
    }

    #[test]
    fn an_incarnation_lasts_until_something_may_be_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(folder.path().to_owned());
        assert_eq!(State::load(&layout, DISK).expect("none").get(), None);
        let first = begin(&layout, 1);
        let again = begin(&layout, 2);
        assert_eq!(
            again.incarnation, first.incarnation,
            "only the daemon ended"
        );
        assert_eq!(again.generation, StoreGeneration(2));
        let mut last = again.incarnation;
        let losses: [fn(&mut DiskState); 3] = [
            |state| state.boot ^= 1,
            |state| state.mount ^= 1,
            |state| state.failed = true,
        ];
        for loss in losses {
            edit(&layout, loss);
            let next = begin(&layout, 3);
            assert_ne!(next.incarnation, last);
            assert!(!next.failed);
            last = next.incarnation;
        }
    }

    #[test]
    fn a_failed_sync_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(folder.path().to_owned());
        let before = begin(&layout, 1);
        let state = State::load(&layout, DISK).expect("a state");
        state.fail(&layout, &just_started()).expect("a write");
        let after = begin(&layout, 2);
        assert_ne!(after.incarnation, before.incarnation);
        state.fail(&layout, &just_started()).expect("too late");
        assert_eq!(
            State::load(&layout, DISK).expect("a state").get(),
            Some(after)
        );
    }

    #[test]
    fn another_disks_state_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(folder.path().to_owned());
        begin(&layout, 1);
        let refusal = State::load(&layout, DiskId(8)).expect_err("copied from another disk");
        assert!(refusal.to_string().contains("another disk"), "{refusal}");
    }
}
