//! Which disk is being formatted, on the state partition: after a power cut in the middle a disk is neither empty nor
//! whole, and nobody else's.

use std::io;

use crate::durable;
use crate::machine::{Machine, read_line};

use super::disk::DiskId;

const FILE: &str = "formatting";

/// The disk that was being formatted when the power was cut.
pub fn read(machine: &Machine) -> Option<DiskId> {
    read_line(&machine.node_state(FILE)).map(DiskId)
}

/// Records that this disk is nobody's from now on.
pub fn begin(machine: &Machine, disk: &DiskId) -> io::Result<()> {
    durable::replace(&machine.node_state(FILE), disk.0.as_bytes())
}

/// Records that it is formatted to its end.
pub fn end(machine: &Machine) -> io::Result<()> {
    durable::erase(&machine.node_state(FILE))
}
