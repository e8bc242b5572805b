//! Where printed parts are in the mount.
//!
//! x goes to the right from the middle, y back from the front of the frame, z up from the panel's lower edge.

use crate::cell::Posture;
use crate::design::{ABOVE_LABEL, FACE, GUIDE, LABEL, LABEL_BASE, LABEL_PLAY, PLAY};
use crate::layout::{Bay, Layout};
use crate::mesh::{Mesh, Point, dot};
use crate::part::{Part, Shape};

/// A rotation, and then a shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    rows: [Point; 3],
    shift: Point,
}

/// How far parts are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apart {
    /// Neighbours of the frame from each other.
    pub joints: f64,
    /// Trays from the front of the frame.
    pub trays: f64,
    /// Labels from their trays.
    pub labels: f64,
}

impl Apart {
    /// Put together; what touches is kept apart by a hair, so that it has nothing in common.
    pub const TOUCHING: Self = Self {
        joints: 0.02,
        trays: 0.02,
        labels: 0.0,
    };
}

/// A part in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Which, as an index of the list of parts.
    pub part: usize,
    /// Where.
    pub placement: Placement,
    /// The bay that it is in, as an index of [`Layout::bays`]; none of the frame.
    pub bay: Option<usize>,
}

impl Placement {
    const fn turned(rows: [Point; 3]) -> Self {
        Self {
            rows,
            shift: [0.0; 3],
        }
    }

    /// The frame and its ears are printed front down.
    const UPRIGHT: Self = Self::turned([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    const LYING: Self = Self::turned([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    const STANDING: Self = Self::turned([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]);
    /// Labels are printed with their text up.
    const FACING: Self = Self::turned([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]);

    fn shifted(self, by: Point) -> Self {
        let shift = std::array::from_fn(|axis| self.shift[axis] + by[axis]);
        Self { shift, ..self }
    }

    /// First this, then the other.
    fn then(&self, next: &Self) -> Self {
        let column = |axis: usize| self.rows.map(|row| row[axis]);
        let rows = next
            .rows
            .map(|row| std::array::from_fn(|axis| dot(&row, &column(axis))));
        Self {
            rows,
            shift: next.of(&self.shift),
        }
    }

    /// Where a point comes to be.
    pub fn of(&self, point: &Point) -> Point {
        std::array::from_fn(|axis| dot(&self.rows[axis], point) + self.shift[axis])
    }

    /// Where a body comes to be.
    pub fn of_mesh(&self, mesh: &Mesh) -> Mesh {
        let triangles = mesh.triangles().iter();
        Mesh::new(
            triangles
                .map(|triangle| triangle.map(|point| self.of(&point)))
                .collect(),
        )
    }

    /// As OpenSCAD writes it.
    pub fn matrix(&self) -> String {
        let row = |axis: usize| {
            let [x, y, z] = self.rows[axis];
            format!("[{x},{y},{z},{:.4}]", self.shift[axis])
        };
        format!("[{},{},{},[0,0,0,1]]", row(0), row(1), row(2))
    }
}

/// Every part in its place, as often as it is printed.
pub fn placed(layout: &Layout, parts: &[Part], apart: Apart) -> Vec<Placed> {
    let frame = frame(layout, apart)
        .into_iter()
        .map(|(shape, placement)| Placed {
            part: index(parts, &shape),
            placement,
            bay: None,
        });
    let in_bay = |(index_of_bay, bay): (usize, &Bay)| {
        let tray = tray(layout, index_of_bay, apart);
        let contents = match &bay.node {
            None => vec![(Shape::Blank, tray)],
            Some((name, kind)) => vec![
                (Shape::Tray { kind: *kind }, tray),
                (
                    Shape::Label { name: name.clone() },
                    label(layout, apart).then(&tray),
                ),
            ],
        };
        let place = move |(shape, placement)| (index_of_bay, shape, placement);
        contents.into_iter().map(place)
    };
    let bays = layout.bays.iter().enumerate().flat_map(in_bay);
    let bays = bays.map(|(bay, shape, placement)| Placed {
        part: index(parts, &shape),
        placement,
        bay: Some(bay),
    });
    frame.chain(bays).collect()
}

fn index(parts: &[Part], shape: &Shape) -> usize {
    let found = parts.iter().position(|part| part.shape == *shape);
    found.expect("the parts are all that the layout has")
}

fn frame(layout: &Layout, apart: Apart) -> Vec<(Shape, Placement)> {
    let at = |x: f64| Placement::UPRIGHT.shifted([x, 0.0, 0.0]);
    let joints = layout.segments.len() as f64 + 1.0;
    let edge = layout.body / 2.0 + apart.joints * joints / 2.0;
    let segments = layout.segments.iter().enumerate();
    let segments = segments.map(|(index, segment)| {
        let x = layout.segment_x(index) + spread(layout, index, apart);
        (Shape::Segment { bays: segment.bays }, at(x))
    });
    let ears = [(Shape::LeftEar, at(-edge)), (Shape::RightEar, at(edge))];
    segments.chain(ears).collect()
}

/// How far a segment is moved from the middle.
fn spread(layout: &Layout, segment: usize, apart: Apart) -> f64 {
    (segment as f64 - (layout.segments.len() - 1) as f64 / 2.0) * apart.joints
}

/// Where a tray's coordinates are.
pub fn tray(layout: &Layout, bay: usize, apart: Apart) -> Placement {
    let is_in =
        |segment: &&crate::Segment| (segment.first..segment.first + segment.bays).contains(&bay);
    let segment = layout
        .segments
        .iter()
        .position(|segment| is_in(&segment))
        .expect("bays are in segments");
    let x = layout.bays[bay].x + spread(layout, segment, apart);
    let y = -apart.trays;
    match layout.posture {
        Posture::Lying => Placement::LYING.shifted([x + PLAY, y, layout.floor + PLAY / 2.0]),
        Posture::Standing => {
            let top = layout.floor + layout.bay_width - PLAY;
            Placement::STANDING.shifted([x + GUIDE + PLAY / 2.0, y, top])
        }
    }
}

/// Where a label is in its tray.
fn label(layout: &Layout, apart: Apart) -> Placement {
    let middle = layout.face_height() - ABOVE_LABEL - LABEL_BASE / 2.0;
    Placement::FACING.shifted([
        layout.label_x() + LABEL_PLAY,
        LABEL - FACE - apart.labels,
        middle,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Placement; 4] = [
        Placement::UPRIGHT,
        Placement::LYING,
        Placement::STANDING,
        Placement::FACING,
    ];

    #[test]
    fn nothing_is_mirrored() {
        for placement in ALL {
            let body = Mesh::cuboid([1.0; 3], [2.0, 3.0, 4.0]);
            assert!((placement.of_mesh(&body).volume() - body.volume()).abs() < 1e-9);
        }
    }

    #[test]
    fn one_placement_comes_after_the_other() {
        let (first, second) = (
            Placement::FACING.shifted([1.0, 2.0, 3.0]),
            Placement::STANDING,
        );
        let point = [5.0, 7.0, 11.0];
        let (at_once, in_turn) = (first.then(&second).of(&point), second.of(&first.of(&point)));
        assert!(
            at_once
                .iter()
                .zip(in_turn)
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
    }
}
