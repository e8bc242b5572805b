//! What is printed.

use crate::design::{
    BLANK_DEPTH, FACE, FRAME_DEPTH, LABEL, LABEL_BASE, OVERLAP, PLAY, RAISED, TEXT_ADVANCE, TONGUE,
};
use crate::layout::Layout;
use crate::tray::Tray;

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A piece of the frame with that many bays.
    Segment {
        /// How many.
        bays: usize,
    },
    /// The ear at the left, seen from the front.
    LeftEar,
    /// The ear at the right.
    RightEar,
    /// A node's tray.
    Tray {
        /// Which, as an index of [`Layout::trays`].
        kind: usize,
    },
    /// What closes an empty bay.
    Blank,
    /// A node's name.
    Label {
        /// The name.
        name: String,
    },
}

/// A part to print.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub shape: Shape,
    /// What its file is called, without `.stl`.
    pub name: String,
    /// How often it is printed.
    pub count: usize,
    /// Its extent as it is printed: along the bed's x and y, and up.
    pub size: [f64; 3],
}

/// Why a part cannot be printed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PartError {
    /// The bed is too small.
    #[error(
        "{name} is {x:.1} mm × {y:.1} mm, and the printer takes {bed_x} mm × {bed_y} mm; print it on a larger one \
         and write its size in [mount] printer"
    )]
    BedTooSmall {
        /// The part.
        name: String,
        /// Its width.
        x: f64,
        /// Its depth.
        y: f64,
        /// The bed's width.
        bed_x: f64,
        /// The bed's depth.
        bed_y: f64,
    },
    /// A label would not be legible.
    #[error(
        "the name {name} is too long for a label of {length:.1} mm; it can have {most} characters"
    )]
    NameTooLong {
        /// The name.
        name: String,
        /// What there is for it.
        length: f64,
        /// How many characters fit.
        most: usize,
    },
}

/// Every part of a mount, each once with its count.
pub fn parts(layout: &Layout) -> Result<Vec<Part>, PartError> {
    let mut parts = segments(layout);
    parts.push(ear(layout, Shape::LeftEar, "ear-left", TONGUE));
    parts.push(ear(layout, Shape::RightEar, "ear-right", 0.0));
    parts.extend(
        layout
            .trays
            .iter()
            .enumerate()
            .map(|(kind, it)| tray(layout, kind, it)),
    );
    parts.extend(blank(layout));
    for bay in &layout.bays {
        if let Some((name, _)) = &bay.node {
            parts.push(label(layout, name)?);
        }
    }
    match parts.iter().find(|part| !fits(layout, part)) {
        None => Ok(parts),
        Some(part) => Err(PartError::BedTooSmall {
            name: part.name.clone(),
            x: part.size[0],
            y: part.size[1],
            bed_x: layout.printer.x_mm,
            bed_y: layout.printer.y_mm,
        }),
    }
}

/// Whether the bed takes it, turned or not.
fn fits(layout: &Layout, part: &Part) -> bool {
    let ([x, y, _], bed) = (part.size, layout.printer);
    (x <= bed.x_mm && y <= bed.y_mm) || (y <= bed.x_mm && x <= bed.y_mm)
}

fn segments(layout: &Layout) -> Vec<Part> {
    let mut sizes: Vec<usize> = layout.segments.iter().map(|segment| segment.bays).collect();
    sizes.sort_unstable();
    let all = sizes.clone();
    sizes.dedup();
    let part = |bays: usize| Part {
        shape: Shape::Segment { bays },
        name: format!("segment-{bays}"),
        count: all.iter().filter(|it| **it == bays).count(),
        size: [
            layout.segment_width(bays) + TONGUE,
            layout.height(),
            FRAME_DEPTH,
        ],
    };
    sizes.into_iter().map(part).collect()
}

fn ear(layout: &Layout, shape: Shape, name: &str, tongue: f64) -> Part {
    Part {
        shape,
        name: name.to_owned(),
        count: 1,
        size: [layout.ear_width() + tongue, layout.height(), FRAME_DEPTH],
    }
}

fn face_width(layout: &Layout) -> f64 {
    layout.tray_width() + 2.0 * (OVERLAP + PLAY)
}

fn tray(layout: &Layout, kind: usize, tray: &Tray) -> Part {
    let is_it = |node: &Option<(String, usize)>| matches!(node, Some((_, it)) if *it == kind);
    Part {
        shape: Shape::Tray { kind },
        name: tray.name(),
        count: layout.bays.iter().filter(|bay| is_it(&bay.node)).count(),
        size: [face_width(layout), tray.depth + FACE, layout.face_height()],
    }
}

fn blank(layout: &Layout) -> Option<Part> {
    let count = layout.bays.iter().filter(|bay| bay.node.is_none()).count();
    (count > 0).then(|| Part {
        shape: Shape::Blank,
        name: "blank".to_owned(),
        count,
        size: [face_width(layout), BLANK_DEPTH + FACE, layout.face_height()],
    })
}

fn label(layout: &Layout, name: &str) -> Result<Part, PartError> {
    let length = layout.label_length();
    let fits = |count: &u8| f64::from(*count) * LEGIBLE * TEXT_ADVANCE <= length;
    let most = (1..=u8::MAX).take_while(fits).count();
    if name.len() > most {
        return Err(PartError::NameTooLong {
            name: name.to_owned(),
            length,
            most,
        });
    }
    Ok(Part {
        shape: Shape::Label {
            name: name.to_owned(),
        },
        name: format!("label-{name}"),
        count: 1,
        size: [length, LABEL_BASE, LABEL + RAISED],
    })
}

/// The least height of capitals that a nozzle of 0.4 mm prints legibly.
const LEGIBLE: f64 = 2.0;
