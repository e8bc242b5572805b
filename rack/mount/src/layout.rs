//! Where everything is in the mount: bays, the segments of the frame that hold them, and how they are joined.
//!
//! All bays of a mount are alike, made for the largest of its nodes, so that any tray goes into any bay.
//! Lengths are millimetres; x is counted from the middle of the mount, to the right.

use rack_model::{Node, Printer, Rack, RackUnits};

use crate::design::{
    FACE_GAP, FLOOR_LEAST, FLOOR_MOST, GUIDE, JOINT_WALL, LABEL_PLAY, MARGIN, OVERLAP, PLAY,
    RAIL_GAP, THUMB_HEAD, TONGUE, WALL,
};
use crate::eia310::{OPENING, PANEL, panel_height};
use crate::tray::{self, Load, Tray};

/// How trays are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// On the floor, side by side.
    Lying,
    /// On edge, between floor and ceiling.
    Standing,
}

/// A bay.
#[derive(Debug, Clone, PartialEq)]
pub struct Bay {
    /// Its slot, counted from 1 at the left.
    pub slot: u8,
    /// Its left edge.
    pub x: f64,
    /// The name of its node and the node's tray, as an index of [`Layout::trays`]; none when it is empty.
    pub node: Option<(String, usize)>,
}

/// A piece of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first bay, as an index of [`Layout::bays`].
    pub first: usize,
    /// How many it has.
    pub bays: usize,
}

/// The mount.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Its height in rack units.
    pub units: u8,
    /// What prints it.
    pub printer: Printer,
    /// How its trays are held.
    pub posture: Posture,
    /// Width of a bay, as its tray sees it.
    pub bay_width: f64,
    /// Height of a bay, as its tray sees it.
    pub bay_height: f64,
    /// Thickness of floor and ceiling.
    pub floor: f64,
    /// Width of all segments together.
    pub body: f64,
    /// The kinds of trays.
    pub trays: Vec<Tray>,
    /// Its bays, from the left.
    pub bays: Vec<Bay>,
    /// The pieces of its frame, from the left.
    pub segments: Vec<Segment>,
}

/// Why there is no mount for a rack.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// There is nothing to carry.
    #[error("rack.toml has no [[node]], so the mount has nothing to carry; add one")]
    NoNodes,
    /// A node is too tall.
    #[error(
        "the tray of {node} needs {needed:.1} mm, and a mount of {units}U has {least:.1} mm between floor and \
         ceiling; {advice}"
    )]
    TooTall {
        /// The node.
        node: String,
        /// The height that its bay would need.
        needed: f64,
        /// The height that there is.
        least: f64,
        /// The mount's height.
        units: u8,
        /// What to do.
        advice: &'static str,
    },
    /// No segment with a single bay can be printed.
    #[error(
        "one bay of the frame is {width:.1} mm × {height:.1} mm, and the printer takes {x} mm × {y} mm; print it on \
         a larger one and write its size in [mount] printer"
    )]
    PrinterTooSmall {
        /// Width of a segment with one bay.
        width: f64,
        /// Its height.
        height: f64,
        /// The bed's width.
        x: f64,
        /// The bed's depth.
        y: f64,
    },
    /// There are more slots in use than bays.
    #[error(
        "{node} is in slot {slot}, and a mount of {units}U with trays of {width:.1} mm has {bays}; give it a slot \
         from 1 to {bays}, or put it into a rack of its own"
    )]
    NoBay {
        /// The node.
        node: String,
        /// Its slot.
        slot: u8,
        /// The mount's height.
        units: u8,
        /// Width of a tray.
        width: f64,
        /// How many bays there are.
        bays: usize,
    },
}

/// What a bay takes of the frame.
#[derive(Debug, Clone, Copy)]
struct Cell {
    posture: Posture,
    width: f64,
    height: f64,
    floor: f64,
}

impl Layout {
    /// The mount for a rack.
    pub fn new(rack: &Rack) -> Result<Self, LayoutError> {
        let units = u8::from(rack.mount.units);
        let loads: Vec<Load> = rack.nodes.iter().map(load).collect();
        let smallest = Cell::new(rack, &loads)?;
        let bed = Bed::new(rack);
        let counts = divide(&smallest, usize::from(rack.mount.units.slots()), bed)?;
        let bays: usize = counts.iter().sum();
        let cell = smallest.widened(&counts, bed);
        let kinds = kinds(&loads);
        let mut layout = Self {
            units,
            printer: rack.mount.printer,
            posture: cell.posture,
            bay_width: cell.width,
            bay_height: cell.height,
            floor: cell.floor,
            body: cell.body(bays, counts.len()),
            trays: kinds
                .iter()
                .map(|load| Tray::new(*load, cell.width, cell.height))
                .collect(),
            bays: Vec::new(),
            segments: segments(&counts),
        };
        layout.place_bays(&cell);
        for (node, load) in rack.nodes.iter().zip(&loads) {
            let kind = kinds
                .iter()
                .position(|kind| kind == load)
                .expect("kinds are those of loads");
            layout.place_node(node.name.to_string(), node.slot, kind)?;
        }
        Ok(layout)
    }

    /// Height of the panel.
    pub fn height(&self) -> f64 {
        panel_height(self.units)
    }

    /// From one bay's left edge to the next one's in the same segment.
    pub fn pitch(&self) -> f64 {
        self.cell().pitch()
    }

    /// Width of a segment with that many bays, without its tongue.
    pub fn segment_width(&self, bays: usize) -> f64 {
        self.cell().segment(bays)
    }

    /// Width of an ear, from the body to the panel's edge.
    pub fn ear_width(&self) -> f64 {
        (PANEL - self.body) / 2.0
    }

    /// Left edge of a segment.
    pub fn segment_x(&self, index: usize) -> f64 {
        let before: f64 = self.segments[..index]
            .iter()
            .map(|it| self.segment_width(it.bays))
            .sum();
        before - self.body / 2.0
    }

    /// Height of a face: it covers what is between its bay and the next.
    pub fn face_height(&self) -> f64 {
        self.bay_height + GUIDE - FACE_GAP
    }

    /// Width of a tray's plate.
    pub fn tray_width(&self) -> f64 {
        self.bay_width - 2.0 * PLAY
    }

    /// Middles of the screws of a face, x and z.
    pub fn screws(&self) -> Vec<[f64; 2]> {
        tray::screws(self.tray_width(), self.bay_height)
    }

    /// Where the channel of a label begins: beside the head of the screw if it is that high, else at the edge.
    pub fn label_x(&self) -> f64 {
        match self.screws().as_slice() {
            [[x, _]] => x + THUMB_HEAD / 2.0 + 2.0 * MARGIN,
            _ => 2.0 * MARGIN,
        }
    }

    /// Length of a label: its channel is open at the far end of the face.
    pub fn label_length(&self) -> f64 {
        let end = self.tray_width() + PLAY + OVERLAP;
        end - self.label_x() - LABEL_PLAY
    }

    fn cell(&self) -> Cell {
        Cell {
            posture: self.posture,
            width: self.bay_width,
            height: self.bay_height,
            floor: self.floor,
        }
    }

    fn place_bays(&mut self, cell: &Cell) {
        for (index, segment) in self.segments.iter().enumerate() {
            let left = self.segment_x(index) + JOINT_WALL;
            for bay in 0..segment.bays {
                self.bays.push(Bay {
                    slot: self.bays.len() as u8 + 1,
                    x: left + bay as f64 * cell.pitch(),
                    node: None,
                });
            }
        }
    }

    fn place_node(&mut self, name: String, slot: u8, kind: usize) -> Result<(), LayoutError> {
        let bays = self.bays.len();
        match self.bays.iter_mut().find(|bay| bay.slot == slot) {
            Some(bay) => {
                bay.node = Some((name, kind));
                Ok(())
            }
            None => Err(LayoutError::NoBay {
                node: name,
                slot,
                units: self.units,
                width: self.bay_width - 2.0 * PLAY,
                bays,
            }),
        }
    }
}

impl Cell {
    /// The smallest that takes every load.
    fn new(rack: &Rack, loads: &[Load]) -> Result<Self, LayoutError> {
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

    fn pitch(&self) -> f64 {
        match self.posture {
            Posture::Lying => self.width + WALL,
            Posture::Standing => self.height + GUIDE,
        }
    }

    fn segment(&self, bays: usize) -> f64 {
        let between = match self.posture {
            Posture::Lying => WALL,
            Posture::Standing => 0.0,
        };
        2.0 * JOINT_WALL + bays as f64 * self.pitch() - between
    }

    fn body(&self, bays: usize, segments: usize) -> f64 {
        // Widths are linear in the bays, so the segments may be taken for equal ones.
        segments as f64 * self.segment(0) + (self.segment(bays) - self.segment(0))
    }

    /// Gives standing trays what is left of the opening: room for taller boards, and for air.
    fn widened(self, counts: &[usize], bed: Bed) -> Self {
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
struct Bed {
    printer: Printer,
    height: f64,
}

impl Bed {
    fn new(rack: &Rack) -> Self {
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
fn divide(cell: &Cell, wished: usize, bed: Bed) -> Result<Vec<usize>, LayoutError> {
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

fn load(node: &Node) -> Load {
    let board = node.model.board();
    let mut disks = node.disks.iter();
    Load {
        name: &node.model.board,
        board,
        // A case has its disks inside.
        ssd: !board.holes_mm.is_empty() && disks.any(|disk| disk.model.name == SATA_SSD),
    }
}

/// The disk that is 2.5 inches wide; others are on their boards.
const SATA_SSD: &str = "sata-ssd";

/// Each once.
fn kinds(loads: &[Load]) -> Vec<Load> {
    let mut kinds: Vec<Load> = Vec::new();
    for load in loads {
        if !kinds.contains(load) {
            kinds.push(*load);
        }
    }
    kinds
}

fn segments(counts: &[usize]) -> Vec<Segment> {
    let mut first = 0;
    let segment = |bays: &usize| {
        let segment = Segment { first, bays: *bays };
        first += bays;
        segment
    };
    counts.iter().map(segment).collect()
}
