//! Distances that must be kept so that everything can be put together, moved and cooled, by numbers.

use std::fmt;

use crate::cell::Posture;
use crate::connector::{connector_reach, socket};
use crate::design::{
    BELOW_CHANNEL, BLOCK, FACE, FACE_GAP, FLOOR_LEAST, GRIP, HEADROOM, JOINT_WALL, LABEL_HEIGHT,
    MARGIN, OVERLAP, PLATE, PLAY, RACK_HEAD, RAIL_GAP, THUMB_HEAD,
};
use crate::eia310::{HOLE_TO_HOLE, OPENING};
use crate::layout::Layout;
use crate::rectangle::Rectangle;
use crate::ssd;
use crate::tray::Tray;

/// A distance that must be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Clearance {
    /// Between what.
    pub between: String,
    /// How far it is, in millimetres; of air, in square millimetres.
    pub is: f64,
    /// How far it must be.
    pub least: f64,
}

impl Clearance {
    fn new(between: impl Into<String>, is: f64, least: f64) -> Self {
        Self {
            between: between.into(),
            is,
            least,
        }
    }

    /// Whether it is kept; a millionth of a millimetre is the machine's rounding.
    pub fn is_kept(&self) -> bool {
        self.is >= self.least - 1e-6
    }
}

impl fmt::Display for Clearance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.2}, at least {:.2}",
            self.between, self.is, self.least
        )
    }
}

/// What a node of 17 W, a Raspberry Pi 5 with its disk at full load, needs to draw in at its face, in mm²: 0.94 l/s
/// for a rise of 15 K, at 4 m/s.
const AIR: f64 = 235.0;

/// All of a mount's.
pub fn clearances(layout: &Layout) -> Vec<Clearance> {
    let mut all = frame(layout);
    all.extend(faces(layout));
    for tray in &layout.trays {
        let of_tray = contents(layout, tray).into_iter().chain(face(layout, tray));
        all.extend(of_tray.map(|it| Clearance {
            between: format!("{}: {}", tray.name(), it.between),
            ..it
        }));
    }
    all
}

fn frame(layout: &Layout) -> Vec<Clearance> {
    let body = layout.body + 2.0 * JOINT_WALL;
    let head = (HOLE_TO_HOLE - layout.body - RACK_HEAD) / 2.0;
    vec![
        Clearance::new(
            "body and rails of the rack",
            (OPENING - body) / 2.0,
            RAIL_GAP,
        ),
        Clearance::new("heads of the rack's screws and faces", head, MARGIN),
        Clearance::new("thickness of the floor", layout.floor, FLOOR_LEAST),
    ]
}

fn faces(layout: &Layout) -> Vec<Clearance> {
    let width = layout.tray_width() + 2.0 * (PLAY + OVERLAP);
    let (along, across) = match layout.posture {
        Posture::Lying => (width, layout.face_height() - layout.bay_height),
        Posture::Standing => (layout.face_height(), OVERLAP),
    };
    vec![
        Clearance::new("faces of neighbours", layout.pitch() - along, FACE_GAP),
        Clearance::new("face and the panel's edge", layout.floor - across, FACE_GAP),
        Clearance::new("heads of thumb screws", layout.pitch() - THUMB_HEAD, MARGIN),
    ]
}

/// What a tray carries, and the bay around it.
fn contents(layout: &Layout, tray: &Tray) -> Vec<Clearance> {
    let wall = GRIP - PLAY;
    let beside = |it: &Rectangle| (it.at[0] - wall).min(tray.width - wall - it.end()[0]);
    let top = tray.load.top();
    let [_, screw_z] = layout.screws()[0];
    let block = [BLOCK - PLAY, screw_z - BLOCK / 2.0];
    let above = Clearance::new(
        "board and top of the bay",
        layout.bay_height - top,
        HEADROOM,
    );
    let mut all = vec![
        above,
        Clearance::new("board and sides of the bay", beside(&tray.board), MARGIN),
        // A hair more than the play, so that a tray at its limit still passes.
        Clearance::new("board and block", tray.board.at[0] - block[0], PLAY + 0.1),
    ];
    if layout.screws().len() > 1 {
        let right = tray.width - block[0] - tray.board.end()[0];
        all.push(Clearance::new(
            "board and block at the right",
            right,
            PLAY + 0.1,
        ));
    }
    if let Some(disk) = &tray.ssd {
        let gap = disk.at[1] - tray.board.end()[1];
        all.extend([
            Clearance::new("disk and sides of the bay", beside(disk), MARGIN),
            Clearance::new("disk and board", gap, MARGIN),
            Clearance::new(
                "disk and block above it",
                block[1] - PLATE - ssd::HEIGHT,
                MARGIN,
            ),
        ]);
    }
    all
}

/// What is in a face.
fn face(layout: &Layout, tray: &Tray) -> Vec<Clearance> {
    let heads = layout.screws();
    let gaps = tray
        .openings
        .iter()
        .flat_map(|it| heads.iter().map(|head| to_rectangle(head, it)));
    let nearest = gaps.fold(f64::INFINITY, f64::min) - THUMB_HEAD / 2.0;
    let channel = layout.face_height() - LABEL_HEIGHT;
    let below_label = |it: &&Rectangle| it.end()[0] > layout.label_x();
    let highest = tray
        .openings
        .iter()
        .filter(below_label)
        .map(|it| it.end()[1])
        .fold(0.0, f64::max);
    let reach = connector_reach(&tray.board);
    let mut all = vec![
        Clearance::new("heads of thumb screws and openings", nearest, 0.0),
        Clearance::new("label and openings", channel - highest, BELOW_CHANNEL),
        Clearance::new("air", air(tray), AIR),
    ];
    if !tray.load.is_case() {
        all.push(Clearance::new(
            "front of the face and connectors",
            FACE - reach,
            MARGIN,
        ));
    }
    all
}

fn to_rectangle(point: &[f64; 2], rectangle: &Rectangle) -> f64 {
    let end = rectangle.end();
    let outside = |axis: usize| {
        (rectangle.at[axis] - point[axis])
            .max(point[axis] - end[axis])
            .max(0.0)
    };
    outside(0).hypot(outside(1))
}

/// What the openings leave free around the connectors.
fn air(tray: &Tray) -> f64 {
    let open: f64 = tray.openings.iter().map(|it| it.size[0] * it.size[1]).sum();
    let front = tray.load.front();
    let connectors = tray
        .load
        .board
        .connectors
        .iter()
        .filter(|it| it.side == front);
    let sockets = connectors.filter_map(|it| socket(it.kind));
    open - sockets.map(|it| it.width * it.height).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_as_far_as_the_nearest_edge_or_corner() {
        let square = Rectangle {
            at: [0.0, 0.0],
            size: [2.0, 2.0],
        };
        assert!((to_rectangle(&[5.0, 6.0], &square) - 5.0).abs() < 1e-9);
        assert!((to_rectangle(&[1.0, -3.0], &square) - 3.0).abs() < 1e-9);
        assert!(to_rectangle(&[1.0, 1.0], &square).abs() < 1e-9);
    }

    #[test]
    fn a_clearance_that_is_not_kept_says_so() {
        let close = Clearance::new("a and b", 0.19, 0.2);
        assert!(!close.is_kept());
        assert_eq!(close.to_string(), "a and b: 0.19, at least 0.20");
        assert!(Clearance::new("a and b", 0.1 + 0.2, 0.3).is_kept());
    }
}
