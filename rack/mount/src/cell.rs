//! A bay as a part of the frame: how large the smallest is that takes every node, and how bays make up segments.

use rack_model::{Printer, Rack, RackUnits};

use crate::design::{FLOOR_LEAST, FLOOR_MOST, GUIDE, JOINT_WALL, PLAY, RAIL_GAP, TONGUE, WALL};
use crate::eia310::{OPENING, panel_height};
use crate::load::Load;
use crate::refusal::LayoutError;

/// How trays are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// On the floor, side by side.
    Lying,
    /// On edge, between floor and ceiling.
    Standing,
}

/// What a bay takes of the frame.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// How its tray is held.
    pub posture: Posture,
    /// Across the tray.
    pub width: f64,
    /// From below the tray's plate.
    pub height: f64,
    /// Thickness of floor and ceiling.
    pub floor: f64,
}

impl Cell {
    /// The smallest that takes every load.
    pub fn new(rack: &Rack, loads: &[Load]) -> Result<Self, LayoutError> {
        let units = u8::from(rack.mount.units);
        let panel = panel_height(units);
        if loads.is_empty() {
            return Err(LayoutError::NoNodes);
        }
        let most = |of: fn(&Load) -> f64| loads.iter().map(of).fold(0.0, f64::max);
        let width = most(Load::width) + 2.0 * PLAY;
        let needed = most(Load::height);
        if rack.mount.units == RackUnits::Two && width + 2.0 * FLOOR_LEAST <= panel {
            return Ok(Self {
                posture: Posture::Standing,
                width,
                height: needed,
                floor: (panel - width) / 2.0,
            });
        }
        if needed > panel - 2.0 * FLOOR_LEAST {
            return Err(too_tall(rack, loads, needed));
        }
        let floor = ((panel - needed) / 2.0).min(FLOOR_MOST);
        Ok(Self {
            posture: Posture::Lying,
            width,
            height: panel - 2.0 * floor,
            floor,
        })
    }

    /// From one bay to the next.
    pub fn pitch(&self) -> f64 {
        match self.posture {
            Posture::Lying => self.width + WALL,
            Posture::Standing => self.height + GUIDE,
        }
    }

    /// Width of a segment with that many bays, without its tongue.
    pub fn segment(&self, bays: usize) -> f64 {
        let between = match self.posture {
            Posture::Lying => WALL,
            Posture::Standing => 0.0,
        };
        2.0 * JOINT_WALL + bays as f64 * self.pitch() - between
    }

    /// Width of all segments.
    pub fn body(&self, bays: usize, segments: usize) -> f64 {
        // Widths are linear in the bays, so the segments may be taken for equal ones.
        segments as f64 * self.segment(0) + (self.segment(bays) - self.segment(0))
    }

    /// Gives standing trays what is left of the opening: room for taller boards, and for air.
    pub fn widened(self, counts: &[usize], bed: Bed) -> Self {
        let bays: usize = counts.iter().sum();
        let each = (body_most() - self.body(bays, counts.len())) / bays as f64;
        let wider = Self {
            // Down to a tenth, so that measures stay readable.
            height: self
                .height
                .max(((self.height + each) * 10.0).floor() / 10.0),
            ..self
        };
        let fits = counts.iter().all(|bays| bed.takes(wider.segment(*bays)));
        if self.posture == Posture::Standing && fits {
            wider
        } else {
            self
        }
    }
}

/// Where segments are printed, front down.
#[derive(Debug, Clone, Copy)]
pub struct Bed {
    printer: Printer,
    height: f64,
}

impl Bed {
    /// The printer of a rack.
    pub fn new(rack: &Rack) -> Self {
        Self {
            printer: rack.mount.printer,
            height: panel_height(rack.mount.units.into()),
        }
    }

    /// Whether a segment of that width can be printed, turned or not.
    fn takes(self, segment: f64) -> bool {
        let (width, Printer { x_mm, y_mm }) = (segment + TONGUE, self.printer);
        let fits = |x: f64, y: f64| width <= x && self.height <= y;
        fits(x_mm, y_mm) || fits(y_mm, x_mm)
    }
}

/// What the machine's arithmetic may be off by.
const ROUNDING: f64 = 1e-6;

/// The ears' walls are within the opening too.
fn body_most() -> f64 {
    OPENING - 2.0 * (RAIL_GAP + JOINT_WALL)
}

/// How many bays each segment has: as few segments as the bed allows, and as many bays as are wished for or fit.
pub fn divide(cell: &Cell, wished: usize, bed: Bed) -> Result<Vec<usize>, LayoutError> {
    let most = (1..=wished)
        .rev()
        .find(|bays| bed.takes(cell.segment(*bays)));
    let most = most.ok_or(LayoutError::PrinterTooSmall {
        width: cell.segment(1) + TONGUE,
        height: bed.height,
        x: bed.printer.x_mm,
        y: bed.printer.y_mm,
    })?;
    let fits = |bays: &usize| cell.body(*bays, bays.div_ceil(most)) <= body_most() + ROUNDING;
    // One bay is narrower than the opening if the bed takes it: beds are not that large.
    let bays = (1..=wished).rev().find(fits).unwrap_or(1);
    let segments = bays.div_ceil(most);
    Ok((0..segments).map(|it| (bays + it) / segments).collect())
}

fn too_tall(rack: &Rack, loads: &[Load], needed: f64) -> LayoutError {
    let tallest = loads.iter().position(|load| load.height() >= needed);
    let units = u8::from(rack.mount.units);
    LayoutError::TooTall {
        node: rack.nodes[tallest.expect("one of them is")]
            .name
            .to_string(),
        needed,
        least: panel_height(units) - 2.0 * FLOOR_LEAST,
        units,
        advice: match rack.mount.units {
            RackUnits::One => "write units = 2 in [mount]",
            RackUnits::Two => "no mount that this makes takes it",
        },
    }
}
