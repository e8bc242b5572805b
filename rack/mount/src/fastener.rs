//! What is bought to put the mount together.

use serde::Serialize;

use crate::layout::Layout;
use crate::tray::Tray;

/// A kind of screw, nut or insert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fastener {
    /// What it is, as shops call it.
    pub name: &'static str,
    /// How many.
    pub count: usize,
    /// What for.
    pub purpose: &'static str,
}

/// Screws in each joint of the frame.
const PER_JOINT: usize = 4;

/// All that a mount takes; what a rack's own screws are, the rack says.
pub fn fasteners(layout: &Layout) -> Vec<Fastener> {
    let joints = layout.segments.len() + 1;
    let faces = layout.bays.len() * layout.screws().len();
    let of_nodes = |count: fn(&Tray) -> usize| -> usize {
        let kinds = layout.bays.iter().filter_map(|bay| bay.node.as_ref());
        kinds.map(|(_, kind)| count(&layout.trays[*kind])).sum()
    };
    let boards = of_nodes(|tray| tray.standoffs.len());
    let disks = of_nodes(|tray| if tray.ssd.is_some() { 4 } else { 0 });
    let all = [
        (
            "screw M3 x 8, countersunk, hexagon socket (ISO 10642)",
            joints * PER_JOINT,
            "joints of the frame",
        ),
        (
            "nut M3 (ISO 4032)",
            joints * PER_JOINT,
            "joints of the frame",
        ),
        (
            "threaded insert M3 x 5.7, for heat",
            faces,
            "in the frame, one behind each thumb screw",
        ),
        (
            "thumb screw M3 x 10, knurled (DIN 464)",
            faces,
            "trays and blanks",
        ),
        (
            "threaded insert M2.5 x 5.7, for heat",
            boards,
            "in the standoffs of the trays",
        ),
        (
            "screw M2.5 x 6, pan head (ISO 14583)",
            boards,
            "boards; where a HAT stands on it, its own standoffs",
        ),
        (
            "screw M3 x 5, countersunk (ISO 10642 or ISO 14581)",
            disks,
            "disks, from below the tray",
        ),
        ("screw M6 x 16 with cage nut", 4, "the mount in the rack"),
    ];
    let all = all.into_iter().filter(|(_, count, _)| *count > 0);
    all.map(|(name, count, purpose)| Fastener {
        name,
        count,
        purpose,
    })
    .collect()
}
