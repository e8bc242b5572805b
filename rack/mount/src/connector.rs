//! How large connectors are. Lengths are millimetres.

use rack_model::models::ConnectorKind;

use crate::rectangle::Rectangle;

/// Width and height of a connector on its board.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Socket {
    /// Along the edge.
    pub width: f64,
    /// Above the board.
    pub height: f64,
}

/// How far connectors stand over the edge of a Pi-sized board: 2.8 mm on the drawings of Pi 4 and 5.
pub const OVERHANG: f64 = 2.8;

/// The socket of a kind; none of those that need no opening, since nothing is plugged in while the tray is in.
///
/// RJ45 with magnetics and two stacked USB A are those of the Raspberry Pi's drawings; the supply's socket is the
/// larger of USB-C and a barrel of 5.5 mm.
pub fn socket(kind: ConnectorKind) -> Option<Socket> {
    match kind {
        ConnectorKind::Ethernet => Some(Socket {
            width: 16.0,
            height: 13.5,
        }),
        ConnectorKind::Usb => Some(Socket {
            width: 13.2,
            height: 16.0,
        }),
        ConnectorKind::Power => Some(Socket {
            width: 9.0,
            height: 11.0,
        }),
        ConnectorKind::Card => None,
    }
}

/// How far the connectors of a board in that place reach into the face, from its back.
pub fn connector_reach(board: &Rectangle) -> f64 {
    OVERHANG - board.at[1]
}
