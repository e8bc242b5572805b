//! What trays carry, as plain boxes: enough to see where it goes.

use super::raster::{Body, Colour};
use crate::connector::{OVERHANG, socket};
use crate::design::{BOARD, PLATE};
use crate::mesh::{Mesh, Point};
use crate::placement::Placement;
use crate::rectangle::Rectangle;
use crate::ssd;
use crate::tray::Tray;

const GREEN: Colour = [70, 150, 90];
const METAL: Colour = [205, 210, 215];
const DARK: Colour = [90, 95, 105];

/// The board, its connectors and the disk of a tray, where the tray is.
pub fn contents(tray: &Tray, place: &Placement) -> Vec<Body> {
    let at = |(mesh, colour): (Mesh, Colour)| Body {
        mesh: place.of_mesh(&mesh),
        colour,
    };
    boxes(tray).into_iter().map(at).collect()
}

fn boxes(tray: &Tray) -> Vec<(Mesh, Colour)> {
    let mut boxes = if tray.load.is_case() {
        vec![(upon(&tray.board, PLATE, tray.load.board.above_mm), DARK)]
    } else {
        board(tray)
    };
    if let Some(disk) = &tray.ssd {
        boxes.push((upon(disk, PLATE, ssd::HEIGHT), DARK));
    }
    boxes
}

fn board(tray: &Tray) -> Vec<(Mesh, Colour)> {
    let top = tray.load.board_top();
    let mut boxes = vec![(upon(&tray.board, top - BOARD, BOARD), GREEN)];
    let front = tray.load.front();
    for connector in &tray.load.board.connectors {
        let (true, Some(at), Some(socket)) = (
            connector.side == front,
            connector.at_mm,
            socket(connector.kind),
        ) else {
            continue;
        };
        let middle = tray.board.at[0] + tray.load.along_front(at);
        let y = tray.board.at[1] - OVERHANG;
        let low = [middle - socket.width / 2.0, y, top];
        boxes.push((
            Mesh::cuboid(low, [low[0] + socket.width, y + 18.0, top + socket.height]),
            METAL,
        ));
    }
    boxes.push((hat(tray, top), GREEN));
    boxes
}

/// A HAT, behind the connectors.
fn hat(tray: &Tray, top: f64) -> Mesh {
    let [x, y] = tray.board.at;
    let [right, end] = tray.board.end();
    Mesh::cuboid([x, y + 22.0, top + 12.0], [right, end, top + 12.0 + BOARD])
}

fn upon(place: &Rectangle, z: f64, height: f64) -> Mesh {
    let ([x, y], [right, end]) = (place.at, place.end());
    let low: Point = [x, y, z];
    Mesh::cuboid(low, [right, end, z + height])
}
