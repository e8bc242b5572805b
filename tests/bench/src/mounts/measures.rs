//! What is measured, in this order.

use std::time::Duration;

use super::bed::Bed;
use super::{reads, writes};

/// One measure.
pub struct Measure {
    /// Its name in the table.
    pub name: &'static str,
    /// The unit of its rate.
    pub unit: &'static str,
    /// Whether the mount is new and nothing is cached.
    pub cold: bool,
    /// Whether it changes the large file, which is compared once more after a remount.
    pub changes_big: bool,
    /// Takes it.
    pub take: fn(&mut Bed) -> anyhow::Result<Taken>,
}

/// What was measured.
pub struct Taken {
    /// How many of the unit.
    pub count: usize,
    /// In which time.
    pub time: Duration,
    /// Of what changes something: whether the change was out of danger when the last call, an
    /// fsync where there is one, had returned.
    pub durable: Option<bool>,
}

/// What a mount reached.
#[derive(Clone, Copy)]
pub struct Figure {
    /// A rate of the measure's unit a second, or MiB.
    pub value: f64,
    /// As in [`Taken`].
    pub durable: Option<bool>,
}

impl Taken {
    /// The rate.
    pub fn figure(&self) -> Figure {
        Figure {
            value: self.count as f64 / self.time.as_secs_f64(),
            durable: self.durable,
        }
    }
}

const fn warm(
    name: &'static str,
    unit: &'static str,
    take: fn(&mut Bed) -> anyhow::Result<Taken>,
) -> Measure {
    Measure {
        name,
        unit,
        cold: false,
        changes_big: false,
        take,
    }
}

const fn cold(
    name: &'static str,
    unit: &'static str,
    take: fn(&mut Bed) -> anyhow::Result<Taken>,
) -> Measure {
    Measure {
        cold: true,
        ..warm(name, unit, take)
    }
}

const fn change(
    name: &'static str,
    unit: &'static str,
    take: fn(&mut Bed) -> anyhow::Result<Taken>,
) -> Measure {
    Measure {
        changes_big: true,
        ..warm(name, unit, take)
    }
}

/// All of them.
pub const MEASURES: [Measure; 12] = [
    warm(
        "sequential write, then fsync",
        "MiB/s",
        writes::sequential_write,
    ),
    warm("create small files, fsync each", "files/s", writes::create),
    cold("sequential read", "MiB/s", reads::sequential_read),
    cold("random 4 KiB reads", "reads/s", reads::random_reads),
    cold("list names", "names/s", reads::list),
    cold("stat each file", "stats/s", reads::stat),
    cold("read small files", "files/s", reads::read_small),
    warm("rename the large file", "renames/s", writes::rename_file),
    warm(
        "rename the directory of small files",
        "renames/s",
        writes::rename_directory,
    ),
    change(
        "append 1 KiB to the large file, fsync each",
        "appends/s",
        writes::append,
    ),
    change(
        "random 4 KiB writes to it, fsync each",
        "writes/s",
        writes::random_writes,
    ),
    warm("delete small files", "files/s", writes::delete),
];
