//! What is in the face of a tray: screws, and openings for connectors, cables and air. Coordinates are x and z.

use crate::connector::{Socket, socket};
use crate::design::{
    BLOCK, CONNECTOR_PLAY, FACE_GAP, GRIP, GUIDE, LABEL_HEIGHT, PLATE, PLAY, THUMB_HEAD,
};
use crate::load::Load;
use crate::rectangle::Rectangle;

/// Trays wider than this are screwed to the frame at both sides.
const WIDE: f64 = 160.0;
/// From the top of a bay down to the screws of a wide tray, whose label is above them.
const BELOW_LABEL: f64 = 14.0;
/// Width of a slot for air, and of what is between two.
const VENT: f64 = 4.0;

/// Whether a tray is screwed to the frame at both sides.
pub fn is_wide(tray_width: f64) -> bool {
    tray_width > WIDE
}

/// Middles of the screws of a face; a wide one has two.
pub fn screws(tray_width: f64, bay_height: f64) -> Vec<[f64; 2]> {
    let low = BLOCK / 2.0 - PLAY;
    if is_wide(tray_width) {
        let z = bay_height - BELOW_LABEL;
        vec![[low, z], [tray_width - low, z]]
    } else {
        vec![[low, bay_height - BLOCK / 2.0]]
    }
}

/// The openings.
pub fn openings(load: &Load, board: &Rectangle, width: f64, bay_height: f64) -> Vec<Rectangle> {
    if load.is_case() {
        return vec![case_window(load, board)];
    }
    let mut openings = sockets(load, board);
    if load.cables_pass() {
        let [_, screw] = screws(width, bay_height)[0];
        openings.push(cable_opening(screw - THUMB_HEAD / 2.0));
    }
    openings.extend(vents(load, board, bay_height));
    openings
}

/// One opening for each connector; if no source says where they are, one for all of them.
fn sockets(load: &Load, board: &Rectangle) -> Vec<Rectangle> {
    let front = load.front();
    let at_front = load.board.connectors.iter().filter(|it| it.side == front);
    let sockets: Vec<(Option<f64>, Socket)> = at_front
        .filter_map(|it| Some((it.at_mm, socket(it.kind)?)))
        .collect();
    let opening = |middle: f64, width: f64, height: f64| Rectangle {
        at: [
            board.at[0] + middle - width / 2.0 - CONNECTOR_PLAY,
            load.board_top() - CONNECTOR_PLAY,
        ],
        size: [width + 2.0 * CONNECTOR_PLAY, height + 2.0 * CONNECTOR_PLAY],
    };
    let known: Option<Vec<Rectangle>> = sockets
        .iter()
        .map(|(at, socket)| {
            Some(opening(
                load.along_front((*at)?),
                socket.width,
                socket.height,
            ))
        })
        .collect();
    known.unwrap_or_else(|| {
        let highest = sockets
            .iter()
            .map(|(_, socket)| socket.height)
            .fold(0.0, f64::max);
        let width = board.size[0];
        vec![opening(width / 2.0, width - 2.0 * CONNECTOR_PLAY, highest)]
    })
}

/// Takes a USB plug, on edge, below the head of the thumb screw.
fn cable_opening(head: f64) -> Rectangle {
    let bottom = PLATE + 1.0;
    Rectangle {
        at: [GRIP + 3.0, bottom],
        size: [11.0, (head - bottom).min(18.0)],
    }
}

/// Slots above the connectors, where there is room for any.
fn vents(load: &Load, board: &Rectangle, bay_height: f64) -> Vec<Rectangle> {
    let bottom = load.sockets_top() + VENT;
    let top = bay_height + GUIDE - FACE_GAP - LABEL_HEIGHT - VENT;
    if top - bottom < VENT {
        return Vec::new();
    }
    let slot = |x: f64| Rectangle {
        at: [x, bottom],
        size: [VENT, top - bottom],
    };
    let first = board.at[0] + VENT / 2.0;
    let places = (0_u8..).map(|index| first + 2.0 * VENT * f64::from(index));
    let last = board.end()[0] - VENT;
    places.take_while(|x| *x <= last).map(slot).collect()
}

/// All of a case's front but its edges.
fn case_window(load: &Load, board: &Rectangle) -> Rectangle {
    let edge = 6.0;
    Rectangle {
        at: [board.at[0] + edge, PLATE + edge / 2.0],
        size: [board.size[0] - 2.0 * edge, load.board.above_mm - 2.0 * edge],
    }
}
