//! The tray of a node: a plate that slides into a bay, and a face.
//!
//! Lengths are millimetres. x goes across the tray, from the side on which cables pass a board; y goes back from
//! the front of the frame, so that the face is at negative y; z goes up from the plate's lower side. A tray lies in
//! a mount of one unit and stands, x downwards, in one of two.

use crate::design::{GRIP, MARGIN, PLAY, THUMB_HEAD};
use crate::face;
use crate::load::Load;
use crate::rectangle::Rectangle;
use crate::ssd;

/// A tray.
#[derive(Debug, Clone, PartialEq)]
pub struct Tray {
    /// What it carries.
    pub load: Load,
    /// Across the plate.
    pub width: f64,
    /// From the back of the face to the plate's end.
    pub depth: f64,
    /// Height of the bay, from below the plate.
    pub height: f64,
    /// The board's place on the plate.
    pub board: Rectangle,
    /// Middles of the standoffs; none for a case.
    pub standoffs: Vec<[f64; 2]>,
    /// The disk's place.
    pub ssd: Option<Rectangle>,
    /// Openings in the face.
    pub openings: Vec<Rectangle>,
    /// Where cable ties go through the plate.
    pub ties: Vec<[f64; 2]>,
}

/// Plate behind a case, whose connectors are there: cables are tied to it.
const BEHIND_CASE: f64 = 16.0;

impl Tray {
    /// The tray for a load in a bay of that width and height.
    pub fn new(load: Load, bay_width: f64, bay_height: f64) -> Self {
        let width = bay_width - 2.0 * PLAY;
        let board = place_board(&load, width);
        let behind = board.end()[1] + if load.is_case() { BEHIND_CASE } else { 3.0 };
        let ssd = load.ssd.then(|| Rectangle {
            at: [(width - ssd::WIDTH) / 2.0, behind + MARGIN],
            size: [ssd::WIDTH, ssd::LENGTH],
        });
        Self {
            load,
            width,
            depth: ssd.map_or(behind, |ssd| ssd.end()[1] + 2.0 * MARGIN),
            height: bay_height,
            board,
            standoffs: standoffs(&load, &board),
            ssd,
            openings: face::openings(&load, &board, width, bay_height),
            ties: ties(&load, &board, width),
        }
    }

    /// What its file is called.
    pub fn name(&self) -> String {
        let disk = if self.ssd.is_some() { "-ssd" } else { "" };
        format!("tray-{}{disk}", self.load.name)
    }
}

fn place_board(load: &Load, width: f64) -> Rectangle {
    let size = load.board_size();
    let x = if load.is_case() {
        (width - size[0]) / 2.0
    } else {
        let beside = if face::is_wide(width) {
            THUMB_HEAD
        } else {
            GRIP
        };
        width - beside - MARGIN - size[0]
    };
    // The connectors' fronts stay behind the face's.
    let y = if load.is_case() { MARGIN } else { 0.5 };
    Rectangle { at: [x, y], size }
}

fn standoffs(load: &Load, board: &Rectangle) -> Vec<[f64; 2]> {
    let on_plate = |hole: &[f64; 2]| {
        let [x, y] = load.turned(*hole);
        [board.at[0] + x, board.at[1] + y]
    };
    load.board.holes_mm.iter().map(on_plate).collect()
}

fn ties(load: &Load, board: &Rectangle, width: f64) -> Vec<[f64; 2]> {
    let end = board.end()[1];
    if load.is_case() {
        let y = end + BEHIND_CASE / 2.0;
        return vec![[width / 4.0, y], [width * 3.0 / 4.0, y]];
    }
    if load.cables_pass() {
        vec![[GRIP + 8.0, end / 3.0], [GRIP + 8.0, end * 0.8]]
    } else {
        Vec::new()
    }
}
