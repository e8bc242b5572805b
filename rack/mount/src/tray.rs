//! The tray of a node: a plate that slides into a bay, and a face.
//!
//! Lengths are millimetres. x goes across the tray, from the side on which cables pass a board; y goes back from
//! the front of the frame, so that the face is at negative y; z goes up from the plate's lower side. A tray lies in
//! a mount of one unit and stands, x downwards, in one of two.

use rack_model::models::{Board, Connector, ConnectorKind, Side};

use crate::connector::{Socket, socket};
use crate::design::{
    ABOVE_LABEL, BLOCK, BOARD, CABLES, CONNECTOR_PLAY, FACE_GAP, GRIP, GUIDE, HEADROOM, LABEL_BASE,
    LABEL_PLAY, MARGIN, NOZZLE, PLATE, PLAY, STANDOFF, THUMB_HEAD,
};
use crate::ssd;

/// What a node needs of its tray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// What its board is called in the table of models.
    pub name: &'static str,
    /// The board, or a case.
    pub board: &'static Board,
    /// Whether a 2.5-inch disk lies behind it.
    pub ssd: bool,
}

/// A rectangle on the plate or, with z for y, in the face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    /// The corner where both coordinates are least.
    pub at: [f64; 2],
    /// Its extent along both.
    pub size: [f64; 2],
}

impl Rectangle {
    /// The corner where both coordinates are greatest.
    pub fn end(&self) -> [f64; 2] {
        [self.at[0] + self.size[0], self.at[1] + self.size[1]]
    }
}

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

/// Trays wider than this are screwed to the frame at both sides.
const WIDE: f64 = 160.0;
/// From the top of a bay down to the screws of a wide tray, whose label is above them.
const BELOW_LABEL: f64 = 14.0;
/// Of a face between its openings and the channel of its label.
pub const BELOW_CHANNEL: f64 = 2.0 * NOZZLE;
/// Width of a slot for air, and of what is between two.
const VENT: f64 = 4.0;
/// Plate behind a case, whose connectors are there: cables are tied to it.
const BEHIND_CASE: f64 = 16.0;

impl Load {
    /// Whether it is a case with no holes to screw it to: lips hold it.
    pub fn is_case(&self) -> bool {
        self.board.holes_mm.is_empty()
    }

    /// Width of the narrowest tray.
    pub fn width(&self) -> f64 {
        let beside = if self.cables_pass() {
            GRIP + CABLES
        } else {
            BLOCK + MARGIN
        };
        let other = if self.is_case() {
            beside
        } else {
            GRIP + MARGIN
        };
        let board = beside + self.board_size()[0] + other;
        let ssd = ssd::WIDTH + 2.0 * (GRIP + MARGIN);
        if self.ssd { board.max(ssd) } else { board }
    }

    /// Height of the lowest bay: what is on the plate, or what is in the face, connectors below a label.
    pub fn height(&self) -> f64 {
        let face = self.sockets_top() + BELOW_CHANNEL + label_height() + FACE_GAP - GUIDE;
        face.max(self.top() + HEADROOM)
    }

    /// The upper edge of the openings for connectors.
    fn sockets_top(&self) -> f64 {
        let at_front = self
            .board
            .connectors
            .iter()
            .filter(|it| it.side == self.front());
        let heights = at_front
            .filter_map(|it| socket(it.kind))
            .map(|it| it.height);
        self.board_top() + heights.fold(0.0, f64::max) + CONNECTOR_PLAY
    }

    /// The upper side of the board, or of the plate under a case.
    pub fn board_top(&self) -> f64 {
        if self.is_case() {
            PLATE
        } else {
            PLATE + STANDOFF + BOARD
        }
    }

    /// The upper side of what is on the board.
    pub fn top(&self) -> f64 {
        self.board_top() + self.board.above_mm
    }

    /// The edge at the face: that with the network; of a case, its own front.
    pub(crate) fn front(&self) -> Side {
        if self.is_case() {
            return Side::Front;
        }
        let connectors = &self.board.connectors;
        let network = |connector: &&Connector| connector.kind == ConnectorKind::Ethernet;
        connectors
            .iter()
            .find(network)
            .map_or(Side::Front, |it| it.side)
    }

    /// Whether something is plugged in at the side, or a disk's cable goes from the face to the back.
    fn cables_pass(&self) -> bool {
        let aside = |connector: &Connector| {
            connector.kind == ConnectorKind::Power && connector.side != self.front()
        };
        !self.is_case() && (self.ssd || self.board.connectors.iter().any(aside))
    }

    /// The board's extent across the tray and along it.
    fn board_size(&self) -> [f64; 2] {
        let (length, width) = (self.board.length_mm, self.board.width_mm);
        match self.front() {
            Side::Left | Side::Right => [width, length],
            Side::Front | Side::Back => [length, width],
        }
    }

    /// Where a point of the board is, from the corner of its place on the plate.
    fn turned(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (length, width) = (self.board.length_mm, self.board.width_mm);
        match self.front() {
            Side::Right => [y, length - x],
            Side::Left => [width - y, x],
            Side::Front => [x, y],
            Side::Back => [length - x, width - y],
        }
    }

    /// Where along the face a point of the front edge is, from the corner of the board's place.
    pub(crate) fn along_front(&self, at: f64) -> f64 {
        match self.front() {
            Side::Right | Side::Front => at,
            Side::Left | Side::Back => self.board_size()[0] - at,
        }
    }
}

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
            openings: openings(&load, &board, width, bay_height),
            ties: ties(&load, &board, width),
        }
    }

    /// What its file is called.
    pub fn name(&self) -> String {
        let disk = if self.ssd.is_some() { "-ssd" } else { "" };
        format!("tray-{}{disk}", self.load.name)
    }
}

/// Middles of the screws of a face, x and z; a wide one has two.
pub fn screws(tray_width: f64, bay_height: f64) -> Vec<[f64; 2]> {
    let low = BLOCK / 2.0 - PLAY;
    if tray_width > WIDE {
        let z = bay_height - BELOW_LABEL;
        vec![[low, z], [tray_width - low, z]]
    } else {
        vec![[low, bay_height - BLOCK / 2.0]]
    }
}

/// What a label takes of a face, from its upper edge.
pub fn label_height() -> f64 {
    ABOVE_LABEL + LABEL_BASE + LABEL_PLAY
}

fn place_board(load: &Load, width: f64) -> Rectangle {
    let size = load.board_size();
    let x = if load.is_case() {
        (width - size[0]) / 2.0
    } else {
        let beside = if width > WIDE { THUMB_HEAD } else { GRIP };
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

fn openings(load: &Load, board: &Rectangle, width: f64, bay_height: f64) -> Vec<Rectangle> {
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
    let top = bay_height + GUIDE - FACE_GAP - label_height() - VENT;
    if top - bottom < VENT {
        return Vec::new();
    }
    let count = (board.size[0] / (2.0 * VENT)) as usize;
    let slot = |index: usize| Rectangle {
        at: [board.at[0] + VENT / 2.0 + 2.0 * VENT * index as f64, bottom],
        size: [VENT, top - bottom],
    };
    (0..count).map(slot).collect()
}

/// All of a case's front but its edges.
fn case_window(load: &Load, board: &Rectangle) -> Rectangle {
    let edge = 6.0;
    Rectangle {
        at: [board.at[0] + edge, PLATE + edge / 2.0],
        size: [board.size[0] - 2.0 * edge, load.board.above_mm - 2.0 * edge],
    }
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
