//! What a node needs of its tray. Lengths are millimetres.

use rack_model::models::{Board, Connector, ConnectorKind, Side};

use crate::connector::socket;
use crate::design::{
    BELOW_CHANNEL, BLOCK, BOARD, CABLES, CONNECTOR_PLAY, FACE_GAP, GRIP, GUIDE, HEADROOM,
    LABEL_HEIGHT, MARGIN, PLATE, STANDOFF,
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
        let face = self.sockets_top() + BELOW_CHANNEL + LABEL_HEIGHT + FACE_GAP - GUIDE;
        face.max(self.top() + HEADROOM)
    }

    /// The upper edge of the openings for connectors.
    pub fn sockets_top(&self) -> f64 {
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
    pub fn front(&self) -> Side {
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
    pub fn cables_pass(&self) -> bool {
        let aside = |connector: &Connector| {
            connector.kind == ConnectorKind::Power && connector.side != self.front()
        };
        !self.is_case() && (self.ssd || self.board.connectors.iter().any(aside))
    }

    /// The board's extent across the tray and along it.
    pub fn board_size(&self) -> [f64; 2] {
        let (length, width) = (self.board.length_mm, self.board.width_mm);
        match self.front() {
            Side::Left | Side::Right => [width, length],
            Side::Front | Side::Back => [length, width],
        }
    }

    /// Where a point of the board is, from the corner of its place on the plate.
    pub fn turned(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (length, width) = (self.board.length_mm, self.board.width_mm);
        match self.front() {
            Side::Right => [y, length - x],
            Side::Left => [width - y, x],
            Side::Front => [x, y],
            Side::Back => [length - x, width - y],
        }
    }

    /// Where along the face a point of the front edge is, from the corner of the board's place.
    pub fn along_front(&self, at: f64) -> f64 {
        match self.front() {
            Side::Right | Side::Front => at,
            Side::Left | Side::Back => self.board_size()[0] - at,
        }
    }
}
