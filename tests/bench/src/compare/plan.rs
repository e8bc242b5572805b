//! What is measured, in which order.

use std::time::Duration;

use anyhow::Context as _;

use crate::load::Load;
use crate::report::Report;
use crate::size::ByteSize;
use crate::work::Work;

/// Which of a report's figures is compared.
#[derive(Clone, Copy)]
pub struct Figure {
    /// Its unit.
    pub unit: &'static str,
    /// How to take it.
    pub value: fn(&Report) -> f64,
}

const REQUESTS: Figure = Figure {
    unit: "/s",
    value: |report| report.per_second,
};
const KEYS: Figure = Figure {
    unit: "keys/s",
    value: |report| report.keys_per_second,
};
const MEGABYTES: Figure = Figure {
    unit: "MB/s",
    value: |report| report.megabytes_per_second,
};

const SMALL: ByteSize = ByteSize(4 << 10);
const LARGE: ByteSize = ByteSize(64 << 20);
/// More small objects than any server stores in one measurement.
const FRESH: usize = 250_000;
/// The objects that are read, listed and deleted.
const STORED: usize = 20_000;
const LARGE_STORED: usize = 32;
/// For what must be done to the end.
const TO_THE_END: Duration = Duration::from_mins(5);

/// One step.
pub enum Step {
    /// A load.
    Load {
        /// Its name in the table.
        name: &'static str,
        /// What is done.
        load: Load,
        /// What is compared.
        figure: Figure,
        /// Whether the table has it; a step that only prepares is not shown.
        shown: bool,
    },
    /// The most memory that the server's processes have held so far.
    PeakMemory {
        /// Its name in the table.
        name: &'static str,
    },
}

/// A row of the plan.
struct Planned {
    name: &'static str,
    work: Work,
    size: ByteSize,
    connections: usize,
    objects: usize,
    prefix: &'static str,
    figure: Figure,
    /// Each object once, to the end, whatever the time limit says.
    to_the_end: bool,
    shown: bool,
}

/// What most rows have.
const USUAL: Planned = Planned {
    name: "",
    work: Work::Put,
    size: SMALL,
    connections: 32,
    objects: STORED,
    prefix: "get/",
    figure: REQUESTS,
    to_the_end: false,
    shown: true,
};

const WITH_SMALL: [Planned; 7] = [
    Planned {
        name: "PUT 4 KiB, 32 connections",
        objects: FRESH,
        prefix: "put32/",
        ..USUAL
    },
    Planned {
        name: "PUT 4 KiB, 1 connection",
        connections: 1,
        objects: FRESH,
        prefix: "put1/",
        ..USUAL
    },
    Planned {
        name: "PUT 4 KiB, to the end",
        to_the_end: true,
        shown: false,
        ..USUAL
    },
    Planned {
        name: "GET 4 KiB, 32 connections",
        work: Work::Get,
        ..USUAL
    },
    Planned {
        name: "HEAD, 32 connections",
        work: Work::Head,
        ..USUAL
    },
    Planned {
        name: "LIST, 4 connections",
        work: Work::List,
        connections: 4,
        figure: KEYS,
        ..USUAL
    },
    Planned {
        name: "DELETE, 32 connections",
        work: Work::Delete,
        ..USUAL
    },
];

const USUAL_LARGE: Planned = Planned {
    size: LARGE,
    connections: 8,
    objects: LARGE_STORED,
    prefix: "large/",
    figure: MEGABYTES,
    ..USUAL
};

const WITH_LARGE: [Planned; 3] = [
    Planned {
        name: "PUT 64 MiB, 8 connections",
        to_the_end: true,
        ..USUAL_LARGE
    },
    Planned {
        name: "GET 64 MiB, the first time",
        work: Work::Get,
        to_the_end: true,
        ..USUAL_LARGE
    },
    Planned {
        name: "GET 64 MiB, again",
        work: Work::Get,
        ..USUAL_LARGE
    },
];

/// All steps; a measurement lasts at most `seconds`.
pub fn steps(seconds: f64) -> anyhow::Result<Vec<Step>> {
    let limit = Duration::try_from_secs_f64(seconds).context("--seconds is not a time")?;
    let step = |planned: Planned| Step::Load {
        name: planned.name,
        load: Load {
            work: planned.work,
            size: planned.size,
            connections: planned.connections,
            limit: if planned.to_the_end {
                TO_THE_END
            } else {
                limit
            },
            objects: planned.objects,
            once: planned.to_the_end || planned.work.is_once(),
            prefix: planned.prefix.to_owned(),
        },
        figure: planned.figure,
        shown: planned.shown,
    };
    let mut steps: Vec<Step> = WITH_SMALL.into_iter().map(step).collect();
    steps.push(Step::PeakMemory {
        name: "peak memory, small objects",
    });
    steps.extend(WITH_LARGE.into_iter().map(step));
    steps.push(Step::PeakMemory {
        name: "peak memory, all",
    });
    Ok(steps)
}
