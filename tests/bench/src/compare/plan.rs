//! What is measured, in which order.

use std::time::Duration;

use crate::load::Load;
use crate::report::Report;
use crate::size::ByteSize;
use crate::work::{Names, Work};

/// Which of a report's figures is compared.
#[derive(Clone, Copy)]
pub struct Figure {
    /// Its unit.
    pub unit: &'static str,
    /// Whether less of it is better.
    pub less_is_better: bool,
    /// How to take it.
    pub value: fn(&Report) -> f64,
}

const REQUESTS: Figure = Figure {
    unit: "/s",
    less_is_better: false,
    value: |report| report.per_second,
};
const KEYS: Figure = Figure {
    unit: "keys/s",
    less_is_better: false,
    value: |report| report.keys_per_second,
};
const MEGABYTES: Figure = Figure {
    unit: "MB/s",
    less_is_better: false,
    value: |report| report.megabytes_per_second,
};
const MILLISECONDS: Figure = Figure {
    unit: "ms",
    less_is_better: true,
    value: |report| report.p50_ms,
};

const SMALL: ByteSize = ByteSize(4 << 10);
const LARGE: ByteSize = ByteSize(64 << 20);
/// More small objects than any server stores in one measurement.
const FRESH: usize = 250_000;
/// The objects that are read, listed and deleted.
const STORED: usize = 20_000;
const LARGE_STORED: usize = 32;
/// For what must be done to the end.
const TO_THE_END: Duration = Duration::from_hours(1);
/// What the many keys of scattered names begin with.
const MANY: &str = "many/";

/// How long a server is left alone before it is asked what memory it still holds.
const REST: Duration = Duration::from_secs(30);

/// One step.
pub enum Step {
    /// Loads that one server gets in a row before the next server gets them: the page cache is then as
    /// its own work left it.
    Loads(Vec<Planned>),
    /// The most memory that the server's processes have held so far.
    PeakMemory(&'static str),
    /// The memory that they hold after some time without a request.
    IdleMemory(&'static str, Duration),
    /// From a kill -9 and the start that follows it to the first answer for an object.
    Restart(&'static str),
}

/// A load in the plan.
#[derive(Clone)]
pub struct Planned {
    /// Its name in the table.
    pub name: &'static str,
    /// What is done.
    pub load: Load,
    /// What is compared.
    pub figure: Figure,
    /// Whether the table has it; a step that only prepares is not shown.
    pub shown: bool,
    /// Whether the constant answers are measured, too.
    pub has_ceiling: bool,
}

/// What the comparison is to take.
#[derive(Clone, Copy)]
pub struct Extent {
    /// How long a measurement lasts at most.
    pub limit: Duration,
    /// How many objects of scattered names.
    pub many: usize,
    /// Length of the object that is copied.
    pub copied: ByteSize,
}

/// All steps, in their order.
pub fn steps(extent: Extent) -> Vec<Step> {
    let in_turn = |loads: Vec<Planned>| loads.into_iter().map(|load| Step::Loads(vec![load]));
    let mut steps: Vec<_> = in_turn(small(extent.limit)).collect();
    steps.push(Step::PeakMemory("peak memory, small objects"));
    steps.push(Step::Loads(many(extent)));
    steps.push(Step::Restart("first answer after kill -9"));
    steps.extend(in_turn(large(extent)));
    steps.push(Step::PeakMemory("peak memory, all of it"));
    steps.push(Step::IdleMemory("memory after 30 s at rest", REST));
    steps
}

/// 32 connections on 4 KiB.
fn usual(work: Work, limit: Duration) -> Load {
    Load {
        work,
        size: SMALL,
        connections: 32,
        limit,
        objects: STORED,
        once: work.is_once(),
        prefix: "get/".to_owned(),
        names: Names::Counted,
    }
}

fn step(name: &'static str, load: Load, figure: Figure) -> Planned {
    Planned {
        name,
        load,
        figure,
        shown: true,
        has_ceiling: false,
    }
}

fn small(limit: Duration) -> Vec<Planned> {
    let fresh = |connections, prefix: &str| Load {
        connections,
        objects: FRESH,
        prefix: prefix.to_owned(),
        ..usual(Work::Put, limit)
    };
    let listing = Load {
        connections: 4,
        ..usual(Work::List, limit)
    };
    let delete = usual(Work::Delete, TO_THE_END);
    let with_ceiling = |name, load| Planned {
        has_ceiling: true,
        ..step(name, load, REQUESTS)
    };
    let prepared = Planned {
        shown: false,
        ..step("", usual(Work::Put, TO_THE_END), REQUESTS)
    };
    vec![
        with_ceiling("PUT 4 KiB, 32 connections", fresh(32, "put32/")),
        step("PUT 4 KiB, 1 connection", fresh(1, "put1/"), REQUESTS),
        prepared,
        with_ceiling("GET 4 KiB, 32 connections", usual(Work::Get, limit)),
        with_ceiling("HEAD, 32 connections", usual(Work::Head, limit)),
        step("LIST, 4 connections", listing, KEYS),
        with_ceiling("DELETE, 32 connections", delete),
    ]
}

fn many(extent: Extent) -> Vec<Planned> {
    let load = |work, limit, connections| Load {
        connections,
        objects: extent.many,
        prefix: MANY.to_owned(),
        names: Names::Scattered,
        ..usual(work, limit)
    };
    let put = load(Work::Put, TO_THE_END, 32);
    let get = load(Work::Get, extent.limit, 32);
    let folders = load(Work::Folders, extent.limit, 4);
    vec![
        step("PUT many scattered names, 32 connections", put, REQUESTS),
        step("GET of them, 32 connections", get, REQUESTS),
        step("LIST their folders, 4 connections", folders, KEYS),
    ]
}

fn large(extent: Extent) -> Vec<Planned> {
    let load = |work, limit, once| Load {
        size: LARGE,
        connections: 8,
        objects: LARGE_STORED,
        once,
        prefix: "large/".to_owned(),
        ..usual(work, limit)
    };
    let put = load(Work::Put, TO_THE_END, true);
    let first = load(Work::Get, TO_THE_END, true);
    let again = load(Work::Get, extent.limit, false);
    let copied = |work| Load {
        size: extent.copied,
        connections: 1,
        objects: 1,
        once: true,
        prefix: "copied/".to_owned(),
        ..usual(work, TO_THE_END)
    };
    let prepared = Planned {
        shown: false,
        ..step("", copied(Work::Put), MEGABYTES)
    };
    let found = Planned {
        shown: false,
        ..step("", copied(Work::Head), MILLISECONDS)
    };
    vec![
        step("PUT 64 MiB, 8 connections", put, MEGABYTES),
        step("GET 64 MiB, the first time", first, MEGABYTES),
        step("GET 64 MiB, again", again, MEGABYTES),
        prepared,
        // As every client does before it copies; a bucket that nobody asked for a while is open then.
        found,
        step("COPY of a large object", copied(Work::Copy), MILLISECONDS),
    ]
}

/// A key of the many that [`Step::Restart`] asks for.
pub fn one_of_many() -> String {
    format!("{MANY}{}", Names::Scattered.of(0))
}
