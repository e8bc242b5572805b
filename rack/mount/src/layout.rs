//! Where everything is in the mount: bays, the segments of the frame that hold them, and how they are joined.
//!
//! All bays of a mount are alike, made for the largest of its nodes, so that any tray goes into any bay.
//! Lengths are millimetres; x is counted from the middle of the mount, to the right.

use rack_model::{Node, Printer, Rack};

use crate::cell::{Bed, Cell, Posture, divide};
use crate::design::{FACE_GAP, GUIDE, JOINT_WALL, LABEL_PLAY, MARGIN, OVERLAP, PLAY, THUMB_HEAD};
use crate::eia310::{PANEL, panel_height};
use crate::face;
use crate::load::Load;
use crate::refusal::LayoutError;
use crate::tray::Tray;

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
        face::screws(self.tray_width(), self.bay_height)
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
